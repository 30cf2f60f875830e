/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers of other libraries against the numbers that the libraries gave: every array of every case of
 * a family, bit for bit. What has no recipe here fails.
 */
#ifndef IB_TEST_NUMERICS_STREAMS_H
#define IB_TEST_NUMERICS_STREAMS_H

#include "golden.h"

#include <stdlib.h>

#include "base/mem.h"

/* One array of one case: what is expected, and room for what is found. */
typedef struct expected {
    const golden *g;
    const ib_value *c;      /* the case */
    const ib_value *params; /* its parameters */
    const char *name, *key;
    ib_tensor array;
    size_t n;
    void *found; /* the same size as array.data, zeroed */
} expected;

typedef bool recipe_fn(expected *e); /* fills found; false: no recipe for this key */

static inline int64_t param_int(const expected *e, const char *key) {
    const ib_value *v = ib__value_get(e->params, key);
    assert_true(ib__value_is(v, IB_INT));
    return v->integer;
}

/* "uniform_3x4" begins with "uniform_". */
static inline bool begins(const char *key, const char *with) {
    return strncmp(key, with, strlen(with)) == 0;
}

static inline void show_difference(const expected *e) {
    size_t size = ib__dtype_size(e->array.dtype);
    for (size_t i = 0; i < e->n; i++) {
        const unsigned char *a = (const unsigned char *)e->found + i * size;
        const unsigned char *b = (const unsigned char *)e->array.data + i * size;
        if (memcmp(a, b, size) == 0) continue;
        ib_tensor found = e->array;
        found.data = e->found;
        print_error("%s/%s[%zu]: expected %.17g, found %.17g\n", e->name, e->key, i,
                    ib__tensor_at(&e->array, i), ib__tensor_at(&found, i));
        return;
    }
}

/* Every array of the cases whose name begins with `family`; returns how many arrays were compared and equal
 * (a test asks for a number), and fails on any that is not. */
static inline size_t compare_family(const golden *g, const char *family, recipe_fn *recipe) {
    size_t compared = 0, wrong = 0;
    for (size_t i = 0; i < g->cases->count; i++) {
        const ib_value *c = g->cases->items[i], *keys = ib__value_get(c, "arrays");
        const char *name = golden_text(c, "name");
        if (!begins(name, family)) continue;
        for (size_t k = 0; k < keys->count; k++) {
            expected e = {.g = g, .c = c, .params = ib__value_get(c, "params"), .name = name};
            e.key = keys->items[k]->string;
            assert_true(golden_array(g, name, e.key, &e.array));
            e.n = (size_t)ib__shape_elements(&e.array.shape);
            size_t bytes = e.n * ib__dtype_size(e.array.dtype);
            e.found = ib__alloc(e.n + 1, ib__dtype_size(e.array.dtype));
            assert_non_null(e.found);
            if (!recipe(&e)) {
                print_error("%s/%s: no recipe\n", name, e.key);
                wrong++;
            } else if (memcmp(e.found, e.array.data, bytes) != 0) {
                show_difference(&e);
                wrong++;
            } else {
                compared += bytes > 0;
            }
            ib__free(e.found);
            ib__tensor_free(&e.array);
        }
    }
    if (wrong) fail_msg("%s: %zu arrays differ", family, wrong);
    print_message("%s: %zu arrays, bit for bit\n", family, compared);
    return compared;
}

/* An order of 32-bit numbers, written as the golden array's 64-bit ones. */
static inline void put_order(int64_t *out, const uint32_t *order, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = order[i];
}

#endif
