/* SPDX-License-Identifier: Apache-2.0
 *
 * Decimal text to double and back, independent of the locale.
 */
#include "base/value.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t digits(const char *text, size_t at, size_t length) {
    size_t n = 0;
    while (at + n < length && text[at + n] >= '0' && text[at + n] <= '9')
        n++;
    return n;
}

/* [sign] digits [. digits] [e [sign] digits], with a digit before or after the point. */
static bool is_decimal(const char *text, size_t length) {
    size_t at = length > 0 && (text[0] == '-' || text[0] == '+');
    size_t whole = digits(text, at, length), fraction = 0;
    at += whole;
    if (at < length && text[at] == '.') {
        fraction = digits(text, at + 1, length);
        at += 1 + fraction;
    }
    if (whole + fraction == 0) return false;
    if (at < length && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < length && (text[at] == '-' || text[at] == '+')) at++;
        size_t exponent = digits(text, at, length);
        if (exponent == 0) return false;
        at += exponent;
    }
    return at == length;
}

static bool parse_word(const char *text, size_t length, double *out) {
    bool minus = length > 0 && text[0] == '-';
    size_t sign = length > 0 && (minus || text[0] == '+');
    const char *word = text + sign;
    size_t n = length - sign;
    if (n == 3 && strncasecmp(word, "nan", 3) == 0)
        *out = (double)NAN;
    else if ((n == 3 && strncasecmp(word, "inf", 3) == 0) ||
             (n == 8 && strncasecmp(word, "infinity", 8) == 0))
        *out = minus ? -(double)INFINITY : (double)INFINITY;
    else
        return false;
    return true;
}

/* Clinger's short way for a text that is_decimal: when the digits are below 2^53 and the power of ten at most
 * 10^22, both are doubles, and the one multiplication or division rounds correctly. */
static bool parse_short(const char *text, size_t length, double *out) {
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (FLT_EVAL_METHOD != 0) return false; /* wider registers would round twice */
    size_t at = text[0] == '-' || text[0] == '+';
    int64_t mantissa = 0, exponent = 0;
    bool point = false;
    for (; at < length && text[at] != 'e' && text[at] != 'E'; at++) {
        if (text[at] == '.') {
            point = true;
            continue;
        }
        mantissa = mantissa * 10 + (text[at] - '0');
        if (mantissa >= (int64_t)1 << 53) return false;
        exponent -= point;
    }
    if (at < length) {
        int64_t stated;
        if (length - at > 5 || !ib__int_parse(text + at + 1, length - at - 1, &stated)) return false;
        exponent += stated;
    }
    if (exponent < -22 || exponent > 22) return false;
    double value = exponent < 0 ? (double)mantissa / powers[-exponent] : (double)mantissa * powers[exponent];
    *out = text[0] == '-' ? -value : value;
    return true;
}

/* strtod is correctly rounded in the C libraries we build on; the grammar is checked here, so it meets no
 * hexadecimal and no locale. */
bool ib__double_parse(const char *text, size_t length, double *out) {
    if (!is_decimal(text, length)) return parse_word(text, length, out);
    if (parse_short(text, length, out)) return true;
    locale_t c_locale = ib__c_locale();
    char fixed[128];
    char *copy = length < sizeof fixed ? fixed : malloc(length + 1);
    bool good = copy != NULL && c_locale != (locale_t)0;
    if (good) {
        memcpy(copy, text, length);
        copy[length] = '\0';
        *out = strtod_l(copy, NULL, c_locale);
    }
    if (copy != fixed) free(copy);
    return good;
}

bool ib__int_parse(const char *text, size_t length, int64_t *out) {
    bool minus = length > 0 && text[0] == '-';
    size_t sign = length > 0 && (minus || text[0] == '+');
    if (length == sign || digits(text, sign, length) != length - sign) return false;
    int64_t value = 0; /* counted below zero, where int64 has one number more */
    for (size_t i = sign; i < length; i++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, text[i] - '0', &value))
            return false;
    if (!minus && value == INT64_MIN) return false;
    *out = minus ? value : -value;
    return true;
}

/* A positive finite number as the `count` decimal digits nearest to it, 0.DDD * 10^*point. The decimal point
 * of the locale, whatever it is, is stepped over. */
static void nearest_digits(char *out, int *point, double value, int count) {
    char text[64];
    snprintf(text, sizeof text, "%.*e", count - 1, value);
    size_t at = 0;
    int n = 0;
    for (; text[at] != 'e'; at++)
        if (text[at] >= '0' && text[at] <= '9') out[n++] = text[at];
    out[n] = '\0';
    *point = atoi(text + at + 1) + 1;
}

static bool reads_back(const char *text, int point, double value) {
    char number[64];
    int n = snprintf(number, sizeof number, "0.%se%d", text, point);
    double back;
    return ib__double_parse(number, (size_t)n, &back) && back == value;
}

/* The next decimal of the same length. */
static void next_digits(char *text, int *point) {
    size_t i = strlen(text);
    while (i > 0 && text[i - 1] == '9')
        text[--i] = '0';
    if (i > 0) {
        text[i - 1]++;
    } else {
        text[0] = '1';
        (*point)++;
    }
}

/* The shortest digits that read back as value, the nearest of that length. At a power of two the doubles
 * below lie closer than those above, so there the nearest decimal may read back wrongly when the next one
 * above does not. */
static void shortest_digits(char *out, int *point, double value) {
    int exponent;
    bool power_of_two = frexp(value, &exponent) == 0.5;
    for (int count = 1; count < 17; count++) {
        nearest_digits(out, point, value, count);
        if (reads_back(out, *point, value)) return;
        if (!power_of_two) continue;
        next_digits(out, point);
        if (reads_back(out, *point, value)) return;
    }
    nearest_digits(out, point, value, 17);
}

/* As Python's repr: positional from 1e-4 to below 1e16, else with an exponent of two digits or more. */
void ib__double_print(char out[32], double value) {
    if (isnan(value) || isinf(value)) {
        snprintf(out, 32, "%s", isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
        return;
    }
    const char *sign = signbit(value) ? "-" : "";
    char digits17[24] = "0";
    int point = 1;
    if (value != 0) shortest_digits(digits17, &point, fabs(value));
    int n = (int)strlen(digits17);
    while (n > 1 && digits17[n - 1] == '0')
        digits17[--n] = '\0';
    char text[64] = ""; /* at most 24 of these are used */
    if (point < -3 || point > 16)
        snprintf(text, sizeof text, "%s%c%s%se%c%02d", sign, digits17[0], n > 1 ? "." : "", digits17 + 1,
                 point < 1 ? '-' : '+', abs(point - 1));
    else if (point <= 0)
        snprintf(text, sizeof text, "%s0.%.*s%s", sign, -point, "000", digits17);
    else if (n <= point)
        snprintf(text, sizeof text, "%s%s%.*s.0", sign, digits17, point - n, "0000000000000000");
    else
        snprintf(text, sizeof text, "%s%.*s.%s", sign, point, digits17, digits17 + point);
    memcpy(out, text, 32);
}
