/* SPDX-License-Identifier: Apache-2.0
 *
 * RandomElasticTransform: each pixel of an image comes from a place nearby, which a smooth field of random
 * numbers gives. As in Keras one field serves for both directions.
 */
#include <math.h>

#include "layers/augment.h"

enum { REFLECT, WRAP, CONSTANT, NEAREST, MIRROR }; /* fill_mode */

typedef struct elastic {
    augment common; /* second: the scale */
    ib_image_layout layout;
    bool down; /* which way a field is smoothed */
} elastic;

static const ib_field elastic_fields[] = {IB_AUGMENT_FIELDS,
                                          IB_AUGMENT_FACTOR("factor", "1.0", factor),
                                          IB_AUGMENT_FACTOR("scale", "1.0", second),
                                          IB_AUGMENT_INTERPOLATION,
                                          {.key = "fill_mode",
                                           .fallback = "\"reflect\"",
                                           .read = ib__read_choice,
                                           IB_AUGMENT(fill),
                                           .choices = "reflect wrap constant nearest mirror"},
                                          IB_AUGMENT_FILL_VALUE,
                                          IB_AUGMENT_VALUES,
                                          IB_AUGMENT_SEED};

/* An image's magnitude: number 2 of its draws, within the scale. */
static float magnitude(const elastic *s, const float *draws) {
    const double *scale = s->common.second;
    return draws[2] * ((float)scale[1] - (float)scale[0]) + (float)scale[0];
}

/* The standard deviation of an image's field and of the bell that smooths it, in pixels. */
static float deviation(const elastic *s, const float *draws) {
    size_t h = s->layout.height, w = s->layout.width;
    return (float)(h < w ? h : w) * (0.05f * magnitude(s, draws));
}

/* One line of a field, smoothed with a bell of as many places as Keras gives it; outside are zeros. */
static void smooth_line(const float *x, float *out, int64_t n, int64_t stride, float sigma) {
    int64_t half = (6 * (int64_t)sigma | 1) / 2;
    double total = 0.0;
    for (int64_t k = -half; k <= half; k++)
        total += ib__double_exp(-0.5 * ((double)k / (double)sigma) * ((double)k / (double)sigma));
    for (int64_t i = 0; i < n; i++)
        out[i * stride] = 0.0f;
    for (int64_t k = -half; k <= half; k++) {
        double place = (double)k / (double)sigma;
        float weight = (float)(ib__double_exp(-0.5 * place * place) / total);
        for (int64_t i = k < 0 ? -k : 0; i < n && i + k < n; i++)
            out[i * stride] = fmaf(weight, x[(i + k) * stride], out[i * stride]);
    }
}

/* in[0]: fields [n, h, w], in[1]: the images' draws. Across, standard normal numbers take their deviation. A
 * field without deviation is zero. */
static void smooth_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const elastic *s = context;
    int64_t h = (int64_t)s->layout.height, w = (int64_t)s->layout.width;
    for (size_t row = first; row < end; row++) {
        const float *x = (const float *)rows->in[0] + row * rows->width[0];
        float *out = (float *)rows->out + row * rows->out_width;
        float sigma = deviation(s, (const float *)rows->in[1] + row * rows->width[1]);
        memset(out, 0, rows->out_width * sizeof *out);
        for (int64_t i = 0; sigma > 0.0f && i < (s->down ? w : h); i++)
            if (s->down)
                smooth_line(x + i, out + i, h, w, sigma);
            else
                smooth_line(x + i * w, out + i * w, w, 1, sigma);
        for (size_t i = 0; !s->down && i < rows->out_width; i++)
            out[i] *= sigma;
    }
}

/* Place i of n places as fill_mode has it; -1: outside. "reflect" is Keras's: place -1 is place 1, place n is
 * n - 1. "mirror", with which Keras stops on TensorFlow, repeats neither the first nor the last place. */
static int64_t placed(int fill, int64_t i, int64_t n) {
    if (i >= 0 && i < n) return i;
    if (fill == CONSTANT) return -1;
    if (fill == NEAREST || n == 1) return i < 0 ? 0 : n - 1;
    if (fill == WRAP) return (i % n + n) % n;
    int64_t from = i < 0 ? -i : i, period = fill == MIRROR ? 2 * (n - 1) : 2 * n;
    from %= period;
    return from < n ? from : fill == MIRROR ? period - from : period - from - 1;
}

