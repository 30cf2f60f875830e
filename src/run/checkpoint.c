/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoint files.
 */
#include "run/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define MAGIC "isobit checkpoint 2\n"
#define MAGIC_LENGTH (sizeof MAGIC - 1)
#define PREFIX "step-"
#define DIGITS 12
#define RESUMED_MAX 1000000
/* Without a wish of the user: not more often than this, and not more than this part of the time. */
#define SECONDS_DEFAULT 10.0
#define COST_SHARE 50.0

void ib__session_free(ib_session *s) {
    free(s->resumed);
    free(s->repairs);
    *s = (ib_session){0};
}

void ib__utc_now(char out[32]) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

double ib__seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- Names ---- */

char *ib__checkpoint_path(const char *run, size_t step) {
    char name[64];
    snprintf(name, sizeof name, "checkpoint/" PREFIX "%0*zu", DIGITS, step);
    return ib__path_join(run, name);
}

/* "step-000000000042" */
static bool parse_name(const char *name, size_t *step) {
    int64_t value;
    if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0) return false;
    const char *digits = name + sizeof PREFIX - 1;
    size_t n = strlen(digits);
    if (n < DIGITS || strspn(digits, "0123456789") != n || !ib__int_parse(digits, n, &value)) return false;
    *step = (size_t)value;
    return true;
}

static int by_step(const void *a, const void *b) {
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

ib_status ib__checkpoint_steps(size_t **steps, size_t *n, const char *run, ib_error *err) {
    char **names, *folder = ib__path_join(run, "checkpoint");
    size_t count;
    *steps = NULL;
    *n = 0;
    if (folder == NULL) return ib__fail_memory(err);
    ib_status status = ib__folder_names(&names, &count, folder, err);
    free(folder);
    if (status != IB_OK) return status;
    *steps = calloc(count + 1, sizeof **steps);
    if (*steps == NULL) status = ib__fail_memory(err);
    for (size_t i = 0; *steps != NULL && i < count; i++)
        if (parse_name(names[i], &(*steps)[*n])) (*n)++;
    ib__names_free(names, count);
    if (*n > 1) qsort(*steps, *n, sizeof **steps, by_step);
    return status;
}

/* In the folder `inner` of run: removes what a write of a file leaves when it is killed. */
static ib_status clean_folder(const char *run, const char *inner, ib_error *err) {
    char **names, *folder = ib__path_join(run, inner);
    size_t n;
    if (folder == NULL) return ib__fail_memory(err);
    ib_status status = ib__folder_names(&names, &n, folder, err);
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        char target[256];
        snprintf(target, sizeof target, "%.255s", names[i]);
        for (int dots = 0; dots < 2; dots++) {
            char *dot = strrchr(target, '.');
            if (dot != NULL) *dot = '\0';
        }
        if (!ib__file_is_leftover(names[i], target)) continue;
        char *path = ib__path_join(folder, names[i]);
        status = path == NULL ? ib__fail_memory(err) : ib__file_remove(path, err);
        free(path);
    }
    ib__names_free(names, n);
    free(folder);
    return status;
}

ib_status ib__checkpoint_clean(const char *run, ib_error *err) {
    ib_status status = clean_folder(run, ".", err);
    return status == IB_OK ? clean_folder(run, "checkpoint", err) : status;
}

/* ---- Reading ---- */

static ib_status fail_damaged(const ib_checkpoint *c, const char *what, ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, c->path, "expected a checkpoint, found %s", what);
}

static bool unpack_digest(ib_unpack *u, ib_digest *out) {
    size_t n;
    const void *bytes = ib__unpack_bytes(u, &n);
    if (bytes == NULL || n != sizeof *out) return false;
    memcpy(out, bytes, n);
    return true;
}

