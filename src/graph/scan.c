/* SPDX-License-Identifier: Apache-2.0
 *
 * Scans: building and the gradient rule.
 *
 * The body's nodes stand among all others and carry the number of their region; a node that reads nothing of
 * the body stays outside, so that what does not change from step to step is computed once. The gradient of a
 * scan is a scan in the other direction: its body is made by the same gradient rules. What the backward body
 * reads of the forward one becomes a stack. Sums over samples never happen in a body: for a value from
 * outside the contributions of all steps are stacked and added outside, and a product with a weight becomes
 * one product over samples and steps.
 */
#include "graph/walk.h"

#include <stdlib.h>
#include <string.h>

void ib__scans_free(ib_graph *g) {
    while (g->scans) {
        ib_scan *scan = g->scans;
        g->scans = scan->before;
        free(scan->carries);
        free(scan->xs);
        free(scan->ys);
        free(scan->captured);
        free(scan);
    }
}

ib_shape ib__scan_stack_shape(const ib_scan *scan, const ib_shape *shape) {
    ib_shape out = {.rank = shape->rank + 1, .dims = {shape->dims[0], scan->steps}};
    for (int i = 1; i < shape->rank && i + 1 < IB_RANK_MAX; i++)
        out.dims[i + 1] = shape->dims[i];
    return out;
}

static ib_scan *new_scan(ib_graph *g, int64_t steps, bool reverse) {
    ib_scan *scan = calloc(1, sizeof *scan);
    if (!scan) {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
        return NULL;
    }
    scan->region = ++g->regions;
    scan->steps = steps;
    scan->reverse = reverse;
    scan->node = IB_NO_NODE;
    scan->before = g->scans;
    g->scans = scan;
    return scan;
}

ib_scan *ib__scan_begin(ib_graph *g, int64_t steps, bool reverse) {
    if (g->error.code != IB_OK) return NULL;
    if (steps < 1) {
        (void)ib__graph_fail(g, IB_BAD_INPUT, "expected at least one time step, found %lld",
                             (long long)steps);
        return NULL;
    }
    return new_scan(g, steps, reverse);
}

ib_node ib__scan_input(ib_graph *g, ib_type type, const ib_shape *shape, bool batched, int region) {
    ib_node_data *node = ib__node_add(g, IB_OP_scan_input, type, shape, NULL, 0);
    if (node) {
        node->batched = batched;
        node->region = region;
    }
    return ib__node_last(g, node);
}

/* Does the first axis count samples, or the rows of samples that the other arrays have? */
static bool rows_fit(const ib_graph *g, ib_scan *scan, const ib_shape *shape) {
    int64_t samples = (int64_t)g->samples;
    if (shape->rank < 1 || samples < 1 || shape->dims[0] < 1 || shape->dims[0] % samples != 0) return false;
    size_t rows = (size_t)(shape->dims[0] / samples);
    if (scan->rows == 0) scan->rows = rows;
    return scan->rows == rows;
}

ib_node ib__scan_carry(ib_graph *g, ib_scan *scan, ib_node init) {
    if (!scan || init == IB_NO_NODE) return IB_NO_NODE;
    if (g->nodes[init].region)
        return ib__graph_fail(g, IB_UNSUPPORTED, "a scan inside of a scan is not supported");
    const ib_shape shape = g->nodes[init].shape;
    if (!rows_fit(g, scan, &shape))
        return ib__graph_fail(g, IB_INTERNAL, "scan: a carry whose first axis does not count samples");
    if (!ib__grow(&scan->carries, &scan->carries_capacity, scan->n_carries + 1, sizeof *scan->carries))
        return ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    if (g->format != IB_FORMAT_F32) init = ib__op_format(g, init, g->format);
    if (init == IB_NO_NODE) return init;
    ib_node in = ib__scan_input(g, g->nodes[init].type, &shape, true, scan->region);
    if (in != IB_NO_NODE)
        g->nodes[in].format = g->format == IB_FORMAT_F32 ? g->format : g->nodes[init].format;
    scan->carries[scan->n_carries++] = (ib_scan_carry){init, in, in, IB_NO_NODE};
    return in;
}

bool ib__scan_add_slice(ib_graph *g, ib_scan_slice **list, size_t *n, size_t *capacity, ib_node outer,
                        ib_node inner) {
    if (!ib__grow(list, capacity, *n + 1, sizeof **list)) {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
        return false;
    }
    (*list)[(*n)++] = (ib_scan_slice){outer, inner};
    return true;
}

