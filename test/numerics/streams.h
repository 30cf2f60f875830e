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
#include "base/sha256.h"

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

static inline bool little_endian(void) {
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
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

/* Runs the recipe for one array; 1: the bits are those expected, -1: they are not. digest: what is expected
 * of a long array, of which no more is stored. */
static inline int compare_one(expected *e, recipe_fn *recipe, const char *digest) {
    size_t size = ib__dtype_size(e->array.dtype), bytes = e->n * size;
    e->found = ib__alloc(e->n + 1, size);
    assert_non_null(e->found);
    bool known = recipe(e), same = false;
    if (!known) {
        print_error("%s/%s: no recipe\n", e->name, e->key);
    } else if (digest) {
        ib_digest found = ib__sha256(e->found, bytes);
        char text[65];
        ib__digest_hex(text, &found);
        same = strcmp(text, digest) == 0;
        if (!same) print_error("%s/%s: %zu numbers differ\n", e->name, e->key, e->n);
    } else {
        same = memcmp(e->found, e->array.data, bytes) == 0;
        if (!same) show_difference(e);
    }
    ib__free(e->found);
    return known && same && bytes > 0 ? 1 : -1;
}

static inline int compare_array(expected *e, recipe_fn *recipe) {
    assert_true(golden_array(e->g, e->name, e->key, &e->array));
    e->n = (size_t)ib__shape_elements(&e->array.shape);
    int result = compare_one(e, recipe, NULL);
    ib__tensor_free(&e->array);
    return result;
}

/* {dtype, n, sha256}, the bytes little-endian. */
static inline int compare_digest(expected *e, recipe_fn *recipe, const ib_value *entry) {
    const ib_value *n = ib__value_get(entry, "n");
    assert_true(ib__dtype_parse(golden_text(entry, "dtype"), &e->array.dtype) && ib__value_is(n, IB_INT));
    e->n = (size_t)n->integer;
    e->array.shape = (ib_shape){1, {n->integer}};
    return compare_one(e, recipe, golden_text(entry, "sha256"));
}

/* Every array of the cases whose name begins with `family`; returns how many arrays were compared and equal
 * (a test asks for a number), and fails on any that is not. */
static inline size_t compare_family(const golden *g, const char *family, recipe_fn *recipe) {
    size_t compared = 0, wrong = 0;
    for (size_t i = 0; i < g->cases->count; i++) {
        const ib_value *c = g->cases->items[i], *keys = ib__value_get(c, "arrays");
        const ib_value *digests = ib__value_get(c, "digests");
        const char *name = golden_text(c, "name");
        if (!begins(name, family)) continue;
        size_t n_digests = digests && little_endian() ? digests->count : 0;
        for (size_t k = 0; k < keys->count + n_digests; k++) {
            expected e = {.g = g, .c = c, .params = ib__value_get(c, "params"), .name = name};
            size_t d = k < keys->count ? 0 : k - keys->count;
            e.key = k < keys->count ? keys->items[k]->string : digests->keys[d];
            int result =
                k < keys->count ? compare_array(&e, recipe) : compare_digest(&e, recipe, digests->items[d]);
            compared += result > 0;
            wrong += result < 0;
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
