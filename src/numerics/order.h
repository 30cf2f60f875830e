/* SPDX-License-Identifier: Apache-2.0
 *
 * What the shuffles of several libraries have in common: swapping, sorting by random words, sets of numbers
 * that were drawn.
 */
#ifndef IB_NUMERICS_ORDER_H
#define IB_NUMERICS_ORDER_H

#include "base/error.h"

#include <stdbool.h>

static inline void ib__order_swap(uint32_t *items, size_t i, size_t j) {
    uint32_t kept = items[i];
    items[i] = items[j];
    items[j] = kept;
}

/* Puts n < 2^32 items in the order of their words; equal ones stay as they stood. words is overwritten. */
ib_status ib__order_by_words(uint32_t *items, uint32_t *words, size_t n, ib_error *err);

/* A set of 32-bit numbers, of at most as many as it was made for. */
typedef struct ib_order_set {
    uint64_t *places; /* 0: free; else a number + 1 */
    size_t mask;
} ib_order_set;
bool ib__order_set_new(ib_order_set *set, size_t numbers);  /* false: no memory */
bool ib__order_set_add(ib_order_set *set, uint32_t number); /* false: it was there */
void ib__order_set_free(ib_order_set *set);

#endif
