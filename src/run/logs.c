/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs of an epoch.
 */
#include "run/logs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool is_validation(const char *name) {
    return strncmp(name, "val_", 4) == 0;
}

static bool comes_before(const char *a, const char *b) {
    if (is_validation(a) != is_validation(b)) return is_validation(b);
    return strcmp(a, b) < 0;
}

bool ib__logs_set(ib_logs *l, const char *prefix, const char *name, double value) {
    ib_buf whole = {0};
    ib__buf_printf(&whole, "%s%s", prefix, name);
    if (whole.failed || !ib__grow(&l->names, &l->names_capacity, l->n + 1, sizeof(char *)) ||
        !ib__grow(&l->values, &l->values_capacity, l->n + 1, sizeof *l->values)) {
        ib__buf_free(&whole);
        return false;
    }
    size_t at = 0;
    while (at < l->n && comes_before(l->names[at], whole.data))
        at++;
    if (at < l->n && strcmp(l->names[at], whole.data) == 0) {
        l->values[at] = value;
        ib__buf_free(&whole);
        return true;
    }
    memmove(l->names + at + 1, l->names + at, (l->n - at) * sizeof(char *));
    memmove(l->values + at + 1, l->values + at, (l->n - at) * sizeof *l->values);
    l->names[at] = whole.data;
    l->values[at] = value;
    l->n++;
    return true;
}

bool ib__logs_get(const ib_logs *l, const char *name, double *value) {
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->names[i], name) != 0) continue;
        *value = l->values[i];
        return true;
    }
    return false;
}

void ib__logs_clear(ib_logs *l) {
    for (size_t i = 0; i < l->n; i++)
        free(l->names[i]);
    l->n = 0;
}

void ib__logs_free(ib_logs *l) {
    ib__logs_clear(l);
    free(l->names);
    free(l->values);
    *l = (ib_logs){0};
}

/* ---- Scores ---- */

bool ib__logs_scores(ib_logs *l, const ib_scores *s, const char *prefix) {
    size_t n = ib__scores_count(s);
    const char **names = calloc(n + 1, sizeof(char *));
    double *values = calloc(n + 1, sizeof *values);
    bool good = names != NULL && values != NULL;
    if (good) n = ib__scores_sorted(s, names, values, n);
    for (size_t i = 0; good && i < n; i++)
        good = ib__logs_set(l, prefix, names[i], values[i]);
    free(names);
    free(values);
    return good;
}

void ib__number_python(char out[32], double value) {
    if (value != value)
        snprintf(out, 32, "nan");
    else if (value - value != 0)
        snprintf(out, 32, "%sinf", value < 0 ? "-" : "");
    else
        ib__double_print(out, value);
}
