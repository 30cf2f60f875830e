/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to whoever called.
 */
#include "run/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void ib__say(const ib_options *options, const char *format, ...) {
    char text[2048];
    if (options == NULL || options->text == NULL) return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    options->text(options->context, text);
}

double ib__bits_value(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}