ib_node ib__scan_x(ib_graph *g, ib_scan *scan, ib_node xs) {
    if (!scan || xs == IB_NO_NODE) return IB_NO_NODE;
    const ib_shape from = g->nodes[xs].shape;
    if (g->nodes[xs].region)
        return ib__graph_fail(g, IB_UNSUPPORTED, "a scan inside of a scan is not supported");
    if (from.rank < 2 || from.dims[1] != scan->steps || !rows_fit(g, scan, &from))
        return ib__graph_fail(g, IB_INTERNAL, "scan: expected an array of samples and steps");
    ib_shape shape = {.rank = from.rank - 1, .dims = {from.dims[0]}};
    for (int i = 1; i < shape.rank; i++)
        shape.dims[i] = from.dims[i + 1];
    ib_node in = ib__scan_input(g, g->nodes[xs].type, &shape, true, scan->region);
    if (in == IB_NO_NODE) return in;
    g->nodes[in].format = g->nodes[xs].format;
    return ib__scan_add_slice(g, &scan->xs, &scan->n_xs, &scan->xs_capacity, xs, in) ? in : IB_NO_NODE;
}

static ib_scan_carry *find_carry(const ib_scan *scan, ib_node in) {
    for (size_t i = 0; scan && i < scan->n_carries; i++)
        if (scan->carries[i].in == in) return &scan->carries[i];
    return NULL;
}

void ib__scan_next(ib_graph *g, ib_scan *scan, ib_node carry, ib_node next) {
    ib_scan_carry *c = find_carry(scan, carry);
    if (!c || next == IB_NO_NODE) return;
    if (g->nodes[c->in].format != IB_FORMAT_F32) next = ib__op_format(g, next, g->nodes[c->in].format);
    if (next == IB_NO_NODE) return;
    if (!ib__shape_equal(&g->nodes[next].shape, &g->nodes[c->in].shape) ||
        g->nodes[next].type != g->nodes[c->in].type)
        (void)ib__graph_fail(g, IB_INTERNAL, "scan: a carry changes its shape or type");
    else
        c->next = next;
}

static ib_node input_of(const ib_node_data *n, int i) {
    return n->many ? n->many[i] : n->in[i];
}

static bool add_captured(ib_scan *scan, ib_node a) {
    for (size_t i = 0; i < scan->n_captured; i++)
        if (scan->captured[i] == a) return true;
    if (!ib__grow(&scan->captured, &scan->captured_capacity, scan->n_captured + 1, sizeof *scan->captured))
        return false;
    scan->captured[scan->n_captured++] = a;
    return true;
}

/* Makes the scan's node, whose inputs are the first carries, the arrays, and what the body reads from
 * outside.
 */
static void close_scan(ib_graph *g, ib_scan *scan) {
    bool good = true;
    for (size_t i = 0; good && i < g->n_nodes; i++) {
        const ib_node_data *n = &g->nodes[i];
        if (n->region != scan->region) continue;
        for (int k = 0; good && k < n->n_in; k++)
            if (g->nodes[input_of(n, k)].region == 0) good = add_captured(scan, input_of(n, k));
    }
    for (size_t i = 0; good && i < scan->n_carries; i++)
        if (g->nodes[scan->carries[i].next].region == 0) good = add_captured(scan, scan->carries[i].next);
    size_t n = scan->n_carries + scan->n_xs + scan->n_captured;
    ib_node *many = good ? ib__arena_alloc(&g->arena, (n + 1) * sizeof *many) : NULL;
    if (!many) {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
        return;
    }
    n = 0;
    for (size_t i = 0; i < scan->n_carries; i++)
        many[n++] = scan->carries[i].init;
    for (size_t i = 0; i < scan->n_xs; i++)
        many[n++] = scan->xs[i].outer;
    for (size_t i = 0; i < scan->n_captured; i++)
        many[n++] = scan->captured[i];
    ib_node_data *node = ib__node_add(g, IB_OP_scan, IB_TYPE_F32, &(ib_shape){0}, many, (int)n);
    if (!node) return;
    node->many = many;
    node->u.scan = scan;
    scan->node = ib__node_last(g, node);
}

void ib__scan_end(ib_graph *g, ib_scan *scan) {
    if (scan && g->error.code == IB_OK) close_scan(g, scan);
}

static ib_node add_result(ib_graph *g, ib_scan *scan, ib_node inner, const ib_shape *shape, bool final,
                          size_t index) {
    ib_type type = g->nodes[inner].type;
    bool batched = g->nodes[inner].batched;
    ib_node_data *node = ib__node_add(g, IB_OP_scan_result, type, shape, &scan->node, 1);
    if (node) {
        node->u.result.scan = scan;
        node->u.result.final = final;
        node->u.result.index = index;
        node->batched = batched;
        node->format = g->nodes[inner].format;
    }
    return ib__node_last(g, node);
}

