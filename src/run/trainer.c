/* SPDX-License-Identifier: Apache-2.0
 *
 * Training steps, evaluation, prediction.
 */
#include "run/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Plans run by turns, so that all may use the memory of the largest one. */
static const ib_plan *lender(const ib_trainer *t) {
    const ib_plan *largest = NULL;
    for (size_t i = 0; i < t->n_plans; i++) {
        const ib_plan *plan = t->plans[i].plan;
        if (plan && (!largest || ib__plan_bytes(plan) > ib__plan_bytes(largest))) largest = plan;
    }
    return largest;
}

static ib_status compiled(ib_step_plan *p, ib_trainer *t, ib_error *err) {
    ib_status status = ib__graph_status(p->g, err);
    if (status == IB_OK) status = ib__plan_new_in(&p->plan, p->g, t->kernels, t->pool, lender(t), err);
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
        port->shape = with_batch(data->shapes[ports->x[i]], p->samples);
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
        ib_shape given = with_batch(data->shapes[ports->y[i]], p->samples), target;
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
                            : with_batch(data->shapes[ports->weight[i]], p->samples);
        weights[i] = w->node = ib__op_input(p->g, "sample_weight", w->type, &w->shape, true);
    }
    return IB_OK;
}

/* What a softmax or sigmoid made a prediction from, if a metric asks; else IB_NO_NODE. */
static ib_node logits_of(const ib_trainer *t, const ib_step_plan *p, size_t output) {
    ib_node logits = IB_NO_NODE;
    if (p->loss == IB_NO_NODE || !ib__scores_take_logits(&t->held, output)) return logits;
    (void)ib__node_logits(p->g, p->predictions[output].node, &logits);
    return logits;
}

/* What is read after a run: predictions, and for metrics their masks and logits. */
static void add_outputs(ib_trainer *t, ib_step_plan *p) {
    for (size_t i = 0; i < t->model->n_outputs; i++) {
        ib_flow *out = &p->predictions[i];
        ib__graph_output(p->g, out->node);
        p->logits[i] = logits_of(t, p, i);
        if (p->logits[i] != IB_NO_NODE) ib__graph_output(p->g, p->logits[i]);
        if (out->mask == IB_NO_NODE || p->loss == IB_NO_NODE) continue;
        out->mask = ib__op_convert(p->g, out->mask, IB_TYPE_F32);
        ib__graph_output(p->g, out->mask);
    }
}

/* A loss as it is logged: one without reduction by its mean. */
static ib_node logged(ib_graph *g, ib_node loss) {
    int rank = loss == IB_NO_NODE ? 0 : ib__node_shape(g, loss).rank;
    return rank > 0 ? ib__op_mean(g, loss, (1u << rank) - 1, false) : loss;
}

