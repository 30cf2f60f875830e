/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans: made once, run many times. Steps run one after another; the parts of a step run in any order on any
 * thread.
 */
#include "graph/scan_plan.h"

#include "base/rounding.h"
#include "kernels/pool/window.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Arrays that all lie in the second-level cache are not fetched ahead: that would cost more than it saves. */
enum { CACHE_WORDS = 1 << 19 };

void ib__plan_fetch_ahead(ib_plan *plan, const ib_plan *whole) {
    for (size_t i = 0; i < plan->fusion.n_groups; i++)
        plan->programs[i].ahead = whole->arena_words > CACHE_WORDS;
}

ib_status ib__plan_new(ib_plan **out, ib_graph *g, const ib_kernels *kernels, ib_pool *pool, ib_error *err) {
    return ib__plan_new_in(out, g, kernels, pool, NULL, err);
}

ib_status ib__plan_new_in(ib_plan **out, ib_graph *g, const ib_kernels *kernels, ib_pool *pool,
                          const ib_plan *lender, ib_error *err) {
    *out = NULL;
    ib_status status = ib__graph_status(g, err);
    if (status != IB_OK) return status;
    ib_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return ib__fail_memory(err);
    plan->g = g;
    plan->kernels = kernels;
    plan->pool = pool;
    plan->buffer_of = malloc((g->n_nodes + 1) * sizeof *plan->buffer_of);
    status = plan->buffer_of ? ib__fuse(&plan->fusion, g, err) : ib__fail_memory(err);
    if (status != IB_OK) goto failed;
    for (size_t i = 0; i < g->n_nodes; i++)
        plan->buffer_of[i] = -1;
    plan->programs = calloc(plan->fusion.n_groups + 1, sizeof *plan->programs);
    if (!plan->programs) {
        status = ib__fail_memory(err);
        goto failed;
    }
    for (size_t i = 0; i < plan->fusion.n_groups && status == IB_OK; i++)
        status = ib__program_build(&plan->programs[i], g, &plan->fusion, &plan->fusion.groups[i], err);
    if (status == IB_OK) status = ib__plan_lower(plan, err);
    if (status == IB_OK) status = ib__plan_memory(plan, lender, err);
    if (status != IB_OK) goto failed;
    for (size_t i = 0; i < plan->fusion.n_groups; i++) {
        ib_program *p = &plan->programs[i];
        for (int k = 0; k < p->n_loads; k++)
            if (p->loads[k].kind != IB_LOAD_CONSTANT) {
                const ib_buffer *b = &plan->buffers[plan->buffer_of[p->loads[k].node]];
                p->loads[k].base = b->data;
                p->loads[k].local = b->local;
            }
        for (int k = 0; k < p->n_outputs; k++) {
            const ib_buffer *b = &plan->buffers[plan->buffer_of[p->outputs[k].node]];
            p->outputs[k].base = b->data;
            p->outputs[k].local = b->local;
        }
        for (int k = 0; k < p->n_totals; k++)
            p->totals[k].base = plan->buffers[p->totals[k].buffer].data;
    }
    ib__plan_fetch_ahead(plan, plan);
    status = ib__scan_steps_make(plan, err);
    if (status != IB_OK) goto failed;
    *out = plan;
    return IB_OK;
failed:
    ib__plan_free(plan);
    return status;
}

void ib__plan_free(ib_plan *plan) {
    if (!plan) return;
    if (plan->programs)
        for (size_t i = 0; i < plan->fusion.n_groups; i++)
            ib__program_free(&plan->programs[i]);
    free(plan->programs);
    ib__fusion_free(&plan->fusion);
    ib__scan_steps_free(plan);
    free(plan->steps);
    free(plan->buffers);
    free(plan->buffer_of);
    free(plan->effect_parts);
    free(plan->times);
    for (size_t i = 0; i < plan->n_bound; i++)
        ib__binding_free(&plan->bound[i].binding);
    free(plan->bound);
    ib__plan_memory_free(plan);
    free(plan);
}

