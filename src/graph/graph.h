/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph: about fifty primitive ops with a shape rule and a gradient rule each, built once for a batch
 * size, compiled to a plan (fusion, memory), run many times. Op names and meanings follow StableHLO; the
 * order of additions is fixed by doc/numerics.md.
 *
 * Building never needs a check at each line: an op that does not fit records the first error in the graph and
 * gives IB_NO_NODE, and ops of IB_NO_NODE give IB_NO_NODE. ib__graph_status tells in the end.
 *
 * Batches: a graph has `samples` samples and cuts sums over them in `lanes`. A node whose first dimension
 * counts samples (samples * r rows, sample by sample) is "batched"; the flag travels from inputs through the
 * ops. Sums and products that contract the leading dimension of batched nodes run in lanes.
 */
#ifndef IB_GRAPH_GRAPH_H
#define IB_GRAPH_GRAPH_H

#include "base/buf.h"
#include "base/pool.h"
#include "kernels/kernels.h"
#include "numerics/tensor.h"

typedef int32_t ib_node;
#define IB_NO_NODE ((ib_node)-1)

typedef enum ib_type { IB_TYPE_F32, IB_TYPE_I32, IB_TYPE_PRED } ib_type; /* all stored as 32-bit words */

typedef struct ib_graph ib_graph;

/* A value that lives longer than a step: a weight, an optimizer slot, a moving average. Owned by the model;
 * the graph reads data while it runs and writes it by assignments and effects. */
typedef struct ib_variable {
    const char *path; /* "dense_1/kernel"; unique in a model */
    ib_shape shape;
    float *data; /* 64-byte aligned */
} ib_variable;

/* lanes: 0 takes the default, ib__lanes_default(samples). *out: release with ib__graph_free. */
ib_status ib__graph_new(ib_graph **out, size_t samples, size_t lanes, ib_error *err);
void ib__graph_free(ib_graph *g);
size_t ib__lanes_default(size_t samples); /* min(8, samples / 16), at least 1 */
size_t ib__graph_samples(const ib_graph *g);

/* The first error of building, as an ib_error; IB_OK if there was none. */
ib_status ib__graph_status(const ib_graph *g, ib_error *err);

/* Where errors of the ops that follow are said to be ("layers[3] conv2d_2"); also names nodes for diff. The
 * text is copied. */
