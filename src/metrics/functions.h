/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of metrics that stand in files of their own, and their arguments.
 */
#ifndef IB_METRICS_FUNCTIONS_H
#define IB_METRICS_FUNCTIONS_H

#include <stddef.h>

#include "metrics/internal.h"

ib_row_fn ib__divergence_score, ib__binary_score, ib__categorical_score, ib__sparse_score,
    ib__binary_focal_score, ib__categorical_focal_score;
double ib__softplus(double x); /* ln(1 + e^x) */
double ib__logistic(double x); /* 1 / (1 + e^-x) */

extern const ib_field ib__axis_field[1], ib__entropy_fields[3], ib__sparse_fields[2],
    ib__binary_focal_fields[6], ib__categorical_focal_fields[5];
ib_read_fn ib__read_ignored; /* a class number or null, into the whole metric */

#endif
