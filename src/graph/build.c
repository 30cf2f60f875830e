/* SPDX-License-Identifier: Apache-2.0
 *
 * Graph building: lifetime, nodes, sources, outputs, assignments and effects.
 */
#include "graph/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t ib__lanes_default(size_t samples) {
    size_t lanes = samples / 16;
    if (lanes > 8) lanes = 8;
    return lanes ? lanes : 1;
}

ib_status ib__graph_new(ib_graph **out, size_t samples, size_t lanes, ib_error *err) {
    *out = NULL;
    ib_graph *g = calloc(1, sizeof *g);
    if (!g) return ib__fail_memory(err);
    g->samples = samples;
    g->lanes = lanes ? lanes : ib__lanes_default(samples);
    if (g->lanes > samples && samples > 0) g->lanes = samples;
    g->place = "";
    *out = g;
    return IB_OK;
}

void ib__graph_free(ib_graph *g) {
    if (!g) return;
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == IB_OP_constant_array) ib__free((void *)(uintptr_t)g->nodes[i].u.values);
    free(g->nodes);
    free(g->outputs);
    free(g->assignments);
    free(g->effects);
    ib__scans_free(g);
    ib__arena_free(&g->arena);
    free(g);
}

size_t ib__graph_samples(const ib_graph *g) {
    return g->samples;
}

ib_status ib__graph_status(const ib_graph *g, ib_error *err) {
    if (g->error.code != IB_OK && err && err->code == IB_OK) *err = g->error;
    return g->error.code;
}

