/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts as numbers: cutting a text in tokens, and the vocabulary that numbers them, built in an order that
 * the text alone decides.
 */
#ifndef IB_DATA_VOCABULARY_H
#define IB_DATA_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum ib_tokens { IB_TOKENS_CHARACTERS, IB_TOKENS_WORDS, IB_TOKENS_BYTES } ib_tokens;

/* How words are made alike before they are counted; Keras's names. The punctuation is that of
 * keras.layers.TextVectorization; letters are those of ASCII. */
typedef enum ib_standard {
    IB_STANDARD_NONE,
    IB_STANDARD_LOWER,
    IB_STANDARD_LOWER_STRIP,
    IB_STANDARD_STRIP
} ib_standard;

typedef struct ib_vocabulary ib_vocabulary;

/* Characters are numbered from 0 in the order of their code points; bytes are their own numbers. Words: 0 is
 * padding and 1 any word that is not in the vocabulary; from 2 on by falling count, then by falling bytes, as
 * TextVectorization.adapt numbers them. most: how many numbers there are at most (words), 0: no limit. */
ib_status ib__vocabulary_new(ib_vocabulary **out, ib_tokens tokens, ib_standard standard, size_t most,
                             ib_error *err);
void ib__vocabulary_free(ib_vocabulary *v); /* NULL is fine */

/* Counts the tokens of a piece of text; pieces may end anywhere. name: the file, for errors. Text that is not
 * UTF-8 is an error that names the offset. */
ib_status ib__vocabulary_count(ib_vocabulary *v, const void *text, size_t n, const char *name, ib_error *err);
/* No more text comes: numbers are given. */
ib_status ib__vocabulary_close(ib_vocabulary *v, const char *name, ib_error *err);
size_t ib__vocabulary_size(const ib_vocabulary *v);
/* The text of a number, NULL: it has none. */
const char *ib__vocabulary_text(const ib_vocabulary *v, size_t number);

/* The numbers of a text's tokens, to `put` one by one, in the same way; *line_end of a token: a line feed
 * followed. Characters that are not in the vocabulary are an error. end: no more text comes. */
typedef ib_status ib_token_fn(void *context, int32_t number, ib_error *err);
typedef ib_status ib_line_fn(void *context, ib_error *err);
typedef struct ib_token_sink {
    ib_token_fn *put;
    ib_line_fn
        *line; /* a line has ended; line feeds are then no tokens. NULL: they are like other characters */
    void *context;
} ib_token_sink;
ib_status ib__vocabulary_encode(ib_vocabulary *v, const void *text, size_t n, const ib_token_sink *sink,
                                const char *name, ib_error *err);
ib_status ib__vocabulary_encode_end(ib_vocabulary *v, const ib_token_sink *sink, const char *name,
                                    ib_error *err);

#endif
