/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory: 64-byte aligned blocks, and arenas whose pieces live as long as their owner.
 */
#ifndef IB_BASE_MEM_H
#define IB_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* size bytes, zeroed, aligned to 64; NULL when there are none (also when count * size overflows). Release
 * with ib__free. */
void *ib__alloc(size_t count, size_t size);
void ib__free(void *p);

/* *array has room for *capacity items of `size` bytes; makes it at least need (doubling). false: no memory,
 * *array still valid. Plain realloc memory: release with free(). */
bool ib__grow(void *array, size_t *capacity, size_t need, size_t size);

/* An arena: pieces are released together. Zero-initialise; no call is needed to begin. */
typedef struct ib_arena {
    struct ib_arena_block *blocks;
} ib_arena;
void *ib__arena_alloc(ib_arena *arena, size_t size); /* zeroed, 16-byte aligned, NULL: no memory */
char *ib__arena_strdup(ib_arena *arena, const char *text);
char *ib__arena_printf(ib_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ib__arena_free(ib_arena *arena); /* the arena may be used again */

#endif
