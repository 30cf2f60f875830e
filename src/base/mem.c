/* SPDX-License-Identifier: Apache-2.0
 *
 * Aligned blocks and arenas.
 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 1 << 21 };

/* A large block lies in huge pages if the system has them: a step reads arrays of many megabytes along
 * several axes, and the processor knows few small pages by heart. */
void *ib__alloc(size_t count, size_t size) {
    if (size && count > SIZE_MAX / 2 / size) return NULL;
    size_t bytes = count * size;
    bool large = bytes >= 2 * HUGE_PAGE;
    size_t unit = large ? HUGE_PAGE : 64;
    bytes = (bytes + unit - 1) & ~(unit - 1);
    if (!bytes) bytes = unit;
    void *p = aligned_alloc(unit, bytes);
#ifdef MADV_HUGEPAGE
    if (p && large) (void)madvise(p, bytes, MADV_HUGEPAGE);
#endif
    if (p) memset(p, 0, bytes);
    return p;
}

void ib__free(void *p) {
    free(p);
}

bool ib__grow(void *array, size_t *capacity, size_t need, size_t size) {
    if (need <= *capacity) return true;
    size_t wanted = *capacity ? *capacity : 8;
    while (wanted < need) {
        if (wanted > SIZE_MAX / 4) return false;
        wanted *= 2;
    }
    if (wanted > SIZE_MAX / 2 / size) return false;
    void *old;
    memcpy(&old, array, sizeof old);
    void *grown = realloc(old, wanted * size);
    if (!grown) return false;
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

typedef struct ib_arena_block {
    struct ib_arena_block *next;
    size_t used, size;
    _Alignas(16) char bytes[];
} ib_arena_block;

void *ib__arena_alloc(ib_arena *arena, size_t size) {
    if (size > SIZE_MAX / 4) return NULL;
    size = (size + 15) & ~(size_t)15;
    ib_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = size > 16000 ? size : 16000;
        block = calloc(1, sizeof *block + room);
        if (!block) return NULL;
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *p = block->bytes + block->used;
    block->used += size;
    return p;
}

char *ib__arena_strdup(ib_arena *arena, const char *text) {
    size_t n = strlen(text) + 1;
    char *copy = ib__arena_alloc(arena, n);
    if (copy) memcpy(copy, text, n);
    return copy;
}

char *ib__arena_printf(ib_arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : ib__arena_alloc(arena, (size_t)n + 1);
    if (text) (void)vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

void ib__arena_free(ib_arena *arena) {
    ib_arena_block *block = arena->blocks;
    while (block) {
        ib_arena_block *next = block->next;
        free(block);
        block = next;
    }
    arena->blocks = NULL;
}
