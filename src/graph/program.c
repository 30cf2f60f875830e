/* SPDX-License-Identifier: Apache-2.0
 *
 * Tile programs: a group of elementwise nodes run op by op over tiles of about a thousand elements that stay
 * in the first-level cache, so that memory is read and written once.
 */
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

enum { TILE = 1024, TILE_MANY = 512, PERIOD_SHORT = 256 };

/* ---- Loads ---- */

/* Strides of `a` seen in its own shape: through broadcasts down to an array or a constant. false: a constant
 * (bits set). */
static bool trace(const ib_graph *g, ib_node a, size_t strides[IB_RANK_MAX], ib_load *load) {
    const ib_node_data *n = &g->nodes[a];
    if (n->op == IB_OP_constant) {
        memcpy(&load->bits, &n->u.value, sizeof load->bits);
        return false;
    }
    if (n->op != IB_OP_broadcast_in_dim) {
        ib_node base = ib__alias_base(g, a);
        if (base != a &&
            (g->nodes[base].op == IB_OP_constant || g->nodes[base].op == IB_OP_broadcast_in_dim)) {
            size_t unused[IB_RANK_MAX];
            ib_load inner;
            if (!trace(g, base, unused, &inner)) {
                load->bits = inner.bits;
                return false;
            }
        }
        size_t step = 1;
        for (int i = n->shape.rank; i-- > 0;) {
            strides[i] = step;
            step *= (size_t)n->shape.dims[i];
        }
        load->node = base;
        return true;
    }
    ib_node in = n->in[0];
    size_t inner[IB_RANK_MAX];
    /* Aliases that keep the shape's meaning are passed only when they end in an array or a constant. */
    if (!trace(g, in, inner, load)) return false;
    const ib_shape *from = &g->nodes[in].shape;
    for (int i = 0; i < n->shape.rank; i++)
        strides[i] = 0;
    for (int i = 0; i < from->rank; i++)
        if (from->dims[i] != 1) strides[n->u.dims[i]] = inner[i];
    return true;
}

/* Drops dimensions of length 1, merges what is contiguous, and names the pattern. */
static void classify_load(ib_load *load, const ib_shape *shape, const size_t *strides) {
    int r = 0;
    for (int i = 0; i < shape->rank; i++) {
        size_t d = (size_t)shape->dims[i];
        if (d == 1) continue;
        if (r > 0 && load->strides[r - 1] == strides[i] * d) {
            load->dims[r - 1] *= d;
            load->strides[r - 1] = strides[i];
        } else {
            load->dims[r] = d;
            load->strides[r++] = strides[i];
        }
    }
    load->rank = r;
    if (r == 0 || (r == 1 && load->strides[0] == 0))
        load->kind = IB_LOAD_SCALAR;
    else if (r == 1 && load->strides[0] == 1)
        load->kind = IB_LOAD_ARRAY;
    else if (r == 2 && load->strides[0] == 0 && load->strides[1] == 1) {
        load->kind = IB_LOAD_PERIODIC;
        load->period = load->dims[1];
    } else
        load->kind = IB_LOAD_STRIDED;
}

static void make_load(const ib_graph *g, ib_node operand, ib_load *load) {
    ib_node a = ib__alias_base(g, operand);
    size_t strides[IB_RANK_MAX] = {0};
    *load = (ib_load){.node = IB_NO_NODE};
    if (trace(g, a, strides, load))
        classify_load(load, &g->nodes[a].shape, strides);
    else
        load->kind = IB_LOAD_CONSTANT;
}

static bool same_load(const ib_load *a, const ib_load *b) {
    if (a->kind != b->kind || a->node != b->node || a->bits != b->bits || a->rank != b->rank) return false;
    if (a->kind == IB_LOAD_CONSTANT) return true;
    return memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0 &&
           memcmp(a->strides, b->strides, (size_t)a->rank * sizeof *a->strides) == 0;
}

/* ---- Building ---- */

/* While building, an operand is a load (>= 0), or a member's instruction coded as -2 - index; -1: unused. */
typedef struct builder {
    const ib_graph *g;
    const ib_fusion *f;
    const ib_group *group;
    ib_program *p;
    int *index_of; /* a node's instruction, -1: not a member of this group */
    size_t loads_capacity;
} builder;

