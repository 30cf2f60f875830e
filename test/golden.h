/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading golden cases: GROUP.json lists them, GROUP.npz holds CASE/KEY. Cases were computed by real Keras in
 * float64.
 */
#ifndef IB_TEST_GOLDEN_H
#define IB_TEST_GOLDEN_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/value.h"
#include "data/npz.h"

typedef struct golden {
    ib_value *index;
    const ib_value *cases;
    ib_zip *zip;
    char path[256];
} golden;

static inline void golden_open(golden *g, const char *group) {
    char path[256];
    ib_buf text = {0};
    ib_error err = {0};
    (void)snprintf(path, sizeof path, "test/golden/%s.json", group);
    if (ib__file_read(&text, path, 0, &err) != IB_OK ||
        ib__json_parse(&g->index, text.data, text.length, path, &err) != IB_OK)
        fail_msg("%s: %s", err.where, err.text);
    ib__buf_free(&text);
    g->cases = ib__value_get(g->index, "cases");
    assert_non_null(g->cases);
    (void)snprintf(g->path, sizeof g->path, "test/golden/%s.npz", group);
    if (ib__zip_open(&g->zip, g->path, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
}

static inline void golden_close(golden *g) {
    ib__zip_close(g->zip);
    ib__value_free(g->index);
}

/* CASE/KEY; false if the case has no such array. */
static inline bool golden_array(const golden *g, const char *name, const char *key, ib_tensor *out) {
    char full[256];
    (void)snprintf(full, sizeof full, "%s/%s", name, key);
    return ib__npz_array(out, g->zip, g->path, full, NULL) == IB_OK;
}

static inline bool golden_has(const golden *g, const char *name, const char *key) {
    ib_tensor t;
    bool there = golden_array(g, name, key, &t);
    if (there) ib__tensor_free(&t);
    return there;
}

/* max |a - b| / max(1, max |b|); NaN and infinities must agree in place. */
static inline double golden_error(const float *a, const ib_tensor *b) {
    double worst = 0, scale = 1;
    size_t n = (size_t)ib__shape_elements(&b->shape);
    for (size_t i = 0; i < n; i++) {
        double x = (double)a[i], y = ib__tensor_at(b, i);
        if (isnan(x) && isnan(y)) continue;
        if (isinf(y) || isinf(x) || isnan(x) || isnan(y)) {
            if (x != y) return HUGE_VAL;
            continue;
        }
        worst = fmax(worst, fabs(x - y));
        scale = fmax(scale, fabs(y));
    }
    return worst / scale;
}

/* The float32_error that Keras itself has on KEY (or on the whole case). */
static inline double golden_float32_error(const ib_value *c, const char *key) {
    const ib_value *e = ib__value_get(c, "float32_error");
    double x = 0;
    if (!ib__value_number(e, &x)) (void)ib__value_number(ib__value_get(e, key), &x);
    return x;
}

static inline const char *golden_text(const ib_value *c, const char *key) {
    const ib_value *v = ib__value_get(c, key);
    assert_true(ib__value_is(v, IB_STRING));
    return v->string;
}

/* The config of a case with the arguments that Keras's config has lost (Huber's delta) put in. */
static inline ib_value *golden_config(const ib_value *c) {
    ib_value *config = ib__value_copy(ib__value_get(c, "config"));
    ib_value *settings = ib__value_get(config, "config");
    const ib_value *arguments = ib__value_get(c, "kwargs");
    assert_true(arguments->count == 0 || ib__value_is(settings, IB_MAP));
    for (size_t i = 0; i < arguments->count; i++)
        assert_true(ib__value_set(settings, arguments->keys[i], ib__value_copy(arguments->items[i])));
    return config;
}

/* Two values, as Python writes them. */
static inline void golden_same(const ib_value *found, const ib_value *expected, const char *name) {
    ib_buf a = {0}, b = {0};
    assert_true(ib__json_write(&a, found, IB_JSON_PYTHON) && ib__json_write(&b, expected, IB_JSON_PYTHON));
    if (a.data == NULL || b.data == NULL || strcmp(a.data, b.data) != 0)
        fail_msg("%s: %s", name, a.data == NULL ? "nothing" : a.data);
    ib__buf_free(&a);
    ib__buf_free(&b);
}

/* Both as Keras writes them. */
static inline void golden_same_json(const ib_value *a, const ib_value *b) {
    ib_buf x = {0}, y = {0};
    assert_true(ib__json_write(&x, a, IB_JSON_PYTHON) && ib__json_write(&y, b, IB_JSON_PYTHON));
    assert_string_equal(y.data, x.data);
    ib__buf_free(&x);
    ib__buf_free(&y);
}

#endif
