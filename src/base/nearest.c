/* SPDX-License-Identifier: Apache-2.0
 *
 * The nearest name by optimal string alignment distance (Levenshtein's with swaps of neighbours).
 */
#include "base/nearest.h"

#include <string.h>

#define LENGTH_MAX 63 /* longer names are no field names and have no neighbours */

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t min(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Three rows of the usual table are enough: a swap looks two rows back. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb) {
    size_t rows[3][LENGTH_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= nb; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            row[j] = min(min(last[j] + 1, row[j - 1] + 1), last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                row[j] = min(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[nb];
}

const char *ib__nearest(const char *name, const char *const *candidates, size_t n) {
    size_t length = strlen(name);
    const char *best = NULL;
    size_t best_distance = 0;
    for (size_t i = 0; i < n && length <= LENGTH_MAX; i++) {
        size_t other = strlen(candidates[i]);
        if (other > LENGTH_MAX) continue;
        size_t d = distance(name, length, candidates[i], other);
        size_t longer = length > other ? length : other;
        if (3 * d <= longer && (best == NULL || d < best_distance)) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}

bool ib__same_letters(const char *a, const char *b) {
    while (*a && *b && lower(*a) == lower(*b))
        a++, b++;
    return !*a && !*b;
}
