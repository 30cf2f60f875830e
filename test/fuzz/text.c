/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts: characters, words and bytes.
 */
#include "entry.h"

static void parse(const uint8_t *bytes, size_t n) {
    fuzz_entry("{text: %s, window: 3, shift: 2}", bytes, n, 1 << 24);
    fuzz_entry("{text: %s, lines: 4, tokens: words, standardize: lower_and_strip_punctuation, max_tokens: 5}",
               bytes, n, 0);
    fuzz_entry("{text: %s, lines: 2, tokens: bytes}", bytes, n, 1 << 24);
}

IB_FUZZ("text")
