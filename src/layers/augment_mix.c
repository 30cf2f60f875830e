/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that mix the images of a batch: MixUp, CutMix; RandAugment and AugMix, which take some of the other
 * layers; and MaxNumBoundingBoxes, which leaves images as they are.
 */
#include "layers/augment.h"
#include "numerics/double.h"

/* ---- The other image of a mixture ---- */

static bool comes_after(const float *keys, int32_t a, int32_t b) {
    return keys[a] > keys[b] || (keys[a] == keys[b] && a > b);
}

/* The numbers of a row's keys in their order, by heap sort; of equal ones the first comes first. */
static void order_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    (void)context;
    size_t n = rows->width[0];
    for (size_t row = first; row < end; row++) {
        const float *keys = (const float *)rows->in[0] + row * n;
        int32_t *out = (int32_t *)rows->out + row * n;
        for (size_t i = 0; i < n; i++)
            out[i] = (int32_t)i;
        for (size_t start = n / 2, length = n; length > 1;) {
            if (start > 0) {
                start--;
            } else {
                length--;
                int32_t top = out[0];
                out[0] = out[length];
                out[length] = top;
            }
            for (size_t at = start, child; (child = 2 * at + 1) < length; at = child) {
                if (child + 1 < length && comes_after(keys, out[child + 1], out[child])) child++;
                if (!comes_after(keys, out[child], out[at])) break;
                int32_t moved = out[at];
                out[at] = out[child];
                out[child] = moved;
            }
        }
    }
}

/* The images in the order of number i of each one's draws. */
static ib_node permuted(ib_graph *g, ib_node x, ib_node draws, int64_t i) {
    int64_t n = ib__node_shape(g, x).dims[0];
    ib_shape row = {2, {1, n}}, line = {1, {n}};
    ib_node keys = ib__op_reshape(g, ib__augment_draw(g, draws, i), &row);
    ib_node order = ib__op_custom_call(g, order_rows, NULL, keys, IB_NO_NODE, IB_TYPE_I32, &row);
    return ib__op_gather(g, x, ib__op_reshape(g, order, &line));
}

/* in[0]: uniform numbers, in[1]: two parameters each; a number of that beta distribution. */
static void beta_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    (void)context;
    const float *u = rows->in[0], *p = rows->in[1];
    for (size_t i = first; i < end; i++)
        ((float *)rows->out)[i] =
            (float)ib__double_beta_quantile((double)u[i] + 0x1p-25, (double)p[2 * i], (double)p[2 * i + 1]);
}

static ib_node beta(ib_graph *g, ib_node draws, int64_t i, ib_node first, ib_node second) {
    ib_node u = ib__augment_draw(g, draws, i);
    ib_shape shape = ib__node_shape(g, u);
    const ib_node both[2] = {ib__op_broadcast_to(g, first, &shape), ib__op_broadcast_to(g, second, &shape)};
    return ib__op_custom_call(g, beta_rows, NULL, u, ib__op_concatenate(g, both, 2, 1), IB_TYPE_F32, &shape);
}

/* ---- MixUp ---- */

static const ib_field mix_up_fields[] = {
    IB_AUGMENT_FIELDS,
    {.key = "alpha", .fallback = "0.2", .read = ib__read_real, IB_AUGMENT(factor), .low = 1e-6, .high = 1e6},
    IB_AUGMENT_SEED};

static ib_node mix_up(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_node draws = ib__augment_draws(layer, b, x, 2);
    ib_node alpha = ib__op_constant(g, (float)s->factor[0]), weight = beta(g, draws, 0, alpha, alpha);
    ib_node rest = ib__op_subtract(g, ib__op_constant(g, 1.0f), weight);
    return ib__op_add(g, ib__op_multiply(g, weight, x), ib__op_multiply(g, rest, permuted(g, x, draws, 1)));
}

IB_AUGMENT_CLASS_THAT(mix_up, "MixUp", mix_up_fields, ib__augment_shape, mix_up, true)

/* ---- CutMix: a rectangle of another image ---- */

