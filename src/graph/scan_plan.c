/* SPDX-License-Identifier: Apache-2.0
 *
 * Scans in plans: making the bodies, running them.
 */
#include "graph/scan_plan.h"

#include <stdlib.h>
#include <string.h>

/* Samples can be cut if every array of the body has a row for each. */
static bool may_cut(const ib_graph *g, const ib_scan *scan) {
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].region == scan->region && !g->nodes[i].batched) return false;
    return true;
}

size_t ib__scan_parts(const ib_plan *plan, const ib_scan *scan) {
    size_t threads = ib__pool_threads(plan->pool), samples = plan->g->samples;
    if (!may_cut(plan->g, scan)) return 1;
    return threads < samples ? threads : samples;
}

bool ib__scans_alone_read(const ib_plan *plan, ib_node stack) {
    const ib_graph *g = plan->g;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ib_node_data *n = &g->nodes[i];
        if (!plan->fusion.nodes[i].live) continue;
        for (int k = 0; k < n->n_in; k++) {
            if ((n->many ? n->many[k] : n->in[k]) != stack) continue;
            if (n->op != IB_OP_scan) return false;
            size_t x = (size_t)k - n->u.scan->n_carries;
            if ((size_t)k < n->u.scan->n_carries || x >= n->u.scan->n_xs) return false;
        }
    }
    for (size_t i = 0; i < g->n_outputs; i++)
        if (ib__alias_base(g, g->outputs[i]) == stack) return false;
    for (size_t i = 0; i < g->n_assignments; i++)
        if (ib__alias_base(g, g->assignments[i].value) == stack) return false;
    for (size_t i = 0; i < g->n_effects; i++)
        if (ib__alias_base(g, g->effects[i].value) == stack) return false;
    return true;
}

static void free_body(ib_body *body, const ib_scan *scan) {
    for (size_t i = 0; body->x_bound && i < scan->n_xs + scan->n_ys; i++)
        ib__binding_free(&body->x_bound[i]);
    free(body->x_bound);
    ib__plan_free(body->plan);
    ib__graph_free(body->g);
    ib__pool_free(body->pool);
    free(body->carry_in);
    free(body->x);
}

/* May stack i be written in place? Not if its value lies where that of an earlier stack or an input does. */
static bool alone(const ib_body *body, const ib_scan *scan, size_t i) {
    const ib_plan *plan = body->plan;
    int root = ib__buffer_root(plan, plan->buffer_of[ib__alias_base(body->g, body->y[i])]);
    if (plan->buffers[root].placed) return false;
    for (size_t k = 0; k < scan->n_ys; k++)
        if (k != i && body->y[k] != IB_NO_NODE &&
            ib__buffer_root(plan, plan->buffer_of[ib__alias_base(body->g, body->y[k])]) == root)
            return false;
    return true;
}

static ib_status bind_body(ib_body *body, const ib_scan *scan, ib_error *err) {
    ib_status status = IB_OK;
    body->x_bound = calloc(scan->n_xs + scan->n_ys + 1, sizeof *body->x_bound);
    if (!body->x_bound) return ib__fail_memory(err);
    body->y_bound = body->x_bound + scan->n_xs;
    for (size_t i = 0; i < scan->n_xs && status == IB_OK; i++)
        status = ib__binding_make(&body->x_bound[i], body->plan, body->x[i], err);
    for (size_t i = 0; i < scan->n_ys && status == IB_OK; i++)
        if (body->y[i] != IB_NO_NODE && alone(body, scan, i))
            status = ib__binding_make(&body->y_bound[i], body->plan, body->y[i], err);
    return status;
}

static ib_status make_body(ib_plan *plan, ib_body *body, const ib_scan *scan, ib_error *err) {
    ib_status status = ib__body_extract(body, plan, scan, err);
    if (status == IB_OK) status = ib__pool_new(&body->pool, 1, err);
    if (status == IB_OK) status = ib__plan_new(&body->plan, body->g, plan->kernels, body->pool, err);
    if (status == IB_OK) status = bind_body(body, scan, err);
    if (status == IB_OK) ib__plan_fetch_ahead(body->plan, plan);
    return status;
}

ib_status ib__scan_steps_make(ib_plan *plan, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; i < plan->n_steps && status == IB_OK; i++) {
        ib_step *step = &plan->steps[i];
        if (step->kind != IB_STEP_SCAN) continue;
        ib_scan_step *s = calloc(1, sizeof *s);
        step->u.scan.step = s;
        if (!s) return ib__fail_memory(err);
        s->scan = step->u.scan.scan;
        s->bodies = calloc(step->parts, sizeof *s->bodies);
        if (!s->bodies) return ib__fail_memory(err);
        for (size_t p = 0; p < step->parts && status == IB_OK; p++) {
            ib_body *body = &s->bodies[s->n_bodies++];
            size_t n = plan->g->samples;
            body->first = n * p / step->parts;
            body->samples = n * (p + 1) / step->parts - body->first;
            body->rows = s->scan->rows;
            status = make_body(plan, body, s->scan, err);
        }
    }
    return status;
}

void ib__scan_steps_free(ib_plan *plan) {
    for (size_t i = 0; i < plan->n_steps; i++) {
        if (plan->steps[i].kind != IB_STEP_SCAN || !plan->steps[i].u.scan.step) continue;
        ib_scan_step *s = plan->steps[i].u.scan.step;
        for (size_t p = 0; p < s->n_bodies; p++)
            free_body(&s->bodies[p], s->scan);
        free(s->bodies);
        free(s);
    }
}

