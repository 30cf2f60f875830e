/* SPDX-License-Identifier: Apache-2.0
 *
 * For fuzzers of sources: an entry over the bytes opened, all of its elements read.
 */
#ifndef IB_TEST_FUZZ_ENTRY_H
#define IB_TEST_FUZZ_ENTRY_H

#include "fuzz.h"

#include "base/mem.h"
#include "data/source.h"

/* format: with one %s for the path. */
static inline void fuzz_entry_at(const char *format, const char *path, size_t memory)
    __attribute__((format(printf, 1, 0)));
static inline void fuzz_entry_at(const char *format, const char *path, size_t memory) {
    char yaml[512];
    ib_value *map = NULL;
    ib_source_part part = {0};
    ib_error err = {0};
    void *out[IB_DATA_FIELDS_MAX];
    if (path == NULL) return;
    (void)snprintf(yaml, sizeof yaml, format, path);
    if (ib__yaml_parse(&map, yaml, strlen(yaml), "entry", &err) != IB_OK) abort();
    ib_entry q = {map, "entry", "data", NULL, 1, memory, &err};
    ib_status status = ib__source_open(&part, &q, NULL, 0);
    fuzz_check(status, &err);
    size_t fields = status == IB_OK ? part.elements->n_fields : 0;
    bool room = fields > 0;
    for (size_t i = 0; i < fields; i++) {
        size_t each = ib__data_field_bytes(&part.elements->fields[i]);
        out[i] = each < 1 << 20 ? ib__alloc(1, each) : NULL;
        room = room && out[i] != NULL;
    }
    for (uint64_t i = 0; room && i < part.count && i < 64 && status == IB_OK; i++)
        status = ib__elements_read(part.elements, part.first + i, 1, out, &err);
    fuzz_check(status, &err);
    for (size_t i = 0; i < fields; i++)
        ib__free(out[i]);
    ib__elements_free(part.elements);
    ib__value_free(map);
}

static inline void fuzz_entry(const char *format, const uint8_t *bytes, size_t n, size_t memory)
    __attribute__((format(printf, 1, 0)));
static inline void fuzz_entry(const char *format, const uint8_t *bytes, size_t n, size_t memory) {
    fuzz_entry_at(format, fuzz_file(bytes, n), memory);
}

#endif