static const ib_field cut_mix_fields[] = {IB_AUGMENT_FIELDS, IB_AUGMENT_FACTOR("factor", "1.0", factor),
                                          IB_AUGMENT_SEED};

/* Draws: alpha, the weight of what stays, where the rectangle begins, the order. */
static ib_node cut_mix(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_shape shape = ib__node_shape(g, x);
    ib_image_axes axes = ib__image_axes(s);
    ib_node draws = ib__augment_draws(layer, b, x, 5);
    ib_node alpha = ib__op_offset(g, ib__augment_between(g, draws, 0, s->factor[0], s->factor[1]), 1e-6f);
    ib_node rest = ib__op_subtract(g, ib__op_constant(g, 1.0f), beta(g, draws, 1, alpha, alpha));
    ib_node part = ib__op_sqrt(g, rest);
    ib_node across = ib__augment_within(g, &shape, axes.width, part, ib__augment_draw(g, draws, 2));
    ib_node down = ib__augment_within(g, &shape, axes.height, part, ib__augment_draw(g, draws, 3));
    ib_node cut = ib__op_map(g, IB_MAP_and, across, down, IB_NO_NODE);
    return ib__op_select(g, cut, permuted(g, x, draws, 4), x);
}

IB_AUGMENT_CLASS_THAT(cut_mix, "CutMix", cut_mix_fields, ib__augment_shape, cut_mix, true)

/* ---- Layers that choose among others ---- */

typedef struct rand_augment {
    augment common;
    int64_t operations;
} rand_augment;

static const ib_field rand_augment_fields[] = {IB_AUGMENT_FIELDS,
                                               IB_AUGMENT_VALUES,
                                               {.key = "num_ops",
                                                .fallback = "2",
                                                .read = ib__read_int,
                                                .offset = offsetof(rand_augment, operations),
                                                .low = 0,
                                                .high = 20},
                                               IB_AUGMENT_FACTOR("factor", "0.5", factor),
                                               IB_AUGMENT_INTERPOLATION,
                                               IB_AUGMENT_SEED};

static bool set_copy(ib_value *config, const char *key, const ib_layer *layer, const char *from) {
    return ib__value_set(config, key, ib__value_copy(ib__value_get(layer->config, from)));
}

/* A part with the settings that its class takes. factors: of its settings, those that are our factor. */
static ib_status add_choice(ib_layer *layer, const char *class_name, const char *first, const char *second,
                            const char *others, ib_error *err) {
    char snake[64];
    const augment *s = layer->settings;
    ib__snake_case(snake, sizeof snake, class_name);
    ib_value *config = ib__value_map();
    bool good = set_copy(config, "data_format", layer, "data_format");
    if (first) good = good && set_copy(config, first, layer, "factor");
    if (second) good = good && set_copy(config, second, layer, "factor");
    if (strchr(others, 'i')) good = good && set_copy(config, "interpolation", layer, "interpolation");
    if (strchr(others, 'v')) good = good && set_copy(config, "value_range", layer, "value_range");
    if (strchr(others, 's')) good = good && set_copy(config, "seed", layer, "seed");
    if (strchr(others, 'b')) {
        int64_t bits = (int64_t)(8 * s->factor[1]);
        good = good && ib__value_set(config, "factor", ib__value_int(bits > 1 ? bits : 1));
    }
    ib_value *serialized = good ? ib__serialized("keras.layers", class_name, config) : NULL;
    if (!good) ib__value_free(config);
    if (!serialized) return ib__fail_memory(err);
    ib_status status = ib__layer_add_part(layer, snake, serialized, snake, NULL, NULL, err);
    ib__value_free(serialized);
    return status;
}