static bool unpack_session(ib_session *s, ib_unpack *u) {
    snprintf(s->started, sizeof s->started, "%s", ib__unpack_text(u));
    s->seconds = ib__unpack_double(u);
    s->epoch_seconds = ib__unpack_double(u);
    s->stop = ib__unpack_u64(u) != 0;
    size_t n = ib__unpack_count(u, RESUMED_MAX);
    for (size_t i = 0; i < n && !u->failed; i++) {
        if (!ib__grow(&s->resumed, &s->resumed_capacity, i + 1, sizeof *s->resumed)) return false;
        s->resumed[i].step = ib__unpack_count(u, SIZE_MAX);
        snprintf(s->resumed[i].when, sizeof s->resumed[i].when, "%s", ib__unpack_text(u));
        s->n_resumed++;
    }
    s->audited = ib__unpack_count(u, SIZE_MAX);
    n = ib__unpack_count(u, RESUMED_MAX);
    for (size_t i = 0; i < n && !u->failed; i++) {
        if (!ib__grow(&s->repairs, &s->repairs_capacity, i + 1, sizeof *s->repairs)) return false;
        s->repairs[i].step = ib__unpack_count(u, SIZE_MAX);
        s->n_repairs++;
    }
    return true;
}

static ib_status unpack_file(ib_checkpoint *c, ib_error *err) {
    size_t body = c->file.length - sizeof(ib_digest);
    if (c->file.length < MAGIC_LENGTH + sizeof(ib_digest)) return fail_damaged(c, "a file that is cut", err);
    if (memcmp(c->file.data, MAGIC, MAGIC_LENGTH) != 0) return fail_damaged(c, "another kind of file", err);
    ib_digest digest = ib__sha256(c->file.data, body);
    if (memcmp(&digest, c->file.data + body, sizeof digest) != 0)
        return fail_damaged(c, "a file that is cut or damaged (its SHA-256 does not hold)", err);
    const unsigned char *bytes = (const unsigned char *)c->file.data;
    ib_unpack u = {bytes + MAGIC_LENGTH, bytes + body, false};
    uint64_t contract = ib__unpack_u64(&u);
    if (contract != IB_CONTRACT_VERSION)
        return ib__fail(err, IB_UNSUPPORTED, c->path,
                        "expected contract version %d of the arithmetic, found %llu", IB_CONTRACT_VERSION,
                        (unsigned long long)contract);
    bool whole = unpack_digest(&u, &c->experiment);
    c->step = ib__unpack_count(&u, SIZE_MAX / 2);
    c->seed = (int64_t)ib__unpack_u64(&u);
    c->seed_drawn = ib__unpack_u64(&u) != 0;
    if (!unpack_session(&c->session, &u)) return ib__fail_memory(err);
    c->state = ib__unpack_bytes(&u, &c->n_state);
    c->trace = ib__unpack_bytes(&u, &c->n_trace);
    c->callbacks = ib__unpack_bytes(&u, &c->n_callbacks);
    return whole && ib__unpack_done(&u) ? IB_OK : fail_damaged(c, "other content", err);
}

ib_status ib__checkpoint_read(ib_checkpoint **out, const char *path, ib_error *err) {
    ib_checkpoint *c = calloc(1, sizeof *c);
    if (c == NULL) return ib__fail_memory(err);
    c->path = strdup(path);
    ib_status status =
        c->path == NULL ? ib__fail_memory(err) : ib__file_read(&c->file, path, SIZE_MAX / 4, err);
    if (status == IB_OK) status = unpack_file(c, err);
    if (status == IB_OK)
        *out = c;
    else
        ib__checkpoint_free(c);
    return status;
}

ib_status ib__checkpoint_open(ib_checkpoint **out, const char *run, size_t step, ib_error *err) {
    char *path = ib__checkpoint_path(run, step);
    ib_status status = path == NULL ? ib__fail_memory(err) : ib__checkpoint_read(out, path, err);
    free(path);
    return status;
}

void ib__checkpoint_free(ib_checkpoint *c) {
    if (c == NULL) return;
    ib__session_free(&c->session);
    ib__buf_free(&c->file);
    free(c->path);
    free(c);
}