static ib_status build(ib_trainer *t, ib_step_plan *p, const ib_samples *data, const ib_ports *ports,
                       bool loss, ib_error *err) {
    ib_model *model = t->model;
    size_t lanes = t->task == NULL ? 0 : (size_t)t->task->experiment->fit.lanes, n = model->n_outputs;
    if (lanes > p->samples) lanes = p->samples;
    p->x = calloc(model->n_inputs + 2 * n + 1, sizeof *p->x);
    p->predictions = calloc(n + 1, sizeof *p->predictions);
    p->losses = calloc(2 * n + 1, sizeof *p->losses);
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
        for (size_t i = 0; i < model->n_outputs; i++)
            p->predictions[i].node = ib__op_convert(p->g, p->predictions[i].node, IB_TYPE_F32);
        p->logits = p->losses + n;
        p->loss = IB_NO_NODE;
        ib_node objective = IB_NO_NODE;
        if (loss) {
            status = add_targets(t, p, data, ports, nodes, nodes + n, err);
            if (status == IB_OK)
                objective = ib__model_objective(model, &b, p->predictions, nodes, nodes + n, p->losses);
            p->loss = logged(p->g, objective);
            ib__graph_output(p->g, p->loss);
            for (size_t i = 0; i < n && status == IB_OK; i++)
                ib__graph_output(p->g, p->losses[i] = logged(p->g, p->losses[i]));
        }
        add_outputs(t, p);
        if (status == IB_OK && p->training) status = ib__model_update(model, p->g, objective, err);
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
        ib_shape shape = with_batch(data->shapes[ports->x[i]], p->samples);
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

/* All of a field, as the input's type wants it; where it lies, if it is so already. */
static void fill_port(ib_step_plan *p, const ib_port *port, const ib_tensor *field) {
    ib_dtype wanted = port->type == IB_TYPE_F32 ? IB_F32 : IB_I32;
    if (field->dtype == wanted && ib__plan_bind_input(p->plan, port->node, field->data)) return;
    size_t n = (size_t)ib__shape_elements(&field->shape);
    void *to = ib__plan_input(p->plan, port->node);
    if (port->type == IB_TYPE_F32) {
        ib__tensor_to_float(to, field, 0, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        ((int32_t *)to)[i] = (int32_t)ib__tensor_at(field, i);
}

/* Keras's class_weight: the class is the label, or the first largest of a one-hot target; others weigh 1. */
static void fill_class_weights(const ib_trainer *t, ib_step_plan *p, const ib_port *port,
                               const ib_tensor *y) {
    const ib_value *weights = t->task->experiment->fit.class_weight;
    size_t n = per_sample(y);
    float *to = ib__plan_input(p->plan, port->node);
    for (size_t i = 0; i < p->samples; i++) {
        size_t at = i * n, best = 0;
        for (size_t k = 1; k < n; k++)
            if (ib__tensor_at(y, at + k) > ib__tensor_at(y, at + best)) best = k;
        char label[32];
        double weight = 1;
        snprintf(label, sizeof label, "%.0f", n > 1 ? (double)best : nearbyint(ib__tensor_at(y, at)));
        (void)ib__value_number(ib__value_get(weights, label), &weight);
        to[i] = (float)weight;
    }
}

/* Batches of a part. */
typedef struct feed {
    const ib_part *part;
    const ib_samples *data;
    const ib_ports *ports;
    const ib_batches *batches;
} feed;

/* A number that is seen only now, since it came out of a pipeline. */
static ib_status fail_number(const ib_trainer *t, const feed *f, ib_numbering what, int64_t count,
                             double found, size_t sample, size_t field, ib_error *err) {
    char where[256], more[80];
    size_t words;
    const uint64_t *tickets = ib__batches_tickets(f->batches, &words);
    uint64_t element = tickets != NULL ? tickets[sample * words] : UINT64_MAX;
    ib__dataset_where(where, f->part->data, f->data->names[field], element);
    snprintf(more, sizeof more, " in sample %zu of a batch, after %zu steps", sample, t->step);
    return ib__part_fail_number(where, what, count, found, more, err);
}

/* Classes; some may be ignored. */
static ib_status check_classes(const ib_trainer *t, const feed *f, size_t output, const ib_step_plan *p,
                               const ib_tensor *y, ib_error *err) {
    ib_shape shape = ib__node_shape(p->g, p->predictions[output].node);
    const ib_loss *loss = t->model->ends[output].loss;
    size_t n = p->y[output].type == IB_TYPE_I32 ? (size_t)ib__shape_elements(&y->shape) : 0;
    for (size_t i = 0; i < n; i++) {
        double label = ib__tensor_at(y, i);
        if (ib__loss_label(loss, &shape, &p->y[output].shape, label)) continue;
        return fail_number(t, f, IB_CLASSES, shape.dims[shape.rank - 1], label, i * p->samples / n,
                           f->ports->y[output], err);
    }
    return IB_OK;
}

/* Rows of an Embedding. */
static ib_status check_rows(const ib_trainer *t, const feed *f, size_t input, const ib_tensor *x,
                            ib_error *err) {
    int64_t rows = ib__model_input_rows(t->model, input);
    size_t n = rows > 0 ? (size_t)ib__shape_elements(&x->shape) : 0;
    for (size_t i = 0; i < n; i++) {
        double row = ib__tensor_at(x, i);
        if (!ib__number_of(IB_ROWS, row, rows))
            return fail_number(t, f, IB_ROWS, rows, row, i / per_sample(x), f->ports->x[input], err);
    }
    return IB_OK;
}

static ib_status fill(ib_trainer *t, ib_step_plan *p, const feed *f, const ib_batch *batch, ib_error *err) {
    const ib_ports *ports = f->ports;
    ib_status status = IB_OK;
    for (size_t i = 0; i < t->model->n_inputs && status == IB_OK; i++) {
        const ib_tensor *x = &batch->fields[ports->x[i]];
        status = check_rows(t, f, i, x, err);
        if (status == IB_OK) fill_port(p, &p->x[i], x);
    }
    for (size_t i = 0; p->loss != IB_NO_NODE && i < t->model->n_outputs && status == IB_OK; i++) {
        if (p->y[i].node == IB_NO_NODE) continue;
        const ib_tensor *y = &batch->fields[ports->y[i]];
        status = check_classes(t, f, i, p, y, err);
        if (status != IB_OK) return status;
        fill_port(p, &p->y[i], y);
        if (p->weight[i].node == IB_NO_NODE) continue;
        if (ports->weight[i] != IB_NO_FIELD)
            fill_port(p, &p->weight[i], &batch->fields[ports->weight[i]]);
        else
            fill_class_weights(t, p, &p->weight[i], y);
    }
    return status;
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
        if (p->logits[i] != IB_NO_NODE)
            o->logits = view(IB_F32, &shape, ib__plan_value(p->plan, p->logits[i]));
        if (p->predictions[i].mask == IB_NO_NODE) continue;
        shape = ib__node_shape(p->g, p->predictions[i].mask);
        o->mask = view(IB_F32, &shape, ib__plan_value(p->plan, p->predictions[i].mask));
    }
    *total = loss;
    return ib__scores_add(s, p->samples, loss, t->scored, err);
}

static ib_status begin_pass(ib_trainer *t, size_t pass, ib_error *err) {
    t->pass = pass + 1;
    return ib__batches_begin(t->batches, (uint32_t)pass, err);
}

/* With steps_per_epoch, passes run on over the ends of epochs, as Keras's iterator does; without it a pass is
 * an epoch. */
static ib_status next_batch(ib_trainer *t, const ib_batch **out, ib_error *err) {
    bool runs_on = t->task->experiment->fit.steps_per_epoch > 0;
    size_t epoch = t->step / t->steps_per_epoch;
    ib_status status = IB_OK;
    if (runs_on ? t->pass == 0 : t->pass != epoch + 1) status = begin_pass(t, runs_on ? 0 : epoch, err);
    if (status == IB_OK) status = ib__batches_next(t->batches, out, err);
    if (status != IB_OK || *out != NULL) return status;
    if (runs_on) status = begin_pass(t, t->pass, err);
    if (runs_on && status == IB_OK) status = ib__batches_next(t->batches, out, err);
    if (status != IB_OK || *out != NULL) return status;
    return ib__fail(err, IB_BAD_INPUT, ib__part_place(&t->task->train),
                    "expected %zu batches in a pass, as in the first one, found %zu in pass %zu: with "
                    "fit.steps_per_epoch passes may differ",
                    t->steps_per_epoch, t->step % t->steps_per_epoch, t->pass);
}

ib_status ib__trainer_step(ib_trainer *t, ib_watch_fn *watch, void *context, ib_error *err) {
    ib_samples data = ib__part_samples(&t->task->train);
    const feed f = {&t->task->train, &data, &t->ports, t->batches};
    const ib_batch *batch;
    ib_step_plan *p;
    ib_status status = next_batch(t, &batch, err);
    if (status == IB_OK) status = plan_for(t, batch->samples, true, true, &data, &t->ports, &p, err);
    if (status == IB_OK) status = fill(t, p, &f, batch, err);
    if (status != IB_OK) return status;
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

/* Batches of a part from its beginning, in the order of its first pass. */
static ib_status open_batches(ib_trainer *t, const ib_part *part, size_t batch_size, ib_batches **out,
                              ib_error *err) {
    ib_batching how = {
        .first = part->first, .count = part->count, .batch_size = batch_size, .threads = t->runtime.threads};
    how.kernels = t->kernels;
    how.pool = t->pool;
    if (part->count == IB_COUNT_INFINITE)
        return ib__fail(err, IB_BAD_INPUT, ib__part_place(part), "expected data with an end: add take");
    ib_status status = ib__dataset_batches(out, part->data, &how, err);
    return status == IB_OK ? ib__batches_begin(*out, 0, err) : status;
}

/* Runs the model over a part; take gets each batch's plan after its run. */
typedef ib_status batch_fn(ib_trainer *t, const ib_step_plan *p, size_t first, void *context, ib_error *err);

static ib_status for_each_batch(ib_trainer *t, const ib_part *part, size_t batch_size, bool loss,
                                batch_fn *take, void *context, ib_error *err) {
    ib_samples data = ib__part_samples(part);
    ib_ports ports;
    ib_batches *batches = NULL;
    const ib_batch *batch = NULL;
    ib_step_plan *p;
    size_t first = 0;
    ib_status status = ib__ports_match(&ports, t->model, data.names, data.n, ib__part_place(part), err);
    if (status != IB_OK) return status;
    status = open_batches(t, part, batch_size, &batches, err);
    while (status == IB_OK) {
        status = ib__batches_next(batches, &batch, err);
        if (status != IB_OK || batch == NULL) break;
        status = plan_for(t, batch->samples, false, loss, &data, &ports, &p, err);
        const feed f = {part, &data, &ports, batches};
        if (status == IB_OK) status = fill(t, p, &f, batch, err);
        if (status != IB_OK) break;
        ib__plan_run(p->plan, &(ib_stream_at){0});
        status = take(t, p, first, context, err);
        first += batch->samples;
    }
    ib__batches_free(batches);
    ib__ports_free(&ports);
    return status;
}

static ib_status add_held(ib_trainer *t, const ib_step_plan *p, size_t first, void *context, ib_error *err) {
    float loss;
    (void)first;
    (void)context;
    return scores_add(t, &t->held, p, &loss, err);
}

ib_status ib__trainer_evaluate(ib_trainer *t, const ib_part *part, size_t batch_size, ib_error *err) {
    ib__scores_reset(&t->held);
    return for_each_batch(t, part, batch_size, true, add_held, NULL, err);
}

typedef struct predicting {
    ib_tensor *out; /* one an output */
    size_t count;
} predicting;

/* Room for all predictions of an output, when the first batch has told its shape. */
static ib_status make_room(ib_tensor *out, const ib_step_plan *p, size_t output, size_t count,
                           ib_error *err) {
    if (out->data != NULL) return IB_OK;
    ib_shape shape = with_batch(ib__node_shape(p->g, p->predictions[output].node), count);
    return ib__tensor_new(out, IB_F32, &shape, err);
}

static ib_status keep_predictions(ib_trainer *t, const ib_step_plan *p, size_t first, void *context,
                                  ib_error *err) {
    predicting *all = context;
    for (size_t i = 0; i < t->model->n_outputs; i++) {
        ib_tensor *out = &all->out[i];
        ib_status status = make_room(out, p, i, all->count, err);
        if (status != IB_OK) return status;
        size_t row = per_sample(out);
        memcpy((float *)out->data + first * row, ib__plan_value(p->plan, p->predictions[i].node),
               p->samples * row * sizeof(float));
    }
    return IB_OK;
}

ib_status ib__trainer_predict(ib_trainer *t, const ib_part *part, size_t batch_size, ib_tensor *out,
                              ib_error *err) {
    predicting all = {out, (size_t)part->count};
    for (size_t i = 0; i < t->model->n_outputs; i++)
        out[i] = (ib_tensor){0};
    ib_status status = for_each_batch(t, part, batch_size, false, keep_predictions, &all, err);
    for (size_t i = 0; status != IB_OK && i < t->model->n_outputs; i++)
        ib__tensor_free(&out[i]);
    return status;
}

static ib_status make_scores(ib_trainer *t, const ib_part *part, ib_error *err) {
    ib_samples data = ib__part_samples(part);
    ib_status status = ib__ports_match(&t->ports, t->model, data.names, data.n, ib__part_place(part), err);
    if (status != IB_OK || !t->model->compiled) return status;
    ib_shape *targets = calloc(t->model->n_outputs + 1, sizeof *targets);
    t->scored = calloc(t->model->n_outputs + 1, sizeof *t->scored);
    status = targets == NULL || t->scored == NULL
                 ? ib__fail_memory(err)
                 : ib__target_shapes(t->model, &data, &t->ports, targets, err);
    if (status == IB_OK) status = ib__scores_new(&t->train, t->model, targets, ib__part_file(part), err);
    if (status == IB_OK) status = ib__scores_new(&t->held, t->model, targets, ib__part_file(part), err);
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

static ib_status open_training(ib_trainer *t, ib_error *err) {
    const ib_experiment *e = t->task->experiment;
    const ib_part *part = &t->task->train;
    const ib_fit_settings *fit = &e->fit;
    ib_batching how = ib__part_batching(part, e, true, (size_t)fit->batch_size, t->runtime.threads);
    how.kernels = t->kernels;
    how.pool = t->pool;
    uint64_t batches = ib__dataset_batch_count(part->data, how.batch_size);
    if (!ib__dataset_piped(part->data)) batches = (part->count + how.batch_size - 1) / how.batch_size;
    if (batches == IB_COUNT_INFINITE && fit->steps_per_epoch == 0)
        return ib__fail(err, IB_BAD_INPUT, ib__part_place(part),
                        "the data have no end: expected fit.steps_per_epoch, or take behind repeat");
    t->steps_per_epoch = fit->steps_per_epoch > 0 ? (size_t)fit->steps_per_epoch : (size_t)batches;
    t->steps = t->steps_per_epoch * (size_t)fit->epochs;
    return ib__dataset_batches(&t->batches, part->data, &how, err);
}

ib_status ib__trainer_new(ib_trainer **out, ib_task *task, const ib_runtime *runtime, ib_error *err) {
    ib_trainer *t = NULL;
    ib_status status = ib__trainer_for_model(&t, task->model, &task->train, runtime, err);
    if (status != IB_OK) return status;
    t->task = task;
    status = open_training(t, err);
    if (status == IB_OK)
        *out = t;
    else
        ib__trainer_free(t);
    return status;
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
    ib__batches_free(t->batches);
    free(t);
}
