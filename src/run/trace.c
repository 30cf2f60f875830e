/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests of steps and of the result.
 */
#include "run/trace.h"

#include <stdlib.h>
#include <string.h>

#include "run/state.h"

/* Little-endian, whatever the machine. */
static void add_u64(ib_sha256 *state, uint64_t value) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    ib__sha256_add(state, bytes, sizeof bytes);
}

static void add_text(ib_sha256 *state, const char *text) {
    ib__sha256_add(state, text, strlen(text) + 1);
}

static void add_double(ib_sha256 *state, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_u64(state, value != value ? UINT64_C(0x7ff8000000000000) : bits);
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
    free_texts(t->names, t->n_names);
    free(t->history);
    free(t->seconds);
    free_texts(t->test_names, t->n_test);
    free(t->test);
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

static ib_status digest_state(ib_trace *t, const ib_trainer *trainer, ib_step_record *record, ib_error *err) {
    ib_status status = t->paths == NULL ? name_paths(t, trainer, err) : IB_OK;
    if (status != IB_OK) return status;
    if (!ib__grow(&t->tensors, &t->tensors_capacity, t->n_tensors + t->n_paths, sizeof *t->tensors))
        return ib__fail_memory(err);
    record->state = true;
    record->tensors = t->n_tensors;
    for (size_t i = 0; i < t->n_paths; i++) {
        const ib_variable *v = ib__state_variable(trainer, i);
        if (v == NULL)
            return ib__fail(err, IB_INTERNAL, t->paths[i], "the optimizer lost a slot during training");
        ib_tensor tensor = {IB_F32, v->shape, v->data};
        t->tensors[t->n_tensors++] = ib__tensor_digest(&tensor);
    }
    return IB_OK;
}

static void add_state(ib_sha256 *state, const ib_trace *t, const ib_trainer *trainer,
                      const ib_step_record *record) {
    for (size_t i = 0; i < t->n_paths; i++) {
        add_text(state, t->paths[i]);
        ib__sha256_add(state, &t->tensors[record->tensors + i], sizeof(ib_digest));
    }
    const ib_optimizer *optimizer = trainer->model->optimizer;
    add_text(state, ib__optimizer_name(optimizer));
    add_u64(state, (uint64_t)ib__optimizer_iterations(optimizer));
    add_double(state, ib__optimizer_learning_rate(optimizer));
}

bool ib__trace_records(const ib_trainer *t, size_t step) {
    size_t every = (size_t)t->task->experiment->fit.record_every;
    return step % t->steps_per_epoch == 0 || step == t->steps || (every > 0 && step % every == 0);
}

ib_status ib__trace_step(ib_trace *t, const ib_trainer *trainer, ib_error *err) {
    if (!ib__grow(&t->steps, &t->steps_capacity, t->n_steps + 1, sizeof *t->steps))
        return ib__fail_memory(err);
    size_t step = t->n_steps;
    ib_step_record *record = &t->steps[step];
    *record = (ib_step_record){.loss = step == 0 ? 0 : ib__float_bits(trainer->loss)};
    if (ib__trace_records(trainer, step)) {
        ib_status status = digest_state(t, trainer, record, err);
        if (status != IB_OK) return status;
    }
    ib_sha256 *state = ib__sha256_new();
    if (state == NULL) return ib__fail_memory(err);
    add_text(state, "isobit step 1");
    ib__sha256_add(state, step == 0 ? &trainer->task->digest : &t->steps[step - 1].chain, sizeof(ib_digest));
    add_u64(state, step);
    add_u64(state, record->loss);
    if (record->state) add_state(state, t, trainer, record);
    record->chain = ib__sha256_end(state);
    t->n_steps++;
    return IB_OK;
}

/* ---- Scores by name, as Keras sorts its logs. ---- */

static const char *score_name(const ib_scores *s, size_t i) {
    return i == 0 ? "loss" : ib__metric_name(s->metrics[i - 1]);
}

static double score_value(const ib_scores *s, size_t i) {
    return i == 0 ? ib__scores_loss(s) : ib__metric_result(s->metrics[i - 1]);
}

size_t ib__scores_sorted(const ib_scores *s, const char **names, double *values, size_t limit) {
    size_t n = 0;
    for (size_t i = 0; i < s->n_metrics + 1 && n < limit; i++) {
        size_t at = n++;
        for (; at > 0 && strcmp(names[at - 1], score_name(s, i)) > 0; at--) {
            names[at] = names[at - 1];
            values[at] = values[at - 1];
        }
        names[at] = score_name(s, i);
        values[at] = score_value(s, i);
    }
    return n;
}

/* Appends the sorted scores to names (copies, with prefix before each) and values. */
static ib_status add_scores(const ib_scores *s, const char *prefix, char **names, double *values, size_t *n,
                            ib_error *err) {
    size_t count = s->n_metrics + 1;
    const char **sorted = calloc(count, sizeof(char *));
    if (sorted == NULL) return ib__fail_memory(err);
    ib__scores_sorted(s, sorted, values + *n, count);
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < count; i++) {
        ib_buf name = {0};
        ib__buf_printf(&name, "%s%s", prefix, sorted[i]);
        if (name.failed)
            status = ib__fail_memory(err);
        else
            names[(*n)++] = name.data;
        if (name.failed) ib__buf_free(&name);
    }
    free(sorted);
    return status;
}