/* Words of a row in a body's node. */
static size_t row_words(const ib_body *body, ib_node a) {
    return ib__node_elements(body->g, a) / (body->samples * body->rows);
}

/* From step t of a stack [samples, steps, ...] into the body, or back. */
static void copy_in(const ib_body *body, ib_node to, const float *stack, size_t steps, size_t t) {
    size_t n = row_words(body, to);
    float *dst = ib__plan_input(body->plan, to);
    for (size_t r = 0; r < body->samples * body->rows; r++)
        memcpy(dst + r * n, stack + ((body->first * body->rows + r) * steps + t) * n, n * sizeof *dst);
}

static void copy_out(const ib_body *body, ib_node from, float *stack, size_t steps, size_t t) {
    size_t n = row_words(body, from);
    const float *src = ib__plan_value(body->plan, from);
    for (size_t r = 0; r < body->samples * body->rows; r++)
        memcpy(stack + ((body->first * body->rows + r) * steps + t) * n, src + r * n, n * sizeof *src);
}

/* All carries at once: a next value may be another carry's present one. */
static void advance(const ib_body *body, const ib_scan *scan) {
    for (size_t i = 0; i < scan->n_carries; i++) {
        ib_node to = body->carry_in[i], from = body->carry_next[i];
        const void *src = ib__plan_value(body->plan, from);
        void *dst = ib__plan_input(body->plan, to);
        if (src != dst) memcpy(dst, src, ib__node_elements(body->g, to) * sizeof(float));
    }
}

/* The body's samples of step t of a stack, in one piece; NULL: they are not. A watcher wants stacks as their
 * shapes say. */
static float *piece(const ib_plan *plan, const ib_body *body, ib_node outer, ib_node inner, size_t t) {
    const ib_buffer *b = &plan->buffers[plan->buffer_of[ib__alias_base(plan->g, outer)]];
    if (!b->by_steps || plan->watch) return NULL;
    return b->data + (t * plan->g->samples + body->first) * body->rows * row_words(body, inner);
}

static void read_x(const ib_plan *plan, const ib_body *body, const ib_scan *scan, size_t i, size_t t) {
    ib_node inner = body->x[i], outer = scan->xs[i].outer;
    const ib_binding *bound = &body->x_bound[i];
    float *from = piece(plan, body, outer, inner, t);
    ib__binding_set(bound, from ? from : bound->home);
    if (!from) copy_in(body, inner, ib__plan_array(plan, outer), (size_t)scan->steps, t);
}

/* Before the step: where value i goes. */
static void place_y(const ib_plan *plan, const ib_body *body, const ib_scan *scan, size_t i, size_t t) {
    float *to = piece(plan, body, scan->ys[i].outer, body->y[i], t);
    const ib_binding *bound = &body->y_bound[i];
    ib__binding_set(bound, to ? to : bound->home);
}

/* After the step, what could not be written in place. */
static void write_y(const ib_plan *plan, const ib_body *body, const ib_scan *scan, size_t i, size_t t) {
    ib_node inner = body->y[i], outer = scan->ys[i].outer;
    float *to = piece(plan, body, outer, inner, t);
    const float *from = ib__plan_value(body->plan, inner);
    if (!to)
        copy_out(body, inner, ib__plan_array(plan, outer), (size_t)scan->steps, t);
    else if (from != to)
        memcpy(to, from, body->samples * body->rows * row_words(body, inner) * sizeof *to);
}

static void run_step(const ib_plan *plan, const ib_body *body, const ib_scan *scan, size_t t) {
    for (size_t i = 0; i < scan->n_xs; i++)
        read_x(plan, body, scan, i, t);
    for (size_t i = 0; i < scan->n_ys; i++)
        if (body->y[i] != IB_NO_NODE) place_y(plan, body, scan, i, t);
    ib__plan_run(body->plan, plan->at);
    for (size_t i = 0; i < scan->n_ys; i++)
        if (body->y[i] != IB_NO_NODE) write_y(plan, body, scan, i, t);
    advance(body, scan);
}

void ib__scan_step_run(const ib_plan *plan, const ib_scan_step *step, size_t part) {
    const ib_body *body = &step->bodies[part];
    const ib_scan *scan = step->scan;
    for (size_t i = 0; i < scan->n_carries; i++) {
        size_t n = row_words(body, body->carry_in[i]);
        memcpy(ib__plan_input(body->plan, body->carry_in[i]),
               ib__plan_array(plan, scan->carries[i].init) + body->first * body->rows * n,
               body->samples * body->rows * n * sizeof(float));
    }
    for (int64_t i = 0; i < scan->steps; i++)
        run_step(plan, body, scan, (size_t)(scan->reverse ? scan->steps - 1 - i : i));
    for (size_t i = 0; i < scan->n_carries; i++) {
        ib_node final = scan->carries[i].final;
        if (final == IB_NO_NODE || !plan->fusion.nodes[final].live) continue;
        size_t n = row_words(body, body->carry_in[i]);
        memcpy(ib__plan_array(plan, final) + body->first * body->rows * n,
               ib__plan_input(body->plan, body->carry_in[i]), body->samples * body->rows * n * sizeof(float));
    }
}
