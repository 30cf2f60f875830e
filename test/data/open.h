/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of data sources: an entry written as YAML opened, and the digest of all its elements.
 */
#ifndef IB_TEST_DATA_OPEN_H
#define IB_TEST_DATA_OPEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "data/source.h"

static inline ib_status open_entry(ib_source_part *out, const char *yaml, const char *folder, size_t memory,
                                   ib_error *err) {
    ib_value *map = NULL;
    ib_status status = ib__yaml_parse(&map, yaml, strlen(yaml), "exp.yaml", err);
    ib_entry q = {map, "exp.yaml", "data.train", folder, 812, memory, err};
    if (status == IB_OK) status = ib__source_open(out, &q, NULL, 0);
    ib__value_free(map);
    return status;
}

static inline void must_open(ib_source_part *out, const char *yaml, const char *folder, size_t memory) {
    ib_error err = {0};
    if (open_entry(out, yaml, folder, memory, &err) != IB_OK)
        fail_msg("%s: %s: %s", yaml, err.where, err.text);
}

/* Names, shapes and content of all elements, read `block` at a time. */
static inline ib_digest digest_elements(const ib_source_part *part, size_t block) {
    const ib_elements *e = part->elements;
    ib_sha256 *state = ib__sha256_new();
    void *out[IB_DATA_FIELDS_MAX];
    for (size_t i = 0; i < e->n_fields; i++) {
        ib__sha256_add(state, e->fields[i].name, strlen(e->fields[i].name));
        out[i] = ib__alloc(block, ib__data_field_bytes(&e->fields[i]));
        assert_non_null(out[i]);
    }
    for (uint64_t at = 0; at < part->count; at += block) {
        size_t n = part->count - at < block ? (size_t)(part->count - at) : block;
        ib_error err = {0};
        if (ib__elements_read(e, part->first + at, n, out, &err) != IB_OK)
            fail_msg("%s: %s", err.where, err.text);
        for (size_t k = 0; k < n; k++)
            for (size_t i = 0; i < e->n_fields; i++) {
                ib_tensor t = {e->fields[i].dtype, e->fields[i].shape,
                               (char *)out[i] + k * ib__data_field_bytes(&e->fields[i])};
                ib_digest d = ib__tensor_digest(&t);
                ib__sha256_add(state, &d, sizeof d);
            }
    }
    for (size_t i = 0; i < e->n_fields; i++)
        ib__free(out[i]);
    return ib__sha256_end(state);
}

#endif
