/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of texts. Entries lie in segments, each twice as long as the one before, which never move: a text
 * is read without a lock. What is in the table is found by hash, and never walked.
 */
#include "numerics/texts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "numerics/fingerprint.h"

#define SEGMENTS 21
#define FIRST 1024u /* entries of segment 0 */
#define TEXTS_MAX (FIRST * ((1u << SEGMENTS) - 1) - 1)

typedef struct entry {
    const char *text;
    size_t length;
    uint64_t hash;
} entry;

static struct {
    pthread_mutex_t lock;
    size_t holders;
    entry *segments[SEGMENTS];
    atomic_uint count;
    uint32_t *slots; /* number + 1, 0: free */
    size_t n_slots;  /* a power of two */
    ib_arena arena;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Entry i: segment k begins at FIRST * (2^k - 1). */
static entry *entry_at(uint32_t i) {
    int k = 0;
    for (uint32_t rest = i / FIRST + 1; rest > 1; rest >>= 1)
        k++;
    return &table.segments[k][i - FIRST * ((1u << k) - 1)];
}

void ib__texts_hold(void) {
    pthread_mutex_lock(&table.lock);
    table.holders++;
    pthread_mutex_unlock(&table.lock);
}

void ib__texts_release(void) {
    pthread_mutex_lock(&table.lock);
    if (--table.holders == 0) {
        atomic_store(&table.count, 0);
        for (size_t k = 0; k < SEGMENTS; k++) {
            free(table.segments[k]);
            table.segments[k] = NULL;
        }
        free(table.slots);
        table.slots = NULL;
        table.n_slots = 0;
        ib__arena_free(&table.arena);
    }
    pthread_mutex_unlock(&table.lock);
}

static size_t find_slot(const void *bytes, size_t n, uint64_t hash) {
    size_t at = (size_t)hash & (table.n_slots - 1);
    for (; table.slots[at] != 0; at = (at + 1) & (table.n_slots - 1)) {
        const entry *e = entry_at(table.slots[at] - 1);
        if (e->hash == hash && e->length == n && memcmp(e->text, bytes, n) == 0) break;
    }
    return at;
}

static bool widen(uint32_t count) {
    size_t n = table.n_slots > 0 ? 2 * table.n_slots : (size_t)2 * FIRST;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (slots == NULL) return false;
    free(table.slots);
    table.slots = slots;
    table.n_slots = n;
    for (uint32_t i = 0; i < count; i++) {
        const entry *e = entry_at(i);
        slots[find_slot(e->text, e->length, e->hash)] = i + 1;
    }
    return true;
}

/* Room for entry number i, the first of a segment perhaps. */
static bool make_room(uint32_t i) {
    int k = 0;
    while (FIRST * ((2u << k) - 1) <= i)
        k++;
    if (table.segments[k] == NULL) table.segments[k] = calloc((size_t)FIRST << k, sizeof(entry));
    return table.segments[k] != NULL;
}

static ib_status add(int32_t *out, const void *bytes, size_t n, ib_error *err) {
    uint32_t count = atomic_load(&table.count);
    uint64_t hash = ib__fingerprint(bytes, n);
    if (2 * ((size_t)count + 1) > table.n_slots && !widen(count)) return ib__fail_memory(err);
    size_t at = find_slot(bytes, n, hash);
    *out = (int32_t)(table.slots[at] - 1);
    if (table.slots[at] != 0) return IB_OK;
    if (count == TEXTS_MAX) return ib__fail(err, IB_BAD_INPUT, "", "more than %u different texts", TEXTS_MAX);
    char *copy = ib__arena_alloc(&table.arena, n + 1);
    if (copy == NULL || !make_room(count)) return ib__fail_memory(err);
    if (n > 0) memcpy(copy, bytes, n);
    *entry_at(count) = (entry){copy, n, hash};
    table.slots[at] = count + 1;
    *out = (int32_t)count;
    atomic_store(&table.count, count + 1);
    return IB_OK;
}

ib_status ib__text_number(int32_t *out, const void *bytes, size_t n, ib_error *err) {
    pthread_mutex_lock(&table.lock);
    ib_status status = add(out, bytes, n, err);
    pthread_mutex_unlock(&table.lock);
    return status;
}

const char *ib__text_of(int32_t number, size_t *n) {
    *n = 0;
    if (number < 0 || (uint32_t)number >= atomic_load(&table.count)) return "";
    const entry *e = entry_at((uint32_t)number);
    *n = e->length;
    return e->text;
}

/* ---- UTF-8 ---- */

size_t ib__utf8_length(unsigned char c) {
    return c < 0xc2 || c > 0xf4 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static bool is_character(const unsigned char *c, size_t n) {
    if (n == 1) return c[0] < 0x80;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80) return false;
    if (n == 3) return !(c[0] == 0xe0 && c[1] < 0xa0) && !(c[0] == 0xed && c[1] > 0x9f);
    if (n == 4) return !(c[0] == 0xf0 && c[1] < 0x90) && !(c[0] == 0xf4 && c[1] > 0x8f);
    return true;
}

size_t ib__utf8_check(const void *bytes, size_t n) {
    const unsigned char *c = bytes;
    size_t at = 0;
    while (at < n) {
        size_t length = ib__utf8_length(c[at]);
        if (length > n - at || !is_character(c + at, length)) break;
        at += length;
    }
    return at;
}