ib_status ib__trace_epoch(ib_trace *t, const ib_trainer *trainer, bool validation, double seconds,
                          ib_error *err) {
    size_t limit = trainer->train.n_metrics + 1 + (validation ? trainer->held.n_metrics + 1 : 0), n = 0;
    char **names = calloc(limit, sizeof(char *));
    if (names == NULL || !ib__grow(&t->seconds, &t->seconds_capacity, t->n_epochs + 1, sizeof *t->seconds) ||
        !ib__grow(&t->history, &t->history_capacity, (t->n_epochs + 1) * limit, sizeof *t->history)) {
        free(names);
        return ib__fail_memory(err);
    }
    double *values = t->history + t->n_epochs * limit;
    ib_status status = add_scores(&trainer->train, "", names, values, &n, err);
    if (status == IB_OK && validation) status = add_scores(&trainer->held, "val_", names, values, &n, err);
    t->seconds[t->n_epochs] = seconds;
    if (status == IB_OK) t->n_epochs++;
    if (status == IB_OK && t->names == NULL) {
        t->names = names;
        t->n_names = n;
    } else {
        free_texts(names, n);
    }
    return status;
}

ib_status ib__trace_test(ib_trace *t, const ib_trainer *trainer, ib_error *err) {
    size_t limit = trainer->held.n_metrics + 1;
    t->test_names = calloc(limit, sizeof(char *));
    t->test = calloc(limit, sizeof *t->test);
    if (t->test_names == NULL || t->test == NULL) return ib__fail_memory(err);
    return add_scores(&trainer->held, "", t->test_names, t->test, &t->n_test, err);
}

ib_status ib__trace_end(ib_trace *t, const ib_trainer *trainer, ib_error *err) {
    ib_sha256 *state = ib__sha256_new();
    if (state == NULL) return ib__fail_memory(err);
    add_text(state, "isobit result 1");
    add_u64(state, IB_CONTRACT_VERSION);
    ib__sha256_add(state, &trainer->task->digest, sizeof(ib_digest));
    ib__sha256_add(state, &t->steps[t->n_steps - 1].chain, sizeof(ib_digest));
    for (size_t i = 0; i < t->n_names; i++)
        add_text(state, t->names[i]);
    for (size_t i = 0; i < t->n_epochs * t->n_names; i++)
        add_double(state, t->history[i]);
    for (size_t i = 0; i < t->n_test; i++) {
        add_text(state, t->test_names[i]);
        add_double(state, t->test[i]);
    }
    t->result = ib__sha256_end(state);
    return IB_OK;
}

const ib_digest *ib__trace_state(const ib_trace *t, size_t step) {
    return step < t->n_steps && t->steps[step].state ? t->tensors + t->steps[step].tensors : NULL;
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
