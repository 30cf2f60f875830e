/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts as numbers: elements of tensors of type IB_TEXT are numbers of texts in one table of the process.
 * Equal texts have one number. Which number it is depends on what was met before, so that it means nothing
 * outside: nothing is sorted by it, and neither it nor anything computed from it is written anywhere.
 *
 * The table is there as long as something holds it. Any thread may add a text and look one up.
 */
#ifndef IB_NUMERICS_TEXTS_H
#define IB_NUMERICS_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Who has numbers of texts holds the table; when the last one lets go, all texts are gone. */
void ib__texts_hold(void);
void ib__texts_release(void);

/* The number of a text, which is copied if it is new. The table is held. */
ib_status ib__text_number(int32_t *out, const void *bytes, size_t n, ib_error *err);
/* The text of a number, with a zero byte behind it; "" if there is no such text. */
const char *ib__text_of(int32_t number, size_t *n);

/* The offset of the first byte that begins no whole character of UTF-8: no form too long, no surrogate,
 * nothing above U+10FFFF. n: there is none. */
size_t ib__utf8_check(const void *bytes, size_t n);
/* How many bytes the character has that begins with this byte; 1 for one that begins none. */
size_t ib__utf8_length(unsigned char c);

#endif
