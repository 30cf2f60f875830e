/* SPDX-License-Identifier: Apache-2.0
 *
 * Sorting by words, sets.
 */
#include "numerics/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int compare(const void *a, const void *b) {
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* A key is a word and the item's place. */
ib_status ib__order_by_words(uint32_t *items, uint32_t *words, size_t n, ib_error *err) {
    uint64_t *keys = ib__alloc(n + 1, sizeof *keys);
    if (!keys) return ib__fail_memory(err);
    for (size_t i = 0; i < n; i++)
        keys[i] = (uint64_t)words[i] << 32 | (uint32_t)i;
    qsort(keys, n, sizeof *keys, compare);
    for (size_t i = 0; i < n; i++)
        words[i] = items[(uint32_t)keys[i]];
    memcpy(items, words, n * sizeof *items);
    ib__free(keys);
    return IB_OK;
}

/* At most half of the places are taken. */
bool ib__order_set_new(ib_order_set *set, size_t numbers) {
    set->mask = 15;
    while (set->mask < 2 * numbers)
        set->mask = 2 * set->mask + 1;
    set->places = ib__alloc(set->mask + 1, sizeof *set->places);
    return set->places != NULL;
}

bool ib__order_set_add(ib_order_set *set, uint32_t number) {
    size_t i = (number * (size_t)0x9e3779b1u) & set->mask;
    for (; set->places[i]; i = (i + 1) & set->mask)
        if (set->places[i] == (uint64_t)number + 1) return false;
    set->places[i] = (uint64_t)number + 1;
    return true;
}

void ib__order_set_free(ib_order_set *set) {
    ib__free(set->places);
}