/* Of the other settings: i interpolation, v value_range, s seed, b as many bits as the factor has eighths. */
static const char *const choices[][4] = {{"RandomShear", "x_factor", "y_factor", "is"},
                                         {"RandomTranslation", "height_factor", "width_factor", "is"},
                                         {"RandomRotation", "factor", NULL, "is"},
                                         {"RandomBrightness", "factor", NULL, "vs"},
                                         {"RandomColorDegeneration", "factor", NULL, "vs"},
                                         {"RandomContrast", "factor", NULL, "vs"},
                                         {"RandomSharpness", "factor", NULL, "vs"},
                                         {"RandomPosterization", NULL, NULL, "bvs"},
                                         {"Solarization", "addition_factor", "threshold_factor", "vs"},
                                         {"AutoContrast", NULL, NULL, "v"},
                                         {"Equalization", NULL, NULL, "v"}};
enum { CHOICES = sizeof choices / sizeof *choices, COLOURS = 3, COLOURS_END = 7 };

/* basic: without those that change brightness, contrast, colour and sharpness alone. */
static ib_status add_choices(ib_layer *layer, bool basic, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < CHOICES; i++)
        if (!basic || i < COLOURS || i >= COLOURS_END)
            status = add_choice(layer, choices[i][0], choices[i][1], choices[i][2], choices[i][3], err);
    return status;
}

static ib_status choices_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                               ib_error *err) {
    ib_status status = ib__augment_shape(layer, inputs, n, out, err);
    ib_shape same;
    for (size_t i = 0; status == IB_OK && i < layer->n_parts; i++) {
        const ib_layer *part = layer->parts[i].layer;
        status = part->class->shape(part, inputs, n, &same, err);
    }
    return status;
}

/* Where k <= number < k + 1. */
static ib_node is_number(ib_graph *g, ib_node number, float k) {
    ib_node from = ib__op_map(g, IB_MAP_greater_equal, number, ib__op_constant(g, k), IB_NO_NODE);
    ib_node below = ib__op_map(g, IB_MAP_less, number, ib__op_constant(g, k + 1.0f), IB_NO_NODE);
    return ib__op_map(g, IB_MAP_and, from, below, IB_NO_NODE);
}

/* Each image as the part makes it that its number names, counted from 0; as it is if there is none. */
static ib_node as_chosen(ib_layer *layer, ib_build *b, ib_node x, ib_node number) {
    ib_node next = x;
    for (size_t k = 0; k < layer->n_parts; k++) {
        ib_layer *part = layer->parts[k].layer;
        ib_node made = part->class->call(part, b, &x, 1);
        next = ib__op_select(b->g, is_number(b->g, number, (float)k), made, next);
    }
    return next;
}

/* ---- RandAugment: each image goes through num_ops layers out of eleven ---- */

static ib_status rand_augment_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(
        layer, rand_augment_fields, sizeof rand_augment_fields / sizeof *rand_augment_fields, config, err);
    return status == IB_OK ? add_choices(layer, false, err) : status;
}

static ib_node rand_augment_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const rand_augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = ib__op_convert(g, inputs[0], IB_TYPE_F32);
    if (!b->training || s->operations == 0) return x;
    ib_node draws = ib__augment_draws(layer, b, x, s->operations);
    for (int64_t i = 0; i < s->operations; i++)
        x = as_chosen(layer, b, x, ib__op_scale(g, ib__augment_draw(g, draws, i), (float)CHOICES));
    return x;
}

const ib_layer_class ib__layer_rand_augment = {.name = "RandAugment",
                                               .settings = sizeof(rand_augment),
                                               .configure = rand_augment_configure,
                                               .shape = choices_shape,
                                               .call = rand_augment_call};

/* ---- AugMix: the image and what num_chains chains of chain_depth layers make of it, mixed ---- */

typedef struct aug_mix {
    augment common;
    int64_t chains, depth;
    double alpha;
    bool all;
} aug_mix;

