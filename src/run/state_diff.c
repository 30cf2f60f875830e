/* SPDX-License-Identifier: Apache-2.0
 *
 * What a state of training and that of a checkpoint differ in. Both are packed by ib__state_pack: tensors,
 * state of the optimizer, running scores, position in the data.
 */
#include "run/state_diff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/pack.h"
#include "run/lockstep.h"
#include "run/say.h"

void ib__print_change(char *out, size_t size, const ib_variable *v, size_t element, uint32_t before,
                      uint32_t after) {
    char index[160], bit[32] = "";
    uint32_t flipped = before ^ after;
    ib__print_index(index, &v->shape, element);
    if (flipped != 0 && (flipped & (flipped - 1)) == 0)
        snprintf(bit, sizeof bit, "bit %d of ", __builtin_ctz(flipped));
    snprintf(out, size, "%selement %s of %.160s: 0x%08" PRIx32 " (%.9g) became 0x%08" PRIx32 " (%.9g)", bit,
             index, v->path, before, ib__bits_value(before), after, ib__bits_value(after));
}

typedef struct walk {
    ib_unpack a, b;
    ib_state_difference *out;
    size_t tensors;
    bool lost; /* the two are not built alike */
} walk;

static void note(walk *w, const char *text) {
    if (w->out->differs) return;
    w->out->differs = true;
    snprintf(w->out->text, sizeof w->out->text, "%s", text);
}

static uint32_t word_at(const unsigned char *bytes, size_t i) {
    const unsigned char *p = bytes + 4 * i;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void walk_variable(walk *w, const ib_variable *v) {
    const char *p = ib__unpack_text(&w->a), *q = ib__unpack_text(&w->b);
    w->lost = w->lost || strcmp(p, q) != 0;
    p = ib__unpack_text(&w->a);
    q = ib__unpack_text(&w->b);
    w->lost = w->lost || strcmp(p, q) != 0;
    size_t n = (size_t)ib__shape_elements(&v->shape), count = 0;
    const unsigned char *x = w->a.at, *y = w->b.at;
    if (w->lost || (size_t)(w->a.end - x) < 4 * n || (size_t)(w->b.end - y) < 4 * n) {
        w->lost = true;
        return;
    }
    w->a.at += 4 * n;
    w->b.at += 4 * n;
    if (memcmp(x, y, 4 * n) == 0) return;
    for (size_t i = 0; i < n; i++) {
        if (word_at(x, i) == word_at(y, i)) continue;
        char text[512];
        if (count++ > 0 || w->out->differs) continue;
        ib__print_change(text, sizeof text, v, i, word_at(x, i), word_at(y, i));
        note(w, text);
    }
    w->tensors++;
    w->out->elements += count;
}

static void walk_optimizer(walk *w, const ib_trainer *t) {
    const ib_state *state;
    size_t n = ib__optimizer_state(t->model->optimizer, &state);
    w->lost = w->lost || strcmp(ib__unpack_text(&w->a), ib__unpack_text(&w->b)) != 0;
    for (size_t i = 0; i < n && !w->lost; i++) {
        if (state[i].variable != NULL) {
            walk_variable(w, state[i].variable);
            continue;
        }
        char text[320];
        w->lost = strcmp(ib__unpack_text(&w->a), ib__unpack_text(&w->b)) != 0;
        int64_t x = (int64_t)ib__unpack_u64(&w->a), y = (int64_t)ib__unpack_u64(&w->b);
        snprintf(text, sizeof text, "%.160s of the optimizer: %" PRId64 " became %" PRId64, state[i].path, x,
                 y);
        if (x != y) note(w, text);
    }
}

/* What is left: scores, whose size is that of the trainer's, and behind them the position. */
static void walk_rest(walk *w, const ib_trainer *t) {
    size_t numbers = 2 * (t->train.n_outputs + 1);
    bool scores = ib__unpack_u64(&w->a) != ib__unpack_u64(&w->b);
    for (size_t i = 0; i < numbers; i++)
        scores |= ib__unpack_u64(&w->a) != ib__unpack_u64(&w->b);
    scores |= ib__unpack_u64(&w->a) != ib__unpack_u64(&w->b);
    for (size_t i = 0; i < t->train.n_metrics; i++) {
        scores |= strcmp(ib__unpack_text(&w->a), ib__unpack_text(&w->b)) != 0;
        size_t n = ib__unpack_count(&w->a, SIZE_MAX);
        scores |= n != ib__unpack_count(&w->b, SIZE_MAX);
        for (size_t k = 0; k < n && !w->a.failed && !w->b.failed; k++)
            scores |= ib__unpack_u64(&w->a) != ib__unpack_u64(&w->b);
    }
    if (scores) note(w, "the running loss and metrics of the epoch");
    size_t x = (size_t)(w->a.end - w->a.at), y = (size_t)(w->b.end - w->b.at);
    if (x != y || memcmp(w->a.at, w->b.at, x) != 0) note(w, "the position in the data");
}

ib_status ib__state_difference(ib_state_difference *out, const ib_trainer *t, const ib_checkpoint *c,
                               ib_error *err) {
    ib_buf state = {0};
    *out = (ib_state_difference){0};
    ib__state_pack(&state, t);
    if (state.failed) {
        ib__buf_free(&state);
        return ib__fail_memory(err);
    }
    const unsigned char *x = (const unsigned char *)state.data, *y = c->state;
    walk w = {.a = {x, x + state.length, false}, .b = {y, y + c->n_state, false}, .out = out};
    if (state.length != c->n_state || memcmp(x, y, state.length) != 0) {
        if (ib__unpack_u64(&w.a) != ib__unpack_u64(&w.b)) note(&w, "the number of the step");
        for (size_t i = 0; i < t->n_weights && !w.lost; i++)
            walk_variable(&w, &t->weights[i]->variable);
        if (!w.lost) walk_optimizer(&w, t);
        if (!w.lost) walk_rest(&w, t);
        note(&w, "state of another model");
        size_t used = strlen(out->text);
        if (out->elements > 1)
            snprintf(out->text + used, sizeof out->text - used, "; %zu elements of %zu tensor%s differ",
                     out->elements, w.tensors, w.tensors == 1 ? "" : "s");
    }
    ib__buf_free(&state);
    return IB_OK;
}
