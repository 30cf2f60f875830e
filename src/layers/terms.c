/* SPDX-License-Identifier: Apache-2.0
 *
 * Vocabularies of texts. The hash table is never walked: terms come out in the order in which they were put
 * in, or sorted.
 */
#include "layers/terms.h"

#include <stdlib.h>
#include <string.h>

void ib__terms_free(ib_terms *terms) {
    free(terms->list);
    free(terms->slots);
    ib__arena_free(&terms->arena);
    *terms = (ib_terms){0};
}

static uint64_t hash_of(const char *text, size_t n) {
    uint64_t hash = IB_TERM_HASH;
    for (size_t i = 0; i < n; i++)
        hash = ib__term_hash(hash, (unsigned char)text[i]);
    return hash;
}

/* Where in the table a hash begins to be looked for. */
static size_t first_slot(const ib_terms *terms, uint64_t hash) {
    return (size_t)(hash ^ hash >> 29) & (terms->n_slots - 1);
}

size_t ib__terms_find(const ib_terms *terms, uint64_t hash, ib_term_same_fn *same, const void *context) {
    if (terms->n_slots == 0) return SIZE_MAX;
    for (size_t at = first_slot(terms, hash); terms->slots[at] != 0; at = (at + 1) & (terms->n_slots - 1)) {
        const ib_term *t = &terms->list[terms->slots[at] - 1];
        if (t->hash == hash && same(context, t->text, t->length)) return terms->slots[at] - 1;
    }
    return SIZE_MAX;
}

typedef struct bytes {
    const char *text;
    size_t n;
} bytes;

static bool same_bytes(const void *context, const char *text, size_t length) {
    const bytes *b = context;
    return b->n == length && memcmp(b->text, text, length) == 0;
}

size_t ib__terms_find_text(const ib_terms *terms, const char *text, size_t n) {
    bytes b = {text, n};
    return ib__terms_find(terms, hash_of(text, n), same_bytes, &b);
}

static void put_slot(ib_terms *terms, size_t term) {
    size_t at = first_slot(terms, terms->list[term].hash);
    while (terms->slots[at] != 0)
        at = (at + 1) & (terms->n_slots - 1);
    terms->slots[at] = (uint32_t)term + 1;
}

static bool widen(ib_terms *terms) {
    size_t n = terms->n_slots > 0 ? 2 * terms->n_slots : 64;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots) return false;
    free(terms->slots);
    terms->slots = slots;
    terms->n_slots = n;
    for (size_t i = 0; i < terms->n; i++)
        put_slot(terms, i);
    return true;
}

size_t ib__terms_add(ib_terms *terms, const char *text, size_t n) {
    size_t found = ib__terms_find_text(terms, text, n);
    if (found != SIZE_MAX) return found;
    if (terms->n >= UINT32_MAX - 1 || (2 * (terms->n + 1) > terms->n_slots && !widen(terms))) return SIZE_MAX;
    char *copy = ib__arena_alloc(&terms->arena, n + 1);
    if (!copy || !ib__grow(&terms->list, &terms->capacity, terms->n + 1, sizeof *terms->list))
        return SIZE_MAX;
    if (n) memcpy(copy, text, n);
    terms->list[terms->n] = (ib_term){.text = copy, .length = n, .hash = hash_of(text, n)};
    put_slot(terms, terms->n);
    return terms->n++;
}

static int by_count(const void *a, const void *b) {
    const ib_term *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    size_t n = x->length < y->length ? x->length : y->length;
    int order = memcmp(y->text, x->text, n);
    return order != 0 ? order : (x->length < y->length) - (x->length > y->length);
}

void ib__terms_sort(ib_terms *terms) {
    if (terms->n) qsort(terms->list, terms->n, sizeof *terms->list, by_count);
    free(terms->slots);
    terms->slots = NULL;
    terms->n_slots = 0;
}
