/* SPDX-License-Identifier: Apache-2.0
 *
 * Training steps, evaluation, prediction.
 */
#include "run/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ib_status compiled(ib_step_plan *p, ib_trainer *t, ib_error *err) {
    ib_status status = ib__graph_status(p->g, err);
    if (status == IB_OK) status = ib__plan_new(&p->plan, p->g, t->kernels, t->pool, err);
    if (status == IB_OK && t->runtime.fill != 0) ib__plan_fill(p->plan, t->runtime.fill);
    return status;
}

/* The order of the sum is Keras's: loss, penalties that layers added, penalties of weights. */
static ib_node total_loss(ib_trainer *t, ib_build *b, ib_node y, ib_node prediction) {
    ib_node loss = ib__loss_call(t->model->loss, b->g, y, prediction, IB_NO_NODE);
    if (b->extra_loss != IB_NO_NODE) loss = ib__op_add(b->g, loss, b->extra_loss);
    ib_node penalty = ib__model_penalty(t->model, b);
    return penalty == IB_NO_NODE ? loss : ib__op_add(b->g, loss, penalty);
}

static ib_status add_updates(ib_trainer *t, ib_step_plan *p, ib_error *err) {
    size_t n = ib__model_weights(t->model, NULL, true);
    ib_weight **weights = calloc(n + 1, sizeof(ib_weight *));
    ib_node *nodes = calloc(2 * (n + 1), sizeof *nodes), *gradients = nodes + n + 1;
    if (weights == NULL || nodes == NULL) {
        free(weights);
        free(nodes);
        return ib__fail_memory(err);
    }
    ib__model_weights(t->model, weights, true);
    for (size_t i = 0; i < n; i++)
        nodes[i] = ib__op_variable(p->g, &weights[i]->variable);
    ib_node dy = ib__optimizer_loss_scale(t->model->optimizer, p->g);
    ib__graph_gradients(p->g, &p->loss, &dy, 1, nodes, n, gradients);
    ib__optimizer_apply(t->model->optimizer, p->g, gradients);
    free(weights);
    free(nodes);
    return IB_OK;
}

static ib_shape with_batch(ib_shape shape, size_t samples) {
    shape.dims[0] = (int64_t)samples;
    return shape;
}

/* y_shape: of the target data with -1 as batch; NULL: predictions only. */
static ib_status build(ib_trainer *t, ib_step_plan *p, const ib_shape *y_shape, ib_error *err) {
    size_t lanes = t->task == NULL ? 0 : (size_t)t->task->experiment->fit.lanes;
    if (lanes > p->samples) lanes = p->samples;
    ib_status status = ib__graph_new(&p->g, p->samples, lanes, err);
    if (status != IB_OK) return status;
    ib_build b = {.g = p->g, .training = p->training, .extra_loss = IB_NO_NODE};
    if (t->task != NULL) b.seed = (uint64_t)t->task->experiment->seed;
    ib_shape x_shape = with_batch(t->model->calls[t->model->inputs[0]].shape, p->samples);
    p->x_type = ib__model_input_type(t->model, 0);
    p->x = ib__op_input(p->g, "x", p->x_type, &x_shape, true);
    ib__model_call(t->model, &b, &p->x, &p->prediction);
    ib__graph_output(p->g, p->prediction);
    p->y = p->loss = IB_NO_NODE;
    if (y_shape == NULL) return compiled(p, t, err);
    ib_shape target, output = t->model->calls[t->model->outputs[0]].shape;
    status = ib__loss_target(t->model->loss, &output, y_shape, &p->y_type, &target, err);
    if (status != IB_OK) return status;
    target = with_batch(target, p->samples);
    ib__graph_place(p->g, "loss");
    p->y = ib__op_input(p->g, "y", p->y_type, &target, true);
    p->loss = total_loss(t, &b, p->y, p->prediction);
    ib__graph_output(p->g, p->loss);
    if (p->training) status = add_updates(t, p, err);
    return status == IB_OK ? compiled(p, t, err) : status;
}

/* The plan for this many samples; targets: with a loss. Plans live as long as the trainer. */
static ib_status plan_for(ib_trainer *t, size_t samples, bool training, const ib_shape *y_shape,
                          ib_step_plan **out, ib_error *err) {
    for (size_t i = 0; i < t->n_plans; i++) {
        ib_step_plan *p = &t->plans[i];
        if (p->samples == samples && p->training == training &&
            (p->loss != IB_NO_NODE) == (y_shape != NULL)) {
            *out = p;
            return IB_OK;
        }
    }
    if (!ib__grow(&t->plans, &t->plans_capacity, t->n_plans + 1, sizeof *t->plans))
        return ib__fail_memory(err);
    ib_step_plan *p = &t->plans[t->n_plans++];
    *p = (ib_step_plan){.samples = samples, .training = training};
    *out = p;
    ib_status status = build(t, p, y_shape, err);
    if (status == IB_OK) return IB_OK;
    ib__plan_free(p->plan);
    ib__graph_free(p->g);
    t->n_plans--;
    return status;
}