ib_node ib__scan_final(ib_graph *g, ib_scan *scan, ib_node carry) {
    ib_scan_carry *c = find_carry(scan, carry);
    if (!c || scan->node == IB_NO_NODE) return IB_NO_NODE;
    const ib_shape shape = g->nodes[c->in].shape;
    if (c->final == IB_NO_NODE)
        c->final = add_result(g, scan, c->in, &shape, true, (size_t)(c - scan->carries));
    return c->final;
}

ib_node ib__scan_stacked(ib_graph *g, ib_scan *scan, ib_node value) {
    if (!scan || scan->node == IB_NO_NODE || value == IB_NO_NODE) return IB_NO_NODE;
    for (size_t i = 0; i < scan->n_ys; i++)
        if (scan->ys[i].inner == value) return scan->ys[i].outer;
    const ib_shape from = g->nodes[value].shape;
    if (from.rank < 1 || from.rank >= IB_RANK_MAX || !g->nodes[value].batched)
        return ib__graph_fail(g, IB_UNSUPPORTED, "scan: a value of rank %d that is not one for each sample",
                              from.rank);
    const ib_shape shape = ib__scan_stack_shape(scan, &from);
    ib_node result = add_result(g, scan, value, &shape, false, scan->n_ys);
    if (result == IB_NO_NODE) return result;
    return ib__scan_add_slice(g, &scan->ys, &scan->n_ys, &scan->ys_capacity, result, value) ? result
                                                                                            : IB_NO_NODE;
}

/* ---- Gradient ---- */

typedef struct backward {
    ib_walk *outer;  /* the walk that the scan is a node of */
    ib_walk inner;   /* over the body: adjoints of its nodes */
    ib_scan *f, *b;  /* forward, backward */
    size_t end;      /* nodes before the backward body */
    ib_node *lambda; /* one a carry: the adjoint of its next value, a carry of the backward scan */
} backward;

/* Which nodes of the body depend on something that wants a gradient: a fixed point over the carries. */
static void mark_body(backward *w) {
    ib_graph *g = w->outer->g;
    const ib_scan *f = w->f;
    bool *needed = w->inner.needed;
    for (size_t i = 0; i < f->n_carries; i++)
        needed[f->carries[i].in] = w->outer->needed[f->carries[i].init];
    for (size_t i = 0; i < f->n_xs; i++)
        needed[f->xs[i].inner] = w->outer->needed[f->xs[i].outer];
    for (size_t i = 0; i < f->n_captured; i++)
        needed[f->captured[i]] = w->outer->needed[f->captured[i]];
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < w->end; i++) {
            const ib_node_data *n = &g->nodes[i];
            if (n->region != f->region || n->op == IB_OP_stop_gradient) continue;
            for (int k = 0; k < n->n_in; k++)
                needed[i] |= needed[input_of(n, k)];
        }
        for (size_t i = 0; i < f->n_carries; i++) {
            const ib_scan_carry *c = &f->carries[i];
            if (!needed[c->next] || needed[c->in]) continue;
            needed[c->in] = true;
            changed = true;
        }
    }
}

/* The seeds: adjoints of stacked values come in step by step, those of carries from the step after. */
static void seed(backward *w) {
    ib_graph *g = w->outer->g;
    ib_scan *f = w->f, *b = w->b;
    for (size_t i = 0; i < f->n_carries; i++) {
        w->lambda[i] = IB_NO_NODE;
        if (!w->inner.needed[f->carries[i].in]) continue;
        ib_node final = f->carries[i].final;
        const ib_shape shape = g->nodes[f->carries[i].in].shape;
        ib_node last =
            final != IB_NO_NODE && (size_t) final < w->outer->n ? w->outer->adjoint[final] : IB_NO_NODE;
        if (last == IB_NO_NODE) last = ib__op_broadcast_to(g, ib__op_constant(g, 0.0f), &shape);
        w->lambda[i] = ib__scan_carry(g, b, last);
        ib__walk_contribute(&w->inner, f->carries[i].next, w->lambda[i]);
    }
    for (size_t i = 0; i < f->n_ys; i++) {
        ib_node dy = (size_t)f->ys[i].outer < w->outer->n ? w->outer->adjoint[f->ys[i].outer] : IB_NO_NODE;
        if (dy == IB_NO_NODE || !w->inner.needed[f->ys[i].inner]) continue;
        ib__walk_contribute(&w->inner, f->ys[i].inner, ib__scan_x(g, b, dy));
    }
}

