/* SPDX-License-Identifier: Apache-2.0
 *
 * The trainer: runs a task step by step, and evaluates. fit, verify and diff stand on it. One graph and plan
 * for each batch size; they are built when first needed.
 */
#ifndef IB_RUN_TRAINER_H
#define IB_RUN_TRAINER_H

#include "run/ports.h"
#include "run/scores.h"
#include "run/task.h"

/* What stands at an input or output of a compiled graph. */
typedef struct ib_port {
    ib_node node; /* IB_NO_NODE: nothing */
    ib_type type;
    ib_shape shape;
} ib_port;

/* A graph compiled for one number of samples and shapes of inputs. loss: IB_NO_NODE when only predictions are
 * wanted. */
typedef struct ib_step_plan {
    size_t samples;
    bool training;
    ib_graph *g;
    ib_plan *plan;
    ib_port *x;               /* one an input */
    ib_port *y, *weight;      /* one an output */
    ib_flow *predictions;     /* one an output; the mask as float32 */
    ib_node *losses, *logits; /* one an output; IB_NO_NODE: none, or not asked for */
    ib_node loss;
} ib_step_plan;

typedef struct ib_trainer {
    ib_task *task; /* borrowed, as its model, which training changes */
    ib_model *model;
    ib_runtime runtime;
    const ib_kernels *kernels;
    ib_pool *pool;
    ib_step_plan *plans;
    size_t n_plans, plans_capacity;
    ib_ports ports;        /* of the training data */
    ib_scores train, held; /* held: validation and test */
    ib_scored *scored;     /* room for one an output */
    ib_weight **weights;
    size_t n_weights;
    ib_batches *batches; /* of the training data; NULL: none */
    size_t pass;         /* which pass over them is on, plus 1; 0: none has begun */
    size_t steps_per_epoch, steps;
    size_t step;      /* done so far */
    size_t last_plan; /* index of the plan of the last training step */
    float loss;       /* of the last step, penalties included */
} ib_trainer;

ib_status ib__trainer_new(ib_trainer **out, ib_task *task, const ib_runtime *runtime, ib_error *err);
void ib__trainer_free(ib_trainer *trainer);

/* One training step. The scores begin anew with each epoch. watch may be NULL. */
ib_status ib__trainer_step(ib_trainer *trainer, ib_watch_fn *watch, void *context, ib_error *err);
/* Loss and metrics of a part into trainer->held. */
ib_status ib__trainer_evaluate(ib_trainer *trainer, const ib_part *part, size_t batch_size, ib_error *err);
/* Predictions for a part, float32; out: one tensor an output, yours. The bits do not depend on batch_size. */
ib_status ib__trainer_predict(ib_trainer *trainer, const ib_part *part, size_t batch_size, ib_tensor *out,
                              ib_error *err);

/* A trainer for a model alone: evaluate and predict. part tells the shape of the targets; NULL: predict only.
 */
ib_status ib__trainer_for_model(ib_trainer **out, ib_model *model, const ib_part *part,
                                const ib_runtime *runtime, ib_error *err);

#endif
