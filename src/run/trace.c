/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests of steps and of the result.
 */
#include "run/trace.h"

#include <stdlib.h>
#include <string.h>

#include "run/state.h"

static void add_double(ib_sha256 *state, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    ib__sha256_u64(state, value != value ? UINT64_C(0x7ff8000000000000) : bits);
}

uint32_t ib__float_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value != value ? 0x7fc00000u : bits;
}

static void free_texts(char **texts, size_t n) {
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
}

void ib__trace_free(ib_trace *t) {
    free(t->steps);
    free_texts(t->paths, t->n_paths);
    free(t->tensors);
    free(t->sums);
    free_texts(t->names, t->n_names);
    free(t->history);
    free(t->seconds);
    free_texts(t->test_names, t->n_test);
    free(t->test);
    ib__matrix_free(&t->confusion);
    *t = (ib_trace){0};
}

static ib_status name_paths(ib_trace *t, const ib_trainer *trainer, ib_error *err) {
    size_t n = 0;
    while (ib__state_variable(trainer, n) != NULL)
        n++;
    t->paths = calloc(n + 1, sizeof(char *));
    if (t->paths == NULL) return ib__fail_memory(err);
    t->n_weights = trainer->n_weights;
    for (size_t i = 0; i < n; i++) {
        t->paths[i] = strdup(ib__state_variable(trainer, i)->path);
        if (t->paths[i] == NULL) return ib__fail_memory(err);
        t->n_paths++;
    }
    return IB_OK;
}

bool ib__trace_grow_tensors(ib_trace *t, size_t n) {
    return ib__grow(&t->tensors, &t->tensors_capacity, n, sizeof *t->tensors) &&
           ib__grow(&t->sums, &t->sums_capacity, n, sizeof *t->sums);
}

ib_sums ib__tensor_sums(const float *data, size_t n) {
    ib_sums s = {0, 0};
    for (size_t i = 0; i < n; i++) {
        uint64_t word = ib__float_bits(data[i]);
        s.plain += word;
        s.weighted += (i + 1) * word;
    }
    return s;
}

/* With d = w' - w of the one element i, the sums differ by d and (i + 1) d; both fit into 64 bits. */
bool ib__sums_change(const ib_sums *wanted, const float *data, size_t n, size_t *element, uint32_t *word) {
    ib_sums here = ib__tensor_sums(data, n);
    int64_t d = (int64_t)(wanted->plain - here.plain), product = (int64_t)(wanted->weighted - here.weighted);
    if (d == 0 || d > UINT32_MAX || d < -(int64_t)UINT32_MAX || product == INT64_MIN || product % d != 0)
        return false;
    int64_t place = product / d;
    if (place < 1 || (uint64_t)place > n) return false;
    *element = (size_t)place - 1;
    int64_t changed = (int64_t)ib__float_bits(data[*element]) + d;
    *word = (uint32_t)changed;
    return changed >= 0 && changed <= UINT32_MAX;
}

typedef struct digesting {
    ib_trace *t;
    const ib_trainer *trainer;
    size_t first; /* of the trace's tensors */
} digesting;

static void digest_tensor(void *context, size_t i, size_t worker) {
    const digesting *d = context;
    const ib_variable *v = ib__state_variable(d->trainer, i);
    (void)worker;
    d->t->sums[d->first + i] = ib__tensor_sums(v->data, (size_t)ib__shape_elements(&v->shape));
    d->t->tensors[d->first + i] = ib__tensor_digest(&(ib_tensor){IB_F32, v->shape, v->data});
}

static ib_status digest_state(ib_trace *t, const ib_trainer *trainer, ib_step_record *record, ib_error *err) {
    ib_status status = t->paths == NULL ? name_paths(t, trainer, err) : IB_OK;
    if (status != IB_OK) return status;
    if (!ib__trace_grow_tensors(t, t->n_tensors + t->n_paths)) return ib__fail_memory(err);
    record->state = true;
    record->tensors = t->n_tensors;
    for (size_t i = 0; i < t->n_paths; i++)
        if (ib__state_variable(trainer, i) == NULL)
            return ib__fail(err, IB_INTERNAL, t->paths[i], "the optimizer lost a slot during training");
    digesting d = {t, trainer, t->n_tensors};
    ib__pool_run(trainer->pool, t->n_paths, digest_tensor, &d);
    t->n_tensors += t->n_paths;
    return IB_OK;
}

