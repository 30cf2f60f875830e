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
#include "numerics/tensor.h"

typedef struct ib_weight ib_weight;

/* Fills data of this shape as the weight's initializer says. */
typedef ib_status ib_fill_fn(void *context, const ib_weight *weight, float *data, const ib_shape *shape,
                             ib_error *err);

/* A weight. Order within a layer is Keras's (vars/0, vars/1 ... in HDF5: trainable and not, as created). */
struct ib_weight {
    ib_variable variable; /* path: "<layer name>/<weight name>" */
    const char *name;     /* "kernel" */
    bool trainable;       /* as created; a frozen layer freezes its weights on top */
    bool integer;         /* one int64 in Keras and in files */
    const ib_value *initializer, *regularizer,
        *constraint; /* Keras config, NULL: none (regularizer, constraint) */
    /* NULL, or how the weight is filled when its initializer makes only pieces of it: calls piece for each.
     */
    ib_status (*fill)(const ib_weight *weight, ib_fill_fn *piece, void *context, ib_error *err);
};

typedef struct ib_layer ib_layer;

/* The next samples that a layer adapts to: x: [samples, ...], valid until the next call; its data are NULL at
 * the end. */
typedef ib_status ib_samples_fn(void *context, ib_tensor *x, ib_error *err);

/* What is known of a tensor before it is computed. shape: -1 for the batch and for what only the data say.
 * text: its integers are numbers of texts (numerics/texts.h). */
typedef struct ib_spec {
    ib_shape shape;
    ib_type type;
    bool text;
} ib_spec;

/* A tensor on its way through a model: its node, and Keras's mask of it (a predicate over its first axes), or
 * IB_NO_NODE. */
typedef struct ib_flow {
    ib_node node, mask;
} ib_flow;

/* What a layer is called with: its tensors in the order of the call's arguments (lists stand item by item),
 * and the arguments that hold no tensor. Masks travel with their tensors. */
typedef struct ib_args {
    size_t n;
    const char *const *names; /* the argument that tensor i belongs to: "inputs", "initial_state" */
    const ib_spec *specs;     /* when outputs are asked for */
    const ib_flow *flows;     /* when ops are built */
    const ib_value *settings; /* {"use_causal_mask": true}; NULL: none */
    bool mask_given;          /* the first tensor's mask is an argument of the call, it did not travel */
} ib_args;

#define IB_OUTPUTS_MAX 64 /* of one call */

/* What a layer needs to build its ops. */
typedef struct ib_build {
    ib_graph *g;
    bool training;
    uint64_t seed; /* of the experiment: streams are ib__stream(seed, layer->path, purpose) */
    /* Penalties of regularized activity and the like are added to the loss by layers through this. */
    ib_node extra_loss; /* IB_NO_NODE: none yet */
} ib_build;

/* What Keras casts to a layer's compute dtype (its "autocast"). */
typedef enum ib_casts {
    IB_CASTS_ALL,    /* inputs and weights */
    IB_CASTS_INPUTS, /* weights are used as they are */
    IB_CASTS_NONE    /* inputs, too */
} ib_casts;

/* What inputs a class takes: numbers; numbers or texts; texts. */
typedef enum ib_texts { IB_TEXTS_NONE, IB_TEXTS_TOO, IB_TEXTS_ONLY } ib_texts;

/* A class has `shape` and `call` if every call takes tensors alone and gives one float32 tensor; others have
 * `infer` and `apply` instead. */
typedef struct ib_layer_class {
    const char *name;      /* Keras class name, "Conv2D" */
    size_t settings;       /* bytes of the layer's parsed settings */
    const char *arguments; /* of call, in Keras's order: "query value key"; NULL: "inputs". training and mask
                              are known to all */
    /* Reads config (the "config" map of Keras's serialization, defaults filled in by the layer) into
     * layer->settings. Every key must be known; a value of the wrong type or range is IB_BAD_INPUT. */
    ib_status (*configure)(ib_layer *layer, const ib_value *config, ib_error *err);
    /* Sets *out. Must not rely on build. */
    ib_status (*shape)(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out, ib_error *err);
    /* The same for any number of outputs: *n is how many. */
    ib_status (*infer)(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                       ib_error *err);
    /* Creates weights by ib__layer_add_weight; NULL for layers without. Called once. */
    ib_status (*build)(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err);
    /* The same where it matters which argument a tensor is. */
    ib_status (*build_call)(ib_layer *layer, const ib_args *args, ib_error *err);
    /* Builds the ops. May be called several times (shared layers, several graphs). */
    ib_node (*call)(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n);
    void (*apply)(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]);
    /* With `call`: the output's mask; at least one input has one. NULL: the mask ends here. */
    ib_node (*mask)(ib_layer *layer, ib_build *b, const ib_flow *inputs, size_t n, ib_node output);
    /* Keras's adapt: learns from samples what is not trained, and puts it into weights or into the config,
     * which can change what its outputs are. NULL: the class has nothing to adapt. */
    ib_status (*adapt)(ib_layer *layer, ib_samples_fn *next, void *context, ib_error *err);
    void (*free)(ib_layer *layer); /* what of the settings is no memory of the arena; NULL: nothing */
    /* Its first input holds numbers of rows, from 0 to below this. NULL: numbers of any kind. */
    int64_t (*rows)(const ib_layer *layer);
    const char *extra_twice; /* the group within its own into which Keras writes `extra` a second time */
    ib_texts texts;          /* whether its inputs may be of texts */
    bool adapts_config;      /* adapt changes the config */
    bool many_inputs;        /* the first argument is a list of tensors, as of Add */
    bool takes_masks;        /* its inputs have no masks any more after the call, as of MultiHeadAttention */
    bool mixes_samples;      /* while training, what comes out for a sample depends on the others */
    /* With a compute dtype of 16 bits: rounds, each op's result is rounded to it; else the layer computes in
     * float32 and its outputs are rounded. passes: it only calls layers, whose own policies hold. */
    bool rounds, passes;
    ib_casts casts;
} ib_layer_class;