static ib_status add_load(builder *b, ib_node operand, int *out, ib_error *err) {
    ib_load load;
    make_load(b->g, operand, &load);
    for (int i = 0; i < b->p->n_loads; i++)
        if (same_load(&b->p->loads[i], &load)) {
            *out = i;
            return IB_OK;
        }
    if (!ib__grow(&b->p->loads, &b->loads_capacity, (size_t)b->p->n_loads + 1, sizeof *b->p->loads))
        return ib__fail_memory(err);
    b->p->loads[b->p->n_loads] = load;
    *out = b->p->n_loads++;
    return IB_OK;
}

static ib_status add_operand(builder *b, ib_node operand, int *out, ib_error *err) {
    ib_node base = ib__alias_base(b->g, operand);
    ib_op op = b->g->nodes[base].op;
    if ((op == IB_OP_map || op == IB_OP_uniform) && b->index_of[base] >= 0) {
        *out = -2 - b->index_of[base];
        return IB_OK;
    }
    return add_load(b, operand, out, err);
}

/* A copy of nothing yet, behind the code there is; n_code counts it later. */
static ib_instruction *next_instruction(const builder *b) {
    ib_instruction *at = &b->p->code[b->p->n_code];
    *at = (ib_instruction){.op = IB_MAP_copy, .d = -1, .a = -1, .b = -1, .c = -1};
    return at;
}

static ib_status add_instruction(builder *b, ib_node a, ib_error *err) {
    const ib_node_data *n = &b->g->nodes[a];
    ib_instruction *at = next_instruction(b);
    ib_status status = IB_OK;
    if (n->op == IB_OP_uniform) {
        at->draw = true;
        memcpy(at->key, n->u.key, sizeof at->key);
        size_t samples = (size_t)n->shape.dims[0];
        at->per_sample = samples ? b->p->count / samples : 0;
    } else if (n->op == IB_OP_map) {
        at->op = n->map;
        int *operands[3] = {&at->a, &at->b, &at->c};
        for (int k = 0; k < 3 && k < n->n_in && status == IB_OK; k++)
            status = add_operand(b, n->in[k], operands[k], err);
    } else { /* a virtual node made an array */
        status = add_load(b, a, &at->a, err);
    }
    b->index_of[a] = b->p->n_code++;
    return status;
}

/* Turns operands into slots and gives registers to members that nobody outside reads; a register is free
 * again after its last reader, which may itself write to it. */
static ib_status assign_slots(builder *b, ib_error *err) {
    ib_program *p = b->p;
    int *last = malloc(((size_t)p->n_code + 1) * sizeof *last);
    int *slot = malloc(((size_t)p->n_code + 1) * sizeof *slot);
    int *available = malloc(((size_t)p->n_code + 1) * sizeof *available);
    p->last_read = calloc((size_t)p->n_loads + 1, sizeof *p->last_read);
    int n_available = 0;
    ib_status status = last && slot && available && p->last_read ? IB_OK : ib__fail_memory(err);
    if (status != IB_OK) goto done;
    for (int i = 0; i < p->n_code; i++)
        last[i] = -1;
    for (int i = 0; i < p->n_code; i++) {
        const int operands[3] = {p->code[i].a, p->code[i].b, p->code[i].c};
        for (int k = 0; k < 3; k++) {
            if (operands[k] <= -2) last[-2 - operands[k]] = i;
            if (operands[k] >= 0) p->last_read[operands[k]] = i;
        }
    }
    for (int i = 0; i < p->n_code; i++) {
        int *operands[3] = {&p->code[i].a, &p->code[i].b, &p->code[i].c};
        int released[3], n_released = 0;
        for (int k = 0; k < 3; k++) {
            if (*operands[k] > -2) continue;
            int from = -2 - *operands[k];
            *operands[k] = slot[from];
            if (last[from] == i && slot[from] >= p->n_loads + p->n_outputs) {
                released[n_released++] = slot[from];
                last[from] = -1;
            }
        }
        for (int k = 0; k < n_released; k++)
            available[n_available++] = released[k];
        slot[i] = -1;
        for (int k = 0; k < p->n_outputs; k++)
            if (p->outputs[k].written == i) slot[i] = p->n_loads + k;
        if (slot[i] < 0)
            slot[i] = n_available ? available[--n_available] : p->n_loads + p->n_outputs + p->n_registers++;
        p->code[i].d = slot[i];
        if (last[i] < 0 && slot[i] >= p->n_loads + p->n_outputs) available[n_available++] = slot[i];
    }
done:
    free(last);
    free(slot);
    free(available);
    return status;
}

