/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields of data and the model's inputs and outputs.
 */
#include "run/ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

typedef struct kind {
    const char *word, *what; /* "x", "input" */
    const char *const *names;
    size_t n;
    size_t *places;
} kind;

/* "NAME", or a number, among the kind's names; n: it is none of them. */
static size_t place_of(const kind *k, const char *name) {
    char *end = NULL;
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->names[i], name) == 0) return i;
    if (name[0] < '0' || name[0] > '9') return k->n;
    unsigned long number = strtoul(name, &end, 10);
    return *end == '\0' && number < k->n ? number : k->n;
}

static ib_status unknown_place(const kind *k, const char *field, const char *where, ib_error *err) {
    ib_buf all = {0};
    for (size_t i = 0; i < k->n; i++)
        ib__buf_printf(&all, "%s%s", i > 0 ? ", " : "", k->names[i]);
    ib_status status = IB_NO_MEMORY;
    if (all.failed)
        (void)ib__fail_memory(err);
    else
        status = ib__fail(err, IB_BAD_INPUT, where, "%s: the model has no such %s; it has %.200s", field,
                          k->what, all.data);
    ib__buf_free(&all);
    return status;
}

/* Puts field number i where its name says. */
static ib_status put(const kind *k, const char *field, size_t i, const char *where, ib_error *err) {
    size_t word = strlen(k->word), place = 0;
    if (field[word] == '\0') {
        if (k->n > 1)
            return ib__fail(err, IB_BAD_INPUT, where,
                            "%s: the model has %zu %ss: expected a map by their names", field, k->n, k->what);
    } else {
        place = place_of(k, field + word + 1);
        if (place == k->n) return unknown_place(k, field, where, err);
    }
    if (k->places[place] != IB_NO_FIELD)
        return ib__fail(err, IB_BAD_INPUT, where, "%s: %s %s is given twice", field, k->what,
                        k->names[place]);
    k->places[place] = i;
    return IB_OK;
}

/* Weights of samples that are given once count for every output. */
static ib_status put_weight(const kind *k, const char *field, size_t i, const char *where, ib_error *err) {
    if (strcmp(field, k->word) != 0 || k->n == 1) return put(k, field, i, where, err);
    for (size_t o = 0; o < k->n; o++)
        if (k->places[o] == IB_NO_FIELD) k->places[o] = i;
    return IB_OK;
}

static bool is_of(const kind *k, const char *field) {
    size_t n = strlen(k->word);
    return strncmp(field, k->word, n) == 0 && (field[n] == '\0' || field[n] == '.');
}

ib_status ib__ports_match(ib_ports *out, const ib_model *model, const char *const *fields, size_t n,
                          const char *where, ib_error *err) {
    size_t inputs = model->n_inputs, outputs = model->n_outputs;
    size_t *places = malloc((inputs + 2 * outputs + 1) * sizeof *places);
    const char **names = calloc(outputs + 1, sizeof *names);
    *out =
        (ib_ports){.x = places, .y = places + inputs, .weight = places + inputs + outputs, .targets = true};
    if (places == NULL || names == NULL) {
        free(places);
        free(names);
        *out = (ib_ports){0};
        return ib__fail_memory(err);
    }
    for (size_t i = 0; i < inputs + 2 * outputs; i++)
        places[i] = IB_NO_FIELD;
    for (size_t i = 0; i < outputs; i++)
        names[i] = model->ends[i].name;
    const kind kinds[] = {{"x", "input", model->input_names, inputs, out->x},
                          {"y", "output", names, outputs, out->y},
                          {"sample_weight", "output", names, outputs, out->weight}};
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        size_t k = 0;
        while (k < 3 && !is_of(&kinds[k], fields[i]))
            k++;
        if (k == 3)
            status = ib__fail(err, IB_BAD_INPUT, where, "%s: expected fields called x, y or sample_weight",
                              fields[i]);
        else
            status = (k == 2 ? put_weight : put)(&kinds[k], fields[i], i, where, err);
    }
    for (size_t i = 0; status == IB_OK && i < inputs; i++)
        if (out->x[i] == IB_NO_FIELD)
            status =
                ib__fail(err, IB_BAD_INPUT, where, "the model's input %s is missing", model->input_names[i]);
    for (size_t i = 0; i < outputs; i++)
        out->targets &= model->ends[i].loss == NULL || out->y[i] != IB_NO_FIELD;
    free(names);
    if (status != IB_OK) ib__ports_free(out);
    return status;
}

void ib__ports_free(ib_ports *ports) {
    free(ports->x);
    *ports = (ib_ports){0};
}
