/* SPDX-License-Identifier: Apache-2.0
 *
 * The files `steps` and `tensors` of a run directory: text, one line a step or tensor.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/trace.h"

bool ib__trace_print_steps(const ib_trace *t, ib_buf *out) {
    for (size_t i = 0; i < t->n_steps; i++) {
        char hex[65];
        ib__digest_hex(hex, &t->steps[i].chain);
        ib__buf_printf(out, "%zu %08" PRIx32 " %s%s\n", i, t->steps[i].loss, hex,
                       t->steps[i].state ? " state" : "");
    }
    return !out->failed;
}

bool ib__trace_print_tensors(const ib_trace *t, ib_buf *out) {
    for (size_t i = 0; i < t->n_steps; i++) {
        for (size_t k = 0; t->steps[i].state && k < t->n_paths; k++) {
            char hex[65];
            const ib_sums *sums = &t->sums[t->steps[i].tensors + k];
            ib__digest_hex(hex, &t->tensors[t->steps[i].tensors + k]);
            ib__buf_printf(out, "%zu %s %016" PRIx64 "%016" PRIx64 " %s\n", i, hex, sums->plain,
                           sums->weighted, t->paths[k]);
        }
    }
    return !out->failed;
}

static ib_status bad_line(const char *name, size_t line, const char *expected, ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, name, "line %zu: expected %s", line, expected);
}

/* A line without its end, cut in at most n words; the last word may hold blanks. Gives the number of words.
 */
static size_t cut_words(char *line, char **words, size_t n) {
    size_t count = 0;
    for (char *at = line; count < n && *at != '\0';) {
        words[count++] = at;
        char *blank = count < n ? strchr(at, ' ') : NULL;
        if (blank == NULL) break;
        *blank = '\0';
        at = blank + 1;
    }
    return count;
}

static bool parse_hex32(const char *text, uint32_t *out) {
    if (strlen(text) != 8 || strspn(text, "0123456789abcdef") != 8) return false;
    *out = (uint32_t)strtoul(text, NULL, 16);
    return true;
}

/* Two sums, 16 hex digits each. */
static bool parse_sums(const char *text, ib_sums *out) {
    uint64_t *const both[2] = {&out->plain, &out->weighted};
    if (strlen(text) != 32 || strspn(text, "0123456789abcdef") != 32) return false;
    for (int i = 0; i < 2; i++) {
        char half[17];
        snprintf(half, sizeof half, "%.16s", text + 16 * i);
        *both[i] = strtoull(half, NULL, 16);
    }
    return true;
}

static ib_status parse_step(ib_trace *t, char *line, const char *name, ib_error *err) {
    char *words[4] = {0};
    size_t n = cut_words(line, words, 4);
    int64_t number;
    ib_step_record record = {0};
    if (n < 3 || !ib__int_parse(words[0], strlen(words[0]), &number) || number != (int64_t)t->n_steps ||
        !parse_hex32(words[1], &record.loss) || !ib__digest_parse(&record.chain, words[2]) ||
        (n == 4 && strcmp(words[3], "state") != 0))
        return bad_line(name, t->n_steps + 1, "\"STEP LOSS CHAIN [state]\"", err);
    record.state = n == 4;
    if (!ib__grow(&t->steps, &t->steps_capacity, t->n_steps + 1, sizeof *t->steps))
        return ib__fail_memory(err);
    t->steps[t->n_steps++] = record;
    return IB_OK;
}

/* Calls parse for each line. The text is copied, because lines are cut in place. */
static ib_status each_line(ib_trace *t, const char *text, const char *name,
                           ib_status (*parse)(ib_trace *, char *, const char *, ib_error *), ib_error *err) {
    char *copy = strdup(text);
    if (copy == NULL) return ib__fail_memory(err);
    ib_status status = IB_OK;
    for (char *line = copy; status == IB_OK && *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end == NULL) {
            status = ib__fail(err, IB_BAD_INPUT, name, "the last line has no end: the file is cut");
            break;
        }
        *end = '\0';
        status = parse(t, line, name, err);
        line = end + 1;
    }
    free(copy);
    return status;
}

ib_status ib__trace_parse_steps(ib_trace *t, const char *text, const char *name, ib_error *err) {
    ib_status status = each_line(t, text, name, parse_step, err);
    if (status == IB_OK && (t->n_steps == 0 || !t->steps[0].state))
        status = ib__fail(err, IB_BAD_INPUT, name, "expected step 0 with its state in the first line");
    return status;
}

/* Paths are those of step 0; every recorded step has the same ones in the same order. */
static ib_status parse_tensor(ib_trace *t, char *line, const char *name, ib_error *err) {
    char *words[4] = {0};
    int64_t step;
    ib_digest digest;
    ib_sums sums;
    if (cut_words(line, words, 4) != 4 || !ib__int_parse(words[0], strlen(words[0]), &step) || step < 0 ||
        (size_t)step >= t->n_steps || !t->steps[step].state || !ib__digest_parse(&digest, words[1]) ||
        !parse_sums(words[2], &sums))
        return bad_line(name, t->n_tensors + 1, "\"STEP SHA256 SUMS PATH\" of a step whose state is recorded",
                        err);
    if (!ib__trace_grow_tensors(t, t->n_tensors + 1)) return ib__fail_memory(err);
    if (step == 0) {
        char **paths = realloc(t->paths, (t->n_paths + 1) * sizeof(char *));
        if (paths == NULL) return ib__fail_memory(err);
        t->paths = paths;
        t->paths[t->n_paths] = strdup(words[3]);
        if (t->paths[t->n_paths] == NULL) return ib__fail_memory(err);
        t->n_paths++;
    } else if (t->n_paths == 0 || strcmp(t->paths[t->n_tensors % t->n_paths], words[3]) != 0) {
        return bad_line(name, t->n_tensors + 1, "the tensors of step 0 in the same order", err);
    }
    t->sums[t->n_tensors] = sums;
    t->tensors[t->n_tensors++] = digest;
    return IB_OK;
}

ib_status ib__trace_parse_tensors(ib_trace *t, const char *text, const char *name, ib_error *err) {
    ib_status status = each_line(t, text, name, parse_tensor, err);
    size_t at = 0;
    for (size_t i = 0; i < t->n_steps; i++) {
        if (!t->steps[i].state) continue;
        t->steps[i].tensors = at;
        at += t->n_paths;
    }
    if (status == IB_OK && at != t->n_tensors)
        status = ib__fail(err, IB_BAD_INPUT, name, "expected %zu lines, found %zu", at, t->n_tensors);
    return status;
}
