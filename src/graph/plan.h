/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of plans. A graph is compiled in three passes:
 *   fuse.c    which elementwise nodes run together, and after which heavy op (stages and groups)
 *   lower*.c  steps: kernels with their arguments, buffers and their lifetimes
 *   memory.c  a place in one arena for each buffer
 * and then run.c executes the steps. Fusion changes no bits: elementwise ops are exact functions.
 */
#ifndef IB_GRAPH_PLAN_H
#define IB_GRAPH_PLAN_H

#include "graph/internal.h"

/* ---- Fusion ---- */

/* What a node is to the compiler. SOURCE: has memory before the step. ALIAS: the same words as its input.
 * VIRTUAL: constants and broadcasts, read through strides by elementwise consumers. ELEMENTWISE: member of a
 * group. HEAVY: a step of its own. */
typedef enum ib_class {
    IB_CLASS_SOURCE,
    IB_CLASS_ALIAS,
    IB_CLASS_VIRTUAL,
    IB_CLASS_ELEMENTWISE,
    IB_CLASS_HEAVY
} ib_class;

typedef struct ib_fused {
    bool live;
    ib_class class;
    bool array_needed; /* a heavy op, an output, an effect or an assignment reads it as an array */
    bool stored;       /* an elementwise node that someone outside of its group reads */
    bool in_passing;   /* a sum over the batch that the program which makes its operand computes */
    int stage;
    int group; /* -1: none */
} ib_fused;

typedef struct ib_group {
    int stage;
    size_t count;
    ib_node *nodes; /* ascending */
    size_t n_nodes, capacity;
    ib_node after; /* the heavy op whose epilogue it is, or IB_NO_NODE */
} ib_group;

typedef struct ib_fusion {
    ib_fused *nodes; /* one a node of the graph */
    ib_group *groups;
    size_t n_groups, groups_capacity;
    int n_stages;
} ib_fusion;

ib_status ib__fuse(ib_fusion *out, const ib_graph *g, ib_error *err);
void ib__fusion_free(ib_fusion *fusion);
/* The group that is the node's epilogue (there is one at most), -1: none. */
int ib__epilogue_of(const ib_fusion *fusion, ib_node node);
/* The array that a node is read from: past aliases and virtual nodes; IB_NO_NODE: a constant. */
ib_node ib__array_base(const ib_graph *g, ib_node a);
/* May a sum be computed by the program that makes its operand? Then the operand is [samples, count, inner].
 */
bool ib__sums_in_passing(const ib_graph *g, ib_node sum, size_t *count, size_t *inner);
/* Is the node (after ib__alias_base) a member of a group: map, uniform, or a virtual one that is needed as
 * array? */
bool ib__is_member(const ib_fusion *f, ib_node a);

/* ---- Tile programs ---- */

/* How a program reads an operand at element i of its range of `count` elements. */
typedef enum ib_load_kind {
    IB_LOAD_ARRAY,    /* base[i] */
    IB_LOAD_CONSTANT, /* the word `bits` */
    IB_LOAD_SCALAR,   /* base[0] */
    IB_LOAD_PERIODIC, /* base[i mod period] */
    IB_LOAD_STRIDED   /* base[sum of coordinate * stride] over dims */
} ib_load_kind;

typedef struct ib_load {
    ib_load_kind kind;
    ib_node node; /* whose array is read */
    uint32_t bits;
    size_t period;
    int rank;
    size_t dims[IB_RANK_MAX], strides[IB_RANK_MAX];
    float *base;  /* set when memory is planned; only read */
    size_t local; /* an array's buffer is local; 0: not */
} ib_load;

/* One elementwise op over a tile, or (draw) uniform numbers. Operands are slots: loads first, then outputs,
 * then registers. */
typedef struct ib_instruction {
    ib_map_op op;
    bool draw;
    uint32_t key[2];
    size_t per_sample;
    int d, a, b, c; /* -1: unused */
} ib_instruction;

typedef struct ib_output {
    ib_node node;
    int written; /* the instruction that writes it */
    float *base;
    size_t local;
} ib_output;

/* The sum of each sample, from [samples, count, inner] to [samples, inner], of what an instruction gives. */
typedef struct ib_total {
    ib_node node; /* the sum over the batch that it is for */
    int of;       /* the instruction */
    size_t count, inner;
    int buffer;
    float *base;
} ib_total;

