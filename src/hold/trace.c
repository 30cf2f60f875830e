/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains of the steps of a held program.
 */
#include "hold/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TENSORS_MAX ((int64_t)1 << 32)

void ib__hold_trace_free(ib_hold_trace *t) {
    ib__arena_free(&t->arena);
    free(t->steps);
    free(t->tensors);
    *t = (ib_hold_trace){0};
}

bool ib__hold_trace_step(ib_hold_trace *t, int64_t number, uint32_t loss) {
    if (!ib__grow(&t->steps, &t->steps_capacity, t->n_steps + 1, sizeof *t->steps)) return false;
    t->steps[t->n_steps++] = (ib_hold_step){.number = number, .loss = loss, .first = t->n_tensors};
    return true;
}

bool ib__hold_trace_tensor(ib_hold_trace *t, const char *prefix, const char *path, const ib_digest *digest) {
    if (!ib__grow(&t->tensors, &t->tensors_capacity, t->n_tensors + 1, sizeof *t->tensors)) return false;
    char *name = ib__arena_printf(&t->arena, "%s%s", prefix, path);
    if (name == NULL) return false;
    t->tensors[t->n_tensors++] = (ib_hold_tensor){name, *digest};
    t->steps[t->n_steps - 1].count++;
    return true;
}

static ib_digest last_link(const ib_hold_trace *t, size_t n) {
    return n > 0 ? t->steps[n - 1].chain : (ib_digest){{0}};
}

/* Without memory for the state the link is zero, as with a failure inside libcrypto. */
void ib__hold_trace_link(ib_hold_trace *t) {
    ib_hold_step *step = &t->steps[t->n_steps - 1];
    ib_digest before = last_link(t, t->n_steps - 1);
    ib_sha256 *state = ib__sha256_new();
    if (state == NULL) return;
    ib__sha256_text(state, "isobit program step 1");
    ib__sha256_add(state, &before, sizeof before);
    ib__sha256_u64(state, (uint64_t)step->number);
    ib__sha256_u64(state, step->loss);
    for (size_t i = 0; i < step->count; i++) {
        ib__sha256_text(state, t->tensors[step->first + i].path);
        ib__sha256_add(state, &t->tensors[step->first + i].digest, sizeof(ib_digest));
    }
    step->chain = ib__sha256_end(state);
}

void ib__hold_trace_end(ib_hold_trace *t, const char *end, const ib_value *outputs) {
    ib_digest last = last_link(t, t->n_steps);
    ib_sha256 *state = ib__sha256_new();
    t->result = (ib_digest){{0}};
    if (state == NULL) return;
    ib__sha256_text(state, "isobit program result 1");
    ib__sha256_add(state, &last, sizeof last);
    ib__sha256_text(state, end);
    for (size_t i = 0; t->n_steps == 0 && outputs != NULL && i < outputs->count; i++) {
        const ib_value *hash = ib__value_get(outputs->items[i], "sha256");
        if (ib__value_is(hash, IB_STRING)) ib__sha256_text(state, hash->string);
    }
    t->result = ib__sha256_end(state);
}

/* ---- Files ---- */

bool ib__hold_trace_print(const ib_hold_trace *t, ib_buf *steps, ib_buf *tensors) {
    char hex[65];
    ib__buf_text(steps, "");
    ib__buf_text(tensors, "");
    for (size_t i = 0; i < t->n_steps; i++) {
        const ib_hold_step *step = &t->steps[i];
        ib__digest_hex(hex, &step->chain);
        ib__buf_printf(steps, "%" PRId64 " %08" PRIx32 " %s state %zu\n", step->number, step->loss, hex,
                       step->count);
        for (size_t k = 0; k < step->count; k++) {
            ib__digest_hex(hex, &t->tensors[step->first + k].digest);
            ib__buf_printf(tensors, "%" PRId64 " %s %s\n", step->number, hex,
                           t->tensors[step->first + k].path);
        }
    }
    return !steps->failed && !tensors->failed;
}

/* The next line of *text, copied into line without its end; IB_BAD_INPUT at the end of a cut file; *done at
 * the end. */
static ib_status next_line(ib_buf *line, const char **text, size_t number, const char *name, bool *done,
                           ib_error *err) {
    *done = **text == '\0';
    if (*done) return IB_OK;
    const char *end = strchr(*text, '\n');
    if (end == NULL) return ib__fail(err, IB_BAD_INPUT, name, "line %zu has no end: the file is cut", number);
    line->length = 0;
    if (!ib__buf_add(line, *text, (size_t)(end - *text)) || !ib__buf_text(line, ""))
        return ib__fail_memory(err);
    line->data[line->length] = '\0';
    *text = end + 1;
    return IB_OK;
}