static void add_state(ib_sha256 *state, const ib_trace *t, const ib_trainer *trainer,
                      const ib_step_record *record) {
    for (size_t i = 0; i < t->n_paths; i++) {
        ib__sha256_text(state, t->paths[i]);
        ib__sha256_add(state, &t->tensors[record->tensors + i], sizeof(ib_digest));
    }
    const ib_optimizer *optimizer = trainer->model->optimizer;
    ib__sha256_text(state, ib__optimizer_name(optimizer));
    ib__sha256_u64(state, (uint64_t)ib__optimizer_iterations(optimizer));
    add_double(state, ib__optimizer_learning_rate(optimizer));
}

/* Is the state recorded at this step? */
static bool records(const ib_trainer *t, size_t step) {
    size_t every = (size_t)t->task->experiment->fit.record_every;
    return step % t->steps_per_epoch == 0 || step == t->steps || (every > 0 && step % every == 0);
}

bool ib__trace_link(ib_digest *out, const ib_trace *t, size_t step, const ib_trainer *trainer) {
    const ib_step_record *record = &t->steps[step];
    ib_sha256 *state = ib__sha256_new();
    if (state == NULL) return false;
    ib__sha256_text(state, "isobit step 1");
    ib__sha256_add(state, step == 0 ? &trainer->task->digest : &t->steps[step - 1].chain, sizeof(ib_digest));
    ib__sha256_u64(state, step);
    ib__sha256_u64(state, record->loss);
    if (record->state) add_state(state, t, trainer, record);
    *out = ib__sha256_end(state);
    return true;
}

ib_status ib__trace_step(ib_trace *t, const ib_trainer *trainer, bool last, ib_error *err) {
    if (!ib__grow(&t->steps, &t->steps_capacity, t->n_steps + 1, sizeof *t->steps))
        return ib__fail_memory(err);
    size_t step = t->n_steps;
    ib_step_record *record = &t->steps[step];
    *record = (ib_step_record){.loss = step == 0 ? 0 : ib__float_bits(trainer->loss)};
    if (last || records(trainer, step)) {
        ib_status status = digest_state(t, trainer, record, err);
        if (status != IB_OK) return status;
    }
    if (!ib__trace_link(&record->chain, t, step, trainer)) return ib__fail_memory(err);
    t->n_steps++;
    return IB_OK;
}

static ib_status name_columns(ib_trace *t, const ib_logs *logs, ib_error *err) {
    t->names = calloc(logs->n + 1, sizeof(char *));
    if (t->names == NULL) return ib__fail_memory(err);
    for (; t->n_names < logs->n; t->n_names++) {
        t->names[t->n_names] = strdup(logs->names[t->n_names]);
        if (t->names[t->n_names] == NULL) return ib__fail_memory(err);
    }
    return IB_OK;
}

ib_status ib__trace_epoch(ib_trace *t, const ib_logs *logs, double seconds, ib_error *err) {
    ib_status status = t->names == NULL ? name_columns(t, logs, err) : IB_OK;
    if (status != IB_OK) return status;
    if (!ib__grow(&t->seconds, &t->seconds_capacity, t->n_epochs + 1, sizeof *t->seconds) ||
        !ib__grow(&t->history, &t->history_capacity, (t->n_epochs + 1) * t->n_names + 1, sizeof *t->history))
        return ib__fail_memory(err);
    if (logs->n != t->n_names)
        return ib__fail(err, IB_INTERNAL, "history", "expected %zu columns, found %zu", t->n_names, logs->n);
    memcpy(t->history + t->n_epochs * t->n_names, logs->values, logs->n * sizeof *logs->values);
    t->seconds[t->n_epochs++] = seconds;
    return IB_OK;
}