void *ib__plan_input(ib_plan *plan, ib_node input) {
    return plan->buffers[plan->buffer_of[input]].data;
}

const void *ib__plan_value(const ib_plan *plan, ib_node output) {
    return plan->buffers[plan->buffer_of[ib__alias_base(plan->g, output)]].data;
}

size_t ib__plan_bytes(const ib_plan *plan) {
    return plan->arena_words * sizeof(float);
}

void ib__plan_watch(ib_plan *plan, ib_watch_fn *watch, void *context) {
    plan->watch = watch;
    plan->watch_context = context;
}

void ib__plan_fill(ib_plan *plan, uint32_t word) {
    plan->fill = true;
    plan->fill_word = word;
    for (size_t i = 0; i < plan->n_steps; i++) {
        const ib_step *step = &plan->steps[i];
        for (size_t p = 0; step->kind == IB_STEP_SCAN && p < step->u.scan.step->n_bodies; p++)
            ib__plan_fill(step->u.scan.step->bodies[p].plan, word);
    }
}

/* What a part or an epilogue needs to know. */
typedef struct running {
    ib_plan *plan;
    ib_step *step;
    uint64_t stamp; /* of this step in this run */
    size_t row;     /* of the output, where the kernel's rows begin */
} running;

static running running_of(ib_plan *plan, size_t step) {
    return (running){plan, &plan->steps[step], plan->run * plan->n_steps + step + 1, 0};
}

static float *data_of(const ib_plan *plan, int buffer) {
    return plan->buffers[buffer].data;
}

/* Image number `image` of an array of images of so many words. */
static float *image_at(const ib_plan *plan, int buffer, size_t image, size_t words, size_t worker) {
    const ib_buffer *b = &plan->buffers[buffer];
    return b->data + ib__local_place(b->local, image * words, worker);
}

static char *scratch_of(const ib_plan *plan, size_t worker) {
    return plan->scratch + worker * (plan->program_scratch + plan->kernel_scratch);
}

static void run_program(const running *r, size_t start, size_t end, size_t worker) {
    ib__program_run(&r->plan->programs[r->step->epilogue], r->plan->kernels, r->plan->at, start, end,
                    scratch_of(r->plan, worker), r->stamp, worker);
}

/* The epilogue: the program over a block of the heavy op's output, in one piece if its rows are whole. */
static void block_done(void *context, size_t row0, size_t row1, size_t col0, size_t col1, size_t worker) {
    const running *r = context;
    size_t columns = r->step->columns;
    row0 += r->row;
    row1 += r->row;
    if (col0 == 0 && col1 == columns) {
        run_program(r, row0 * columns, row1 * columns, worker);
        return;
    }
    for (size_t row = row0; row < row1; row++)
        run_program(r, row * columns + col0, row * columns + col1, worker);
}

static void run_gemm(running *r, size_t part, void *scratch, size_t worker) {
    ib_step *step = r->step;
    ib_gemm_args args = step->u.gemm.args;
    size_t parts = step->u.gemm.inner_parts, batch = part / parts;
    args.a = data_of(r->plan, step->in[0]) + batch * step->u.gemm.a_step;
    args.b = data_of(r->plan, step->in[1]) + batch * step->u.gemm.b_step;
    args.c = data_of(r->plan, step->out) + batch * step->u.gemm.c_step;
    if (step->epilogue >= 0) {
        args.done = block_done;
        args.context = r;
    }
    r->plan->kernels->gemm(&args, part % parts, parts, scratch, worker);
}

