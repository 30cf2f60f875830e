/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors: one line sets and returns. The first error wins: a code already in *err is not overwritten.
 */
#ifndef IB_BASE_ERROR_H
#define IB_BASE_ERROR_H

#include "isobit.h"

#ifdef __FAST_MATH__
#error "isobit needs IEEE arithmetic: compile without -ffast-math"
#endif

/* Fills *err (may be NULL): where and the text are cut to fit. `where` may be "". */
void ib__error_set(ib_error *err, ib_status code, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Fills *err and gives code: return ib__fail(err, IB_BAD_INPUT, where, "expected %s, found %s", a, b). A
 * macro, so that whoever reads the code (the analyser too) sees that it is not IB_OK. */
#define ib__fail(err, code, ...) (ib__error_set(err, code, __VA_ARGS__), (code))

/* Out of memory, the only error that needs no words. */
static inline ib_status ib__fail_memory(ib_error *err) {
    (void)ib__fail(err, IB_NO_MEMORY, "", "out of memory");
    return IB_NO_MEMORY;
}

/* Puts "prefix" before err->where ("exp.yaml" + "fit.epochs" -> "exp.yaml, fit.epochs"); for a caller that
 * knows the file when the callee knew only the place. Returns err's code, or fallback if err is NULL. */
ib_status ib__fail_within(ib_error *err, ib_status fallback, const char *prefix);

#endif