/* A damaged file is passed over for the one before it, but any other failure (another contract, no memory) is
 * one. When all are damaged the error is that of the newest. */
ib_status ib__checkpoint_latest(ib_checkpoint **out, const char *run, size_t *damaged, ib_error *err) {
    size_t *steps, n, bad = 0;
    ib_error first = {0};
    *out = NULL;
    ib_status status = ib__checkpoint_steps(&steps, &n, run, err);
    for (size_t i = n; status == IB_OK && *out == NULL && i-- > 0;) {
        ib_error problem = {0};
        ib_status read = ib__checkpoint_open(out, run, steps[i], &problem);
        if (read == IB_OK) break;
        if (bad++ == 0) first = problem;
        if (read != IB_BAD_INPUT || i == 0) status = ib__fail(err, first.code, first.where, "%s", first.text);
    }
    free(steps);
    if (damaged != NULL) *damaged = bad;
    return status;
}

ib_status ib__checkpoint_check(const ib_checkpoint *c, const ib_task *task, ib_error *err) {
    if (memcmp(&c->experiment, &task->digest, sizeof c->experiment) == 0) return IB_OK;
    char wanted[65], found[65];
    ib__digest_hex(wanted, &task->digest);
    ib__digest_hex(found, &c->experiment);
    return ib__fail(
        err, IB_BAD_INPUT, c->path,
        "expected a checkpoint of the experiment %.16s..., found one of %.16s...: the experiment or "
        "its data were changed",
        wanted, found);
}

ib_status ib__checkpoint_restore(const ib_checkpoint *c, ib_trainer *trainer, ib_trace *trace,
                                 ib_error *err) {
    ib_status status = ib__checkpoint_check(c, trainer->task, err);
    if (status != IB_OK) return status;
    status = ib__state_unpack(trainer, c->state, c->n_state, c->path, err);
    if (status == IB_OK && trace != NULL)
        status = ib__trace_unpack(trace, c->trace, c->n_trace, c->path, err);
    if (status != IB_OK) return status;
    size_t epochs = trainer->step / trainer->steps_per_epoch;
    if (trainer->step == c->step &&
        (trace == NULL || (trace->n_steps == c->step + 1 && trace->n_epochs <= epochs + 1)))
        return IB_OK;
    return fail_damaged(c, "parts of several steps", err);
}

/* ---- Taking them ---- */

ib_keeper ib__keeper(const ib_experiment *e, const char *run) {
    return (ib_keeper){.run = run,
                       .every_steps = (size_t)e->checkpoint.steps,
                       .every_seconds = e->checkpoint.seconds,
                       .keep = (size_t)e->checkpoint.keep,
                       .last = ib__seconds_now()};
}

bool ib__keeper_due(const ib_keeper *k, size_t step) {
    if (k->every_steps > 0 && step % k->every_steps == 0) return true;
    if (k->every_steps > 0 && k->every_seconds == 0) return false;
    double passed = ib__seconds_now() - k->last;
    if (k->every_seconds > 0) return passed >= k->every_seconds;
    return passed >= SECONDS_DEFAULT && passed >= COST_SHARE * k->cost;
}

static void pack_session(ib_buf *out, const ib_session *s) {
    ib__pack_text(out, s->started);
    ib__pack_double(out, s->seconds);
    ib__pack_double(out, s->epoch_seconds);
    ib__pack_u64(out, s->stop);
    ib__pack_u64(out, s->n_resumed);
    for (size_t i = 0; i < s->n_resumed; i++) {
        ib__pack_u64(out, s->resumed[i].step);
        ib__pack_text(out, s->resumed[i].when);
    }
    ib__pack_u64(out, s->audited);
    ib__pack_u64(out, s->n_repairs);
    for (size_t i = 0; i < s->n_repairs; i++)
        ib__pack_u64(out, s->repairs[i].step);
}

/* A part whose length is known only when it is there. */
static size_t begin_part(ib_buf *out) {
    ib__pack_u64(out, 0);
    return out->length;
}