/* Images [first, end) of a convolution that runs inside of another step. */
static void convolve_images(running *r, size_t first, size_t end, void *scratch, size_t worker) {
    const ib_step *step = r->step;
    ib_conv_args args = step->u.convolution;
    size_t words = args.od * args.oh * args.ow * args.co;
    args.n = end - first;
    args.x = data_of(r->plan, step->in[0]) + first * args.d * args.h * args.w * args.ci;
    args.k = data_of(r->plan, step->in[1]);
    args.y = image_at(r->plan, step->out, first, words, worker);
    if (step->epilogue >= 0) {
        r->row = first * args.od * args.oh * args.ow;
        args.done = block_done;
        args.context = r;
    }
    r->plan->kernels->conv(&args, 0, 1, scratch, worker);
}

/* Image number `image` of a pool, and its epilogue. */
static void pool_image(const running *r, size_t image, size_t worker) {
    const ib_step *step = r->step;
    const ib_kernels *k = r->plan->kernels;
    ib_pool_args args = step->u.pool.args;
    ib_op op = step->u.pool.op;
    bool backward = ib__pool_backward(step);
    size_t larger = args.d * args.h * args.w * args.c, smaller = args.od * args.oh * args.ow * args.c;
    const float *from = image_at(r->plan, step->in[0], image, backward ? smaller : larger, worker);
    size_t made = backward ? larger : smaller;
    ib_k_pool_fn *run = op == IB_OP_max_pool        ? k->max_pool
                        : op == IB_OP_max_pool_grad ? k->max_pool_grad
                        : op == IB_OP_avg_pool      ? k->avg_pool
                                                    : k->avg_pool_grad;
    args.n = 1;
    args.x = backward ? NULL : from;
    args.dy = backward ? from : NULL;
    args.y = image_at(r->plan, step->out, image, made, worker);
    if (step->u.pool.hits >= 0) {
        uint16_t *hits = (void *)data_of(r->plan, step->u.pool.hits);
        args.hits = hits + image * args.od * args.oh * args.ow * ib__pool_hits(&args);
    }
    run(&args, 0, 1);
    if (step->epilogue >= 0) run_program(r, image * made, (image + 1) * made, worker);
}

/* Image by image, so that an epilogue finds its image in cache; what is read may be made just before. */
static void run_pool(const running *r, size_t part, void *scratch, size_t worker) {
    const ib_step *step = r->step;
    size_t images = step->u.pool.args.n, block = step->block, blocks = (images + block - 1) / block;
    for (size_t i = blocks * part / step->parts; i < blocks * (part + 1) / step->parts; i++) {
        size_t first = i * block, end = images - first < block ? images : first + block;
        if (step->maker >= 0) {
            running maker = running_of(r->plan, (size_t)step->maker);
            convolve_images(&maker, first, end, scratch, worker);
        }
        for (size_t image = first; image < end; image++)
            pool_image(r, image, worker);
    }
}

/* What a kernel gradient reads, made by another step; its rows begin with image `first`. */
typedef struct making {
    running maker;
    size_t first;
    int buffer;
    size_t words; /* of an image */
} making;

static const float *image_made(void *context, size_t image, size_t worker) {
    making *m = context;
    pool_image(&m->maker, m->first + image, worker);
    return image_at(m->maker.plan, m->buffer, m->first + image, m->words, worker);
}

/* A kernel gradient whose dy another step makes asks for it image by image. */
static void ask_for_images(ib_conv_args *args, making *m, const running *r, size_t first) {
    const ib_step *step = r->step;
    if (step->maker < 0) return;
    *m = (making){running_of(r->plan, (size_t)step->maker), first, step->in[1],
                  args->od * args->oh * args->ow * args->co};
    args->dy = image_made;
    args->context = m;
}

static void run_convolution(running *r, size_t part, void *scratch, size_t worker) {
    ib_step *step = r->step;
    const ib_kernels *k = r->plan->kernels;
    ib_conv_args args = step->u.convolution;
    args.x = data_of(r->plan, step->in[0]);
    args.k = data_of(r->plan, step->in[1]);
    args.y = data_of(r->plan, step->out);
    if (step->epilogue >= 0) {
        args.done = block_done;
        args.context = r;
    }
    making m;
    ask_for_images(&args, &m, r, 0);
    ib_k_conv_fn *run = step->kind == IB_STEP_CONVOLUTION              ? k->conv
                        : step->kind == IB_STEP_CONVOLUTION_GRAD_INPUT ? k->conv_grad_input
                                                                       : k->conv_grad_kernel;
    run(&args, part, step->parts, scratch, worker);
}

