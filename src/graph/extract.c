/* SPDX-License-Identifier: Apache-2.0
 *
 * The body of a scan as a graph of its own, for some of the samples: axes that count samples become shorter.
 * Arrays from outside become nodes that stand for their memory.
 */
#include "graph/scan_plan.h"

#include <stdlib.h>
#include <string.h>

typedef struct copier {
    const ib_plan *plan; /* outside */
    const ib_scan *scan;
    ib_body *body;
    ib_node *map[2]; /* outer node -> node of the body's graph; [1]: seen as one row for each sample */
} copier;

static int64_t shorter(const copier *c, int64_t dim) {
    return (int64_t)c->plan->g->samples ? dim / (int64_t)c->plan->g->samples * (int64_t)c->body->samples
                                        : dim;
}

static ib_shape shape_in_body(const copier *c, const ib_shape *shape, bool rows) {
    ib_shape out = *shape;
    if (rows && out.rank > 0) out.dims[0] = shorter(c, out.dims[0]);
    return out;
}

/* An array from outside: its memory, from the body's first sample on if it has a row for each. */
static ib_node outside_array(copier *c, ib_node a, bool rows) {
    const ib_graph *g = c->plan->g;
    const ib_node_data *n = &g->nodes[a];
    const ib_shape shape = shape_in_body(c, &n->shape, rows);
    ib_node_data *node = ib__node_add(c->body->g, IB_OP_outside, n->type, &shape, NULL, 0);
    if (!node) return IB_NO_NODE;
    const float *data = ib__plan_array(c->plan, a);
    if (rows) data += ib__node_elements(g, a) / g->samples * c->body->first;
    node->u.values = data;
    node->batched = n->batched && rows;
    return ib__node_last(c->body->g, node);
}

static ib_node copy_node(copier *c, ib_node a, bool rows);

static ib_node input_of(const ib_node_data *n, int k) {
    return n->many ? n->many[k] : n->in[k];
}

/* Is input k of the copied node a row for each sample? Elementwise ops see their operands as they are. */
static bool input_has_rows(const copier *c, const ib_node_data *n, int k, bool rows) {
    const ib_node_data *in = &c->plan->g->nodes[input_of(n, k)];
    bool same_axes = n->op == IB_OP_map || n->op == IB_OP_stop_gradient;
    if (in->region || in->batched) return in->batched;
    if (n->op == IB_OP_broadcast_in_dim)
        return rows && in->shape.rank > 0 && n->u.dims[0] == 0 && in->shape.dims[0] == n->shape.dims[0];
    return same_axes && rows;
}

/* A node with its inputs; lengths along the first axis that count samples become the body's. */
static ib_node clone(copier *c, ib_node a, bool rows) {
    const ib_node_data n = c->plan->g->nodes[a];
    ib_graph *g = c->body->g;
    ib_node *in = calloc((size_t)n.n_in + 1, sizeof *in);
    if (!in) return ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    for (int k = 0; k < n.n_in; k++)
        in[k] = copy_node(c, input_of(&n, k), input_has_rows(c, &n, k, rows));
    const ib_shape shape = shape_in_body(c, &n.shape, rows);
    ib_node_data *node = ib__node_add(g, n.op, n.type, &shape, in, n.n_in);
    ib_node made = ib__node_last(g, node);
    if (node) {
        node->map = n.map;
        node->u = n.u;
        node->batched = n.batched;
        node->backward = n.backward;
        node->place = n.place;
        if (rows && n.op == IB_OP_slice) node->u.range.high[0] = shape.dims[0];
        if (n.many) {
            ib_node *many = ib__arena_alloc(&g->arena, (size_t)(n.n_in + 1) * sizeof *many);
            if (many) memcpy(many, in, (size_t)n.n_in * sizeof *many);
            g->nodes[made].many = many;
            if (!many) made = ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
        }
    }
    free(in);
    return made;
}

static bool is_view(const ib_node_data *n) {
    return n->op == IB_OP_constant || n->op == IB_OP_broadcast_in_dim || n->op == IB_OP_reshape ||
           n->op == IB_OP_stop_gradient;
}

static ib_node copy_node(copier *c, ib_node a, bool rows) {
    const ib_node_data *n = &c->plan->g->nodes[a];
    ib_node *known = &c->map[rows][a];
    if (*known != IB_NO_NODE) return *known;
    ib_node made;
    if (n->op == IB_OP_scan_input) {
        const ib_shape shape = shape_in_body(c, &n->shape, rows);
        made = ib__op_input(c->body->g, "step", n->type, &shape, rows);
    } else if (n->op == IB_OP_variable) {
        made = ib__op_variable(c->body->g, n->u.variable);
    } else if (n->region || is_view(n)) {
        made = clone(c, a, rows);
    } else {
        made = outside_array(c, a, rows);
    }
    return *known = made;
}

/* A next value that is another carry or an array from outside is copied: it may change before it is read. */
static ib_node own_value(ib_graph *g, ib_node next, ib_node carry) {
    if (next == IB_NO_NODE || next == carry) return next;
    ib_op op = g->nodes[ib__alias_base(g, next)].op;
    if (op != IB_OP_input && op != IB_OP_outside && op != IB_OP_variable) return next;
    return ib__op_map(g, IB_MAP_copy, next, IB_NO_NODE, IB_NO_NODE);
}

ib_status ib__body_extract(ib_body *body, const ib_plan *plan, const ib_scan *scan, ib_error *err) {
    const ib_graph *g = plan->g;
    copier c = {.plan = plan, .scan = scan, .body = body};
    ib_status status = ib__graph_new(&body->g, body->samples, 1, err);
    for (int i = 0; i < 2; i++) {
        c.map[i] = malloc((g->n_nodes + 1) * sizeof *c.map[i]);
        for (size_t k = 0; c.map[i] && k < g->n_nodes; k++)
            c.map[i][k] = IB_NO_NODE;
    }
    body->carry_in = calloc(2 * scan->n_carries + 1, sizeof *body->carry_in);
    body->carry_next = body->carry_in + scan->n_carries;
    body->x = calloc(scan->n_xs + scan->n_ys + 1, sizeof *body->x);
    body->y = body->x + scan->n_xs;
    if (status == IB_OK && (!c.map[0] || !c.map[1] || !body->carry_in || !body->x))
        status = ib__fail_memory(err);
    for (size_t i = 0; status == IB_OK && i < scan->n_carries; i++)
        body->carry_in[i] = copy_node(&c, scan->carries[i].in, true);
    for (size_t i = 0; status == IB_OK && i < scan->n_xs; i++)
        body->x[i] = copy_node(&c, scan->xs[i].inner, true);
    for (size_t i = 0; status == IB_OK && i < scan->n_carries; i++) {
        body->carry_next[i] =
            own_value(body->g, copy_node(&c, scan->carries[i].next, true), body->carry_in[i]);
        ib__graph_output(body->g, body->carry_next[i]);
    }
    for (size_t i = 0; status == IB_OK && i < scan->n_ys; i++) {
        body->y[i] = IB_NO_NODE;
        if (!plan->fusion.nodes[scan->ys[i].outer].live) continue;
        body->y[i] = copy_node(&c, scan->ys[i].inner, true);
        ib__graph_output(body->g, body->y[i]);
    }
    free(c.map[0]);
    free(c.map[1]);
    return status == IB_OK ? ib__graph_status(body->g, err) : status;
}
