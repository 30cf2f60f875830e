/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the model room: the tree of layers and nested models, reading and writing of HDF5.
 */
#ifndef IB_MODEL_INTERNAL_H
#define IB_MODEL_INTERNAL_H

#include "model/model.h"

/* Bounds for models from strangers: far above real ones, low enough that a small file cannot ask for hours.
 */
#define IB_LAYERS_MAX 20000
#define IB_CALLS_MAX 200000

/* A tensor that a call inside of a Functional model takes: an output of a member's call. Calls of an
 * InputLayer are its node 0. */
typedef struct ib_ref {
    size_t member, node, tensor;
    const char *argument; /* of the layer's call, "inputs" or "mask" */
    size_t place;         /* among the argument's tensors */
    ib_value *config;     /* {shape, dtype, keras_history}; NULL: none */
} ib_ref;

typedef struct ib_inbound {
    ib_ref *refs;
    size_t n;
    const ib_value *settings;   /* arguments without tensors, or NULL */
    size_t first_call, n_calls; /* of the model, that the last expansion made of it */
} ib_inbound;

/* A tensor given to a call. */
typedef struct ib_given {
    size_t tensor;
    const char *argument;
    size_t place;
} ib_given;

/* A layer (leaf) or a model. Lives in the model's arena. */
typedef struct ib_module {
    const char *class_name, *name;
    const char *h5;  /* HDF5 group, "layers/dense_1"; "" for the root */
    ib_value *entry; /* {module, class_name, config, ...} in model->config */
    ib_layer *layer; /* of a leaf, else NULL */
    bool functional;
    struct ib_module **members; /* of a model */
    size_t n_members, members_capacity;
    /* As a member of a Functional model: its calls there. */
    ib_inbound *inbound;
    size_t n_inbound;
    /* Of a Functional model: which tensors come in and go out. */
    ib_ref *inputs, *outputs;
    size_t n_inputs, n_outputs;
    /* What the last expansion of the model it belongs to gave: one list of tensors for each inbound node. */
    size_t **made;
    size_t *n_made;
    ib_shape *shapes; /* of the outputs of the last call, for the summary */
    size_t n_shapes;
} ib_module;

bool ib__module_is_input(const ib_module *module);
bool ib__module_is_op(const ib_module *module);
/* Word number i of a layer's list of arguments, in out; false: it has fewer. Models take "inputs". */
bool ib__argument_name(const ib_module *module, size_t i, char out[64]);
/* Whether the layer's call takes an argument of this name: one of its own, training, or a mask of one. */
bool ib__argument_known(const ib_module *module, const char *name);

/* Releases what the outputs were compiled with. */
void ib__model_forget_ends(ib_model *model);

/* ---- HDF5 ---- */
/* One thing to read: a float32 array of this shape, one int64, or the text of an attribute of the root. */
typedef struct ib_h5_item {
    const char *path; /* "layers/dense/vars/0" */
    ib_shape shape;
    bool integer;  /* one int64 instead */
    bool whole;    /* integers in the file, floats here */
    bool optional; /* may be missing: found tells */
    bool absent;   /* must be missing; no data */
    /* Older files: path is the group of a layer, whose attribute weight_names lists n_names datasets; this is
     * number `index`. n_names 0: path itself is meant. */
    size_t n_names, index;
    size_t text; /* room for text, with the NUL at the end; 0: no text but numbers */
    bool found;
    void *data; /* where it goes: float, int64_t or char */
} ib_h5_item;

/* A piece of an optimizer's state, which a file may lack. */
ib_h5_item ib__h5_state(const char *path, const ib_state *state);

/* Reads the items out of an HDF5 file in memory, in a child process with limits. name: for errors. */
ib_status ib__h5_read(const void *image, size_t length, ib_h5_item *items, size_t n, const char *name,
                      ib_error *err);

/* Writing: the tree of groups is made from the paths, which must be in the order in which things shall stand.
 * data NULL: an empty group. The bytes depend on the items alone. */
typedef struct ib_h5_out {
    const char *path;
    ib_shape shape;
    bool integer;
    bool narrow;      /* an integer written as int32 */
    const void *data; /* float, or int64_t */
} ib_h5_out;
ib_status ib__h5_write(ib_buf *buf, const ib_h5_out *items, size_t n, ib_error *err);

/* ---- Assets of .keras files (src/model/assets.c) ---- */
/* Reads assets/<path>; *found: it is there. */
typedef ib_status ib_asset_fn(void *context, const char *path, ib_buf *out, bool *found, ib_error *err);
/* Puts vocabularies that stand in assets into the config of a model. */
ib_status ib__assets_read(ib_value *config, ib_asset_fn *read, void *context, ib_error *err);
/* Puts the factors of tf_idf, which were read with the weights, into the config, too. */
ib_status ib__assets_weights(ib_module *module, ib_error *err);

#endif