typedef struct ib_program {
    size_t count, tile;
    ib_load *loads;
    ib_output *outputs;
    ib_instruction *code;
    ib_total *totals;
    int n_loads, n_outputs, n_code, n_registers, n_totals;
    size_t samples; /* which a part may not cut, if there are totals; else 0 */
    bool ahead;     /* fetches the next tile while it works on one */
    int *last_read; /* a load's last instruction */
    size_t scratch; /* bytes a worker needs */
} ib_program;

ib_status ib__program_build(ib_program *out, const ib_graph *g, const ib_fusion *f, const ib_group *group,
                            ib_error *err);
void ib__program_free(ib_program *program);
/* Runs elements [start, end). With totals: of a sample, one thread runs all of them, in order. scratch: the
 * worker's, begins with a stamp that tells whether its constant tiles are those of this step and run. */
void ib__program_run(const ib_program *program, const ib_kernels *kernels, const ib_stream_at *at,
                     size_t start, size_t end, void *scratch, uint64_t stamp, size_t worker);

/* ---- Copies ---- */

/* dst[sum i_k * dst_strides[k]] = src[sum i_k * src_strides[k]] for all i in dims. Words. */
typedef struct ib_copy {
    int rank;
    size_t dims[IB_RANK_MAX], src_strides[IB_RANK_MAX], dst_strides[IB_RANK_MAX];
    size_t src_offset, dst_offset;
} ib_copy;
void ib__copy_simplify(ib_copy *copy);     /* drops and merges dimensions */
size_t ib__copy_rows(const ib_copy *copy); /* what parts cut: all but the last dimension */
void ib__copy_run(const ib_copy *copy, const float *src, float *dst, size_t row0, size_t row1);

/* out[i] = row indices[i] of a table, for i in [first, end). */
void ib__gather_run(const float *table, size_t rows, size_t width, const int32_t *indices, float *out,
                    size_t first, size_t end);

/* ---- Steps ---- */

typedef enum ib_step_kind {
    IB_STEP_PROGRAM,
    IB_STEP_GEMM,
    IB_STEP_CONVOLUTION,
    IB_STEP_CONVOLUTION_GRAD_INPUT,
    IB_STEP_CONVOLUTION_GRAD_KERNEL,
    IB_STEP_CONVOLUTION_GRAD_LANES, /* the same, a sum for each part, which is a group of lanes */
    IB_STEP_POOL,
    IB_STEP_REDUCE,
    IB_STEP_REDUCE_LANES,
    IB_STEP_LANE_TREE,
    IB_STEP_COPY,
    IB_STEP_FILL,
    IB_STEP_GATHER,
    IB_STEP_SCATTER_LISTS,
    IB_STEP_SCATTER, /* no parts: rows are made when the effect that reads them runs */
    IB_STEP_CUSTOM_CALL,
    IB_STEP_SCAN,
    IB_STEP_EFFECTS
} ib_step_kind;

typedef struct ib_scan_step ib_scan_step; /* scan_plan.h */

enum { IB__LINE_WORDS = 16 };

/* A buffer of words with a lifetime in steps. shares: it lives in another one's place (in-place update). */
typedef struct ib_buffer {
    size_t words;
    int first, last;
    int shares; /* -1: none */
    bool placed;
    bool by_steps; /* a stack that only scans read: [steps, samples, ...], so that a step lies in one piece */
    bool given;    /* an input, a variable, or outside memory: there before the first step */
    int uses;      /* how many steps touch it */
    size_t local;  /* above 0: each worker has room for so many words, a block of images */
    size_t offset;
    float *data; /* outside memory when not NULL before planning */
} ib_buffer;

