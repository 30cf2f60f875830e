/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the graph room: how nodes are kept. Nodes are numbered as they were built, so every input has a
 * smaller number than its consumer.
 */
#ifndef IB_GRAPH_INTERNAL_H
#define IB_GRAPH_INTERNAL_H

#include "base/mem.h"
#include "graph/graph.h"

/* Lengths beside dimensions (amounts of padding, windows): sums and products of two of them do not overflow.
 */
#define IB_LENGTH_MAX ((int64_t)1 << 30)

/* X(name): the primitive ops; elementwise ones are `map` with a kernel of map.list. */
#define IB_OP_LIST(X)                                                                                        \
    X(input)                                                                                                 \
    X(variable)                                                                                              \
    X(constant)                                                                                              \
    X(constant_array)                                                                                        \
    X(uniform)                                                                                               \
    X(map)                                                                                                   \
    X(stop_gradient)                                                                                         \
    X(reshape)                                                                                               \
    X(broadcast_in_dim)                                                                                      \
    X(transpose)                                                                                             \
    X(concatenate)                                                                                           \
    X(reverse)                                                                                               \
    X(slice)                                                                                                 \
    X(pad)                                                                                                   \
    X(reduce)                                                                                                \
    X(dot_general)                                                                                           \
    X(convolution)                                                                                           \
    X(convolution_grad_input)                                                                                \
    X(convolution_grad_kernel)                                                                               \
    X(max_pool)                                                                                              \
    X(max_pool_grad)                                                                                         \
    X(avg_pool)                                                                                              \
    X(avg_pool_grad)                                                                                         \
    X(gather)                                                                                                \
    X(scatter_add)                                                                                           \
    X(custom_call)                                                                                           \
    X(scan)                                                                                                  \
    X(scan_input)                                                                                            \
    X(scan_result)                                                                                           \
    X(outside)

typedef enum ib_op {
#define X(name) IB_OP_##name,
    IB_OP_LIST(X)
#undef X
} ib_op;

typedef struct ib_node_data {
    ib_op op;
    ib_map_op map; /* of IB_OP_map */
    ib_type type;
    ib_format format;
    ib_node rounded; /* its result in the format it was built for; IB_NO_NODE: the result itself is in it */
    ib_shape shape;
    bool batched;
    bool backward; /* built by ib__graph_gradients */
    int region;    /* of the scan whose body it belongs to; 0: none */
    int n_in;
    ib_node in[3];
    ib_node *many; /* concatenate: its n_in inputs; else NULL */
    union {
        float value;           /* constant */
        const float *values;   /* constant_array: 64-byte aligned, in the graph's memory; outside: not ours */
        uint32_t key[2];       /* uniform */
        int dims[IB_RANK_MAX]; /* broadcast_in_dim, transpose; concatenate: dims[0] is the axis */
        struct {
            int64_t low[IB_RANK_MAX], high[IB_RANK_MAX]; /* slice: start, limit; pad: amounts */
            float fill;
        } range;
        struct {
            ib_reduce_op op;
            unsigned axes;
        } reduce;
        ib_dot_axes dot;
        struct {
            ib_window window;
            int64_t groups;
        } window;
        struct {
            ib_rows_fn *run;
            ib_rows_fn *transposed;   /* of a linear call; else NULL */
            ib_gradient_fn *gradient; /* of a function call; else NULL */
            const void *context;
        } call;
        ib_variable *variable;
        ib_scan *scan; /* of scan */
        struct {
            ib_scan *scan;
            bool final;   /* a carry after the last step; else a stack */
            size_t index; /* of the carry or the stacked value */
        } result;         /* of scan_result */
    } u;
    const char *name;  /* input */
    const char *place; /* where it was built */
    ib_node logits;
    ib_logits_kind logits_kind;
} ib_node_data;

typedef struct ib_assignment {
    ib_variable *variable;
    ib_node value;
} ib_assignment;

typedef struct ib_effect {
    ib_node value;
    ib_effect_fn *run;
    void *context;
} ib_effect;

/* A scan. Nodes of the body have its region's number. */
typedef struct ib_scan_carry {
    ib_node init, in, next; /* outside, in the body, in the body or outside */
    ib_node final;          /* the result, IB_NO_NODE: not asked for */
} ib_scan_carry;