static void end_part(ib_buf *out, size_t begin) {
    ib_buf length = {0};
    ib__pack_u64(&length, out->length - begin);
    if (length.failed) out->failed = true;
    if (!out->failed) memcpy(out->data + begin - length.length, length.data, length.length);
    ib__buf_free(&length);
}

static void pack_file(ib_buf *out, const ib_trainer *t, const ib_trace *trace, const ib_session *session,
                      const ib_buf *callbacks) {
    const ib_experiment *e = t->task->experiment;
    ib__buf_add(out, MAGIC, MAGIC_LENGTH);
    ib__pack_u64(out, IB_CONTRACT_VERSION);
    ib__pack_bytes(out, &t->task->digest, sizeof t->task->digest);
    ib__pack_u64(out, t->step);
    ib__pack_u64(out, (uint64_t)e->seed);
    ib__pack_u64(out, e->seed_drawn);
    pack_session(out, session);
    size_t part = begin_part(out);
    ib__state_pack(out, t);
    end_part(out, part);
    part = begin_part(out);
    ib__trace_pack(out, trace);
    end_part(out, part);
    ib__pack_bytes(out, callbacks == NULL ? "" : callbacks->data, callbacks == NULL ? 0 : callbacks->length);
    if (out->failed) return;
    ib_digest digest = ib__sha256(out->data, out->length);
    ib__buf_add(out, &digest, sizeof digest);
}

/* Index of the one that is missed least: the gap that it leaves is the smallest. */
static size_t least_missed(const size_t *steps, size_t n) {
    size_t best = 0, smallest = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t gap = steps[i + 1] - (i > 0 ? steps[i - 1] : 0);
        if (gap < smallest) {
            smallest = gap;
            best = i;
        }
    }
    return best;
}

/* Removes checkpoints until `keep` are left beside the newest `newest`. */
static ib_status thin_out(const char *run, size_t keep, size_t newest, ib_error *err) {
    size_t *steps, n;
    ib_status status = ib__checkpoint_steps(&steps, &n, run, err);
    while (status == IB_OK && n > keep + newest) {
        size_t i = n - newest > 1 ? least_missed(steps, newest > 0 ? n - newest : n - 1) : 0;
        char *path = ib__checkpoint_path(run, steps[i]);
        status = path == NULL ? ib__fail_memory(err) : ib__file_remove(path, err);
        free(path);
        memmove(&steps[i], &steps[i + 1], (n - i - 1) * sizeof *steps);
        n--;
    }
    free(steps);
    return status;
}

ib_status ib__keeper_take(ib_keeper *k, const ib_trainer *trainer, const ib_trace *trace,
                          const ib_session *session, const ib_buf *callbacks, ib_error *err) {
    double begun = ib__seconds_now();
    ib_buf file = {0};
    char *folder = ib__path_join(k->run, "checkpoint"), *path = ib__checkpoint_path(k->run, trainer->step);
    ib_status status = folder == NULL || path == NULL ? ib__fail_memory(err) : ib__folder_make(folder, err);
    if (status == IB_OK) pack_file(&file, trainer, trace, session, callbacks);
    if (status == IB_OK)
        status = file.failed ? ib__fail_memory(err) : ib__file_write(path, file.data, file.length, err);
    if (status == IB_OK) status = thin_out(k->run, k->keep, 2, err);
    if (status != IB_OK && folder != NULL) rmdir(folder); /* stays if it holds an earlier one */
    ib__buf_free(&file);
    free(folder);
    free(path);
    k->last = ib__seconds_now();
    k->cost = k->last - begun;
    return status;
}

ib_status ib__keeper_end(const ib_keeper *k, ib_error *err) {
    ib_status status = thin_out(k->run, k->keep, 0, err);
    char *folder = ib__path_join(k->run, "checkpoint");
    if (folder != NULL && k->keep == 0) rmdir(folder);
    free(folder);
    return status;
}
