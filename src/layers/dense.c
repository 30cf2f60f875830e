/* SPDX-License-Identifier: Apache-2.0
 *
 * InputLayer and Dense.
 */
#include "layers/internal.h"

/* ---- InputLayer ---- */

static ib_status read_batch_shape(const ib_field *field, const ib_value *value, const char *where, void *out,
                                  ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    ib_shape *shape = out;
    if (value->kind != IB_LIST || value->count < 1 || value->count > IB_RANK_MAX)
        return ib__fail(err, IB_BAD_INPUT, where, "expected a list of 1 to %d sizes", IB_RANK_MAX);
    shape->rank = (int)value->count;
    for (int i = 0; i < shape->rank; i++) {
        const ib_value *item = value->items[i];
        bool known = item->kind == IB_INT && item->integer >= 0 && item->integer < INT64_C(1) << 40;
        if (!known && item->kind != IB_NULL) {
            char found[64];
            ib__value_describe(found, item);
            return ib__fail(err, IB_BAD_INPUT, where, "expected sizes of 0 or more or null, found %s", found);
        }
        shape->dims[i] = known && i > 0 ? item->integer : -1;
    }
    return IB_OK;
}

/* What an input may hold. Floats arrive as float32, integers, booleans and numbers of texts as
 * int32. */
static ib_status read_input_dtype(const ib_field *field, const ib_value *value, const char *where, void *out,
                                  ib_value **canonical, ib_error *err) {
    static const char *const names[] = {"float32", "float16", "bfloat16", "float64", "int32",
                                        "int64",   "int16",   "int8",     "uint8",   "uint16",
                                        "uint32",  "uint64",  "bool",     "string"};
    (void)field, (void)out, (void)canonical;
    if (value->kind != IB_STRING) {
        char found[64];
        ib__value_describe(found, value);
        return ib__fail(err, IB_BAD_INPUT, where, "expected a dtype, found %s", found);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(value->string, names[i]) == 0) return IB_OK;
    return ib__fail(err, IB_UNSUPPORTED, where, "inputs of dtype \"%.60s\" are not supported yet",
                    value->string);
}

static const ib_field input_fields[] = {{.key = "batch_shape", .read = read_batch_shape},
                                        {.key = "dtype", .fallback = "\"float32\"", .read = read_input_dtype},
                                        {.key = "sparse", .fallback = "false", .read = ib__read_null},
                                        {.key = "ragged", .fallback = "false", .read = ib__read_null},
                                        {.key = "name", .read = ib__read_name},
                                        {.key = "optional", .fallback = "false", .read = ib__read_null}};

static ib_status input_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, input_fields, sizeof input_fields / sizeof *input_fields, config, err);
}

/* Is never called: the model's inputs stand for it. */
static ib_status input_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                             size_t *n, ib_error *err) {
    (void)args, (void)err;
    const ib_value *dtype = ib__value_get(layer->config, "dtype");
    bool real = strncmp(dtype->string, "float", 5) == 0 || strcmp(dtype->string, "bfloat16") == 0;
    *n = 1;
    out[0] = (ib_spec){.shape = *(const ib_shape *)layer->settings,
                       .type = real ? IB_TYPE_F32 : IB_TYPE_I32,
                       .text = strcmp(dtype->string, "string") == 0};
    return IB_OK;
}

const ib_layer_class ib__layer_input = {
    .name = "InputLayer", .settings = sizeof(ib_shape), .configure = input_configure, .infer = input_infer};

/* ---- Dense: y = activation(x . kernel + bias) over the last axis ---- */

typedef struct dense {
    int64_t units;
    ib_activation activation;
    bool use_bias;
} dense;

#define AT(member) .offset = offsetof(dense, member)
static const ib_field fields[] = {
    IB_LAYER_FIELDS,
    {.key = "units", .read = ib__read_int, AT(units), .low = 1, .high = 0x1p31},
    {.key = "activation", .fallback = "null", .read = ib__read_activation, AT(activation)},
    {.key = "use_bias", .fallback = "true", .read = ib__read_bool, AT(use_bias)},
    {.key = "kernel_initializer", .fallback = "\"glorot_uniform\"", .read = ib__read_initializer},
    {.key = "bias_initializer", .fallback = "\"zeros\"", .read = ib__read_initializer},
    {.key = "kernel_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "bias_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "kernel_constraint", .fallback = "null", .read = ib__read_constraint},
    {.key = "bias_constraint", .fallback = "null", .read = ib__read_constraint},
    {.key = "quantization_config", .fallback = "null", .read = ib__read_null}};

IB_CONFIGURE(fields)

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    const dense *s = layer->settings;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status != IB_OK) return status;
    if (out->rank < 2 || out->dims[out->rank - 1] < 0) {
        char text[128];
        ib__shape_print(text, out);
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected an input with a known last axis, found %s",
                        text);
    }
    out->dims[out->rank - 1] = s->units;
    return ib__activation_shape(&s->activation, layer, out, err);
}

static ib_status build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    const dense *s = layer->settings;
    ib_shape kernel = {.rank = 2, .dims = {inputs[0].dims[inputs[0].rank - 1], s->units}};
    ib_shape bias = {.rank = 1, .dims = {s->units}};
    ib_status status = ib__layer_add_configured(layer, "kernel", &kernel, true, err);
    if (status == IB_OK && s->use_bias) status = ib__layer_add_configured(layer, "bias", &bias, true, err);
    return status;
}

static ib_node call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const dense *s = layer->settings;
    ib_node y = ib__op_matmul(b->g, inputs[0], ib__layer_weight(layer, b->g, "kernel"));
    if (s->use_bias) y = ib__op_add(b->g, y, ib__layer_weight(layer, b->g, "bias"));
    return ib__activation_call(&s->activation, b->g, y);
}

const ib_layer_class ib__layer_dense = {.name = "Dense",
                                        .rounds = true,
                                        .settings = sizeof(dense),
                                        .configure = configure,
                                        .shape = shape,
                                        .build = build,
                                        .call = call,
                                        .mask = ib__mask_first};
