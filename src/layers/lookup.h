/* SPDX-License-Identifier: Apache-2.0
 *
 * What IntegerLookup, StringLookup and TextVectorization share: a vocabulary, and which places its terms
 * have.
 *
 * Places: the mask (0, if there is a mask token and numbers come out), then those for what is not in the
 * vocabulary, then the vocabulary's own.
 */
#ifndef IB_LAYERS_LOOKUP_H
#define IB_LAYERS_LOOKUP_H

#include "layers/categories.h"
#include "layers/terms.h"

typedef struct ib_number_term {
    int64_t value;
    int32_t place;
} ib_number_term;

/* Is it one of these layers? *texts: its terms are texts, not integers. */
bool ib__lookup_is(const char *class_name, bool *texts);

/* The first member of the settings of these layers. Of the two kinds of tokens and terms one is used. */
typedef struct ib_lookup {
    ib_encoding encoding;
    bool texts, invert, pad, masked, has_oov_token, salted, farmhash;
    bool given;            /* there is a vocabulary */
    int64_t most, outside; /* max_tokens, -1: any; num_oov_indices */
    int64_t mask, oov_token;
    const char *mask_text, *oov_text;
    uint64_t salt[2];
    int64_t start;           /* of the places for what is not in the vocabulary */
    size_t n, total;         /* terms; places */
    ib_number_term *numbers; /* by value, or inverted by place; of the layer's arena */
    ib_terms words;          /* by place */
} ib_lookup;

#define IB_LOOKUP_AT(type, member) .offset = offsetof(type, lookup) + offsetof(ib_lookup, member)

/* Readers of fields; they store nothing. vocabulary: null, or a list of integers (choices "integers") or of
 * texts. */
ib_read_fn ib__read_lookup_vocabulary;
ib_read_fn ib__read_factors;

/* Reads vocabulary, idf_weights and salt from the layer's config, once all other members are set. The
 * settings begin with an ib_lookup. */
ib_status ib__lookup_take(ib_layer *layer, ib_error *err);
void ib__lookup_free(ib_layer *layer);

/* What is outside has this hash: its place. */
int32_t ib__lookup_outside(const ib_lookup *s, const char *text, size_t n);
/* The term of a number, or NULL. */
const ib_number_term *ib__lookup_number(const ib_lookup *s, int64_t value);
/* The place of a text. A masked one has none (-1) but in the output_mode int. */
int32_t ib__lookup_text(const ib_lookup *s, const char *text, size_t n);

/* Fails the graph if there is no vocabulary yet. */
bool ib__lookup_ready(const ib_layer *layer, ib_graph *g);

/* A layer's infer, of one input whose elements have a place each, and the encoding of these places, which
 * `rows` gives, with the ib_lookup as context. */
ib_status ib__lookup_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                           ib_error *err);
ib_node ib__lookup_encode(const ib_layer *layer, ib_build *b, ib_rows_fn *rows, ib_node x);

#endif
