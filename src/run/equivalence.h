/* SPDX-License-Identifier: Apache-2.0
 *
 * Equivalence of a metric in two groups of runs: two one-sided t tests (D. J. Schuirmann, Journal of
 * Pharmacokinetics and Biopharmaceutics 15 (1987) 657-680) with Welch's degrees of freedom.
 */
#ifndef IB_RUN_EQUIVALENCE_H
#define IB_RUN_EQUIVALENCE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum ib_verdict { IB_EQUIVALENT, IB_DIFFERENT, IB_UNDECIDED } ib_verdict;

typedef struct ib_equivalence {
    double mean_a, mean_b, deviation_a, deviation_b; /* standard deviations of the samples */
    double difference;                               /* mean_a - mean_b */
    double low,
        high;  /* the interval for it: both tests at level alpha reject iff it lies within the margin */
    double nu; /* degrees of freedom */
    ib_verdict verdict;
} ib_equivalence;

/* na >= 2; nb >= 2, or 1: b is a number without error. alpha: of each test, so the interval has confidence
 * 1 - 2 alpha. Different: the interval lies outside of the margin. */
ib_equivalence ib__equivalence(const double *a, size_t na, const double *b, size_t nb, double margin,
                               double alpha);

#endif