/* The kernel gradient of a group of lanes, into its place among the sums of groups. */
static void run_grad_lanes(const running *r, size_t group, void *scratch, size_t worker) {
    const ib_step *step = r->step;
    ib_conv_args args = step->u.convolution;
    size_t first = group * args.n / step->parts, end = (group + 1) * args.n / step->parts;
    args.x = data_of(r->plan, step->in[0]) + first * args.d * args.h * args.w * args.ci;
    args.k = data_of(r->plan, step->in[1]) + first * args.od * args.oh * args.ow * args.co;
    args.y = data_of(r->plan, step->out) + group * (r->plan->buffers[step->out].words / step->parts);
    args.n = end - first;
    args.lanes /= step->parts;
    making m;
    ask_for_images(&args, &m, r, first);
    r->plan->kernels->conv_grad_kernel(&args, 0, 1, scratch, worker);
}

/* Rows [row0, row1) of a scatter, to y. */
static void run_scatter(const ib_plan *plan, const ib_step *step, float *y, size_t row0, size_t row1) {
    ib_scatter_args args = step->u.scatter;
    args.lists = (const uint32_t *)(const void *)data_of(plan, step->in[0]);
    args.updates = data_of(plan, step->in[1]);
    args.y = y;
    plan->kernels->scatter_add(&args, row0, row1);
}

static void run_effect(const running *r, size_t part, float *scratch) {
    const ib_plan *plan = r->plan;
    const ib_graph *g = plan->g;
    const ib_effect_part *p = &plan->effect_parts[part];
    if (p->effect >= g->n_effects) {
        const ib_assignment *assignment = &g->assignments[p->effect - g->n_effects];
        const float *value = ib__plan_value(plan, assignment->value);
        memcpy(assignment->variable->data + p->start, value + p->start, p->n * sizeof *value);
        return;
    }
    const ib_effect *effect = &g->effects[p->effect];
    const float *value = scratch;
    if (p->scatter >= 0) {
        const ib_step *step = &plan->steps[p->scatter];
        size_t width = step->u.scatter.width;
        run_scatter(plan, step, scratch, p->start / width, (p->start + p->n) / width);
    } else {
        value = (const float *)ib__plan_value(plan, effect->value) + p->start;
    }
    effect->run(effect->context, plan->kernels, value, p->start, p->n);
}

/* A copy that is a transpose of matrices goes to its kernel. */
static void run_copy(const running *r, size_t part) {
    const ib_step *step = r->step;
    const ib_copy *c = &step->u.copy;
    const float *src = data_of(r->plan, step->in[0]);
    float *dst = data_of(r->plan, step->out);
    size_t rows = ib__copy_rows(c);
    int i = c->rank - 2;
    bool transpose = (c->rank == 2 || c->rank == 3) && c->src_offset == 0 && c->dst_offset == 0 &&
                     c->dst_strides[i + 1] == 1 && c->dst_strides[i] == c->dims[i + 1] &&
                     c->src_strides[i] == 1 && c->src_strides[i + 1] == c->dims[i];
    size_t batch = c->rank == 3 ? c->dims[0] : 1;
    if (transpose && c->rank == 3)
        transpose = c->dst_strides[0] == c->dims[1] * c->dims[2] && c->src_strides[0] == c->dst_strides[0];
    if (transpose)
        r->plan->kernels->transpose(src, dst, batch, c->dims[i + 1], c->dims[i], part, step->parts);
    else
        ib__copy_run(c, src, dst, rows * part / step->parts, rows * (part + 1) / step->parts);
}

