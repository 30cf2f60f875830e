/* SPDX-License-Identifier: Apache-2.0
 *
 * The nearest of some names, for messages about a misspelt one.
 */
#ifndef IB_BASE_NEAREST_H
#define IB_BASE_NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/* The candidate that `name` was most likely meant to be: fewest insertions, deletions, replacements and swaps
 * of neighbours, upper and lower case being the same. NULL when none is near (more than a third of the longer
 * name would have to change). On a tie the earlier candidate. */
const char *ib__nearest(const char *name, const char *const *candidates, size_t n);

/* The same name but for upper and lower case of ASCII letters, whatever the locale. */
bool ib__same_letters(const char *a, const char *b);

#endif
