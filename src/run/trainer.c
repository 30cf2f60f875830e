/* SPDX-License-Identifier: Apache-2.0
 *
 * Training steps, evaluation, prediction.
 */
#include "run/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ib_status compiled(ib_step_plan *p, ib_trainer *t, ib_error *err) {
    ib_status status = ib__graph_status(p->g, err);
    if (status == IB_OK) status = ib__plan_new(&p->plan, p->g, t->kernels, t->pool, err);
    if (status == IB_OK && t->runtime.fill != 0) ib__plan_fill(p->plan, t->runtime.fill);
    return status;
}

static ib_shape with_batch(ib_shape shape, size_t samples) {
    shape.dims[0] = (int64_t)samples;
    return shape;
}

/* Inputs, with the shapes that the data have. */
static void add_inputs(ib_trainer *t, ib_step_plan *p, const ib_samples *data, const ib_ports *ports,
                       ib_node *nodes) {
    for (size_t i = 0; i < t->model->n_inputs; i++) {
        ib_port *port = &p->x[i];
        port->type = ib__model_input_type(t->model, i);
        port->shape = with_batch(data->fields[ports->x[i]]->shape, p->samples);
        port->node = ib__op_input(p->g, t->model->input_names[i], port->type, &port->shape, true);
        nodes[i] = port->node;
    }
}

/* Targets and weights of the outputs that have a loss. */
static ib_status add_targets(ib_trainer *t, ib_step_plan *p, const ib_samples *data, const ib_ports *ports,
                             ib_node *targets, ib_node *weights, ib_error *err) {
    ib_model *model = t->model;
    for (size_t i = 0; i < model->n_outputs; i++) {
        targets[i] = weights[i] = IB_NO_NODE;
        const ib_loss *loss = model->ends[i].loss;
        if (loss == NULL) continue;
        ib_shape given = with_batch(data->fields[ports->y[i]]->shape, p->samples), target;
        ib_shape output = ib__node_shape(p->g, p->predictions[i].node);
        ib_port *y = &p->y[i], *w = &p->weight[i];
        ib_status status = ib__graph_status(p->g, err);
        if (status == IB_OK) status = ib__loss_target(loss, &output, &given, &y->type, &target, err);
        if (status != IB_OK) return status;
        y->shape = with_batch(target, p->samples);
        targets[i] = y->node = ib__op_input(p->g, "y", y->type, &y->shape, true);
        bool by_class = p->training && t->task->experiment->fit.class_weight != NULL;
        if (ports->weight[i] == IB_NO_FIELD && !by_class) continue;
        w->type = IB_TYPE_F32;
        w->shape = by_class ? (ib_shape){.rank = 1, .dims = {(int64_t)p->samples}}
                            : with_batch(data->fields[ports->weight[i]]->shape, p->samples);
        weights[i] = w->node = ib__op_input(p->g, "sample_weight", w->type, &w->shape, true);
    }
    return IB_OK;
}

/* What is read after a run: predictions, and for metrics their masks. */
static void add_outputs(ib_trainer *t, ib_step_plan *p) {
    for (size_t i = 0; i < t->model->n_outputs; i++) {
        ib_flow *out = &p->predictions[i];
        ib__graph_output(p->g, out->node);
        if (out->mask == IB_NO_NODE || p->loss == IB_NO_NODE) continue;
        out->mask = ib__op_convert(p->g, out->mask, IB_TYPE_F32);
        ib__graph_output(p->g, out->mask);
    }
}

