/* SPDX-License-Identifier: Apache-2.0
 *
 * The growing byte buffer. One byte more than the content is always kept, and always 0.
 */
#include "base/buf.h"

#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

locale_t ib__c_locale(void) {
    pthread_once(&c_locale_once, make_c_locale);
    return c_locale;
}

bool ib__buf_reserve(ib_buf *buf, size_t n) {
    if (buf->failed) return false;
    if (n >= SIZE_MAX - buf->length || !ib__grow(&buf->data, &buf->capacity, buf->length + n + 1, 1)) {
        buf->failed = true;
        return false;
    }
    return true;
}

bool ib__buf_add(ib_buf *buf, const void *bytes, size_t n) {
    if (!ib__buf_reserve(buf, n)) return false;
    if (n > 0) memcpy(buf->data + buf->length, bytes, n);
    buf->length += n;
    buf->data[buf->length] = '\0';
    return true;
}

bool ib__buf_text(ib_buf *buf, const char *text) {
    return ib__buf_add(buf, text, strlen(text));
}

/* The host's locale may write decimal commas: it is set aside in this thread. */
bool ib__buf_printf(ib_buf *buf, const char *format, ...) {
    va_list args;
    locale_t c = ib__c_locale(), before = c == (locale_t)0 ? c : uselocale(c);
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) buf->failed = true;
    bool good = n >= 0 && ib__buf_reserve(buf, (size_t)n);
    if (good) {
        va_start(args, format);
        vsnprintf(buf->data + buf->length, (size_t)n + 1, format, args);
        va_end(args);
        buf->length += (size_t)n;
    }
    if (before != (locale_t)0) uselocale(before);
    return good;
}

void ib__buf_free(ib_buf *buf) {
    free(buf->data);
    *buf = (ib_buf){0};
}