/* Tiles: shorter when many arrays share the cache, a multiple of short periods when that is possible. */
static void choose_tile(ib_program *p) {
    size_t tile = p->n_loads + p->n_outputs + p->n_registers > 8 ? TILE_MANY : TILE;
    size_t longest = 1;
    for (int i = 0; i < p->n_loads; i++)
        if (p->loads[i].kind == IB_LOAD_PERIODIC && p->loads[i].period < PERIOD_SHORT &&
            p->loads[i].period > longest)
            longest = p->loads[i].period;
    p->tile = tile / longest * longest;
    size_t slots = (size_t)(p->n_loads + p->n_outputs + p->n_registers);
    size_t tiles = (size_t)(p->n_loads + p->n_registers);
    p->scratch = 64 + (slots * sizeof(float *) + 63) / 64 * 64 +
                 ((size_t)p->n_loads * sizeof(size_t) + 63) / 64 * 64 + tiles * TILE * sizeof(float);
}

/* The instruction that gives what a sum adds up, -1: it is not in this group. The heavy op's own result is
 * copied into a register first. */
static ib_status operand_of(builder *b, ib_node sum, int *of, ib_error *err) {
    ib_node base = ib__alias_base(b->g, b->g->nodes[sum].in[0]);
    *of = b->index_of[base];
    if (*of >= 0 || base != b->group->after) return IB_OK;
    ib_instruction *at = next_instruction(b);
    *of = b->index_of[base] = b->p->n_code++;
    return add_load(b, base, &at->a, err);
}

/* The sums that are computed in passing. */
static ib_status add_totals(builder *b, ib_error *err) {
    ib_program *p = b->p;
    for (int pass = 0; pass < 2; pass++) {
        p->n_totals = 0;
        for (size_t i = 0; i < b->g->n_nodes; i++) {
            if (!b->f->nodes[i].in_passing) continue;
            int of;
            ib_status status = operand_of(b, (ib_node)i, &of, err);
            if (status != IB_OK) return status;
            if (of < 0) continue;
            ib_total *total = pass ? &p->totals[p->n_totals] : NULL;
            if (total) *total = (ib_total){.node = (ib_node)i, .of = of, .buffer = -1};
            if (total) (void)ib__sums_in_passing(b->g, (ib_node)i, &total->count, &total->inner);
            p->n_totals++;
        }
        if (!p->n_totals) return IB_OK;
        if (!pass) p->totals = calloc((size_t)p->n_totals, sizeof *p->totals);
        if (!p->totals) return ib__fail_memory(err);
    }
    p->samples = b->g->samples;
    return IB_OK;
}

ib_status ib__program_build(ib_program *p, const ib_graph *g, const ib_fusion *f, const ib_group *group,
                            ib_error *err) {
    *p = (ib_program){.count = group->count};
    builder b = {.g = g, .f = f, .group = group, .p = p};
    ib_status status = IB_OK;
    size_t stored = 0;
    for (size_t i = 0; i < group->n_nodes; i++)
        stored += f->nodes[group->nodes[i]].stored;
    p->code = calloc(group->n_nodes + 1, sizeof *p->code); /* one more for a sum of the heavy op's result */
    p->outputs = calloc(stored + 1, sizeof *p->outputs);
    b.index_of = malloc((g->n_nodes + 1) * sizeof *b.index_of);
    if (!p->code || !p->outputs || !b.index_of) {
        status = ib__fail_memory(err);
        goto done;
    }
    for (size_t i = 0; i < g->n_nodes; i++)
        b.index_of[i] = -1;
    for (size_t i = 0; i < group->n_nodes && status == IB_OK; i++) {
        if (f->nodes[group->nodes[i]].stored)
            p->outputs[p->n_outputs++] = (ib_output){.node = group->nodes[i], .written = (int)i};
        status = add_instruction(&b, group->nodes[i], err);
    }
    if (status == IB_OK) status = add_totals(&b, err);
    if (status == IB_OK) status = assign_slots(&b, err);
    if (status == IB_OK) choose_tile(p);
done:
    free(b.index_of);
    if (status != IB_OK) ib__program_free(p);
    return status;
}

