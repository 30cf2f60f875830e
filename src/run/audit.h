/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit: some steps of a run, recomputed from its checkpoints.
 */
#ifndef IB_RUN_AUDIT_H
#define IB_RUN_AUDIT_H

#include "run/report.h"

/* Among `steps` steps, `looked` different ones, drawn at random, were found right. The share of bad steps
 * that with this confidence is not exceeded (0 when all were looked at). */
double ib__audit_share(size_t steps, size_t looked, double confidence);

#endif