static const ib_field aug_mix_fields[] = {
    IB_AUGMENT_FIELDS,
    IB_AUGMENT_VALUES,
    {.key = "num_chains",
     .fallback = "3",
     .read = ib__read_int,
     .offset = offsetof(aug_mix, chains),
     .low = 1,
     .high = 10},
    {.key = "chain_depth",
     .fallback = "3",
     .read = ib__read_int,
     .offset = offsetof(aug_mix, depth),
     .low = 0,
     .high = 10},
    IB_AUGMENT_FACTOR("factor", "0.3", factor),
    {.key = "alpha",
     .fallback = "1.0",
     .read = ib__read_real,
     .offset = offsetof(aug_mix, alpha),
     .low = 1e-6,
     .high = 1e6},
    {.key = "all_ops", .fallback = "true", .read = ib__read_bool, .offset = offsetof(aug_mix, all)},
    IB_AUGMENT_INTERPOLATION,
    IB_AUGMENT_SEED};

static ib_status aug_mix_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, aug_mix_fields,
                                           sizeof aug_mix_fields / sizeof *aug_mix_fields, config, err);
    return status == IB_OK ? add_choices(layer, !((const aug_mix *)layer->settings)->all, err) : status;
}

/* Each use of a part has random numbers of its own. */
static ib_node chain_call(ib_layer *layer, ib_build *b, ib_node x, ib_node draws, int64_t chain) {
    const aug_mix *s = layer->settings;
    for (int64_t i = 0; i < s->depth; i++) {
        int64_t use = chain * s->depth + i;
        for (size_t k = 0; k < layer->n_parts; k++)
            ((augment *)layer->parts[k].layer->settings)->turn = use + 1;
        ib_node u = ib__augment_draw(b->g, draws, s->chains + use);
        x = as_chosen(layer, b, x, ib__op_scale(b->g, u, (float)(layer->n_parts + 1)));
    }
    return x;
}

/* Draws: the weight of the image itself, chains - 1 numbers for the weights of the chains, a layer or none
 * for each place of each chain. The weights are of Dirichlet's distribution: each chain takes a part of what
 * is left, of the beta distribution (alpha, alpha * how many chains follow). */
static ib_node aug_mix_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const aug_mix *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = ib__op_convert(g, inputs[0], IB_TYPE_F32), one = ib__op_constant(g, 1.0f), left = one,
            sum = IB_NO_NODE;
    if (!b->training) return x;
    ib_node alpha = ib__op_constant(g, (float)s->alpha);
    ib_node draws = ib__augment_draws(layer, b, x, s->chains * (s->depth + 1));
    for (int64_t chain = 0; chain < s->chains; chain++) {
        ib_node weight = left;
        if (chain + 1 < s->chains) {
            double rest = s->alpha * (double)(s->chains - 1 - chain);
            ib_node part = beta(g, draws, chain + 1, alpha, ib__op_constant(g, (float)rest));
            weight = ib__op_multiply(g, left, part);
            left = ib__op_multiply(g, left, ib__op_subtract(g, one, part));
        }
        ib_node made = ib__op_multiply(g, weight, chain_call(layer, b, x, draws, chain));
        sum = chain == 0 ? made : ib__op_add(g, sum, made);
    }
    ib_node weight = beta(g, draws, 0, alpha, alpha);
    ib_node rest = ib__op_subtract(g, one, weight);
    x = ib__op_add(g, ib__op_multiply(g, weight, x), ib__op_multiply(g, rest, sum));
    return ib__augment_clip(g, x, s->common.range[0], s->common.range[1]);
}

const ib_layer_class ib__layer_aug_mix = {.name = "AugMix",
                                          .settings = sizeof(aug_mix),
                                          .configure = aug_mix_configure,
                                          .shape = choices_shape,
                                          .call = aug_mix_call};

/* ---- MaxNumBoundingBoxes: boxes are not in a model's tensors ---- */

static const ib_field boxes_fields[] = {
    IB_AUGMENT_FIELDS,
    {.key = "max_number", .read = ib__read_int, IB_AUGMENT(bins), .low = 1, .high = 0x1p31}};

static ib_node as_it_is(ib_layer *layer, ib_build *b, ib_node x) {
    (void)layer, (void)b;
    return x;
}

IB_AUGMENT_CLASS(max_num_bounding_boxes, "MaxNumBoundingBoxes", boxes_fields, ib__augment_shape, as_it_is)