/* A layer inside of a layer. attribute: its HDF5 group within the layer's ("forward_layer", "cell"). */
typedef struct ib_layer_part {
    const char *attribute;
    ib_layer *layer;
} ib_layer_part;

struct ib_layer {
    const ib_layer_class *class;
    const char *name;  /* "conv2d_1" */
    const char *path;  /* name, with the names of nested models before it: "encoder/conv2d_1" */
    const char *place; /* for errors: "layers[3] conv2d_1" */
    ib_value *config;  /* Keras's config map, complete (defaults filled in, keys in Keras's order) */
    bool trainable;    /* false: frozen (BatchNormalization then infers) */
    bool unpenalized;  /* its activity_regularizer is not for its outputs */
    bool built;
    ib_format compute; /* the compute dtype of its policy; of an operation: not known, its inputs' */
    bool texts;        /* built for an input of texts */
    void *settings;
    ib_weight *weights;
    size_t n_weights, weights_capacity;
    ib_variable **states; /* what stays from call to call and is no weight; owned */
    size_t n_states, states_capacity;
    ib_weight *tracked;   /* a part's weight that Keras lists as this layer's first one, too; else NULL */
    ib_layer_part *parts; /* owned */
    size_t n_parts, parts_capacity;
    ib_variable extra; /* what Keras's files hold of it beside its weights, vars/<path>; data NULL: nothing */
    ib_value *kept;    /* a list of values that weights refer to; NULL: none */
    size_t weight_limit; /* floats that one weight may have (a small file cannot ask for much); 0: 2^29 */
    ib_arena arena;
};

/* NULL if there is no such class. */
const ib_layer_class *ib__layer_class(const char *name);
/* The class that another name of Keras means (MaxPool2D: MaxPooling2D), else the name itself. */
const char *ib__layer_alias(const char *name);
/* Why a layer of Keras will not be supported; NULL: it is, or may be one day. */
const char *ib__layer_refusal(const char *name);

/* Makes a layer from Keras's class name and config map (copied). name: config's "name", or given_name if the
 * config has none. Unknown classes are IB_UNSUPPORTED ("LSTM is not supported yet"). place: "layers[3]". */
ib_status ib__layer_new(ib_layer **out, const char *class_name, const ib_value *config,
                        const char *given_name, const char *place, ib_error *err);
/* The same of a class that configs cannot name. */
ib_status ib__layer_new_of(ib_layer **out, const ib_layer_class *class, const ib_value *config,
                           const char *given_name, const char *place, ib_error *err);
void ib__layer_free(ib_layer *layer);
/* Puts a layer and its parts into nested models: prefix "encoder/". NULL or "": at the root. */
ib_status ib__layer_nest(ib_layer *layer, const char *prefix, ib_error *err);
/* Outputs of a call. The first one also builds: weights are created (not yet initialized: all zero). */
ib_status ib__layer_infer(ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                          ib_error *err);
/* Builds the ops of a call that was inferred; gives the number of outputs, 0 after an error in the graph. */
size_t ib__layer_call(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]);
/* Adds the penalty of a layer's output x, divided by the size of the batch, to the loss. */
void ib__layer_add_penalty(ib_build *b, const ib_value *regularizer, ib_node x);
/* One tensor in, one out; no mask. */
ib_node ib__layer_call_one(ib_layer *layer, ib_build *b, ib_node x);
/* Where the argument's tensors begin; *count of them, next to each other. */
size_t ib__args_find(const ib_args *args, const char *argument, size_t *count);
/* The argument's value if it holds no tensor and is not null; else NULL. */
const ib_value *ib__args_setting(const ib_args *args, const char *argument);
bool ib__args_flag(const ib_args *args, const char *argument); /* a setting that is true */
/* The weights of a layer and of its parts in Keras's order; trained: only those that are, if the layer itself
 * is. out may be NULL. Gives their number. */