ib_status ib__trace_test(ib_trace *t, const ib_trainer *trainer, ib_error *err) {
    ib_logs logs = {0};
    if (!ib__logs_scores(&logs, &trainer->held, "")) {
        ib__logs_free(&logs);
        return ib__fail_memory(err);
    }
    t->test_names = logs.names;
    t->test = logs.values;
    t->n_test = logs.n;
    return IB_OK;
}

/* The weights after the last step's record: a digest for each path, if any is another one. */
static void add_changed_weights(ib_sha256 *state, const ib_trace *t, const ib_trainer *trainer) {
    const ib_digest *recorded = ib__trace_state(t, t->n_steps - 1);
    bool changed = false;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; recorded != NULL && i < t->n_weights && (pass == 0 || changed); i++) {
            const ib_variable *v = ib__state_variable(trainer, i);
            ib_digest digest = ib__tensor_digest(&(ib_tensor){IB_F32, v->shape, v->data});
            if (memcmp(&digest, &recorded[i], sizeof digest) != 0) changed = true;
            if (pass == 0) continue;
            ib__sha256_text(state, t->paths[i]);
            ib__sha256_add(state, &digest, sizeof digest);
        }
    }
}

ib_status ib__trace_end(ib_trace *t, const ib_trainer *trainer, ib_error *err) {
    ib_sha256 *state = ib__sha256_new();
    if (state == NULL) return ib__fail_memory(err);
    ib__sha256_text(state, "isobit result 1");
    ib__sha256_u64(state, IB_CONTRACT_VERSION);
    ib__sha256_add(state, &trainer->task->digest, sizeof(ib_digest));
    ib__sha256_add(state, &t->steps[t->n_steps - 1].chain, sizeof(ib_digest));
    for (size_t i = 0; i < t->n_names; i++)
        ib__sha256_text(state, t->names[i]);
    for (size_t i = 0; i < t->n_epochs * t->n_names; i++)
        add_double(state, t->history[i]);
    for (size_t i = 0; i < t->n_test; i++) {
        ib__sha256_text(state, t->test_names[i]);
        add_double(state, t->test[i]);
    }
    add_changed_weights(state, t, trainer);
    t->result = ib__sha256_end(state);
    return IB_OK;
}

const ib_digest *ib__trace_state(const ib_trace *t, size_t step) {
    return step < t->n_steps && t->steps[step].state ? t->tensors + t->steps[step].tensors : NULL;
}

const ib_sums *ib__trace_sums(const ib_trace *t, size_t step) {
    return ib__trace_state(t, step) != NULL ? t->sums + t->steps[step].tensors : NULL;
}

static bool state_differs(const ib_trace *a, const ib_trace *b, size_t step) {
    const ib_digest *x = ib__trace_state(a, step), *y = ib__trace_state(b, step);
    if (x == NULL || y == NULL) return false;
    return a->n_paths != b->n_paths || memcmp(x, y, a->n_paths * sizeof *x) != 0;
}

bool ib__trace_same_step(const ib_trace *a, const ib_trace *b, size_t step) {
    if (step >= a->n_steps || step >= b->n_steps) return false;
    const ib_step_record *x = &a->steps[step], *y = &b->steps[step];
    return x->loss == y->loss && memcmp(&x->chain, &y->chain, sizeof x->chain) == 0 &&
           !state_differs(a, b, step);
}

size_t ib__trace_first_difference(const ib_trace *a, const ib_trace *b, bool losses) {
    size_t n = a->n_steps < b->n_steps ? a->n_steps : b->n_steps;
    for (size_t i = 0; i < n; i++) {
        const ib_step_record *x = &a->steps[i], *y = &b->steps[i];
        if (!losses && !ib__trace_same_step(a, b, i)) return i;
        if (losses && (x->loss != y->loss || state_differs(a, b, i))) return i;
    }
    return a->n_steps == b->n_steps ? SIZE_MAX : n;
}
