/* SPDX-License-Identifier: Apache-2.0
 *
 * What lowering is made of: buffers and their lifetimes, steps, sums of lanes.
 */
#ifndef IB_GRAPH_EMIT_H
#define IB_GRAPH_EMIT_H

#include "graph/scan_plan.h"

/* Fewer operations than that are not worth another thread. */
enum { IB__SMALL_WORK = 1 << 13 };

/* -1: no memory. data: outside memory, or NULL. */
int ib__buffer_new(ib_plan *plan, size_t words, float *data);
/* The buffer lives at this step. */
void ib__buffer_touch(ib_plan *plan, int buffer, int step);
/* The buffer of a node's words; made when first asked for. -1: no memory. */
int ib__buffer_for(ib_plan *plan, ib_node a);

/* NULL: no memory. Stays where it is until the next one. */
ib_step *ib__step_new(ib_plan *plan, ib_step_kind kind, ib_node node);
/* Sets the last step's buffers and their lifetimes. false: a buffer is missing (no memory). */
bool ib__step_buffers(ib_plan *plan, ib_step *step, int in0, int in1, int n_in, int out);
/* Parts for `work` operations that can be cut in `pieces`. */
size_t ib__step_parts(const ib_plan *plan, size_t work, size_t pieces, size_t per_thread);

/* In how many groups of lanes, one a part, a sum over the batch of `read` numbers that gives `made` is made,
 * so that a thread reads only its own samples (what one has read and another writes next goes slowly between
 * their caches); 0: the result is cut instead. The groups are subtrees of the lane tree, the largest that
 * keep the threads equally busy; adding up their sums must not cost more than is won. */
size_t ib__lane_groups(const ib_plan *plan, size_t read, size_t made);
/* The last step gives `groups` sums of `inner` numbers, [groups, inner], and the node is their sum: sets the
 * step's buffers, as ib__step_buffers, and emits the lane tree. */
bool ib__emit_lane_sums(ib_plan *plan, ib_step *step, int in0, int in1, int n_in, ib_node node, size_t groups,
                        size_t inner);

/* Convolutions, pools and their gradients (lower_windows.c). */
bool ib__lower_convolution(ib_plan *plan, ib_node node);
bool ib__lower_pool(ib_plan *plan, ib_node node);

/* The step of all effects and assignments, if there are any (lower_effects.c). */
bool ib__emit_effects(ib_plan *plan);

#endif