void *ib__graph_memory(ib_graph *g, size_t count, size_t size) {
    void *memory = size && count > SIZE_MAX / size ? NULL : ib__arena_alloc(&g->arena, count * size);
    if (!memory) (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    return memory;
}

void ib__graph_place(ib_graph *g, const char *place) {
    const char *copy = ib__arena_strdup(&g->arena, place);
    if (copy)
        g->place = copy;
    else
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
}

ib_node ib__graph_fail(ib_graph *g, ib_status code, const char *format, ...) {
    char text[sizeof g->error.text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)ib__fail(&g->error, code, g->place, "%s", text);
    return IB_NO_NODE;
}

ib_shape ib__node_shape(const ib_graph *g, ib_node a) {
    return a == IB_NO_NODE ? (ib_shape){0} : g->nodes[a].shape;
}

ib_type ib__node_type(const ib_graph *g, ib_node a) {
    return a == IB_NO_NODE ? IB_TYPE_F32 : g->nodes[a].type;
}

bool ib__node_batched(const ib_graph *g, ib_node a) {
    return a != IB_NO_NODE && g->nodes[a].batched;
}

size_t ib__node_elements(const ib_graph *g, ib_node a) {
    size_t n = 1;
    for (int i = 0; i < g->nodes[a].shape.rank; i++)
        n *= (size_t)g->nodes[a].shape.dims[i];
    return n;
}

ib_shape ib__shape_of(int rank, const int64_t *dims) {
    ib_shape shape = {.rank = rank};
    for (int i = 0; i < rank; i++)
        shape.dims[i] = dims[i];
    return shape;
}

const char *ib__op_name(const ib_node_data *node) {
    static const char *const map_names[] = {
#define X(name, operands, meaning) #name,
#include "kernels/map/map.list"
#undef X
    };
    static const char *const names[] = {
#define X(name) #name,
        IB_OP_LIST(X)
#undef X
    };
    return node->op == IB_OP_map ? map_names[node->map] : names[node->op];
}

/* A shape that can be held: rank and dimensions in range, not more than 2^40 elements. */
static bool shape_fits(const ib_shape *shape) {
    if (shape->rank < 0 || shape->rank > IB_RANK_MAX) return false;
    int64_t n = 1;
    for (int i = 0; i < shape->rank; i++) {
        int64_t d = shape->dims[i];
        if (d < 0 || (d > 0 && n > ((int64_t)1 << 40) / d)) return false;
        n *= d ? d : 1;
    }
    return true;
}

/* Does the op give numbers of its first input only (beside what `pad` puts around them)? */
static bool moves_numbers(ib_op op) {
    switch (op) {
    case IB_OP_stop_gradient:
    case IB_OP_reshape:
    case IB_OP_broadcast_in_dim:
    case IB_OP_transpose:
    case IB_OP_reverse:
    case IB_OP_slice:
    case IB_OP_pad:
    case IB_OP_max_pool:
    case IB_OP_gather:
        return true;
    default:
        return false;
    }
}

ib_node_data *ib__node_add(ib_graph *g, ib_op op, ib_type type, const ib_shape *shape, const ib_node *in,
                           int n) {
    for (int i = 0; i < n; i++)
        if (in[i] == IB_NO_NODE) return NULL;
    if (g->error.code != IB_OK) return NULL;
    if (!shape_fits(shape)) {
        (void)ib__graph_fail(g, IB_BAD_INPUT, "%s: the shape of the result is too large",
                             ib__op_name(&(ib_node_data){.op = op}));
        return NULL;
    }
    if (g->n_nodes >= INT32_MAX / 2 ||
        !ib__grow(&g->nodes, &g->nodes_capacity, g->n_nodes + 1, sizeof *g->nodes)) {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
        return NULL;
    }
    ib_node_data *node = &g->nodes[g->n_nodes++];
    *node = (ib_node_data){.op = op, .type = type, .shape = *shape, .n_in = n, .place = g->place};
    node->backward = g->backward;
    node->logits = node->rounded = IB_NO_NODE;
    if (moves_numbers(op)) node->format = g->nodes[in[0]].format;
    for (int i = 0; i < n; i++)
        if (g->nodes[in[i]].region > node->region) node->region = g->nodes[in[i]].region;
    if (node->region && g->building) node->region = g->building;
    for (int i = 0; i < 3; i++)
        node->in[i] = i < n && n <= 3 ? in[i] : IB_NO_NODE;
    return node;
}

ib_node ib__node_last(const ib_graph *g, const ib_node_data *added) {
    return added ? (ib_node)(g->n_nodes - 1) : IB_NO_NODE;
}

ib_node ib__op_input(ib_graph *g, const char *name, ib_type type, const ib_shape *shape, bool batched) {
    ib_node_data *node = ib__node_add(g, IB_OP_input, type, shape, NULL, 0);
    if (node) {
        node->batched = batched;
        node->name = ib__arena_strdup(&g->arena, name);
    }
    return ib__node_last(g, node);
}

ib_node ib__op_variable(ib_graph *g, ib_variable *variable) {
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == IB_OP_variable && g->nodes[i].u.variable == variable) return (ib_node)i;
    ib_node_data *node = ib__node_add(g, IB_OP_variable, IB_TYPE_F32, &variable->shape, NULL, 0);
    if (node) node->u.variable = variable;
    return ib__node_last(g, node);
}

ib_node ib__op_constant(ib_graph *g, float value) {
    ib_node_data *node = ib__node_add(g, IB_OP_constant, IB_TYPE_F32, &(ib_shape){0}, NULL, 0);
    if (node) {
        ib__format_round(g->format, &value, 1);
        node->u.value = value;
        node->format = g->format;
    }
    return ib__node_last(g, node);
}

/* A constant array of 32-bit words. */
static ib_node constant_words(ib_graph *g, ib_type type, const void *words, const ib_shape *shape) {
    ib_node_data *node = ib__node_add(g, IB_OP_constant_array, type, shape, NULL, 0);
    if (!node) return IB_NO_NODE;
    ib_node a = ib__node_last(g, node);
    size_t n = ib__node_elements(g, a);
    float *copy = ib__alloc(n, sizeof *copy);
    node->u.values = copy;
    if (!copy) return ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    memcpy(copy, words, n * sizeof *copy);
    if (type != IB_TYPE_F32) return a;
    ib__format_round(g->format, copy, n);
    g->nodes[a].format = g->format;
    return a;
}

ib_node ib__op_constant_array(ib_graph *g, const float *values, const ib_shape *shape) {
    return constant_words(g, IB_TYPE_F32, values, shape);
}

