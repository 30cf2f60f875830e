/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory plan: buffers with lifetimes in steps get places in one arena. An elementwise result takes the
 * place of an operand of its size that dies in the same step.
 */
#include "graph/plan.h"

#include <stdlib.h>

int ib__buffer_root(const ib_plan *plan, int buffer) {
    while (plan->buffers[buffer].shares >= 0)
        buffer = plan->buffers[buffer].shares;
    return buffer;
}

/* May output `out` of program p, run by step `index`, be written over the array of load `l`? Each element is
 * read before it is written if the load is plain, read last no later than the output's instruction, and
 * nobody else reads it in this step. */
static bool may_share(const ib_plan *plan, const ib_program *p, int l, const ib_output *out, int index) {
    const ib_load *load = &p->loads[l];
    if (load->kind != IB_LOAD_ARRAY) return false;
    int from = plan->buffer_of[load->node], r = ib__buffer_root(plan, from);
    const ib_buffer *b = &plan->buffers[r];
    const ib_step *step = &plan->steps[index];
    if (b->data || plan->g->nodes[load->node].op == IB_OP_input || b->last != index) return false;
    if (b->words != plan->buffers[plan->buffer_of[out->node]].words) return false;
    for (int k = 0; k < 2; k++)
        if (step->in[k] >= 0 && ib__buffer_root(plan, step->in[k]) == r) return false;
    for (int i = 0; i < p->n_loads; i++) {
        if (p->loads[i].kind == IB_LOAD_CONSTANT) continue;
        if (ib__buffer_root(plan, plan->buffer_of[p->loads[i].node]) != r) continue;
        if (p->loads[i].kind != IB_LOAD_ARRAY || p->last_read[i] > out->written) return false;
    }
    return true;
}

static void share(ib_plan *plan) {
    for (size_t i = 0; i < plan->n_steps; i++) {
        if (plan->steps[i].epilogue < 0) continue;
        const ib_program *p = &plan->programs[plan->steps[i].epilogue];
        for (int o = 0; o < p->n_outputs; o++) {
            int to = plan->buffer_of[p->outputs[o].node];
            for (int l = 0; l < p->n_loads; l++) {
                if (p->loads[l].kind != IB_LOAD_ARRAY || !may_share(plan, p, l, &p->outputs[o], (int)i))
                    continue;
                int r = ib__buffer_root(plan, plan->buffer_of[p->loads[l].node]);
                plan->buffers[to].shares = r;
                if (plan->buffers[to].last > plan->buffers[r].last)
                    plan->buffers[r].last = plan->buffers[to].last;
                break;
            }
        }
    }
}

/* Sorted by first step, larger ones first. */
static int by_first(const void *x, const void *y) {
    const ib_buffer *a = *(const ib_buffer *const *)x, *b = *(const ib_buffer *const *)y;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    if (a->words != b->words) return a->words > b->words ? -1 : 1;
    return a < b ? -1 : 1;
}

/* First fit: the lowest place that no living buffer overlaps. placed: n buffers so far, sorted by offset. */
static size_t find_place(ib_buffer **placed, size_t n, const ib_buffer *b, size_t words) {
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const ib_buffer *other = placed[i];
        if (other->last < b->first) continue;
        if (other->offset >= at + words) break;
        size_t end = other->offset + (other->words + IB__LINE_WORDS - 1) / IB__LINE_WORDS * IB__LINE_WORDS;
        if (end > at) at = end;
    }
    return at;
}

static ib_status place_buffers(ib_plan *plan, ib_error *err) {
    ib_buffer **order = malloc((plan->n_buffers + 1) * sizeof *order);
    ib_buffer **placed = malloc((plan->n_buffers + 1) * sizeof *placed);
    size_t n = 0, n_placed = 0;
    if (!order || !placed) {
        free(order);
        free(placed);
        return ib__fail_memory(err);
    }
    for (size_t i = 0; i < plan->n_buffers; i++) {
        ib_buffer *b = &plan->buffers[i];
        if (!b->data && b->shares < 0 && !b->placed && b->first >= 0) order[n++] = b;
    }
    qsort(order, n, sizeof *order, by_first);
    for (size_t i = 0; i < n; i++) {
        ib_buffer *b = order[i];
        size_t words = (b->words + IB__LINE_WORDS - 1) / IB__LINE_WORDS * IB__LINE_WORDS;
        b->offset = find_place(placed, n_placed, b, words);
        if (b->offset + words > plan->arena_words) plan->arena_words = b->offset + words;
        size_t k = n_placed++;
        for (; k > 0 && placed[k - 1]->offset > b->offset; k--)
            placed[k] = placed[k - 1];
        placed[k] = b;
    }
    free(order);
    free(placed);
    return IB_OK;
}