static void run_reduction(const running *r, size_t part) {
    const ib_step *step = r->step;
    const ib_kernels *k = r->plan->kernels;
    const float *x = data_of(r->plan, step->in[0]);
    float *y = data_of(r->plan, step->out);
    if (step->kind == IB_STEP_REDUCE) {
        ib_reduce_args args = step->u.reduce;
        args.x = x;
        args.y = y;
        k->reduce(&args, part, step->parts);
    } else if (step->kind == IB_STEP_REDUCE_LANES) {
        ib_reduce_lanes_args args = step->u.lanes;
        args.x = x;
        args.y = y;
        k->reduce_lanes(&args, part, step->parts);
    } else {
        k->lane_tree(x, y, step->u.tree.lanes, step->u.tree.n, part, step->parts);
    }
}

static void run_fill(const running *r) {
    const ib_buffer *b = &r->plan->buffers[r->step->out];
    float *data = b->data, value = r->step->u.fill;
    for (size_t i = 0, n = b->words; i < n; i++)
        data[i] = value;
}

/* Indices are int32 words in arrays of floats. */
static void run_rows(const running *r, size_t part) {
    const ib_step *step = r->step;
    float *out = data_of(r->plan, step->out);
    if (step->kind == IB_STEP_GATHER) {
        size_t count = step->u.gather.count;
        ib__gather_run(data_of(r->plan, step->in[0]), step->u.gather.rows, step->u.gather.width,
                       (const int32_t *)(const void *)data_of(r->plan, step->in[1]), out,
                       count * part / step->parts, count * (part + 1) / step->parts);
    } else if (step->kind == IB_STEP_SCATTER_LISTS) {
        ib__scatter_lists((const int32_t *)(const void *)data_of(r->plan, step->in[0]),
                          step->u.scatter.samples, step->u.scatter.rows, (uint32_t *)(void *)out);
    } else {
        size_t rows = step->u.scatter.rows, row0 = rows * part / step->parts;
        run_scatter(r->plan, step, out + row0 * step->u.scatter.width, row0, rows * (part + 1) / step->parts);
    }
}

static void run_call(const running *r, size_t part) {
    const ib_step *step = r->step;
    ib_call_rows rows = step->u.call.rows;
    size_t count = step->u.call.count;
    for (int i = 0; i < 2; i++)
        if (step->in[i] >= 0) rows.in[i] = data_of(r->plan, step->in[i]);
    rows.out = data_of(r->plan, step->out);
    step->u.call.run(step->u.call.context, &rows, count * part / step->parts,
                     count * (part + 1) / step->parts);
}

static void run_part(void *context, size_t part, size_t worker) {
    running *r = context;
    const ib_plan *plan = r->plan;
    const ib_step *step = r->step;
    char *scratch = scratch_of(plan, worker) + plan->program_scratch;
    switch (step->kind) {
    case IB_STEP_PROGRAM: {
        const ib_program *p = &plan->programs[step->epilogue];
        size_t piece = p->samples ? p->count / p->samples : p->tile, pieces = (p->count + piece - 1) / piece;
        size_t start = pieces * part / step->parts * piece, end = pieces * (part + 1) / step->parts * piece;
        run_program(r, start, end < p->count ? end : p->count, worker);
        break;
    }
    case IB_STEP_GEMM:
        run_gemm(r, part, scratch, worker);
        break;
    case IB_STEP_CONVOLUTION:
    case IB_STEP_CONVOLUTION_GRAD_INPUT:
    case IB_STEP_CONVOLUTION_GRAD_KERNEL:
        run_convolution(r, part, scratch, worker);
        break;
    case IB_STEP_CONVOLUTION_GRAD_LANES:
        run_grad_lanes(r, part, scratch, worker);
        break;
    case IB_STEP_POOL:
        run_pool(r, part, scratch, worker);
        break;
    case IB_STEP_REDUCE:
    case IB_STEP_REDUCE_LANES:
    case IB_STEP_LANE_TREE:
        run_reduction(r, part);
        break;
    case IB_STEP_COPY:
        run_copy(r, part);
        break;
    case IB_STEP_FILL:
        run_fill(r);
        break;
    case IB_STEP_GATHER:
    case IB_STEP_SCATTER_LISTS:
    case IB_STEP_SCATTER:
        run_rows(r, part);
        break;
    case IB_STEP_CUSTOM_CALL:
        run_call(r, part);
        break;
    case IB_STEP_SCAN:
        ib__scan_step_run(plan, step->u.scan.step, part);
        break;
    case IB_STEP_EFFECTS:
        run_effect(r, part, (float *)(void *)scratch);
        break;
    }
}