size_t ib__layer_weights(ib_layer *layer, ib_weight **out, bool trained);
/* The weight as it is now: what it was assigned in this graph, if it is trained (see ib__op_instead). */
ib_node ib__weight_node(ib_graph *g, ib_weight *weight);
/* Keeps a value as long as the layer; takes it over. NULL: no memory. */
const ib_value *ib__layer_keep(ib_layer *layer, ib_value *value);
/* A state that stays from call to call, zero in the beginning, as a node; the batch has a fixed size then.
 * assign: what it will be after the step. */
ib_node ib__layer_state(ib_layer *layer, ib_graph *g, const char *name, const ib_shape *shape);
/* A new state of zeros; NULL: no memory. */
ib_variable *ib__layer_state_make(ib_layer *layer, const char *name, const ib_shape *shape);
void ib__layer_state_assign(ib_layer *layer, ib_graph *g, const char *name, ib_node value);
/* The states of a layer and its parts; out may be NULL. Gives their number. */
size_t ib__layer_states(const ib_layer *layer, ib_variable **out);
/* Builds a part for an input of this shape. */
ib_status ib__layer_build_part(ib_layer *part, const ib_shape *input, ib_error *err);
/* Makes a layer inside of a layer from a serialized layer {module, class_name, config} or a plain class and
 * config; *canonical (may be NULL): the entry as Keras writes it, yours. */
ib_status ib__layer_add_part(ib_layer *layer, const char *attribute, const ib_value *serialized,
                             const char *given_name, ib_layer **out, ib_value **canonical, ib_error *err);
/* The same of a class that configs cannot name. */
ib_status ib__layer_add_part_of(ib_layer *layer, const char *attribute, const ib_layer_class *class,
                                const ib_value *config, const char *given_name, ib_layer **out,
                                ib_error *err);
ib_status ib__layer_add_weight(ib_layer *layer, const char *name, const ib_shape *shape, bool trainable,
                               const ib_value *initializer, const ib_value *regularizer,
                               const ib_value *constraint, ib_weight **out, ib_error *err);

/* The compute dtype of a policy, as "mixed_float16" or serialized; float32 for every other dtype. */
ib_format ib__policy_format(const ib_value *dtype);

/* "Conv2D" -> "conv2d", "MaxPooling2D" -> "max_pooling2d", as Keras names layers. out: at least 128 bytes. */
void ib__snake_case(char *out, size_t size, const char *class_name);
/* The HDF5 group of member `at`, which is of this class, of a list of serialized ones: "layers/conv2d", for
 * the second of its class "layers/conv2d_1". folder: "layers" or "cells". out: at least 160 bytes. */
void ib__member_group(char *out, size_t size, const char *folder, const ib_value *members, size_t at,
                      const char *class_name);

/* ---- Initializers (src/initializers): fills data from Keras's config (string or map) with the stream
 * ib__stream(seed, path, "initializer"), or seed = the config's own "seed" when it is an integer. ---- */
ib_status ib__initialize(float *data, const ib_shape *shape, const ib_value *initializer, uint64_t seed,
                         const char *path, ib_error *err);
ib_status ib__initializer_check(const ib_value *initializer, const char *where, ib_error *err);

/* ---- Activations (src/layers/activation.c): config is a name, NULL or a serialized function. ---- */
/* A function by name, or a layer without weights (ReLU, LeakyReLU, ELU, Softmax, Activation) with its
 * settings. */
typedef struct ib_activation ib_activation;
struct ib_activation {
    const char *name;                        /* of the function; of a layer: its class */
    ib_node (*call)(ib_graph *g, ib_node x); /* NULL: a layer */
    ib_node (*of_layer)(const ib_activation *activation, ib_graph *g, ib_node x);
    double limit, slope, threshold, alpha; /* of a layer */
    int64_t axes[IB_RANK_MAX];
    int n_axes;
    ib_format format; /* the layer's compute dtype */
};
/* null: linear. *canonical: how Keras writes it, if that is not config as it is. */
ib_status ib__activation_find(ib_activation *out, const ib_value *config, const char *where,
                              ib_value **canonical, ib_error *err);
ib_node ib__activation_call(const ib_activation *activation, ib_graph *g, ib_node x); /* keeps logits */
const char *ib__activation_name(const ib_activation *activation);

/* ---- Regularizers: the penalty as a rank-0 node; l1, l2, l1_l2 (L1, L2, L1L2), config may be NULL ---- */
ib_status ib__regularizer_check(const ib_value *config, const char *where, ib_error *err);
ib_node ib__regularizer_call(const ib_value *config, ib_graph *g, ib_node w);

#endif
