/* SPDX-License-Identifier: Apache-2.0
 *
 * Scans in plans. The samples are cut in parts, one a thread; each part runs all steps over its samples on
 * its own copy of the body, with no wait between steps. Samples do not meet in a body, so the cut changes no
 * bit.
 */
#ifndef IB_GRAPH_SCAN_PLAN_H
#define IB_GRAPH_SCAN_PLAN_H

#include "graph/plan.h"

/* A part's copy of the body: samples [first, first + samples). */
typedef struct ib_body {
    size_t first, samples, rows; /* rows: of each sample */
    ib_graph *g;
    ib_pool *pool; /* of one thread */
    ib_plan *plan;
    ib_node *carry_in, *carry_next; /* one a carry */
    ib_node *x, *y;                 /* one a slice; y: IB_NO_NODE where nobody wants it */
    ib_binding *x_bound, *y_bound;  /* of the same, to read and write stacks in place */
} ib_body;

struct ib_scan_step {
    const ib_scan *scan;
    ib_body *bodies;
    size_t n_bodies;
};

ib_status ib__body_extract(ib_body *body, const ib_plan *plan, const ib_scan *scan, ib_error *err);

/* Made after memory is planned; steps of kind IB_STEP_SCAN then have their bodies. */
ib_status ib__scan_steps_make(ib_plan *plan, ib_error *err);
void ib__scan_steps_free(ib_plan *plan);
void ib__scan_step_run(const ib_plan *plan, const ib_scan_step *step, size_t part);
/* How many parts a scan is cut in. */
size_t ib__scan_parts(const ib_plan *plan, const ib_scan *scan);
/* Does nobody but scans, step by step, read the stack? */
bool ib__scans_alone_read(const ib_plan *plan, ib_node stack);

#endif