/* What a scan gave. */
static void tell_scan(const ib_plan *plan, const ib_scan *scan, size_t *index) {
    for (size_t i = 0; i < scan->n_carries + scan->n_ys; i++) {
        ib_node a = i < scan->n_carries ? scan->carries[i].final : scan->ys[i - scan->n_carries].outer;
        if (a == IB_NO_NODE || !plan->fusion.nodes[a].live) continue;
        const ib_node_data *n = &plan->g->nodes[a];
        plan->watch(plan->watch_context, (*index)++, ib__op_name(n), n->place, n->backward, &n->shape,
                    ib__plan_array(plan, a));
    }
}

/* Rows that nothing but an effect reads are no array: made one for the watcher. */
static void tell_scatter(const ib_plan *plan, const ib_step *step, size_t *index) {
    const ib_node_data *n = &plan->g->nodes[step->node];
    float *y = ib__alloc(ib__node_elements(plan->g, step->node) + 1, sizeof *y);
    if (!y) return;
    run_scatter(plan, step, y, 0, step->u.scatter.rows);
    plan->watch(plan->watch_context, (*index)++, ib__op_name(n), n->place, n->backward, &n->shape, y);
    ib__free(y);
}

/* Tells the watcher about what a step made: its node, and the outputs of its program. */
static void tell(const ib_plan *plan, const ib_step *step, size_t *index) {
    const ib_graph *g = plan->g;
    const ib_program *p = step->epilogue >= 0 ? &plan->programs[step->epilogue] : NULL;
    if (step->kind == IB_STEP_SCAN) tell_scan(plan, step->u.scan.scan, index);
    if (step->kind == IB_STEP_SCATTER && !step->parts) {
        tell_scatter(plan, step, index);
    } else if (step->node != IB_NO_NODE && step->kind != IB_STEP_PROGRAM) {
        /* An epilogue may have overwritten the op's own result. */
        bool kept = true;
        for (int i = 0; p && i < p->n_outputs; i++)
            kept &= plan->buffers[plan->buffer_of[p->outputs[i].node]].data != data_of(plan, step->out);
        const ib_node_data *n = &g->nodes[step->node];
        if (kept)
            plan->watch(plan->watch_context, (*index)++, ib__op_name(n), n->place, n->backward, &n->shape,
                        data_of(plan, step->out));
    }
    for (int i = 0; p && i < p->n_outputs; i++) {
        const ib_node_data *n = &g->nodes[p->outputs[i].node];
        plan->watch(plan->watch_context, (*index)++, ib__op_name(n), n->place, n->backward, &n->shape,
                    p->outputs[i].base);
    }
}

