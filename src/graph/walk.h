/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk of gradients: from the last node to the first, outside or in the body of a scan.
 */
#ifndef IB_GRAPH_WALK_H
#define IB_GRAPH_WALK_H

#include "graph/internal.h"

/* In the body of a scan: what a node from outside is owed for every step. rule: the op whose gradient for it
 * is taken over all steps at once (a product, a convolution, a gather), or IB_NO_NODE: d itself is added up.
 */
typedef struct ib_pending {
    ib_node to, d;
    ib_node rule;
} ib_pending;

typedef struct ib_walk {
    ib_graph *g;
    size_t n;         /* nodes when the walk began; those that are added later have no entry below */
    ib_node *adjoint; /* a node's adjoint so far; IB_NO_NODE: none */
    bool *needed;     /* the node depends on something that wants a gradient */
    int region;       /* the body it walks; 0: outside */
    ib_node *slice;   /* in a body: where the backward body reads the node from, IB_NO_NODE: nowhere yet */
    ib_pending *pending;
    size_t n_pending, pending_capacity;
} ib_walk;

bool ib__walk_new(ib_walk *w, ib_graph *g, size_t n);
void ib__walk_free(ib_walk *w);
/* Adds d to the adjoint of `to`. */
void ib__walk_contribute(ib_walk *w, ib_node to, ib_node d);
/* The rule of node y, of which n is a copy, with the adjoint dy. */
void ib__walk_rule(ib_walk *w, const ib_node_data *n, ib_node y, ib_node dy);
/* a + b where both are zero outside of ranges of one axis that lie side by side, without the zeros;
 * IB_NO_NODE: they are not. */
ib_node ib__sum_of_pads(ib_graph *g, ib_node a, ib_node b);
/* After a body's walk: a pending contribution becomes ops on the stacks of both scans. */
void ib__walk_finish_pending(ib_walk *outer, const ib_pending *p, ib_scan *forward, ib_scan *backward);
/* The rule of a scan (n is a copy of its node) for the walk outside. */
void ib__scan_rule(ib_walk *outer, const ib_node_data *n);

#endif