static size_t per_sample(const ib_tensor *tensor) {
    return (size_t)(ib__shape_elements(&tensor->shape) / tensor->shape.dims[0]);
}

/* n elements from `start` on, as the input's type wants them. */
static void convert(void *to, ib_type type, const ib_tensor *from, size_t start, size_t n) {
    if (type == IB_TYPE_F32) {
        ib__tensor_to_float(to, from, start, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        ((int32_t *)to)[i] = (int32_t)ib__tensor_at(from, start + i);
}

/* Copies n samples, sample i being number rows[i] (rows NULL: first + i) of the part. */
static void fill(ib_step_plan *p, const ib_part *part, const uint32_t *rows, size_t first, size_t n) {
    const ib_tensor *x = &part->source->x, *y = &part->source->y;
    size_t nx = per_sample(x);
    uint32_t *to = ib__plan_input(p->plan, p->x);
    for (size_t i = 0; i < n; i++)
        convert(to + i * nx, p->x_type, x, (part->first + (rows ? rows[i] : first + i)) * nx, nx);
    if (p->loss == IB_NO_NODE) return;
    size_t ny = per_sample(y);
    to = ib__plan_input(p->plan, p->y);
    for (size_t i = 0; i < n; i++)
        convert(to + i * ny, p->y_type, y, (part->first + (rows ? rows[i] : first + i)) * ny, ny);
}

static void scores_reset(ib_scores *s) {
    s->loss_total = s->count = 0;
    for (size_t i = 0; i < s->n_metrics; i++)
        ib__metric_reset(s->metrics[i]);
}

double ib__scores_loss(const ib_scores *s) {
    return s->count > 0 ? s->loss_total / s->count : 0;
}

static float scores_add(ib_scores *s, const ib_step_plan *p) {
    float loss = *(const float *)ib__plan_value(p->plan, p->loss);
    s->loss_total += (double)loss * (double)p->samples;
    s->count += (double)p->samples;
    ib_tensor y_true = {p->y_type == IB_TYPE_F32 ? IB_F32 : IB_I32, ib__node_shape(p->g, p->y),
                        ib__plan_input(p->plan, p->y)};
    ib_tensor y_pred = {IB_F32, ib__node_shape(p->g, p->prediction), NULL};
    y_pred.data = (void *)(uintptr_t)ib__plan_value(p->plan, p->prediction);
    for (size_t i = 0; i < s->n_metrics; i++)
        ib__metric_update(s->metrics[i], &y_true, &y_pred, NULL);
    return loss;
}

/* The order of a pass is a function of the seed and the number of the pass. With steps_per_epoch, passes run
 * on over the ends of epochs, as Keras's iterator does; without it a pass is an epoch. */
static void make_order(ib_trainer *t, size_t pass) {
    if (t->order_pass == pass + 1) return;
    size_t n = t->task->train.count;
    if (t->task->experiment->fit.shuffle) {
        ib__stream_shuffle(&t->shuffle, (uint32_t)pass, t->order, n);
    } else {
        for (size_t i = 0; i < n; i++)
            t->order[i] = (uint32_t)i;
    }
    t->order_pass = pass + 1;
}

static ib_shape target_shape(const ib_part *part) {
    ib_shape shape = part->source->y.shape;
    shape.dims[0] = -1;
    return shape;
}

ib_status ib__trainer_step(ib_trainer *t, ib_watch_fn *watch, void *context, ib_error *err) {
    size_t batch_size = (size_t)t->task->experiment->fit.batch_size;
    size_t start = t->step % t->batches * batch_size;
    size_t left = t->task->train.count - start, n = left < batch_size ? left : batch_size;
    ib_shape y_shape = target_shape(&t->task->train);
    ib_step_plan *p;
    ib_status status = plan_for(t, n, true, &y_shape, &p, err);
    if (status != IB_OK) return status;
    make_order(t, t->step / t->batches);
    fill(p, &t->task->train, t->order + start, 0, n);
    size_t in_epoch = t->step % t->steps_per_epoch, epoch = t->step / t->steps_per_epoch;
    if (in_epoch == 0) scores_reset(&t->train);
    ib_stream_at at = {.step = (uint32_t)in_epoch, .epoch = (uint32_t)epoch};
    ib__optimizer_begin(t->model->optimizer);
    if (watch != NULL) ib__plan_watch(p->plan, watch, context);
    ib__plan_run(p->plan, &at);
    if (watch != NULL) ib__plan_watch(p->plan, NULL, NULL);
    ib__optimizer_end(t->model->optimizer);
    t->loss = scores_add(&t->train, p);
    t->last_plan = (size_t)(p - t->plans);
    t->step++;
    return IB_OK;
}

ib_status ib__trainer_evaluate(ib_trainer *t, const ib_part *part, size_t batch_size, ib_error *err) {
    ib_shape y_shape = target_shape(part);
    scores_reset(&t->held);
    for (size_t start = 0; start < part->count; start += batch_size) {
        size_t left = part->count - start, n = left < batch_size ? left : batch_size;
        ib_step_plan *p;
        ib_status status = plan_for(t, n, false, &y_shape, &p, err);
        if (status != IB_OK) return status;
        fill(p, part, NULL, start, n);
        ib__plan_run(p->plan, &(ib_stream_at){0});
        scores_add(&t->held, p);
    }
    return IB_OK;
}

ib_status ib__trainer_predict(ib_trainer *t, const ib_part *part, size_t batch_size, ib_tensor *out,
                              ib_error *err) {
    ib_shape shape = with_batch(t->model->calls[t->model->outputs[0]].shape, part->count);
    ib_status status = ib__tensor_new(out, IB_F32, &shape, err);
    for (size_t start = 0; status == IB_OK && start < part->count; start += batch_size) {
        size_t left = part->count - start, n = left < batch_size ? left : batch_size;
        size_t row = per_sample(out);
        ib_step_plan *p;
        status = plan_for(t, n, false, NULL, &p, err);
        if (status != IB_OK) break;
        fill(p, part, NULL, start, n);
        ib__plan_run(p->plan, &(ib_stream_at){0});
        memcpy((float *)out->data + start * row, ib__plan_value(p->plan, p->prediction),
               n * row * sizeof(float));
    }
    if (status != IB_OK) ib__tensor_free(out);
    return status;
}

static ib_status scores_new(ib_scores *s, const ib_model *model, const ib_part *part, ib_error *err) {
    if (part == NULL || model->loss == NULL || model->metrics == NULL) return IB_OK;
    s->metrics = calloc(model->metrics->count + 1, sizeof(ib_metric *));
    if (s->metrics == NULL) return ib__fail_memory(err);
    const ib_shape *output = &model->calls[model->outputs[0]].shape;
    ib_type type;
    ib_shape given = target_shape(part), target;
    ib_status status = ib__loss_target(model->loss, output, &given, &type, &target, err);
    for (size_t i = 0; status == IB_OK && i < model->metrics->count; i++) {
        status = ib__metric_new(&s->metrics[i], ib__value_at(model->metrics, i), ib__loss_name(model->loss),
                                output, &target, "compile.metrics", err);
        if (status == IB_OK) s->n_metrics++;
    }
    return status;
}

static void scores_free(ib_scores *s) {
    for (size_t i = 0; i < s->n_metrics; i++)
        ib__metric_free(s->metrics[i]);
    free(s->metrics);
}

ib_status ib__trainer_for_model(ib_trainer **out, ib_model *model, const ib_part *part,
                                const ib_runtime *runtime, ib_error *err) {
    ib_trainer *t = calloc(1, sizeof *t);
    if (t == NULL) return ib__fail_memory(err);
    t->model = model;
    t->runtime = *runtime;
    t->kernels = ib__kernels_for(runtime->isa);
    t->n_weights = ib__model_weights(model, NULL, false);
    t->weights = calloc(t->n_weights + 1, sizeof(ib_weight *));
    ib_status status = t->weights == NULL ? ib__fail_memory(err) : IB_OK;
    if (status == IB_OK) ib__model_weights(model, t->weights, false);
    if (status == IB_OK) status = ib__pool_new(&t->pool, runtime->threads, err);
    if (status == IB_OK && runtime->scramble != 0) ib__pool_scramble(t->pool, runtime->scramble);
    if (status == IB_OK) status = scores_new(&t->train, model, part, err);
    if (status == IB_OK) status = scores_new(&t->held, model, part, err);
    if (status == IB_OK)
        *out = t;
    else
        ib__trainer_free(t);
    return status;
}

ib_status ib__trainer_new(ib_trainer **out, ib_task *task, const ib_runtime *runtime, ib_error *err) {
    ib_trainer *t = NULL;
    ib_status status = ib__trainer_for_model(&t, task->model, &task->train, runtime, err);
    if (status != IB_OK) return status;
    const ib_fit_settings *fit = &task->experiment->fit;
    t->task = task;
    t->batches = (task->train.count + (size_t)fit->batch_size - 1) / (size_t)fit->batch_size;
    t->steps_per_epoch = fit->steps_per_epoch > 0 ? (size_t)fit->steps_per_epoch : t->batches;
    t->steps = t->steps_per_epoch * (size_t)fit->epochs;
    t->shuffle = ib__stream((uint64_t)task->experiment->seed, "fit", "shuffle");
    t->order = calloc(task->train.count, sizeof *t->order);
    if (t->order == NULL) {
        ib__trainer_free(t);
        return ib__fail_memory(err);
    }
    *out = t;
    return IB_OK;
}

void ib__trainer_free(ib_trainer *t) {
    if (t == NULL) return;
    for (size_t i = 0; i < t->n_plans; i++) {
        ib__plan_free(t->plans[i].plan);
        ib__graph_free(t->plans[i].g);
    }
    free(t->plans);
    scores_free(&t->train);
    scores_free(&t->held);
    ib__pool_free(t->pool);
    free(t->weights);
    free(t->order);
    free(t);
}