static ib_status build(ib_trainer *t, ib_step_plan *p, const ib_samples *data, const ib_ports *ports,
                       bool loss, ib_error *err) {
    ib_model *model = t->model;
    size_t lanes = t->task == NULL ? 0 : (size_t)t->task->experiment->fit.lanes, n = model->n_outputs;
    if (lanes > p->samples) lanes = p->samples;
    p->x = calloc(model->n_inputs + 2 * n + 1, sizeof *p->x);
    p->predictions = calloc(n + 1, sizeof *p->predictions);
    p->losses = calloc(n + 1, sizeof *p->losses);
    ib_node *nodes = calloc(model->n_inputs + 2 * n + 1, sizeof *nodes);
    ib_status status = p->x != NULL && p->predictions != NULL && p->losses != NULL && nodes != NULL
                           ? ib__graph_new(&p->g, p->samples, lanes, err)
                           : ib__fail_memory(err);
    if (status == IB_OK) {
        p->y = p->x + model->n_inputs;
        p->weight = p->y + n;
        for (size_t i = 0; i < 2 * n; i++)
            p->y[i].node = IB_NO_NODE;
        ib_build b = {.g = p->g, .training = p->training, .extra_loss = IB_NO_NODE};
        if (t->task != NULL) b.seed = (uint64_t)t->task->experiment->seed;
        add_inputs(t, p, data, ports, nodes);
        ib__model_call(model, &b, nodes, p->predictions);
        p->loss = IB_NO_NODE;
        if (loss) {
            status = add_targets(t, p, data, ports, nodes, nodes + n, err);
            if (status == IB_OK)
                p->loss = ib__model_objective(model, &b, p->predictions, nodes, nodes + n, p->losses);
            ib__graph_output(p->g, p->loss);
            for (size_t i = 0; i < n && status == IB_OK; i++)
                ib__graph_output(p->g, p->losses[i]);
        }
        add_outputs(t, p);
        if (status == IB_OK && p->training) status = ib__model_update(model, p->g, p->loss, err);
        if (status == IB_OK) status = compiled(p, t, err);
    }
    free(nodes);
    return status;
}

static void free_plan(ib_step_plan *p) {
    ib__plan_free(p->plan);
    ib__graph_free(p->g);
    free(p->x);
    free(p->predictions);
    free(p->losses);
}

static bool same_shapes(const ib_trainer *t, const ib_step_plan *p, const ib_samples *data,
                        const ib_ports *ports) {
    for (size_t i = 0; i < t->model->n_inputs; i++) {
        ib_shape shape = with_batch(data->fields[ports->x[i]]->shape, p->samples);
        if (!ib__shape_equal(&shape, &p->x[i].shape)) return false;
    }
    for (size_t i = 0; p->loss != IB_NO_NODE && i < t->model->n_outputs; i++)
        if (p->y[i].node != IB_NO_NODE && !p->training &&
            (ports->weight[i] != IB_NO_FIELD) != (p->weight[i].node != IB_NO_NODE))
            return false;
    return true;
}