ib_node ib__op_iota(ib_graph *g, const ib_shape *shape, int axis) {
    if (axis < 0 || axis >= shape->rank) return ib__graph_fail(g, IB_INTERNAL, "iota: no axis %d", axis);
    if (shape->dims[axis] < 0 || shape->dims[axis] > INT32_MAX)
        return ib__graph_fail(g, IB_BAD_INPUT, "iota: axis %d is too large", axis);
    size_t n = (size_t)shape->dims[axis];
    int32_t *numbers = ib__alloc(n, sizeof *numbers);
    if (!numbers) return ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < n; i++)
        numbers[i] = (int32_t)i;
    ib_shape line = {.rank = 1, .dims = {(int64_t)n}};
    ib_node a = constant_words(g, IB_TYPE_I32, numbers, &line);
    ib__free(numbers);
    return ib__op_broadcast_in_dim(g, a, shape, &axis);
}

ib_node ib__op_uniform(ib_graph *g, const uint32_t key[2], const ib_shape *shape) {
    if (shape->rank < 1) return ib__graph_fail(g, IB_INTERNAL, "uniform: expected rank 1 or more");
    ib_node_data *node = ib__node_add(g, IB_OP_uniform, IB_TYPE_F32, shape, NULL, 0);
    if (node) {
        memcpy(node->u.key, key, sizeof node->u.key);
        node->batched = true;
    }
    return ib__node_last(g, node);
}

void ib__node_set_logits(ib_graph *g, ib_node output, ib_node logits, ib_logits_kind kind) {
    if (output == IB_NO_NODE || logits == IB_NO_NODE) return;
    g->nodes[output].logits = logits;
    g->nodes[output].logits_kind = kind;
}

ib_logits_kind ib__node_logits(const ib_graph *g, ib_node output, ib_node *logits) {
    if (output == IB_NO_NODE) return IB_LOGITS_NONE;
    if (logits) *logits = g->nodes[output].logits;
    return g->nodes[output].logits_kind;
}

void ib__graph_output(ib_graph *g, ib_node a) {
    if (a == IB_NO_NODE) return;
    for (size_t i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] == a) return;
    if (ib__grow(&g->outputs, &g->outputs_capacity, g->n_outputs + 1, sizeof *g->outputs))
        g->outputs[g->n_outputs++] = a;
    else
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
}

/* A value for the end of a step, where variables change: words of a variable itself are copied before. */
static ib_node settled(ib_graph *g, ib_node value) {
    if (g->nodes[ib__alias_base(g, value)].op != IB_OP_variable) return value;
    ib_format format = ib__graph_set_format(g, IB_FORMAT_F32);
    ib_node copy = ib__op_map(g, IB_MAP_copy, value, IB_NO_NODE, IB_NO_NODE);
    (void)ib__graph_set_format(g, format);
    return copy;
}

ib_node ib__graph_assigned(const ib_graph *g, const ib_variable *variable) {
    for (size_t i = 0; i < g->n_assignments; i++)
        if (g->assignments[i].variable == variable) return g->assignments[i].value;
    return IB_NO_NODE;
}

void ib__graph_assign(ib_graph *g, ib_variable *variable, ib_node value) {
    if (value == IB_NO_NODE) return;
    if (g->nodes[value].type != IB_TYPE_F32 || !ib__shape_equal(&g->nodes[value].shape, &variable->shape)) {
        (void)ib__graph_fail(g, IB_INTERNAL, "assignment to %s: shapes or types differ", variable->path);
        return;
    }
    value = settled(g, value);
    if (value == IB_NO_NODE) return;
    for (size_t i = 0; i < g->n_assignments; i++)
        if (g->assignments[i].variable == variable) {
            g->assignments[i].value = value;
            return;
        }
    if (ib__grow(&g->assignments, &g->assignments_capacity, g->n_assignments + 1, sizeof *g->assignments))
        g->assignments[g->n_assignments++] = (ib_assignment){variable, value};
    else
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
}

void ib__graph_effect(ib_graph *g, ib_node value, ib_effect_fn *run, void *context) {
    if (value != IB_NO_NODE) value = settled(g, value);
    if (value == IB_NO_NODE) return;
    if (ib__grow(&g->effects, &g->effects_capacity, g->n_effects + 1, sizeof *g->effects))
        g->effects[g->n_effects++] = (ib_effect){value, run, context};
    else
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
}
