/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers. A layer class is one row of layers.list and one ib_layer_class: it reads its Keras config, says its
 * output shape, makes its weights, and builds its ops. Gradients belong to the ops.
 */
#ifndef IB_LAYERS_LAYER_H
#define IB_LAYERS_LAYER_H

#include "base/mem.h"
#include "base/value.h"
#include "graph/graph.h"
#include "numerics/stream.h"

/* A weight. Order within a layer is Keras's (vars/0, vars/1 ... in HDF5: trainable and not, as created). */
typedef struct ib_weight {
    ib_variable variable; /* path: "<layer name>/<weight name>" */
    const char *name;     /* "kernel" */
    bool trainable;       /* as created; a frozen layer freezes its weights on top */
    const ib_value *initializer, *regularizer,
        *constraint; /* Keras config, NULL: none (regularizer, constraint) */
} ib_weight;

typedef struct ib_layer ib_layer;

/* What a layer needs to build its ops. */
typedef struct ib_build {
    ib_graph *g;
    bool training;
    uint64_t seed; /* of the experiment: streams are ib__stream(seed, layer->path, purpose) */
    /* Penalties of regularized activity and the like are added to the loss by layers through this. */
    ib_node extra_loss; /* IB_NO_NODE: none yet */
} ib_build;

typedef struct ib_layer_class {
    const char *name; /* Keras class name, "Conv2D" */
    size_t settings;  /* bytes of the layer's parsed settings */
    /* Reads config (the "config" map of Keras's serialization, defaults filled in by the layer) into
     * layer->settings. Every key must be known; a value of the wrong type or range is IB_BAD_INPUT. */
    ib_status (*configure)(ib_layer *layer, const ib_value *config, ib_error *err);
    /* Shapes carry the batch axis (-1). Sets *out (one output). Must not rely on build. */
    ib_status (*shape)(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out, ib_error *err);
    /* Creates weights by ib__layer_add_weight; NULL for layers without. Called once. */
    ib_status (*build)(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err);
    /* Builds the ops: n inputs, one output. May be called several times (shared layers, several graphs). */
    ib_node (*call)(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n);
    bool many_inputs; /* takes a list of inputs, as Add does */
} ib_layer_class;

struct ib_layer {
    const ib_layer_class *class;
    const char *name;  /* "conv2d_1" */
    const char *path;  /* name, with the names of nested models before it: "encoder/conv2d_1" */
    const char *place; /* for errors: "layers[3] conv2d_1" */
    ib_value *config;  /* Keras's config map, complete (defaults filled in, keys in Keras's order) */
    bool trainable;    /* false: frozen (BatchNormalization then infers) */
    bool built;
    void *settings;
    ib_weight *weights;
    size_t n_weights, weights_capacity;
    size_t weight_limit; /* floats that one weight may have (a small file cannot ask for much); 0: 2^29 */
    ib_arena arena;
};

/* NULL if there is no such class. */
const ib_layer_class *ib__layer_class(const char *name);

/* Makes a layer from Keras's class name and config map (copied). name: config's "name", or given_name if the
 * config has none. Unknown classes are IB_UNSUPPORTED ("LSTM is not supported yet"). place: "layers[3]". */
ib_status ib__layer_new(ib_layer **out, const char *class_name, const ib_value *config,
                        const char *given_name, const char *place, ib_error *err);
void ib__layer_free(ib_layer *layer);
/* Builds once: shapes checked, weights created (not yet initialized: all zero). */
ib_status ib__layer_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err);
ib_status ib__layer_add_weight(ib_layer *layer, const char *name, const ib_shape *shape, bool trainable,
                               const ib_value *initializer, const ib_value *regularizer,
                               const ib_value *constraint, ib_weight **out, ib_error *err);

/* "Conv2D" -> "conv2d", "MaxPooling2D" -> "max_pooling2d", as Keras names layers. out: at least 128 bytes. */
void ib__snake_case(char *out, size_t size, const char *class_name);

/* ---- Initializers (src/initializers): fills data from Keras's config (string or map) with the stream
 * ib__stream(seed, path, "initializer"), or seed = the config's own "seed" when it is an integer. ---- */
ib_status ib__initialize(float *data, const ib_shape *shape, const ib_value *initializer, uint64_t seed,
                         const char *path, ib_error *err);
ib_status ib__initializer_check(const ib_value *initializer, const char *where, ib_error *err);

/* ---- Activations (src/layers/activation.c): config is a name, NULL or a serialized function. ---- */
typedef struct ib_activation ib_activation;
/* NULL in *out for a linear activation is not used: "linear" is an activation too. Static storage. */
ib_status ib__activation_find(const ib_activation **out, const ib_value *config, const char *where,
                              ib_error *err);
ib_node ib__activation_call(const ib_activation *activation, ib_graph *g, ib_node x); /* keeps logits */
const char *ib__activation_name(const ib_activation *activation);

/* ---- Regularizers: the penalty as a rank-0 node; l1, l2, l1_l2 (L1, L2, L1L2), config may be NULL ---- */
ib_status ib__regularizer_check(const ib_value *config, const char *where, ib_error *err);
ib_node ib__regularizer_call(const ib_value *config, ib_graph *g, ib_node w);

#endif
