/* SPDX-License-Identifier: Apache-2.0
 *
 * The windows of signal processing by SciPy's names, as far as they need no parameters.
 */
#ifndef IB_INITIALIZERS_WINDOW_H
#define IB_INITIALIZERS_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

ib_status ib__window_check(const char *name, const char *where, ib_error *err);
/* Fills out[0 .. n-1] with a known window. periodic: the first n of n + 1 values ("hann_periodic" and
 * "hann_symmetric" say it themselves). */
void ib__window(double *out, size_t n, const char *name, bool periodic);

#endif