/* What a step reads a few images at a time is no array: made one for the watcher, before the step runs. */
static void tell_images(ib_plan *plan, const ib_step *step, size_t *index) {
    running maker = running_of(plan, (size_t)step->maker);
    const ib_program *p = maker.step->epilogue >= 0 ? &plan->programs[maker.step->epilogue] : NULL;
    ib_node made = p && p->n_outputs ? p->outputs[0].node : maker.step->node;
    bool pool = step->kind == IB_STEP_POOL;
    size_t images = pool ? step->u.pool.args.n : step->u.convolution.n,
           all = ib__node_elements(plan->g, made);
    float *y = ib__alloc(all + 1, sizeof *y);
    for (size_t i = 0; y && i < images; i += step->block) {
        size_t end = images - i < step->block ? images : i + step->block, words = all / images;
        if (pool)
            convolve_images(&maker, i, end, scratch_of(plan, 0) + plan->program_scratch, 0);
        else
            pool_image(&maker, i, 0);
        memcpy(y + i * words, image_at(plan, step->in[pool ? 0 : 1], i, words, 0),
               (end - i) * words * sizeof *y);
    }
    const ib_node_data *n = &plan->g->nodes[made];
    if (y) plan->watch(plan->watch_context, (*index)++, ib__op_name(n), n->place, n->backward, &n->shape, y);
    ib__free(y);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

ib_status ib__plan_time(ib_plan *plan, ib_error *err) {
    free(plan->times);
    plan->timed_runs = 0;
    plan->times = calloc(plan->n_steps + 1, sizeof *plan->times);
    return plan->times ? IB_OK : ib__fail_memory(err);
}

/* One line a step in order of execution: microseconds a run, share, what it is. */
bool ib__plan_print_times(const ib_plan *plan, ib_buf *out) {
    static const char *const kinds[] = {"map",    "gemm",   "conv",         "conv dx", "conv dk", "conv dk",
                                        "pool",   "reduce", "reduce lanes", "tree",    "copy",    "fill",
                                        "gather", "lists",  "scatter",      "call",    "scan",    "update"};
    double total = 0;
    for (size_t i = 0; plan->times && i < plan->n_steps; i++)
        total += plan->times[i];
    for (size_t i = 0; plan->times && i < plan->n_steps; i++) {
        const ib_step *step = &plan->steps[i];
        if (step->inner) continue;
        const ib_node_data *n = step->node == IB_NO_NODE ? NULL : &plan->g->nodes[step->node];
        char shape[128] = "";
        if (n) ib__shape_print(shape, &n->shape);
        (void)ib__buf_printf(out, "%8.1f us %5.1f %%  %-12s %-24s %-28s %s%s%s\n",
                             1e6 * plan->times[i] / (double)plan->timed_runs, 100 * plan->times[i] / total,
                             kinds[step->kind], n ? ib__op_name(n) : "", shape, n ? n->place : "",
                             n && n->backward ? " backward" : "",
                             step->epilogue >= 0 && step->kind != IB_STEP_PROGRAM ? " + epilogue" : "");
    }
    (void)ib__buf_printf(out, "%8.1f us a run\n", 1e6 * total / (double)plan->timed_runs);
    return !out->failed;
}

void ib__plan_run(ib_plan *plan, const ib_stream_at *at) {
    unsigned before = ib__rounding_enter();
    static const ib_stream_at start;
    plan->at = at ? at : &start;
    plan->run++;
    if (plan->fill)
        for (size_t i = 0; i < plan->arena_words; i++)
            memcpy(&plan->arena[i], &plan->fill_word, sizeof plan->fill_word);
    size_t index = 0;
    plan->timed_runs += plan->times != NULL;
    for (size_t i = 0; i < plan->n_steps; i++) {
        if (plan->steps[i].inner) continue;
        running r = running_of(plan, i);
        if (plan->watch && r.step->maker >= 0) tell_images(plan, r.step, &index);
        double begun = plan->times ? seconds() : 0.0;
        if (r.step->parts == 1)
            run_part(&r, 0, 0);
        else if (r.step->parts > 1)
            ib__pool_run(plan->pool, r.step->parts, run_part, &r);
        if (plan->times) plan->times[i] += seconds() - begun;
        if (plan->watch && r.step->kind != IB_STEP_EFFECTS) tell(plan, r.step, &index);
    }
    ib__rounding_leave(before);
}