void ib__program_free(ib_program *p) {
    free(p->loads);
    free(p->outputs);
    free(p->code);
    free(p->totals);
    free(p->last_read);
    *p = (ib_program){0};
}

/* ---- Running ---- */

/* By doubling: copies are vectors with every compiler. */
static void fill_word(float *tile, float value, size_t n) {
    size_t done = n < 16 ? n : 16;
    for (size_t i = 0; i < done; i++)
        tile[i] = value;
    for (size_t more; done < n; done += more) {
        more = n - done < done ? n - done : done;
        memcpy(tile + done, tile, more * sizeof *tile);
    }
}

/* tile[i] = element (start + i) of a strided load. */
static void fill_strided(const ib_load *load, float *tile, size_t start, size_t n) {
    size_t at[IB_RANK_MAX], rest = start, offset = 0;
    for (int i = load->rank; i-- > 0;) {
        at[i] = rest % load->dims[i];
        rest /= load->dims[i];
        offset += at[i] * load->strides[i];
    }
    int inner = load->rank - 1;
    size_t stride = load->strides[inner];
    for (size_t done = 0; done < n;) {
        size_t run = load->dims[inner] - at[inner];
        if (run > n - done) run = n - done;
        const float *from = load->base + offset;
        if (stride == 1)
            memcpy(tile + done, from, run * sizeof *tile);
        else if (stride == 0)
            fill_word(tile + done, *from, run);
        else
            for (size_t i = 0; i < run; i++)
                tile[done + i] = from[i * stride];
        done += run;
        at[inner] += run;
        offset += run * stride;
        for (int i = inner; i >= 0 && at[i] == load->dims[i]; i--) {
            offset -= at[i] * load->strides[i];
            at[i] = 0;
            if (i > 0) {
                at[i - 1]++;
                offset += load->strides[i - 1];
            }
        }
    }
}

static void fill_periodic(const ib_load *load, float *tile, size_t phase, size_t n) {
    for (size_t done = 0; done < n;) {
        size_t run = load->period - phase;
        if (run > n - done) run = n - done;
        memcpy(tile + done, load->base + phase, run * sizeof *tile);
        done += run;
        phase = 0;
    }
}

/* A worker's scratch, carved. phases[i]: 1 + the phase that the tile of load i holds, 0: nothing. */
typedef struct frame {
    float **slots;
    size_t *phases;
    float *tiles; /* TILE words each: the loads' tiles, then the registers */
} frame;

static frame carve(const ib_program *p, void *scratch) {
    size_t slots = (size_t)(p->n_loads + p->n_outputs + p->n_registers);
    char *at = (char *)scratch + 64;
    frame f;
    f.slots = (float **)(void *)at;
    at += (slots * sizeof(float *) + 63) / 64 * 64;
    f.phases = (size_t *)(void *)at;
    at += ((size_t)p->n_loads * sizeof(size_t) + 63) / 64 * 64;
    f.tiles = (float *)(void *)at;
    return f;
}

/* What stays the same for all tiles of a step: constants, scalars, registers. */
static void prepare(const ib_program *p, const frame *f) {
    for (int i = 0; i < p->n_loads; i++) {
        float *tile = f->tiles + (size_t)i * TILE;
        const ib_load *load = &p->loads[i];
        f->phases[i] = 0;
        f->slots[i] = tile;
        float value;
        memcpy(&value, &load->bits, sizeof value);
        if (load->kind == IB_LOAD_SCALAR) value = *load->base;
        if (load->kind == IB_LOAD_CONSTANT || load->kind == IB_LOAD_SCALAR) fill_word(tile, value, p->tile);
    }
    for (int i = 0; i < p->n_registers; i++)
        f->slots[p->n_loads + p->n_outputs + i] = f->tiles + (size_t)(p->n_loads + i) * TILE;
}

