/* SPDX-License-Identifier: Apache-2.0
 *
 * Models: Sequential and Functional, read from Keras's config, from an experiment's `model:` entry or from a
 * .keras file. A model is layers in Keras's order and calls in execution order; it owns weights, the compiled
 * loss, metrics and optimizer.
 */
#ifndef IB_MODEL_MODEL_H
#define IB_MODEL_MODEL_H

#include "layers/layer.h"
#include "losses/loss.h"
#include "metrics/metric.h"
#include "optimizers/optimizer.h"

/* One call of a layer: nodes are numbered by call; tensors are the outputs of calls. */
typedef struct ib_call {
    size_t layer;   /* index in layers */
    size_t *inputs; /* indices of calls that made the inputs */
    size_t n_inputs;
    ib_shape shape; /* of the output, batch -1 */
} ib_call;

struct ib_module;

typedef struct ib_model {
    char *name;
    bool functional; /* false: Sequential */
    /* In Keras's order (model.layers, InputLayer included as class InputLayer); the layers of nested models
     * stand where their model stands. */
    ib_layer **layers;
    size_t n_layers;
    ib_call *calls; /* in execution order; calls of InputLayers first come where they stand */
    size_t n_calls;
    size_t *inputs, *outputs; /* calls */
    size_t n_inputs, n_outputs;
    ib_value *config;  /* Keras's whole config.json tree {module, class_name, config, registered_name,
                          build_config},  without compile_config */
    ib_value *compile; /* Keras's compile_config map, or NULL */
    bool list_outputs; /* outputs were given as a list */
    ib_loss *loss;     /* compiled; NULL otherwise. One output for now */
    ib_optimizer *optimizer;
    ib_value *metrics;      /* list of metric configs, or NULL */
    bool loaded;            /* the weights come from a file */
    struct ib_module *root; /* the tree of layers and nested models (src/model/internal.h) */
    ib_arena arena;
} ib_model;

/* From Keras's config tree (as in config.json). name: the file, for errors. Layers are built (weights zero).
 */
ib_status ib__model_from_config(ib_model **out, const ib_value *config, const char *name, ib_error *err);
/* From an experiment's entry: {sequential: [...]}, {functional: ...}, {keras: file}, {config: file}. folder:
 * the experiment's. input: shape of the data (batch -1), for a Sequential without an input layer. */
ib_status ib__model_from_experiment(ib_model **out, const ib_value *entry, const ib_shape *input,
                                    const char *folder, const char *where, ib_error *err);
void ib__model_free(ib_model *model);

/* Fills all weights with their initializers; does nothing when they were loaded from a file. */
ib_status ib__model_initialize(ib_model *model, uint64_t seed, ib_error *err);
/* compile: {optimizer, loss, metrics} with Keras's names and defaults; creates loss and optimizer (slots
 * built for the trainable weights). Replaces what was there. */
ib_status ib__model_compile(ib_model *model, const ib_value *compile, const char *where, ib_error *err);

/* The element type that input i expects. */
ib_type ib__model_input_type(const ib_model *model, size_t i);

/* Builds the forward ops. inputs: one node each model input; outputs: n_outputs nodes. */
void ib__model_call(ib_model *model, ib_build *b, const ib_node *inputs, ib_node *outputs);
/* The penalties of all regularized trainable weights added in Keras's order, or IB_NO_NODE. */
ib_node ib__model_penalty(ib_model *model, ib_build *b);

/* All weights in Keras's order (layer by layer); trainable: only those that are trained. count first with
 * out = NULL. Gives the number. */
size_t ib__model_weights(ib_model *model, ib_weight **out, bool trainable_only);

/* ---- Files ---- */
/* .keras (zip of metadata.json, config.json, model.weights.h5), or a folder with these members; also
 * the older .h5 with the model inside, if compiled is false. The HDF5 part
 * is parsed in a child process with limits, so that a hostile file cannot hurt. compiled: also optimizer and
 * its state. */
ib_status ib__keras_load(ib_model **out, const char *path, bool compiled, ib_error *err);
/* Byte-identical everywhere: no dates. date_saved is "1980-01-01@00:00:00". */
ib_status ib__keras_save(const ib_model *model, const char *path, ib_error *err);
/* .weights.h5 into an existing model, and out of it. */
ib_status ib__weights_load(ib_model *model, const char *path, ib_error *err);
ib_status ib__weights_save(const ib_model *model, const char *path, ib_error *err);

/* model.summary() as Keras prints it (without ANSI codes), width columns (0: 88 or 108 as Keras). */
bool ib__model_summary(const ib_model *model, int width, ib_buf *out);

#endif