typedef struct ib_scan_slice {
    ib_node outer; /* [samples, steps, ...] */
    ib_node inner; /* [samples, ...] in the body */
} ib_scan_slice;

struct ib_scan {
    int region;
    int64_t steps;
    size_t rows; /* of a sample, in every array of the body; 0: not known yet */
    bool reverse;
    ib_node node; /* IB_NO_NODE until the end */
    ib_scan_carry *carries;
    size_t n_carries, carries_capacity;
    ib_scan_slice *xs, *ys; /* ys: what is stacked */
    size_t n_xs, xs_capacity, n_ys, ys_capacity;
    ib_node *captured; /* nodes from outside that the body reads */
    size_t n_captured, captured_capacity;
    ib_scan *before; /* the graph's list */
};

struct ib_graph {
    size_t samples, lanes;
    ib_node_data *nodes;
    size_t n_nodes, nodes_capacity;
    ib_node *outputs;
    size_t n_outputs, outputs_capacity;
    ib_assignment *assignments;
    size_t n_assignments, assignments_capacity;
    ib_effect *effects;
    size_t n_effects, effects_capacity;
    const char *place;
    bool backward;
    ib_format format; /* of the ops that are built */
    ib_scan *scans;   /* the last one first */
    int regions;      /* how many there were */
    int building;     /* nodes that touch any region belong to this one; 0: to the one they touch */
    ib_arena arena;
    ib_error error;
};

static inline const ib_node_data *ib__node(const ib_graph *g, ib_node a) {
    return &g->nodes[a];
}

/* Appends a node; op, type, shape and inputs set, everything else zero. NULL (error recorded) if an input is
 * IB_NO_NODE or memory is out. The pointer is valid until the next node. */
ib_node_data *ib__node_add(ib_graph *g, ib_op op, ib_type type, const ib_shape *shape, const ib_node *in,
                           int n);
/* The number of the node added last; IB_NO_NODE if added is NULL. */
ib_node ib__node_last(const ib_graph *g, const ib_node_data *added);
/* The same after an op that made new numbers: rounded to the graph's format. */
ib_node ib__node_rounded(ib_graph *g, const ib_node_data *added);
void ib__format_round(ib_format format, float *values, size_t n);
const char *ib__op_name(const ib_node_data *node); /* "add", "convolution" */
size_t ib__node_elements(const ib_graph *g, ib_node a);
/* The node whose words a node has, past reshape and stop_gradient. */
ib_node ib__alias_base(const ib_graph *g, ib_node a);
ib_shape ib__shape_of(int rank, const int64_t *dims);

/* ib__op_gather's gradient: shape of the table. */
ib_node ib__op_scatter_add(ib_graph *g, ib_node indices, ib_node updates, const ib_shape *shape);
/* A scan without the checks of the public calls; for gradients. */
ib_node ib__scan_input(ib_graph *g, ib_type type, const ib_shape *shape, bool batched, int region);
bool ib__scan_add_slice(ib_graph *g, ib_scan_slice **list, size_t *n, size_t *capacity, ib_node outer,
                        ib_node inner);
/* [samples, ...] <-> [samples, steps, ...] */
ib_shape ib__scan_stack_shape(const ib_scan *scan, const ib_shape *shape);
void ib__scans_free(ib_graph *g);

/* The axes 0 .. rank - 1 that are neither batch nor contracted, ascending; gives their number. */
int ib__rest_axes(int rank, const int *batch, int n_batch, const int *contract, int n_contract, int *out);

/* The backward ops, built by gradient rules only. */
ib_node ib__op_convolution_grad_input(ib_graph *g, ib_node dy, ib_node k, const ib_shape *x,
                                      const ib_window *window, int64_t groups);
ib_node ib__op_convolution_grad_kernel(ib_graph *g, ib_node x, ib_node dy, const ib_shape *k,
                                       const ib_window *window, int64_t groups);
ib_node ib__op_pool_grad(ib_graph *g, ib_op op, ib_node x, ib_node dy, const ib_window *window);

#endif
