/* SPDX-License-Identifier: Apache-2.0
 *
 * RandomErasing; layers of random images made of others: RandomColorJitter, Pipeline.
 */
#include <stdio.h>

#include "layers/augment.h"

/* ---- RandomErasing: a rectangle filled with a number, a colour or noise ---- */

typedef struct erasing {
    augment common; /* factor: how likely; second: the part of the image */
    int colours;    /* numbers of the filling; 0: noise */
    float filling[3];
} erasing;

/* null, a number, or a list of three. */
static ib_status read_filling(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    erasing *s = out;
    bool list = value->kind == IB_LIST;
    if (value->kind == IB_NULL) return IB_OK;
    s->colours = list ? 3 : 1;
    bool good = !list || value->count == 3;
    for (int i = 0; good && i < s->colours; i++) {
        double x;
        good = ib__value_number(list ? value->items[i] : value, &x);
        if (good) s->filling[i] = (float)x;
    }
    return good ? IB_OK : ib__fail(err, IB_BAD_INPUT, where, "expected null, a number or a list of three");
}

static const ib_field erasing_fields[] = {IB_AUGMENT_FIELDS,
                                          {.key = "factor",
                                           .fallback = "1.0",
                                           .read = ib__read_range,
                                           IB_AUGMENT(factor),
                                           .high = 1.0,
                                           .choices = "base"},
                                          {.key = "scale",
                                           .fallback = "[0.02, 0.33]",
                                           .read = ib__read_range,
                                           IB_AUGMENT(second),
                                           .high = 1.0,
                                           .choices = "each"},
                                          {.key = "fill_value", .fallback = "null", .read = read_filling},
                                          IB_AUGMENT_VALUES,
                                          IB_AUGMENT_SEED};

static ib_status erasing_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, erasing_fields, sizeof erasing_fields / sizeof *erasing_fields, config,
                               err);
}

static ib_status erasing_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                               ib_error *err) {
    const erasing *s = layer->settings;
    ib_status status = ib__augment_shape(layer, inputs, n, out, err);
    if (status != IB_OK || s->colours < 3 || out->dims[3] == 3) return status;
    return ib__fail(err, IB_BAD_INPUT, layer->place, "fill_value: a list of three needs a last axis of 3");
}

static ib_node filling(const ib_layer *layer, ib_build *b, const ib_shape *shape) {
    const erasing *s = layer->settings;
    ib_graph *g = b->g;
    ib_shape row = {1, {3}};
    ib_node fill = s->colours == 3 ? ib__op_constant_array(g, s->filling, &row)
                   : s->colours == 1
                       ? ib__op_constant(g, s->filling[0])
                       : ib__op_scale(g, ib__layer_normal(layer, b, s->common.seed, "fill", shape),
                                      (float)s->common.range[1]);
    return ib__augment_clip(g, fill, s->common.range[0], s->common.range[1]);
}

static ib_node erasing_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const erasing *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = ib__op_convert(g, inputs[0], IB_TYPE_F32);
    if (!b->training) return x;
    ib_shape shape = ib__node_shape(g, x);
    ib_image_axes axes = ib__image_axes(&s->common);
    ib_node draws = ib__augment_draws(layer, b, x, 6);
    const double *scale = s->common.second;
    ib_node wide = ib__op_sqrt(g, ib__augment_between(g, draws, 0, scale[0], scale[1]));
    ib_node high = ib__op_sqrt(g, ib__augment_between(g, draws, 2, scale[0], scale[1]));
    ib_node across = ib__augment_within(g, &shape, axes.width, wide, ib__augment_draw(g, draws, 1));
    ib_node down = ib__augment_within(g, &shape, axes.height, high, ib__augment_draw(g, draws, 3));
    ib_node chance = ib__augment_between(g, draws, 4, s->common.factor[0], s->common.factor[1]);
    ib_node erased = ib__op_map(g, IB_MAP_less, ib__augment_draw(g, draws, 5), chance, IB_NO_NODE);
    erased = ib__op_map(g, IB_MAP_and, erased, across, IB_NO_NODE);
    erased = ib__op_map(g, IB_MAP_and, erased, down, IB_NO_NODE);
    return ib__op_select(g, erased, filling(layer, b, &shape), x);
}

const ib_layer_class ib__layer_random_erasing = {.name = "RandomErasing",
                                                 .settings = sizeof(erasing),
                                                 .configure = erasing_configure,
                                                 .shape = erasing_shape,
                                                 .call = erasing_call};

/* ---- A chain of parts ---- */