/* Inputs keep their places between runs: they lie apart. */
static void place_inputs(ib_plan *plan) {
    for (size_t i = 0; i < plan->g->n_nodes; i++) {
        if (plan->g->nodes[i].op != IB_OP_input) continue;
        ib_buffer *b = &plan->buffers[plan->buffer_of[i]];
        b->placed = true;
        b->offset = plan->inputs_words;
        plan->inputs_words += (b->words + IB__LINE_WORDS - 1) / IB__LINE_WORDS * IB__LINE_WORDS;
    }
}

/* Elements of the largest part of an effect that makes its rows. */
static size_t rows_of_effects(const ib_plan *plan) {
    size_t most = 0;
    for (size_t i = 0; i < plan->n_effect_parts; i++)
        if (plan->effect_parts[i].scatter >= 0 && plan->effect_parts[i].n > most)
            most = plan->effect_parts[i].n;
    return most;
}

/* Bytes of scratch that the steps' kernels ask for. */
static size_t kernel_scratch(const ib_plan *plan, const ib_step *step) {
    const ib_kernels *k = plan->kernels;
    switch (step->kind) {
    case IB_STEP_GEMM:
        return k->gemm_scratch(&step->u.gemm.args, step->u.gemm.inner_parts);
    case IB_STEP_CONVOLUTION:
        return k->conv_scratch(&step->u.convolution, step->parts);
    case IB_STEP_CONVOLUTION_GRAD_INPUT:
        return k->conv_grad_input_scratch(&step->u.convolution, step->parts);
    case IB_STEP_CONVOLUTION_GRAD_KERNEL:
        return k->conv_grad_kernel_scratch(&step->u.convolution, step->parts);
    case IB_STEP_CONVOLUTION_GRAD_LANES: {
        ib_conv_args lane = step->u.convolution;
        lane.lanes /= step->parts;
        return k->conv_grad_kernel_scratch(&lane, 1);
    }
    case IB_STEP_EFFECTS:
        return rows_of_effects(plan) * sizeof(float);
    default:
        return 0;
    }
}

/* The lender's memory, if the arena has room there, else its own. */
static bool take_memory(ib_plan *plan, const ib_plan *lender) {
    size_t words = plan->arena_words + IB__LINE_WORDS;
    if (lender && lender->memory->words >= words) {
        plan->memory = lender->memory;
    } else {
        plan->memory = calloc(1, sizeof *plan->memory);
        if (!plan->memory) return false;
        plan->memory->words = words;
        plan->memory->data = ib__alloc(words, sizeof(float));
    }
    plan->memory->users++;
    plan->arena = plan->memory->data;
    return plan->arena != NULL;
}

void ib__plan_memory_free(ib_plan *plan) {
    if (plan->memory && --plan->memory->users == 0) {
        ib__free(plan->memory->data);
        free(plan->memory);
    }
    ib__free(plan->inputs);
    ib__free(plan->scratch);
}

ib_status ib__plan_memory(ib_plan *plan, const ib_plan *lender, ib_error *err) {
    share(plan);
    place_inputs(plan);
    ib_status status = place_buffers(plan, err);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < plan->n_steps; i++) {
        size_t need = kernel_scratch(plan, &plan->steps[i]);
        if (need > plan->kernel_scratch) plan->kernel_scratch = need;
    }
    for (size_t i = 0; i < plan->fusion.n_groups; i++)
        if (plan->programs[i].scratch > plan->program_scratch)
            plan->program_scratch = plan->programs[i].scratch;
    plan->kernel_scratch = (plan->kernel_scratch + 127) / 64 * 64;
    plan->program_scratch = (plan->program_scratch + 127) / 64 * 64;
    plan->inputs = ib__alloc(plan->inputs_words + IB__LINE_WORDS, sizeof(float));
    plan->scratch = ib__alloc(ib__pool_threads(plan->pool), plan->kernel_scratch + plan->program_scratch);
    if (!take_memory(plan, lender) || !plan->inputs || !plan->scratch) return ib__fail_memory(err);
    for (size_t i = 0; i < plan->n_buffers; i++) {
        ib_buffer *b = &plan->buffers[i];
        if (!b->data && b->shares < 0) b->data = (b->placed ? plan->inputs : plan->arena) + b->offset;
    }
    for (size_t i = 0; i < plan->n_buffers; i++)
        if (plan->buffers[i].shares >= 0)
            plan->buffers[i].data = plan->buffers[ib__buffer_root(plan, (int)i)].data;
    return IB_OK;
}