typedef struct ib_step ib_step;
struct ib_step {
    ib_step_kind kind;
    ib_node node;   /* what it computes, IB_NO_NODE: an intermediate */
    int epilogue;   /* program, -1: none. IB_STEP_PROGRAM: the program */
    size_t parts;   /* 0: nothing to do */
    int in[2], out; /* buffers, -1: unused */
    size_t columns; /* of the output, for the epilogue */
    int maker;      /* the step that makes what this one reads, a few images at a time; -1: none (images.c) */
    size_t block;   /* how many */
    bool inner;     /* runs inside of another step */
    union {
        struct {
            ib_gemm_args args;
            size_t batch, a_step, b_step, c_step, inner_parts;
        } gemm;
        ib_conv_args convolution;
        struct {
            ib_pool_args args;
            ib_op op;
            int hits; /* max: buffer, -1: not needed */
        } pool;
        ib_reduce_args reduce;
        ib_reduce_lanes_args lanes;
        struct {
            size_t lanes, n;
        } tree;
        ib_copy copy;
        float fill;
        struct {
            size_t rows, width, count; /* of the table; how many rows are taken */
        } gather;
        ib_scatter_args scatter;
        struct {
            ib_rows_fn *run;
            const void *context;
            ib_call_rows rows; /* without the arrays */
            size_t count;
        } call;
        struct {
            const ib_scan *scan;
            ib_scan_step *step;
        } scan;
    } u;
};

typedef struct ib_effect_part {
    size_t effect; /* index of effects, or n_effects + index of assignments */
    size_t start, n;
    int scatter;  /* the step whose rows are made just before the call, -1: none */
    size_t share; /* the thread that probably made it */
} ib_effect_part;

/* The memory of steps; plans that never run at the same time may have it in common. */
typedef struct ib_step_memory {
    float *data;
    size_t words, users;
} ib_step_memory;

/* Where the memory of a node is written down, so that it can be exchanged between runs. n = 0: it cannot, as
 * it belongs to a variable or lies outside. */
typedef struct ib_binding {
    float ***places, *home;
    size_t n;
} ib_binding;

typedef struct ib_bound_input {
    ib_node input;
    ib_binding binding;
} ib_bound_input;

struct ib_plan {
    ib_graph *g;
    const ib_kernels *kernels;
    ib_pool *pool;
    ib_fusion fusion;
    ib_program *programs; /* one a group */
    ib_step *steps;
    size_t n_steps, steps_capacity;
    ib_buffer *buffers;
    size_t n_buffers, buffers_capacity;
    int *buffer_of; /* a node's buffer, -1: none */
    ib_effect_part *effect_parts;
    size_t n_effect_parts, effect_parts_capacity;
    ib_step_memory *memory;
    float *arena, *inputs; /* the arena is a part of the memory */
    size_t arena_words, inputs_words;
    ib_bound_input *bound; /* inputs that were bound once */
    size_t n_bound, bound_capacity;
    char *scratch;                          /* a piece for each worker */
    size_t program_scratch, kernel_scratch; /* bytes a worker */
    uint64_t run;
    const ib_stream_at *at;
    ib_watch_fn *watch;
    void *watch_context;
    bool fill;
    uint32_t fill_word;
    double *times; /* seconds of each step, all runs; NULL: not measured */
    uint64_t timed_runs;
};

/* The memory of a node that is an array. */
static inline float *ib__plan_array(const ib_plan *plan, ib_node a) {
    return plan->buffers[plan->buffer_of[ib__alias_base(plan->g, a)]].data;
}

/* Is it the gradient of a pool? */
static inline bool ib__pool_backward(const ib_step *step) {
    return step->kind == IB_STEP_POOL &&
           (step->u.pool.op == IB_OP_max_pool_grad || step->u.pool.op == IB_OP_avg_pool_grad);
}

/* Where a worker has its part of a local buffer, words from its begin; worker's parts begin with a line. */
static inline size_t ib__local_place(size_t local, size_t at, size_t worker) {
    return local ? (local + IB__LINE_WORDS - 1) / IB__LINE_WORDS * IB__LINE_WORDS * worker + at % local : at;
}

/* The buffer in whose place it lives; itself, if it has one. */
int ib__buffer_root(const ib_plan *plan, int buffer);

ib_status ib__binding_make(ib_binding *out, ib_plan *plan, ib_node a, ib_error *err);
void ib__binding_free(ib_binding *binding);
void ib__binding_set(const ib_binding *binding, float *data);

/* Joins steps that can run image by image, once all are emitted. */
void ib__join_images(ib_plan *plan);

/* Decides whether its programs fetch ahead, by the size of the plan that it is or is a body of. */
void ib__plan_fetch_ahead(ib_plan *plan, const ib_plan *whole);

ib_status ib__plan_lower(ib_plan *plan, ib_error *err);
/* lender: a plan whose memory may be used too, or NULL. */
ib_status ib__plan_memory(ib_plan *plan, const ib_plan *lender, ib_error *err);
void ib__plan_memory_free(ib_plan *plan);

#endif