/* The plan for this many samples of such data. Plans live as long as the trainer. */
static ib_status plan_for(ib_trainer *t, size_t samples, bool training, bool loss, const ib_samples *data,
                          const ib_ports *ports, ib_step_plan **out, ib_error *err) {
    for (size_t i = 0; i < t->n_plans; i++) {
        ib_step_plan *p = &t->plans[i];
        if (p->samples == samples && p->training == training && (p->loss != IB_NO_NODE) == loss &&
            same_shapes(t, p, data, ports)) {
            *out = p;
            return IB_OK;
        }
    }
    if (!ib__grow(&t->plans, &t->plans_capacity, t->n_plans + 1, sizeof *t->plans))
        return ib__fail_memory(err);
    ib_step_plan *p = &t->plans[t->n_plans++];
    *p = (ib_step_plan){.samples = samples, .training = training};
    *out = p;
    ib_status status = build(t, p, data, ports, loss, err);
    if (status == IB_OK) return IB_OK;
    free_plan(p);
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

/* Which samples of a part a batch holds: sample i is number rows[i], or first + i. */
typedef struct chosen {
    const ib_part *part;
    const uint32_t *rows;
    size_t first, n;
} chosen;

static size_t row_of(const chosen *c, size_t i) {
    return c->part->first + (c->rows != NULL ? c->rows[i] : c->first + i);
}

static void fill_port(ib_step_plan *p, const ib_port *port, const ib_tensor *field, const chosen *c) {
    size_t n = per_sample(field);
    uint32_t *to = ib__plan_input(p->plan, port->node);
    for (size_t i = 0; i < c->n; i++)
        convert(to + i * n, port->type, field, row_of(c, i) * n, n);
}

/* Keras's class_weight: the class is the label, or the first largest of a one-hot target; others weigh 1. */
static void fill_class_weights(const ib_trainer *t, ib_step_plan *p, const ib_port *port, const ib_tensor *y,
                               const chosen *c) {
    const ib_value *weights = t->task->experiment->fit.class_weight;
    size_t n = per_sample(y);
    float *to = ib__plan_input(p->plan, port->node);
    for (size_t i = 0; i < c->n; i++) {
        size_t at = row_of(c, i) * n, best = 0;
        for (size_t k = 1; k < n; k++)
            if (ib__tensor_at(y, at + k) > ib__tensor_at(y, at + best)) best = k;
        char label[32];
        double weight = 1;
        snprintf(label, sizeof label, "%.0f", n > 1 ? (double)best : nearbyint(ib__tensor_at(y, at)));
        (void)ib__value_number(ib__value_get(weights, label), &weight);
        to[i] = (float)weight;
    }
}

static void fill(ib_trainer *t, ib_step_plan *p, const ib_samples *data, const ib_ports *ports,
                 const chosen *c) {
    for (size_t i = 0; i < t->model->n_inputs; i++)
        fill_port(p, &p->x[i], data->fields[ports->x[i]], c);
    for (size_t i = 0; p->loss != IB_NO_NODE && i < t->model->n_outputs; i++) {
        if (p->y[i].node == IB_NO_NODE) continue;
        fill_port(p, &p->y[i], data->fields[ports->y[i]], c);
        if (p->weight[i].node == IB_NO_NODE) continue;
        if (ports->weight[i] != IB_NO_FIELD)
            fill_port(p, &p->weight[i], data->fields[ports->weight[i]], c);
        else
            fill_class_weights(t, p, &p->weight[i], data->fields[ports->y[i]], c);
    }
}

static ib_tensor view(ib_dtype dtype, const ib_shape *shape, const void *data) {
    return (ib_tensor){dtype, *shape, (void *)(uintptr_t)data};
}

/* *total: the total of the batch. */
static ib_status scores_add(ib_trainer *t, ib_scores *s, const ib_step_plan *p, float *total, ib_error *err) {
    float loss = *(const float *)ib__plan_value(p->plan, p->loss);
    for (size_t i = 0; i < t->model->n_outputs; i++) {
        ib_scored *o = &t->scored[i];
        const ib_port *y = &p->y[i], *w = &p->weight[i];
        ib_shape shape = ib__node_shape(p->g, p->predictions[i].node);
        *o = (ib_scored){.prediction = view(IB_F32, &shape, ib__plan_value(p->plan, p->predictions[i].node))};
        if (p->losses[i] != IB_NO_NODE) o->loss = *(const float *)ib__plan_value(p->plan, p->losses[i]);
        if (y->node != IB_NO_NODE)
            o->target =
                view(y->type == IB_TYPE_F32 ? IB_F32 : IB_I32, &y->shape, ib__plan_input(p->plan, y->node));
        if (w->node != IB_NO_NODE) o->weight = view(IB_F32, &w->shape, ib__plan_input(p->plan, w->node));
        if (p->predictions[i].mask == IB_NO_NODE) continue;
        shape = ib__node_shape(p->g, p->predictions[i].mask);
        o->mask = view(IB_F32, &shape, ib__plan_value(p->plan, p->predictions[i].mask));
    }
    *total = loss;
    return ib__scores_add(s, p->samples, loss, t->scored, err);
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

ib_status ib__trainer_step(ib_trainer *t, ib_watch_fn *watch, void *context, ib_error *err) {
    size_t batch_size = (size_t)t->task->experiment->fit.batch_size;
    size_t start = t->step % t->batches * batch_size;
    size_t left = t->task->train.count - start, n = left < batch_size ? left : batch_size;
    ib_samples data = ib__part_samples(&t->task->train);
    ib_step_plan *p;
    ib_status status = plan_for(t, n, true, true, &data, &t->ports, &p, err);
    if (status != IB_OK) return status;
    make_order(t, t->step / t->batches);
    fill(t, p, &data, &t->ports, &(chosen){&t->task->train, t->order + start, 0, n});
    size_t in_epoch = t->step % t->steps_per_epoch, epoch = t->step / t->steps_per_epoch;
    if (in_epoch == 0) ib__scores_reset(&t->train);
    ib_stream_at at = {.step = (uint32_t)in_epoch, .epoch = (uint32_t)epoch};
    ib__optimizer_begin(t->model->optimizer);
    if (watch != NULL) ib__plan_watch(p->plan, watch, context);
    ib__plan_run(p->plan, &at);
    if (watch != NULL) ib__plan_watch(p->plan, NULL, NULL);
    ib__optimizer_end(t->model->optimizer);
    status = scores_add(t, &t->train, p, &t->loss, err);
    t->last_plan = (size_t)(p - t->plans);
    t->step++;
    return status;
}

ib_status ib__trainer_evaluate(ib_trainer *t, const ib_part *part, size_t batch_size, ib_error *err) {
    ib_samples data = ib__part_samples(part);
    ib_ports ports;
    ib_status status = ib__ports_match(&ports, t->model, data.names, data.n, part->place, err);
    if (status != IB_OK) return status;
    ib__scores_reset(&t->held);
    for (size_t start = 0; status == IB_OK && start < part->count; start += batch_size) {
        size_t left = part->count - start, n = left < batch_size ? left : batch_size;
        ib_step_plan *p;
        status = plan_for(t, n, false, true, &data, &ports, &p, err);
        if (status != IB_OK) break;
        fill(t, p, &data, &ports, &(chosen){part, NULL, start, n});
        ib__plan_run(p->plan, &(ib_stream_at){0});
        float loss;
        status = scores_add(t, &t->held, p, &loss, err);
    }
    ib__ports_free(&ports);
    return status;
}

/* Room for all predictions of an output, when the first batch has told its shape. */
static ib_status make_room(ib_tensor *out, const ib_step_plan *p, size_t output, size_t count,
                           ib_error *err) {
    if (out->data != NULL) return IB_OK;
    ib_shape shape = with_batch(ib__node_shape(p->g, p->predictions[output].node), count);
    return ib__tensor_new(out, IB_F32, &shape, err);
}

ib_status ib__trainer_predict(ib_trainer *t, const ib_part *part, size_t batch_size, ib_tensor *out,
                              ib_error *err) {
    ib_samples data = ib__part_samples(part);
    ib_ports ports;
    ib_status status = ib__ports_match(&ports, t->model, data.names, data.n, part->place, err);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < t->model->n_outputs; i++)
        out[i] = (ib_tensor){0};
    for (size_t start = 0; status == IB_OK && start < part->count; start += batch_size) {
        size_t left = part->count - start, n = left < batch_size ? left : batch_size;
        ib_step_plan *p;
        status = plan_for(t, n, false, false, &data, &ports, &p, err);
        if (status != IB_OK) break;
        fill(t, p, &data, &ports, &(chosen){part, NULL, start, n});
        ib__plan_run(p->plan, &(ib_stream_at){0});
        for (size_t i = 0; status == IB_OK && i < t->model->n_outputs; i++) {
            status = make_room(&out[i], p, i, part->count, err);
            if (status != IB_OK) break;
            size_t row = per_sample(&out[i]);
            memcpy((float *)out[i].data + start * row, ib__plan_value(p->plan, p->predictions[i].node),
                   n * row * sizeof(float));
        }
    }
    for (size_t i = 0; status != IB_OK && i < t->model->n_outputs; i++)
        ib__tensor_free(&out[i]);
    ib__ports_free(&ports);
    return status;
}

static ib_status make_scores(ib_trainer *t, const ib_part *part, ib_error *err) {
    ib_samples data = ib__part_samples(part);
    ib_status status = ib__ports_match(&t->ports, t->model, data.names, data.n, part->place, err);
    if (status != IB_OK || !t->model->compiled) return status;
    ib_shape *targets = calloc(t->model->n_outputs + 1, sizeof *targets);
    t->scored = calloc(t->model->n_outputs + 1, sizeof *t->scored);
    status = targets == NULL || t->scored == NULL
                 ? ib__fail_memory(err)
                 : ib__target_shapes(t->model, &data, &t->ports, targets, err);
    if (status == IB_OK) status = ib__scores_new(&t->train, t->model, targets, part->source->file, err);
    if (status == IB_OK) status = ib__scores_new(&t->held, t->model, targets, part->source->file, err);
    free(targets);
    return status;
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
    if (status == IB_OK && part != NULL) status = make_scores(t, part, err);
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
    for (size_t i = 0; i < t->n_plans; i++)
        free_plan(&t->plans[i]);
    free(t->plans);
    free(t->scored);
    ib__ports_free(&t->ports);
    ib__scores_free(&t->train);
    ib__scores_free(&t->held);
    ib__pool_free(t->pool);
    free(t->weights);
    free(t->order);
    free(t);
}
