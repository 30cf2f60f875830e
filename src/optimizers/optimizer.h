/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers, with Keras's exact formulas. Slots are variables; updates are ops and assignments of the
 * training graph, for the common classes an effect run by a kernel. Scalars of a step (learning rate, bias
 * correction) are computed in double by ib__optimizer_begin and rounded once.
 */
#ifndef IB_OPTIMIZERS_OPTIMIZER_H
#define IB_OPTIMIZERS_OPTIMIZER_H

#include "base/value.h"
#include "graph/graph.h"

typedef struct ib_optimizer ib_optimizer;

/* config: a name ("adam") or a map {class_name, config}; learning_rate: a number or a schedule's map. */
ib_status ib__optimizer_new(ib_optimizer **out, const ib_value *config, const char *where, ib_error *err);
void ib__optimizer_free(ib_optimizer *optimizer);
const char *ib__optimizer_name(const ib_optimizer *optimizer); /* "adam" */
/* The complete Keras serialization {module, class_name, config, registered_name}: for files. Borrowed. */
const ib_value *ib__optimizer_config(const ib_optimizer *optimizer);

/* Creates the state for these trainable variables, in this order, with its initial values. Called once. */
ib_status ib__optimizer_build(ib_optimizer *optimizer, ib_variable *const *variables, size_t n,
                              ib_error *err);
/* After build, before apply. Variable i of build: keep it within a constraint (a Keras config, which must
 * live on; NULL or null: none), and leave it out of weight decay. */
ib_status ib__optimizer_constrain(ib_optimizer *optimizer, size_t i, const ib_value *constraint,
                                  const char *where, ib_error *err);
void ib__optimizer_exclude_from_weight_decay(ib_optimizer *optimizer, size_t i);

/* What the loss is multiplied with before its gradients are taken, as a rank-0 node; IB_NO_NODE: nothing.
 * apply divides the gradients by it. */
ib_node ib__optimizer_loss_scale(ib_optimizer *optimizer, ib_graph *g);
/* Adds clipping, weight decay, updates, averages and constraints to the graph: gradients[i] belongs to
 * variables[i]. */
void ib__optimizer_apply(ib_optimizer *optimizer, ib_graph *g, const ib_node *gradients);
/* Before each run of a training plan: computes the step's scalars from `iterations`. After it: end. */
void ib__optimizer_begin(ib_optimizer *optimizer);
void ib__optimizer_end(ib_optimizer *optimizer); /* iterations + 1 */
/* At the end of fit: with use_ema the variables become their averages. */
void ib__optimizer_finalize(ib_optimizer *optimizer);

/* Steps done, each batch counted (with gradient accumulation too). */
int64_t ib__optimizer_iterations(const ib_optimizer *optimizer);
void ib__optimizer_set_iterations(ib_optimizer *optimizer, int64_t iterations);
/* The learning rate of the next step, a float32 number. */
double ib__optimizer_learning_rate(const ib_optimizer *optimizer);
/* Whether the learning rate is a number that can be set: not with a schedule, nor a MultiOptimizer's. */
bool ib__optimizer_rate_is_settable(const ib_optimizer *optimizer);
void ib__optimizer_set_learning_rate(ib_optimizer *optimizer, double rate);

/* A piece of state: a float32 array (variable) or an integer. */
typedef struct ib_state {
    const char *path; /* as Keras's: "adam/dense_kernel_momentum" */
    ib_variable *variable;
    int64_t *integer;
    bool narrow;   /* an int32 in Keras's files */
    bool early;    /* there before the optimizer is built: iteration and learning_rate */
    bool hidden;   /* not among Keras's variables, so not in its files */
    float initial; /* of all elements */
} ib_state;

/* All state, in the order of Keras's optimizer.variables: what a checkpoint must hold. Valid until the
 * optimizer is freed. */
size_t ib__optimizer_state(const ib_optimizer *optimizer, const ib_state **state);
/* An optimizer inside of this one: number i, and its HDF5 group within the whole's ("inner_optimizer"), where
 * Keras writes its state once more. NULL behind the last. */
const ib_optimizer *ib__optimizer_part(const ib_optimizer *optimizer, size_t i, const char **group);
/* State was written through these pointers: checks it (name: the file's, for errors) and takes it up. */
ib_status ib__optimizer_restored(ib_optimizer *optimizer, const char *name, ib_error *err);
/* State as after build. */
void ib__optimizer_reset(ib_optimizer *optimizer);
/* The float32 arrays of the state without the learning rate: for digests. */
size_t ib__optimizer_slots(const ib_optimizer *optimizer, ib_variable *const **slots);

#endif
