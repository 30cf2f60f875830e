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

#define IB_NO_TENSOR SIZE_MAX

/* One call of a layer. Tensors are numbered through the model: its inputs, and the outputs of calls. */
typedef struct ib_call {
    size_t layer; /* index in layers */
    size_t n_inputs;
    size_t *inputs;           /* tensors */
    const char **names;       /* the argument each one belongs to */
    size_t *masks;            /* tensors given as their masks, or IB_NO_TENSOR: masks that travel count */
    const ib_value *settings; /* arguments that hold no tensor, or NULL */
    size_t first, n_outputs;  /* the tensors it makes: [first, first + n_outputs) */
} ib_call;

/* An output: its name in logs, and what it was compiled with. */
typedef struct ib_output {
    const char *name;             /* of the layer that makes it, as Keras has it */
    struct ib_loss *loss;         /* NULL: none */
    double loss_weight;           /* 1 if none is given */
    ib_value *metrics, *weighted; /* lists of configs, or NULL */
} ib_output;

struct ib_module;

typedef struct ib_model {
    char *name;
    bool functional; /* false: Sequential */
    /* In Keras's order (model.layers, InputLayer included as class InputLayer); the layers of nested models
     * stand where their model stands. */
    ib_layer **layers;
    size_t n_layers;
    ib_call *calls; /* in execution order */
    size_t n_calls;
    ib_spec *tensors;
    size_t n_tensors;
    size_t *inputs, *outputs; /* tensors */
    const char **input_names;
    ib_output *ends; /* one an output */
    size_t n_inputs, n_outputs;
    ib_value *config;        /* Keras's whole config.json tree {module, class_name, config, registered_name,
                                build_config},  without compile_config */
    ib_value *compile;       /* Keras's compile_config map, or NULL */
    bool list_outputs;       /* outputs were given as a list */
    bool compiled;           /* the ends have losses and metrics */
    bool loss_weighted;      /* loss_weights were given */
    ib_optimizer *optimizer; /* compiled; NULL otherwise */
    ib_value *kept;          /* a list of values that calls refer to */
    bool loaded;             /* the weights come from a file */
    struct ib_module *root;  /* the tree of layers and nested models (src/model/internal.h) */
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
/* Layers have learned what stands in their configs: puts it into the model's. *changed: an output of one has
 * another shape than before. */
ib_status ib__model_adapted(ib_model *model, bool *changed, ib_error *err);
/* A model from the config of another one, whose layers' outputs may have other shapes now. Weights that were
 * loaded would be lost: an error. name: for errors. */
ib_status ib__model_again(ib_model **out, const ib_model *model, const char *name, ib_error *err);

/* Fills all weights with their initializers; does nothing when they were loaded from a file. */
ib_status ib__model_initialize(ib_model *model, uint64_t seed, ib_error *err);
/* The same with the weights that Keras on TensorFlow gives after keras.utils.set_random_seed(seed), if it
 * makes the layers in the order of the model's list. */
ib_status ib__model_initialize_as_keras(ib_model *model, int64_t seed, ib_error *err);
/* compile: {optimizer, loss, metrics} with Keras's names and defaults; creates loss and optimizer (slots
 * built for the trainable weights). Replaces what was there. */
ib_status ib__model_compile(ib_model *model, const ib_value *compile, const char *where, ib_error *err);

/* The element type that input i expects. */
ib_type ib__model_input_type(const ib_model *model, size_t i);
/* How many rows an Embedding has that input i goes into directly, the smallest if there are several; 0: there
 * is none. */
int64_t ib__model_input_rows(const ib_model *model, size_t i);

/* Builds the forward ops. inputs: one node each model input; outputs: n_outputs nodes with their masks. */
void ib__model_call(ib_model *model, ib_build *b, const ib_node *inputs, ib_flow *outputs);
/* The penalties of all regularized trainable weights added in Keras's order, or IB_NO_NODE. */
ib_node ib__model_penalty(ib_model *model, ib_build *b);

/* What training minimises, as a rank-0 node. targets, weights: one node an output (weights NULL, or
 * IB_NO_NODE: none). each (may be NULL): the outputs' own losses, unweighted, IB_NO_NODE where there is none.
 */
ib_node ib__model_objective(ib_model *model, ib_build *b, const ib_flow *outputs, const ib_node *targets,
                            const ib_node *weights, ib_node *each);
/* The gradients of loss and the optimizer's update of every trained weight. */
ib_status ib__model_update(ib_model *model, ib_graph *g, ib_node loss, ib_error *err);

/* All weights in Keras's order (layer by layer); trainable: only those that are trained. count first with
 * out = NULL. Gives the number. */
size_t ib__model_weights(ib_model *model, ib_weight **out, bool trainable_only);

/* ---- Files ---- */
/* .keras (zip of metadata.json, config.json, model.weights.h5), or a folder with these members; also
 * the older .h5 with the model inside. The HDF5 part is parsed in a child process with limits, so that a
 * hostile file cannot hurt. compiled: also optimizer and its state. */
ib_status ib__keras_load(ib_model **out, const char *path, bool compiled, ib_error *err);
/* Byte-identical everywhere: no dates. date_saved is "1980-01-01@00:00:00". pack appends to buf. */
ib_status ib__keras_save(const ib_model *model, const char *path, ib_error *err);
ib_status ib__keras_pack(const ib_model *model, ib_buf *buf, ib_error *err);
/* .weights.h5 into an existing model, and out of it; also .weights.json with the shards beside it, without
 * the optimizer's state. */
ib_status ib__weights_load(ib_model *model, const char *path, ib_error *err);
ib_status ib__weights_save(const ib_model *model, const char *path, ib_error *err);

/* A vocabulary file, a term a line as Keras writes and reads it, as a list of texts or of integers. *out:
 * yours. */
ib_status ib__terms_read(ib_value **out, const char *path, bool texts, ib_error *err);

/* model.summary() as Keras prints it (without ANSI codes), width columns (0: 88 or 108 as Keras). */
bool ib__model_summary(const ib_model *model, int width, ib_buf *out);

#endif
