/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions as Python's re has them, by PCRE2, within limits of time and memory.
 */
#ifndef IB_BASE_PATTERN_H
#define IB_BASE_PATTERN_H

#include <stdbool.h>

#include "base/error.h"

#define IB_PATTERNS_MAX 256 /* that a list in a config may hold */

/* whole: re.fullmatch, else re.search. A pattern that is wrong, or takes too long, is IB_BAD_INPUT. */
ib_status ib__pattern_match(const char *pattern, const char *text, bool whole, bool *matches,
                            const char *where, ib_error *err);

#endif
