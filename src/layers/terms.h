/* SPDX-License-Identifier: Apache-2.0
 *
 * Vocabularies of texts: which place a text has. They are found by a hash of their bytes, which a caller may
 * feed byte by byte, so that a text that lies nowhere in one piece can be looked up.
 */
#ifndef IB_LAYERS_TERMS_H
#define IB_LAYERS_TERMS_H

#include "base/mem.h"
#include "base/value.h"

typedef struct ib_term {
    const char *text;
    size_t length;
    uint64_t hash;
    uint64_t count; /* how often it was met, of terms that are being counted; and in how many documents */
    uint64_t documents, last;
} ib_term;

/* Term i has place i. list and slots are malloc memory. */
typedef struct ib_terms {
    ib_term *list;
    size_t n, capacity;
    uint32_t *slots; /* term + 1, 0: free */
    size_t n_slots;  /* a power of two */
    ib_arena arena;
} ib_terms;

void ib__terms_free(ib_terms *terms);

/* FNV-1a, from IB_TERM_HASH on. */
#define IB_TERM_HASH UINT64_C(14695981039346656037)
static inline uint64_t ib__term_hash(uint64_t hash, unsigned char byte) {
    return (hash ^ byte) * UINT64_C(1099511628211);
}

/* Is this the text of `length` bytes that is looked for? */
typedef bool ib_term_same_fn(const void *context, const char *text, size_t length);
/* The number of the term with this hash for which `same` holds; SIZE_MAX: there is none. */
size_t ib__terms_find(const ib_terms *terms, uint64_t hash, ib_term_same_fn *same, const void *context);
/* The same of a text in memory; its term is made if it is new. SIZE_MAX: no memory. */
size_t ib__terms_find_text(const ib_terms *terms, const char *text, size_t n);
size_t ib__terms_add(ib_terms *terms, const char *text, size_t n);

/* By falling count, then by falling bytes, as Keras's adapt numbers them. Nothing is found any more. */
void ib__terms_sort(ib_terms *terms);

#endif
