/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers, with Keras's exact formulas. Slots are variables; the update is an effect on each gradient, run
 * by a kernel; clipping is built as ops before it. Scalars of a step (learning rate, bias correction) are
 * computed in double by ib__optimizer_begin and rounded once.
 */
#ifndef IB_OPTIMIZERS_OPTIMIZER_H
#define IB_OPTIMIZERS_OPTIMIZER_H

#include "base/value.h"
#include "graph/graph.h"

typedef struct ib_optimizer ib_optimizer;

/* config: a name ("adam") or a map {class_name, config}; learning_rate may be a schedule map (refused as
 * IB_UNSUPPORTED until it is there). */
ib_status ib__optimizer_new(ib_optimizer **out, const ib_value *config, const char *where, ib_error *err);
void ib__optimizer_free(ib_optimizer *optimizer);
const char *ib__optimizer_name(const ib_optimizer *optimizer); /* "adam" */
/* The complete Keras serialization {module, class_name, config, registered_name}: for files. Borrowed. */
const ib_value *ib__optimizer_config(const ib_optimizer *optimizer);

/* Creates the slots for these trainable variables, in this order; zeroed. Called once. */
ib_status ib__optimizer_build(ib_optimizer *optimizer, ib_variable *const *variables, size_t n,
                              ib_error *err);
/* Adds clipping, weight decay and updates to the graph: gradients[i] belongs to variables[i]. */
void ib__optimizer_apply(ib_optimizer *optimizer, ib_graph *g, const ib_node *gradients);
/* Before each run of a training plan: computes the step's scalars from `iterations`. After it: end. */
void ib__optimizer_begin(ib_optimizer *optimizer);
void ib__optimizer_end(ib_optimizer *optimizer); /* iterations + 1 */

int64_t ib__optimizer_iterations(const ib_optimizer *optimizer);
void ib__optimizer_set_iterations(ib_optimizer *optimizer, int64_t iterations);
double ib__optimizer_learning_rate(const ib_optimizer *optimizer);
void ib__optimizer_set_learning_rate(ib_optimizer *optimizer, double rate);
/* Slots in the order of Keras's optimizer.variables after iterations and learning_rate (for .keras files and
 * digests). Paths as in Keras: "adam/dense_kernel_momentum". */
size_t ib__optimizer_slots(const ib_optimizer *optimizer, ib_variable *const **slots);

#endif