/* Replaces what the backward body reads of the forward one by slices of stacks. */
static void read_stacks(backward *w) {
    ib_graph *g = w->outer->g;
    for (size_t i = w->end; i < g->n_nodes && g->error.code == IB_OK; i++) {
        if (g->nodes[i].region != w->b->region) continue;
        for (int k = 0; k < g->nodes[i].n_in; k++) {
            ib_node in = input_of(&g->nodes[i], k);
            if (g->nodes[in].region != w->f->region) continue;
            ib_node slice = w->inner.slice[in];
            if (slice == IB_NO_NODE) {
                const ib_shape shape = g->nodes[in].shape;
                const ib_type type = g->nodes[in].type;
                ib_node stack = ib__scan_stacked(g, w->f, in);
                slice = ib__scan_input(g, type, &shape, true, w->b->region);
                if (stack == IB_NO_NODE || slice == IB_NO_NODE) return;
                if (!ib__scan_add_slice(g, &w->b->xs, &w->b->n_xs, &w->b->xs_capacity, stack, slice)) return;
                w->inner.slice[in] = slice;
            }
            *(g->nodes[i].many ? &g->nodes[i].many[k] : &g->nodes[i].in[k]) = slice;
        }
    }
}

/* What the backward scan gives, once it is closed, goes to the walk outside. */
static void hand_over(backward *w) {
    ib_graph *g = w->outer->g;
    const ib_scan *f = w->f;
    for (size_t i = 0; i < f->n_carries; i++)
        if (w->lambda[i] != IB_NO_NODE)
            ib__walk_contribute(w->outer, f->carries[i].init, ib__scan_final(g, w->b, w->lambda[i]));
    for (size_t i = 0; i < f->n_xs; i++) {
        ib_node d = w->inner.adjoint[f->xs[i].inner];
        if (d != IB_NO_NODE && w->outer->needed[f->xs[i].outer])
            ib__walk_contribute(w->outer, f->xs[i].outer, ib__scan_stacked(g, w->b, d));
    }
    for (size_t i = 0; i < w->inner.n_pending; i++)
        ib__walk_finish_pending(w->outer, &w->inner.pending[i], w->f, w->b);
}

/* A value that is wanted step by step must belong to the backward body. */
static ib_node in_body(backward *w, ib_node d) {
    ib_graph *g = w->outer->g;
    if (d == IB_NO_NODE || g->nodes[d].region == w->b->region) return d;
    ib_node copy = ib__op_map(g, IB_MAP_copy, d, IB_NO_NODE, IB_NO_NODE);
    if (copy == IB_NO_NODE) return copy;
    g->nodes[copy].region = w->b->region;
    g->nodes[copy].batched = true;
    return copy;
}

/* The backward body: every node's rule, the last first. Nodes from outside get nothing here: their
 * contributions wait in `pending` until the stacks are there. */
static void walk_body(backward *w) {
    ib_graph *g = w->outer->g;
    const char *place = g->place;
    for (size_t i = w->end; i-- > 0 && g->error.code == IB_OK;) {
        if (g->nodes[i].region != w->f->region) continue;
        if (!w->inner.needed[i] || w->inner.adjoint[i] == IB_NO_NODE) continue;
        const ib_node_data n = g->nodes[i];
        g->place = n.place;
        ib__walk_rule(&w->inner, &n, (ib_node)i, w->inner.adjoint[i]);
    }
    g->place = place;
    for (size_t i = 0; i < w->f->n_carries; i++) {
        if (w->lambda[i] == IB_NO_NODE) continue;
        ib_node d = in_body(w, w->inner.adjoint[w->f->carries[i].in]);
        const ib_shape shape = g->nodes[w->lambda[i]].shape;
        if (d == IB_NO_NODE) d = ib__op_broadcast_to(g, ib__op_constant(g, 0.0f), &shape);
        ib__scan_next(g, w->b, w->lambda[i], d);
    }
}

void ib__scan_rule(ib_walk *outer, const ib_node_data *n) {
    ib_graph *g = outer->g;
    backward w = {.outer = outer, .f = n->u.scan, .end = g->n_nodes};
    w.b = new_scan(g, w.f->steps, !w.f->reverse);
    if (w.b) w.b->rows = w.f->rows;
    w.lambda = calloc(w.f->n_carries + 1, sizeof *w.lambda);
    if (!w.b || !w.lambda || !ib__walk_new(&w.inner, g, w.end)) {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    } else {
        w.inner.region = w.f->region;
        mark_body(&w);
        g->building = w.b->region;
        seed(&w);
        walk_body(&w);
        for (size_t i = 0; i < w.f->n_xs; i++) /* an adjoint may be a value of the forward body */
            w.inner.adjoint[w.f->xs[i].inner] = in_body(&w, w.inner.adjoint[w.f->xs[i].inner]);
        for (size_t i = 0; i < w.inner.n_pending; i++)
            w.inner.pending[i].d = in_body(&w, w.inner.pending[i].d);
        g->building = 0;
        read_stacks(&w);
        ib__scan_end(g, w.b);
        hand_over(&w);
    }
    ib__walk_free(&w.inner);
    free(w.lambda);
}
