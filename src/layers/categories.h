/* SPDX-License-Identifier: Apache-2.0
 *
 * What layers of categories share: numbers of categories (int32), and how they are encoded as floats.
 */
#ifndef IB_LAYERS_CATEGORIES_H
#define IB_LAYERS_CATEGORIES_H

#include "layers/internal.h"

/* Keras's output_mode; the order is that of IB_ENCODINGS. */
typedef enum ib_encode_mode {
    IB_ENCODE_INT,
    IB_ENCODE_ONE_HOT,
    IB_ENCODE_MULTI_HOT,
    IB_ENCODE_COUNT,
    IB_ENCODE_TF_IDF
} ib_encode_mode;
#define IB_ENCODINGS "int one_hot multi_hot count"

/* Numbers outside of [0, depth) are left out. It must outlive the graphs that encode by it. */
typedef struct ib_encoding {
    int mode; /* an ib_encode_mode */
    int64_t depth;
    const float *factors; /* of tf_idf: one for each category; NULL otherwise */
} ib_encoding;

/* What becomes of an input: one_hot replaces a last axis of 1, or adds an axis; multi_hot, count, tf_idf
 * replace the last axis of an input with two. */
ib_status ib__encoding_infer(const ib_layer *layer, const ib_encoding *e, const ib_shape *input, ib_spec *out,
                             ib_error *err);
/* numbers: int32. weights: of count, one for each number, or IB_NO_NODE. */
ib_node ib__encode(ib_graph *g, const ib_encoding *e, ib_node numbers, ib_node weights);

/* A number more in a row of `depth` floats, which is zero at first; then the factors. */
static inline void ib__encode_number(const ib_encoding *e, int32_t number, float weight, float *out) {
    if (number < 0 || number >= e->depth) return;
    bool mark = e->mode == IB_ENCODE_ONE_HOT || e->mode == IB_ENCODE_MULTI_HOT;
    out[number] = mark ? 1.0f : out[number] + weight;
}
static inline void ib__encode_factors(const ib_encoding *e, float *out) {
    for (int64_t k = 0; e->factors && k < e->depth; k++)
        out[k] *= e->factors[k];
}

/* How layers of categories write their dtype: int64 for int, else float32. Reads the name of a dtype as text
 * or as a policy into a const char *; NULL: null. */
ib_read_fn ib__read_category_dtype;
/* Checks what was read against the mode (integer: those of integers may be given) and writes it into the
 * config, as text or as a policy. */
ib_status ib__category_dtype(ib_layer *layer, const char *given, bool integer, bool text, ib_error *err);

#endif