/* "NUMBER WORD REST": false if the line is not of that kind. */
static bool cut(char *line, int64_t *number, char **second, char **rest) {
    char *a = strchr(line, ' '), *b = a != NULL ? strchr(a + 1, ' ') : NULL;
    if (b == NULL || !ib__int_parse(line, (size_t)(a - line), number) || *number < 0) return false;
    *a = *b = '\0';
    *second = a + 1;
    *rest = b + 1;
    return true;
}

static bool parse_step(ib_hold_trace *t, char *line) {
    int64_t number;
    char *loss, *rest;
    ib_hold_step step = {0};
    if (!cut(line, &number, &loss, &rest) || strlen(loss) != 8 || strspn(loss, "0123456789abcdef") != 8)
        return false;
    char *blank = strchr(rest, ' ');
    int64_t count;
    if (blank == NULL || strncmp(blank, " state ", 7) != 0) return false;
    *blank = '\0';
    if (!ib__int_parse(blank + 7, strlen(blank + 7), &count) || count < 0 || count > TENSORS_MAX ||
        !ib__digest_parse(&step.chain, rest))
        return false;
    if (t->n_steps > 0 && number < t->steps[t->n_steps - 1].number) return false;
    if (!ib__hold_trace_step(t, number, (uint32_t)strtoul(loss, NULL, 16))) return false;
    t->steps[t->n_steps - 1].chain = step.chain;
    t->steps[t->n_steps - 1].count = (size_t)count;
    return true;
}

ib_status ib__hold_trace_parse_steps(ib_hold_trace *t, const char *text, const char *name, ib_error *err) {
    ib_buf line = {0};
    ib_status status = IB_OK;
    for (size_t i = 1; status == IB_OK; i++) {
        bool done;
        status = next_line(&line, &text, i, name, &done, err);
        if (done) break;
        if (status == IB_OK && !parse_step(t, line.data))
            status =
                ib__fail(err, IB_BAD_INPUT, name, "line %zu: expected \"STEP LOSS CHAIN state TENSORS\"", i);
    }
    ib__buf_free(&line);
    return status;
}

/* The next tensor of the step that still lacks some, by the counts that the file `steps` gave. */
static bool parse_tensor(ib_hold_trace *t, size_t *step, char *line) {
    int64_t number;
    char *hex, *path;
    ib_digest digest;
    if (!cut(line, &number, &hex, &path) || !ib__digest_parse(&digest, hex)) return false;
    while (*step < t->n_steps && t->n_tensors - t->steps[*step].first == t->steps[*step].count) {
        if (++*step < t->n_steps) t->steps[*step].first = t->n_tensors;
    }
    if (*step == t->n_steps || t->steps[*step].number != number ||
        !ib__grow(&t->tensors, &t->tensors_capacity, t->n_tensors + 1, sizeof *t->tensors))
        return false;
    char *name = ib__arena_strdup(&t->arena, path);
    if (name == NULL) return false;
    t->tensors[t->n_tensors++] = (ib_hold_tensor){name, digest};
    return true;
}

ib_status ib__hold_trace_parse_tensors(ib_hold_trace *t, const char *text, const char *name, ib_error *err) {
    ib_buf line = {0};
    ib_status status = IB_OK;
    size_t step = 0, wanted = 0;
    for (size_t i = 0; i < t->n_steps; i++)
        wanted += t->steps[i].count;
    for (size_t i = 1; status == IB_OK; i++) {
        bool done;
        status = next_line(&line, &text, i, name, &done, err);
        if (done) break;
        if (status == IB_OK && !parse_tensor(t, &step, line.data))
            status = ib__fail(err, IB_BAD_INPUT, name,
                              "line %zu: expected \"STEP SHA256 PATH\" of a recorded step", i);
    }
    if (status == IB_OK && t->n_tensors != wanted)
        status = ib__fail(err, IB_BAD_INPUT, name, "expected %zu lines, found %zu", wanted, t->n_tensors);
    ib__buf_free(&line);
    return status;
}

/* ---- Comparing ---- */

size_t ib__hold_trace_parts(const ib_hold_trace *a, const ib_hold_trace *b) {
    size_t n = a->n_steps < b->n_steps ? a->n_steps : b->n_steps;
    for (size_t i = 0; i < n; i++)
        if (memcmp(&a->steps[i].chain, &b->steps[i].chain, sizeof(ib_digest)) != 0) return i;
    return a->n_steps == b->n_steps ? SIZE_MAX : n;
}