static ib_status chain_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                             size_t *n, ib_error *err) {
    static const char *const name = "inputs";
    if (args->n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input");
    ib_spec spec = args->specs[0];
    out[0] = spec;
    *n = 1;
    for (size_t i = 0; i < layer->n_parts; i++) {
        ib_args one = {.n = 1, .names = &name, .specs = &spec};
        ib_status status = ib__layer_infer(layer->parts[i].layer, &one, out, n, err);
        if (status != IB_OK) return status;
        if (*n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected layers with one output");
        spec = out[0];
    }
    return IB_OK;
}

static void chain_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    static const char *const name = "inputs";
    ib_flow flow = args->flows[0];
    for (size_t i = 0; i < layer->n_parts; i++) {
        ib_args one = {.n = 1, .names = &name, .flows = &flow};
        if (!ib__layer_call(layer->parts[i].layer, b, &one, out)) return;
        flow = out[0];
    }
    out[0] = flow;
}

/* ---- RandomColorJitter: brightness, contrast, saturation and hue, those that have a factor, in this order.
 * As in Keras they take the channels to be last. ---- */

static const ib_field jitter_fields[] = {
    IB_AUGMENT_FIELDS,
    {.key = "value_range", .fallback = "[0, 255]", .read = ib__read_anything},
    {.key = "brightness_factor", .fallback = "null", .read = ib__read_anything},
    {.key = "contrast_factor", .fallback = "null", .read = ib__read_anything},
    {.key = "saturation_factor", .fallback = "null", .read = ib__read_anything},
    {.key = "hue_factor", .fallback = "null", .read = ib__read_anything},
    IB_AUGMENT_SEED};

static ib_status add_jitter(ib_layer *layer, const char *key, const char *class_name, ib_error *err) {
    const ib_value *factor = ib__value_get(layer->config, key);
    if (factor->kind == IB_NULL) return IB_OK;
    char snake[64];
    ib__snake_case(snake, sizeof snake, class_name);
    const char *attribute = ib__arena_strdup(&layer->arena, snake);
    ib_value *config = ib__value_map();
    bool good =
        attribute && ib__value_set(config, "factor", ib__value_copy(factor)) &&
        ib__value_set(config, "value_range", ib__value_copy(ib__value_get(layer->config, "value_range"))) &&
        ib__value_set(config, "seed", ib__value_copy(ib__value_get(layer->config, "seed")));
    if (!good) {
        ib__value_free(config);
        return ib__fail_memory(err);
    }
    ib_value *serialized = ib__serialized("keras.layers", class_name, config);
    if (!serialized) return ib__fail_memory(err);
    ib_status status = ib__layer_add_part(layer, attribute, serialized, attribute, NULL, NULL, err);
    ib__value_free(serialized);
    return status;
}

static ib_status jitter_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    static const char *const kinds[][2] = {{"brightness_factor", "RandomBrightness"},
                                           {"contrast_factor", "RandomContrast"},
                                           {"saturation_factor", "RandomSaturation"},
                                           {"hue_factor", "RandomHue"}};
    ib_status status =
        ib__layer_configure(layer, jitter_fields, sizeof jitter_fields / sizeof *jitter_fields, config, err);
    for (int i = 0; i < 4 && status == IB_OK; i++)
        status = add_jitter(layer, kinds[i][0], kinds[i][1], err);
    return status;
}

const ib_layer_class ib__layer_random_color_jitter = {.name = "RandomColorJitter",
                                                      .settings = sizeof(augment),
                                                      .configure = jitter_configure,
                                                      .infer = chain_infer,
                                                      .apply = chain_apply};

/* ---- Pipeline ---- */

/* A list of serialized layers; configure makes them. */
static ib_status read_layers(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind == IB_LIST && value->count <= 1000) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected a list of layers");
}

static const ib_field pipeline_fields[] = {{.key = "layers", .read = read_layers},
                                           {.key = "name", .read = ib__read_name}};

static ib_status pipeline_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, pipeline_fields,
                                           sizeof pipeline_fields / sizeof *pipeline_fields, config, err);
    if (status != IB_OK) return status;
    ib_value *list = ib__value_get(layer->config, "layers");
    for (size_t i = 0; status == IB_OK && i < list->count; i++) {
        char attribute[200];
        const char *class_name;
        const ib_value *inner;
        ib_value *canonical = NULL;
        status = ib__serialized_parts(list->items[i], "a layer", layer->place, &class_name, &inner, err);
        if (status != IB_OK) break;
        ib__member_group(attribute, sizeof attribute, "layers", list, i, class_name);
        status = ib__layer_add_part(layer, attribute, list->items[i], attribute + strlen("layers/"), NULL,
                                    &canonical, err);
        if (status != IB_OK) break;
        ib__value_free(list->items[i]);
        list->items[i] = canonical;
    }
    return status;
}

const ib_layer_class ib__layer_pipeline = {
    .name = "Pipeline", .configure = pipeline_configure, .infer = chain_infer, .apply = chain_apply};