static float at_place(const elastic *s, const float *plane, int64_t y, int64_t x, size_t channel) {
    const ib_image_layout *l = &s->layout;
    y = placed(s->common.fill, y, (int64_t)l->height);
    x = placed(s->common.fill, x, (int64_t)l->width);
    if (y < 0 || x < 0) return (float)s->common.fill_value;
    return plane[((size_t)y * l->width + (size_t)x) * l->step + channel];
}

static float between_places(const elastic *s, const float *plane, float y, float x, size_t channel) {
    float top = floorf(y), left = floorf(x), wy = y - top, wx = x - left;
    int64_t row = (int64_t)top, column = (int64_t)left;
    float sum = (1.0f - wy) * (1.0f - wx) * at_place(s, plane, row, column, channel);
    sum += (1.0f - wy) * wx * at_place(s, plane, row, column + 1, channel);
    sum += wy * (1.0f - wx) * at_place(s, plane, row + 1, column, channel);
    return sum + wy * wx * at_place(s, plane, row + 1, column + 1, channel);
}

static void distort_plane(const elastic *s, const float *field, float alpha, const float *plane, float *out) {
    const ib_image_layout *l = &s->layout;
    for (size_t i = 0; i < l->height * l->width; i++) {
        size_t row = i / l->width;
        float away = alpha * field[i], y = (float)row + away, x = (float)(i - row * l->width) + away;
        for (size_t k = 0; k < l->step; k++)
            out[i * l->step + k] = s->common.interpolation
                                       ? between_places(s, plane, y, x, k)
                                       : at_place(s, plane, (int64_t)rintf(y), (int64_t)rintf(x), k);
    }
}

/* in[1]: [n, h * w + 1], the field and how far it takes a pixel. */
static void distort_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const elastic *s = context;
    size_t pixels = s->layout.height * s->layout.width, size = pixels * s->layout.step;
    for (size_t row = first; row < end; row++) {
        const float *field = (const float *)rows->in[1] + row * rows->width[1];
        for (size_t p = 0; p < s->layout.planes; p++) {
            size_t at = row * rows->width[0] + p * size;
            distort_plane(s, field, field[pixels], (const float *)rows->in[0] + at, (float *)rows->out + at);
        }
    }
}

/* Draws: a chance, the number that is compared with it, the magnitude. */
static ib_node distorted(ib_layer *layer, ib_build *b, ib_node x, ib_node draws) {
    ib_graph *g = b->g;
    elastic *across = ib__graph_memory(g, 2, sizeof *across), *down = across + 1;
    if (!across) return IB_NO_NODE;
    ib_shape shape = ib__node_shape(g, x);
    *across = *(const elastic *)layer->settings;
    across->layout = ib__image_layout(&across->common, &shape);
    *down = *across;
    down->down = true;
    size_t h = down->layout.height, w = down->layout.width;
    ib_shape field = {3, {shape.dims[0], (int64_t)h, (int64_t)w}};
    ib_node z = ib__layer_normal(layer, b, across->common.seed, "field", &field);
    z = ib__op_custom_call(g, smooth_rows, across, z, draws, IB_TYPE_F32, &field);
    z = ib__op_custom_call(g, smooth_rows, down, z, draws, IB_TYPE_F32, &field);
    const double *scale = across->common.second;
    ib_shape line = {2, {shape.dims[0], (int64_t)(h * w)}}, one = {2, {shape.dims[0], 1}};
    ib_node alpha = ib__op_scale(g, ib__augment_between(g, draws, 2, scale[0], scale[1]), 0.1f);
    alpha = ib__op_reshape(g, ib__op_scale(g, alpha, (float)(h > w ? h : w)), &one);
    const ib_node parts[2] = {ib__op_reshape(g, z, &line), alpha};
    return ib__op_custom_call(g, distort_rows, down, x, ib__op_concatenate(g, parts, 2, 1), IB_TYPE_F32,
                              &shape);
}

static ib_status elastic_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, elastic_fields, sizeof elastic_fields / sizeof *elastic_fields, config,
                               err);
}

static ib_node elastic_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = ib__op_convert(g, inputs[0], IB_TYPE_F32);
    if (!b->training || s->factor[1] == 0.0 || s->second[1] == 0.0) return x;
    ib_node draws = ib__augment_draws(layer, b, x, 3);
    x = ib__op_select(g, ib__augment_chosen(g, draws, s->factor), distorted(layer, b, x, draws), x);
    return ib__augment_clip(g, x, s->range[0], s->range[1]);
}

const ib_layer_class ib__layer_random_elastic_transform = {.name = "RandomElasticTransform",
                                                           .settings = sizeof(elastic),
                                                           .configure = elastic_configure,
                                                           .shape = ib__augment_shape,
                                                           .call = elastic_call};
