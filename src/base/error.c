/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors and status texts.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *ib_status_text(ib_status status) {
    switch (status) {
#define X(name, value, text, exception)                                                                      \
    case name:                                                                                               \
        return text;
        IB_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

const char *ib_version(void) {
    return "0.1.0";
}

void ib__error_set(ib_error *err, ib_status code, const char *where, const char *format, ...) {
    if (!err || err->code != IB_OK) return;
    err->code = code;
    (void)snprintf(err->where, sizeof err->where, "%s", where ? where : "");
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
}

ib_status ib__fail_within(ib_error *err, ib_status fallback, const char *prefix) {
    if (!err) return fallback;
    char inner[sizeof err->where];
    memcpy(inner, err->where, sizeof inner);
    inner[sizeof inner - 1] = 0;
    (void)snprintf(err->where, sizeof err->where, "%s%s%.120s", prefix, inner[0] ? ", " : "", inner);
    return err->code;
}