void ib__graph_place(ib_graph *g, const char *place);
/* Records an error found by a caller; the first one wins. Always gives IB_NO_NODE. */
ib_node ib__graph_fail(ib_graph *g, ib_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a node is. shape: all dimensions known. Valid until the graph is freed; a zero shape for IB_NO_NODE.
 */
ib_shape ib__node_shape(const ib_graph *g, ib_node a);
ib_type ib__node_type(const ib_graph *g, ib_node a);
bool ib__node_batched(const ib_graph *g, ib_node a);

/* ---- Formats. All floats are float32 words; those of a node may all be numbers of a 16-bit format. While
 * the graph's format is a 16-bit one, each op that makes new numbers rounds its result to it once, at the end
 * (sums and products are made in float32), and so do the ops of its gradient; constants are rounded as well.
 * Ops that only choose or move numbers keep their format. What comes back to a node as its gradient is
 * rounded to the node's format, contribution by contribution and sum by sum. ---- */
typedef enum ib_format { IB_FORMAT_F32, IB_FORMAT_BF16, IB_FORMAT_F16 } ib_format;
ib_format ib__graph_format(const ib_graph *g);
ib_format ib__graph_set_format(ib_graph *g, ib_format format); /* gives the one before */
ib_format ib__node_format(const ib_graph *g, ib_node a);
/* The same numbers in another format: rounded, or as float32, in which gradients for it are added up. What is
 * no float stays. */
ib_node ib__op_format(ib_graph *g, ib_node a, ib_format format);

/* ---- Sources ---- */
ib_node ib__op_input(ib_graph *g, const char *name, ib_type type, const ib_shape *shape, bool batched);
ib_node ib__op_variable(ib_graph *g, ib_variable *variable); /* the same node for the same variable */
ib_node ib__op_constant(ib_graph *g, float value);           /* rank 0 */
ib_node ib__op_constant_f32(ib_graph *g, float value);       /* not rounded in a 16-bit format */
ib_node ib__op_constant_array(ib_graph *g, const float *values, const ib_shape *shape); /* copied */
ib_node ib__op_iota(ib_graph *g, const ib_shape *shape, int axis);                      /* int32 */
/* Uniform numbers in [0, 1) of the stream `key` (see ib_stream_at): shape[0] counts samples. */
ib_node ib__op_uniform(ib_graph *g, const uint32_t key[2], const ib_shape *shape);

/* ---- Elementwise. Operands are broadcast to a common shape as NumPy does. ---- */
ib_node ib__op_map(ib_graph *g, ib_map_op op, ib_node a, ib_node b, ib_node c); /* unused: IB_NO_NODE */
ib_node ib__op_add(ib_graph *g, ib_node a, ib_node b);
ib_node ib__op_subtract(ib_graph *g, ib_node a, ib_node b);
ib_node ib__op_multiply(ib_graph *g, ib_node a, ib_node b);
ib_node ib__op_divide(ib_graph *g, ib_node a, ib_node b);
ib_node ib__op_maximum(ib_graph *g, ib_node a, ib_node b); /* gradient: to a where a > b, else to b */
ib_node ib__op_minimum(ib_graph *g, ib_node a, ib_node b); /* gradient: to a where a < b, else to b */
ib_node ib__op_select(ib_graph *g, ib_node predicate, ib_node yes, ib_node no);
ib_node ib__op_negate(ib_graph *g, ib_node a);
ib_node ib__op_exp(ib_graph *g, ib_node a);
ib_node ib__op_log(ib_graph *g, ib_node a);
ib_node ib__op_sqrt(ib_graph *g, ib_node a);
ib_node ib__op_square(ib_graph *g, ib_node a);                /* a * a */
ib_node ib__op_scale(ib_graph *g, ib_node a, float k);        /* a * k */
ib_node ib__op_offset(ib_graph *g, ib_node a, float k);       /* a + k */
ib_node ib__op_relu(ib_graph *g, ib_node a);                  /* maximum(a, 0) */
ib_node ib__op_convert(ib_graph *g, ib_node a, ib_type type); /* predicates become 0 and 1 */
ib_node ib__op_stop_gradient(ib_graph *g, ib_node a);

/* ---- Shapes ---- */
ib_node ib__op_reshape(ib_graph *g, ib_node a, const ib_shape *shape); /* one dimension may be -1 */
ib_node ib__op_transpose(ib_graph *g, ib_node a, const int *permutation);
/* dims[i]: which dimension of `shape` dimension i of a becomes. */
ib_node ib__op_broadcast_in_dim(ib_graph *g, ib_node a, const ib_shape *shape, const int *dims);
/* a broadcast to shape, aligned at the last dimensions as NumPy does; a itself if the shapes agree. */
ib_node ib__op_broadcast_to(ib_graph *g, ib_node a, const ib_shape *shape);
ib_node ib__op_concatenate(ib_graph *g, const ib_node *parts, size_t n, int axis);
ib_node ib__op_slice(ib_graph *g, ib_node a, const int64_t *start, const int64_t *limit); /* stride 1 */
ib_node ib__op_reverse(ib_graph *g, ib_node a, int axis);
ib_node ib__op_pad(ib_graph *g, ib_node a, float value, const int64_t *low, const int64_t *high);

/* ---- Reductions, over the axes whose bit is set in `axes`. keep: reduced axes stay with size 1. ---- */
ib_node ib__op_reduce(ib_graph *g, ib_reduce_op op, ib_node a, unsigned axes, bool keep);
ib_node ib__op_mean(ib_graph *g, ib_node a, unsigned axes, bool keep); /* sum / count */

/* ---- Products ---- */
/* dot_general: batch axes first, then the free axes of a, then those of b. n_batch, n_contract axes are given
 * for each side, paired in order. */
typedef struct ib_dot_axes {
    int n_batch, n_contract;
    int a_batch[IB_RANK_MAX], b_batch[IB_RANK_MAX];
    int a_contract[IB_RANK_MAX], b_contract[IB_RANK_MAX];
} ib_dot_axes;
ib_node ib__op_dot_general(ib_graph *g, ib_node a, ib_node b, const ib_dot_axes *axes);
ib_node ib__op_matmul(ib_graph *g, ib_node a, ib_node b); /* last axis of a with the first of b: [k, n] */

/* A window that slides over the axes of a tensor between the first and the last, one to three, in their
 * order. */
typedef struct ib_window {
    int64_t taps[3], strides[3], dilation[3];
    int64_t low[3], high[3]; /* padding, not negative */
    int64_t even[3];         /* pools: above 0, so many windows of even lengths; the rest does not matter */
} ib_window;
/* x: [n, ..., ci]   k: [taps ..., ci/groups, co]   -> [n, ..., co] */
ib_node ib__op_convolution(ib_graph *g, ib_node x, ib_node k, const ib_window *window, int64_t groups);
/* What the gradient of a convolution of x to y does: y: [n, ..., co]   k: as above   -> x's shape. sizes: of
 * x's axes between the first and the last. */
ib_node ib__op_convolution_transpose(ib_graph *g, ib_node y, ib_node k, const int64_t *sizes,
                                     const ib_window *window, int64_t groups);
/* x: [n, ..., c]; places in the padding take no part. */
ib_node ib__op_max_pool(ib_graph *g, ib_node x, const ib_window *window);
ib_node ib__op_avg_pool(ib_graph *g, ib_node x, const ib_window *window);

/* ---- Gather ---- */
/* table: [rows, ...], indices: int32 of any shape -> [indices' shape ..., ...]. An index outside of the table
 * takes the nearest row. Gradient for the table: each lane adds the contributions to a row in order, from +0;
 * the lanes are added by the lane tree. */
ib_node ib__op_gather(ib_graph *g, ib_node table, ib_node indices);

/* ---- Custom calls: what no op says, as looking up in a table or hashing. A pure function from rows to rows:
 * row i of the result, its part number i along the first axis, is made of row i of each operand. ---- */
typedef struct ib_call_rows {
    const void *in[2]; /* operands' words; NULL: there is no second one */
    size_t width[2];   /* words of a row */
    void *out;
    size_t out_width;
} ib_call_rows;
/* Makes rows [first, end); parts run in any order on any thread. */
typedef void ib_rows_fn(const void *context, const ib_call_rows *rows, size_t first, size_t end);
/* b may be IB_NO_NODE. shape: of the result; its first dimension is that of the operands. context must
 * outlive the graph's plans. There is no gradient: asking for one is an error, but nothing flows through
 * integers. */
ib_node ib__op_custom_call(ib_graph *g, ib_rows_fn *run, const void *context, ib_node a, ib_node b,
                           ib_type type, const ib_shape *shape);
/* A linear function of float32 rows, and its transpose, which is its gradient. */
typedef struct ib_linear {
    ib_rows_fn *run, *transposed;
    const void *context;
} ib_linear;
ib_node ib__op_linear_call(ib_graph *g, const ib_linear *f, ib_node a, const ib_shape *shape);
/* A function of float32 rows whose gradient is made of ops: what operand i gets of the result's dy. in: the
 * operands, y: the result; IB_NO_NODE: nothing. */
typedef ib_node ib_gradient_fn(ib_graph *g, const ib_node in[2], ib_node y, ib_node dy, int i);
typedef struct ib_rows_function {
    ib_rows_fn *run;
    ib_gradient_fn *gradient;
    const void *context;
} ib_rows_function;
ib_node ib__op_function_call(ib_graph *g, const ib_rows_function *f, ib_node a, ib_node b,
                             const ib_shape *shape);
/* The words of value, as something whose gradient is that of target: a weight that takes another value before
 * it is used. Same shape, rank 1 or more. */
ib_node ib__op_instead(ib_graph *g, ib_node value, ib_node target);
/* Memory for contexts, zero, as long-lived as the graph. NULL after an error, which the graph has then. */
void *ib__graph_memory(ib_graph *g, size_t count, size_t size);

/* ---- Scan: a body of ops that runs once for each time step, as an RNN does. Between begin and end, ops on
 * what ib__scan_carry and ib__scan_x give belong to the body; all other nodes may be used in it as they are.
 * ---- */
typedef struct ib_scan ib_scan;
/* reverse: from the last step to the first. NULL after an error. */
ib_scan *ib__scan_begin(ib_graph *g, int64_t steps, bool reverse);
/* A value that goes from step to step, and its first one. The first axis counts samples, or rows of samples,
 * the same number in all arrays of the body. */
ib_node ib__scan_carry(ib_graph *g, ib_scan *scan, ib_node init);
/* This step's part [samples, ...] of an array [samples, steps, ...]. */
ib_node ib__scan_x(ib_graph *g, ib_scan *scan, ib_node xs);
/* What the carry will be in the next step. */
void ib__scan_next(ib_graph *g, ib_scan *scan, ib_node carry, ib_node next);
void ib__scan_end(ib_graph *g, ib_scan *scan);
/* After the end: a carry after the last step; a value of the body at every step, [samples, steps, ...]. */
ib_node ib__scan_final(ib_graph *g, ib_scan *scan, ib_node carry);
ib_node ib__scan_stacked(ib_graph *g, ib_scan *scan, ib_node value);

/* ---- Logits. A softmax or sigmoid output remembers what it was made from; losses look for it. ---- */
typedef enum ib_logits_kind { IB_LOGITS_NONE, IB_LOGITS_SOFTMAX, IB_LOGITS_SIGMOID } ib_logits_kind;
void ib__node_set_logits(ib_graph *g, ib_node output, ib_node logits, ib_logits_kind kind);
ib_logits_kind ib__node_logits(const ib_graph *g, ib_node output, ib_node *logits);

/* ---- Gradients. dx[i] = sum over j of d y[j] . dy[j] / d x[i]; a zero array where nothing depends. dy[j]
 * may be IB_NO_NODE for a rank-0 y[j]: 1. Contributions are added in the order in which the consumers were
 * built, the last first. ---- */
void ib__graph_gradients(ib_graph *g, const ib_node *y, const ib_node *dy, size_t ny, const ib_node *x,
                         size_t nx, ib_node *dx);

/* ---- Results ---- */
/* The node's value can be read after a run by ib__plan_value. */
void ib__graph_output(ib_graph *g, ib_node a);
/* After everything of a step that reads the variable, variable = value (float32, same shape). A second
 * assignment to a variable replaces the first. */
void ib__graph_assign(ib_graph *g, ib_variable *variable, ib_node value);
/* What the variable will be after the step, if it was assigned; else IB_NO_NODE. */
ib_node ib__graph_assigned(const ib_graph *g, const ib_variable *variable);
/* After everything else of a step, calls run for ranges of [0, elements of value) that cover it once, in
 * parallel: an optimizer's update. value: elements [start, start + n) of the node. */
typedef void ib_effect_fn(void *context, const ib_kernels *kernels, const float *value, size_t start,
                          size_t n);
void ib__graph_effect(ib_graph *g, ib_node value, ib_effect_fn *run, void *context);

/* ---- Plans ---- */
typedef struct ib_plan ib_plan;
/* Compiles what outputs, assignments and effects need. The graph must outlive the plan. */
ib_status ib__plan_new(ib_plan **out, ib_graph *g, const ib_kernels *kernels, ib_pool *pool, ib_error *err);
/* The same in the memory of another plan, if it is large enough: values of one are gone when the other has
 * run, and the two must not run at the same time. They may be freed in any order. lender may be NULL. */
ib_status ib__plan_new_in(ib_plan **out, ib_graph *g, const ib_kernels *kernels, ib_pool *pool,
                          const ib_plan *lender, ib_error *err);
void ib__plan_free(ib_plan *plan);
/* Where to put an input before a run: its array, row major. Stays the same between runs. */
void *ib__plan_input(ib_plan *plan, ib_node input);
/* From now on the input is read from `data`, of its shape and type, which is not copied; NULL: from the
 * plan's own memory again. false: no memory to take note of it. */
bool ib__plan_bind_input(ib_plan *plan, ib_node input, void *data);
const void *ib__plan_value(const ib_plan *plan, ib_node output);
/* Runs a step. at: the random streams' position (step, epoch, first_sample); key and per_sample are the ops'.
 * Never allocates. */
void ib__plan_run(ib_plan *plan, const ib_stream_at *at);
size_t ib__plan_bytes(const ib_plan *plan); /* of the step's arena */
/* Watching, for diff: called after each step of the plan with the node, its place ("layers[3] conv2d_2",
 * forward or backward), op name, value. NULL stops. Slow; bits stay. */
typedef void ib_watch_fn(void *context, size_t index, const char *op, const char *place, bool backward,
                         const ib_shape *shape, const void *words);
void ib__plan_watch(ib_plan *plan, ib_watch_fn *watch, void *context);
/* Timing, for benchmarks: from now on every run adds each step's seconds. print says the slowest steps, as
 * shares of the whole, seconds a run. */
ib_status ib__plan_time(ib_plan *plan, ib_error *err);
bool ib__plan_print_times(const ib_plan *plan, ib_buf *out);
/* For tests: fills the step's arena with this word before each run; results must not change. */
void ib__plan_fill(ib_plan *plan, uint32_t word);

#endif
