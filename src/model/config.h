/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the model room: what reading a config shares between its files.
 */
#ifndef IB_MODEL_CONFIG_H
#define IB_MODEL_CONFIG_H

#include "model/internal.h"

/* What a reading may be told. */
typedef struct ib_read_options {
    size_t weight_limit; /* floats that one weight may have; 0: any */
    const char *list;    /* what the root's list of layers is called in errors; NULL: "layers" */
    size_t added;        /* layers in front of the root's list that the user did not write */
} ib_read_options;

typedef struct ib_reader {
    ib_model *model;
    ib_error *err;
    ib_read_options options;
    size_t layers_capacity, calls_capacity, tensors_capacity;
    size_t module_calls;
} ib_reader;

/* As ib__model_from_config. */
ib_status ib__model_read(ib_model **out, const ib_value *config, const char *name,
                         const ib_read_options *options, ib_error *err);
/* Takes compile_config out of a config.json; *compile: yours, NULL if there is none. */
ib_status ib__config_split(ib_value *config, const char *path, ib_value **compile, ib_error *err);
/* Numbers shared objects (shared.c). */
ib_status ib__config_number_shared(ib_value *config, ib_error *err);
/* "layers[3]" within place; for a layer of an experiment also its line. NULL: no memory. */
const char *ib__layer_place(ib_reader *r, const ib_module *module, const char *place, size_t i);

/* functional.c: reads inbound_nodes, input_layers and output_layers of a module whose members are made;
 * expands it for these calls as inputs. */
ib_status ib__functional_read(ib_reader *r, ib_module *module, const ib_value *config, const char *place);
/* Puts the calls from number `first` on, which are those of the module, in Keras's order. */
ib_status ib__order_calls(ib_reader *r, const ib_module *module, size_t first);
ib_status ib__functional_expand(ib_reader *r, ib_module *module, const ib_given *inputs, size_t n,
                                size_t **outputs, size_t *n_outputs);
/* Keeps a value for as long as the model lives; NULL: no memory. Takes over value. */
const ib_value *ib__model_keep(ib_reader *r, ib_value *value);

/* config.c */
ib_status ib__module_call(ib_reader *r, ib_module *module, const ib_given *given, size_t n,
                          const ib_value *settings, size_t **outputs, size_t *n_outputs);
ib_status ib__input_check(ib_reader *r, ib_module *input, size_t tensor);
ib_status ib__input_call(ib_reader *r, ib_module *input, size_t *out);
ib_value *ib__dims_value(const ib_shape *shape); /* [null, 28, 28] */
ib_value *ib__input_entry(const char *name, ib_value *shape, const char *dtype);

#endif