/* Sets the pointers of the tile [start, end); may shorten it where a long period ends. */
static size_t point(const ib_program *p, const frame *f, size_t start, size_t end, size_t worker) {
    for (int i = 0; i < p->n_loads; i++)
        if (p->loads[i].kind == IB_LOAD_PERIODIC && p->loads[i].period >= PERIOD_SHORT) {
            size_t left = p->loads[i].period - start % p->loads[i].period;
            if (end - start > left) end = start + left;
        }
    for (int i = 0; i < p->n_loads; i++) {
        const ib_load *load = &p->loads[i];
        float *tile = f->tiles + (size_t)i * TILE;
        if (load->kind == IB_LOAD_ARRAY)
            f->slots[i] = load->base + ib__local_place(load->local, start, worker);
        else if (load->kind == IB_LOAD_STRIDED)
            fill_strided(load, tile, start, end - start);
        else if (load->kind == IB_LOAD_PERIODIC) {
            size_t phase = start % load->period;
            if (load->period >= PERIOD_SHORT)
                f->slots[i] = load->base + phase;
            else if (f->phases[i] != phase + 1) {
                fill_periodic(load, tile, phase, p->tile);
                f->phases[i] = phase + 1;
            }
        }
    }
    for (int i = 0; i < p->n_outputs; i++)
        f->slots[p->n_loads + i] = p->outputs[i].base + ib__local_place(p->outputs[i].local, start, worker);
    return end;
}

/* Fetches elements [start, end) of the arrays that tiles read in place or write. */
static void fetch(const ib_program *p, size_t start, size_t end) {
    for (int i = 0; i < p->n_loads; i++)
        for (size_t at = start; p->loads[i].kind == IB_LOAD_ARRAY && !p->loads[i].local && at < end;
             at += IB__LINE_WORDS)
            __builtin_prefetch(p->loads[i].base + at, 0, 2);
    for (int i = 0; i < p->n_outputs; i++)
        for (size_t at = start; !p->outputs[i].local && at < end; at += IB__LINE_WORDS)
            __builtin_prefetch(p->outputs[i].base + at, 1, 2);
}

/* Adds x, elements [start, end) of what is summed up, to the sums of their samples. */
static void add_to_total(const ib_total *t, const ib_kernels *kernels, const float *x, size_t start,
                         size_t end) {
    while (start < end) {
        size_t row = start / t->inner, col = start % t->inner, left = end - start;
        float *y = t->base + row / t->count * t->inner;
        if (row % t->count == 0 && col == 0) memset(y, 0, t->inner * sizeof *y);
        size_t rows = 1, n = left < t->inner - col ? left : t->inner - col;
        if (n == t->inner) {
            rows = t->count - row % t->count;
            if (rows > left / n) rows = left / n;
        }
        kernels->add_rows(x, y + col, rows, n);
        x += rows * n;
        start += rows * n;
    }
}

/* While a tile is worked on, the next one is fetched (ahead), a share with each instruction: a tile is about
 * a page of each array, and the processor itself begins anew with every page. */
void ib__program_run(const ib_program *p, const ib_kernels *kernels, const ib_stream_at *at, size_t start,
                     size_t end, void *scratch, uint64_t stamp, size_t worker) {
    frame f = carve(p, scratch);
    uint64_t held;
    memcpy(&held, scratch, sizeof held);
    if (held != stamp) {
        prepare(p, &f);
        memcpy(scratch, &stamp, sizeof stamp);
    }
    while (start < end) {
        size_t stop = point(p, &f, start, end - start > p->tile ? start + p->tile : end, worker);
        size_t next = stop, last = end - stop > p->tile ? stop + p->tile : end;
        size_t share = ((last - stop) / (size_t)p->n_code / IB__LINE_WORDS + 1) * IB__LINE_WORDS;
        for (int i = 0; i < p->n_code; i++, next += share) {
            const ib_instruction *in = &p->code[i];
            float *d = f.slots[in->d];
            if (p->ahead && next < last) fetch(p, next, last - next > share ? next + share : last);
            if (in->draw) {
                ib_stream_at here = *at;
                memcpy(here.key, in->key, sizeof here.key);
                here.per_sample = in->per_sample;
                kernels->uniform(d, &here, start, stop - start);
            } else {
                kernels->map[in->op](d, in->a < 0 ? NULL : f.slots[in->a], in->b < 0 ? NULL : f.slots[in->b],
                                     in->c < 0 ? NULL : f.slots[in->c], stop - start);
            }
            for (int k = 0; k < p->n_totals; k++)
                if (p->totals[k].of == i) add_to_total(&p->totals[k], kernels, d, start, stop);
        }
        start = stop;
    }
}
