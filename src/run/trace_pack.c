/* SPDX-License-Identifier: Apache-2.0
 *
 * A trace in bytes, for checkpoints.
 */
#include <stdlib.h>
#include <string.h>

#include "run/trace.h"

#define STATE_RECORDED ((uint64_t)1 << 32)
#define NAMES_MAX 65536

static void pack_names(ib_buf *out, char *const *names, size_t n) {
    ib__pack_u64(out, n);
    for (size_t i = 0; i < n; i++)
        ib__pack_text(out, names[i]);
}

static void pack_doubles(ib_buf *out, const double *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        ib__pack_double(out, values[i]);
}

void ib__trace_pack(ib_buf *out, const ib_trace *t) {
    ib__pack_u64(out, t->n_steps);
    for (size_t i = 0; i < t->n_steps; i++) {
        ib__pack_u64(out, t->steps[i].loss | (t->steps[i].state ? STATE_RECORDED : 0));
        ib__buf_add(out, &t->steps[i].chain, sizeof(ib_digest));
    }
    ib__pack_u64(out, t->n_weights);
    pack_names(out, t->paths, t->n_paths);
    ib__pack_bytes(out, t->tensors, t->n_tensors * sizeof(ib_digest));
    for (size_t i = 0; i < t->n_tensors; i++) {
        ib__pack_u64(out, t->sums[i].plain);
        ib__pack_u64(out, t->sums[i].weighted);
    }
    pack_names(out, t->names, t->n_names);
    ib__pack_u64(out, t->n_epochs);
    pack_doubles(out, t->history, t->n_epochs * t->n_names);
    pack_doubles(out, t->seconds, t->n_epochs);
}

/* ---- Reading ---- */

static void unpack_digest(ib_unpack *u, ib_digest *out) {
    if ((size_t)(u->end - u->at) < sizeof *out) {
        u->failed = true;
        return;
    }
    memcpy(out, u->at, sizeof *out);
    u->at += sizeof *out;
}

/* How many things of `size` bytes can still be there: no number in a file may ask for more memory than that.
 */
static size_t room(const ib_unpack *u, size_t size) {
    return (size_t)(u->end - u->at) / size;
}

static bool unpack_steps(ib_trace *t, ib_unpack *u) {
    size_t n = ib__unpack_count(u, room(u, 8 + sizeof(ib_digest)));
    if (!ib__grow(&t->steps, &t->steps_capacity, n + 1, sizeof *t->steps)) return false;
    for (size_t i = 0; i < n && !u->failed; i++) {
        uint64_t word = ib__unpack_u64(u);
        ib_step_record *s = &t->steps[t->n_steps++];
        *s = (ib_step_record){.loss = (uint32_t)word, .state = (word & STATE_RECORDED) != 0};
        unpack_digest(u, &s->chain);
    }
    return true;
}

static bool unpack_names(char ***names, size_t *n, ib_unpack *u) {
    size_t count = ib__unpack_count(u, NAMES_MAX);
    if (count > room(u, 8)) u->failed = true;
    if (u->failed || count == 0) return true;
    *names = calloc(count, sizeof(char *));
    if (*names == NULL) return false;
    for (size_t i = 0; i < count && !u->failed; i++) {
        char *name = strdup(ib__unpack_text(u));
        if (name == NULL) return false;
        (*names)[(*n)++] = name;
    }
    return true;
}

static bool unpack_tensors(ib_trace *t, ib_unpack *u) {
    size_t bytes;
    const void *digests = ib__unpack_bytes(u, &bytes);
    size_t n = bytes / sizeof(ib_digest), at = 0;
    for (size_t i = 0; i < t->n_steps; i++) {
        if (!t->steps[i].state) continue;
        t->steps[i].tensors = at;
        at += t->n_paths;
    }
    if (bytes % sizeof(ib_digest) != 0 || at != n) u->failed = true;
    if (u->failed || n == 0) return true;
    if (!ib__trace_grow_tensors(t, n)) return false;
    memcpy(t->tensors, digests, bytes);
    for (size_t i = 0; i < n; i++) {
        t->sums[i].plain = ib__unpack_u64(u);
        t->sums[i].weighted = ib__unpack_u64(u);
    }
    t->n_tensors = n;
    return true;
}

static bool unpack_history(ib_trace *t, ib_unpack *u) {
    bool good = unpack_names(&t->names, &t->n_names, u);
    size_t epochs = ib__unpack_count(u, room(u, 8 * (t->n_names + 1))), n = epochs * t->n_names;
    good = good && ib__grow(&t->history, &t->history_capacity, n + 1, sizeof *t->history) &&
           ib__grow(&t->seconds, &t->seconds_capacity, epochs + 1, sizeof *t->seconds);
    for (size_t i = 0; good && i < n; i++)
        t->history[i] = ib__unpack_double(u);
    for (size_t i = 0; good && i < epochs; i++)
        t->seconds[i] = ib__unpack_double(u);
    if (good) t->n_epochs = epochs;
    return good;
}

ib_status ib__trace_unpack(ib_trace *t, const void *bytes, size_t n, const char *name, ib_error *err) {
    ib_unpack u = {bytes, (const unsigned char *)bytes + n, false};
    bool good = unpack_steps(t, &u);
    t->n_weights = ib__unpack_count(&u, NAMES_MAX);
    good = good && unpack_names(&t->paths, &t->n_paths, &u) && unpack_tensors(t, &u) && unpack_history(t, &u);
    if (!good) return ib__fail_memory(err);
    if (!ib__unpack_done(&u) || t->n_steps == 0 || !t->steps[0].state || t->n_weights > t->n_paths)
        return ib__fail(err, IB_BAD_INPUT, name, "expected the trace of a run, found something else");
    return IB_OK;
}
