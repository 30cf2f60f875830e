/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that change the colours of images while training: RandomBrightness, RandomContrast, RandomGrayscale,
 * RandomInvert, RandomColorDegeneration, RandomSaturation, RandomHue, RandomPosterization, RandomSharpness,
 * Solarization; and AutoContrast, which is not random and always at work, as in Keras.
 */
#include <math.h>

#include "layers/augment.h"

#define FACTOR(low_, high_, how)                                                                             \
    .key = "factor", .read = ib__read_range, IB_AUGMENT(factor), .low = low_, .high = high_, .choices = how

/* ---- Brightness, contrast ---- */

static const ib_field brightness_fields[] = {
    IB_AUGMENT_FIELDS, {FACTOR(-1.0, 1.0, "base")}, IB_AUGMENT_VALUES, IB_AUGMENT_SEED};
static const ib_field unit_fields[] = {
    IB_AUGMENT_FIELDS, {FACTOR(0.0, 1.0, "base")}, IB_AUGMENT_VALUES, IB_AUGMENT_SEED};

static ib_node brightness(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_node u = ib__augment_draws(layer, b, x, 1);
    ib_node delta = ib__augment_between(g, u, 0, s->factor[0], s->factor[1]);
    delta = ib__op_scale(g, delta, (float)(s->range[1] - s->range[0]));
    return ib__augment_clip(g, ib__op_add(g, x, delta), s->range[0], s->range[1]);
}

static ib_node contrast(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_image_axes axes = ib__image_axes(s);
    ib_node u = ib__augment_draws(layer, b, x, 1);
    ib_node factor = ib__augment_between(g, u, 0, 1.0 - s->factor[0], 1.0 + s->factor[1]);
    ib_node mean = ib__op_mean(g, ib__op_mean(g, x, 1u << axes.height, true), 1u << axes.width, true);
    ib_node y = ib__op_add(g, ib__op_multiply(g, ib__op_subtract(g, x, mean), factor), mean);
    return ib__augment_clip(g, y, s->range[0], s->range[1]);
}

IB_AUGMENT_CLASS(random_brightness, "RandomBrightness", brightness_fields, ib__augment_shape, brightness)
IB_AUGMENT_CLASS(random_contrast, "RandomContrast", unit_fields, ib__augment_shape, contrast)

/* ---- Grey ---- */

static ib_status colour_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                              ib_error *err) {
    ib_status status = ib__augment_shape(layer, inputs, n, out, err);
    int64_t channels = status == IB_OK ? out->dims[ib__image_axes(layer->settings).channels] : 3;
    if (channels == 3) return status;
    return ib__fail(err, IB_BAD_INPUT, layer->place, "expected images of three colours, found %lld channels",
                    (long long)channels);
}

static ib_status grey_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                            ib_error *err) {
    ib_status status = ib__augment_shape(layer, inputs, n, out, err);
    if (status == IB_OK && out->dims[ib__image_axes(layer->settings).channels] == 1) return IB_OK;
    return status == IB_OK ? colour_shape(layer, inputs, n, out, err) : status;
}

/* One channel, by the weights of tf.image.rgb_to_grayscale. */
static ib_node grey(const augment *s, ib_graph *g, ib_node x) {
    static const float weights[3] = {0.2989f, 0.5870f, 0.1140f};
    int axis = ib__image_axes(s).channels;
    if (ib__node_shape(g, x).dims[axis] == 1) return x;
    ib_shape shape = {4, {1, 1, 1, 1}};
    shape.dims[axis] = 3;
    ib_node parts = ib__op_multiply(g, x, ib__op_constant_array(g, weights, &shape));
    return ib__op_reduce(g, IB_REDUCE_SUM, parts, 1u << axis, true);
}

static const ib_field grayscale_fields[] = {IB_AUGMENT_FIELDS,
                                            {.key = "factor",
                                             .fallback = "0.5",
                                             .read = ib__read_range,
                                             IB_AUGMENT(factor),
                                             .high = 1.0,
                                             .choices = "plain"},
                                            {.key = "seed",
                                             .fallback = "null",
                                             .read = ib__read_optional_int,
                                             IB_AUGMENT(seed),
                                             .high = 0x1p53,
                                             .omit_null = true}};

static ib_node grayscale(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_node u = ib__augment_draw(g, ib__augment_draws(layer, b, x, 1), 0);
    ib_node drawn = ib__op_map(g, IB_MAP_less, u, ib__op_constant(g, (float)s->factor[1]), IB_NO_NODE);
    ib_shape shape = ib__node_shape(g, x);
    return ib__op_select(g, drawn, ib__op_broadcast_to(g, grey(s, g, x), &shape), x);
}

/* As far towards grey (or away from it) as is drawn. */
static ib_node degeneration(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_node u = ib__augment_draws(layer, b, x, 1);
    ib_node factor = ib__augment_between(g, u, 0, s->factor[0], s->factor[1]);
    ib_node away = ib__op_subtract(g, grey(s, g, x), x);
    ib_node y = ib__op_add(g, x, ib__op_multiply(g, factor, away));
    return ib__augment_clip(g, y, s->range[0], s->range[1]);
}

IB_AUGMENT_CLASS(random_grayscale, "RandomGrayscale", grayscale_fields, grey_shape, grayscale)
IB_AUGMENT_CLASS(random_color_degeneration, "RandomColorDegeneration", brightness_fields, grey_shape,
                 degeneration)

/* ---- Invert, solarize ---- */

static const ib_field invert_fields[] = {
    IB_AUGMENT_FIELDS, {FACTOR(0.0, 1.0, "base"), .fallback = "1.0"}, IB_AUGMENT_VALUES, IB_AUGMENT_SEED};

static ib_node invert(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_node u = ib__augment_draws(layer, b, x, 2);
    ib_node chance = ib__augment_between(g, u, 0, s->factor[0], s->factor[1]);
    ib_node drawn = ib__op_map(g, IB_MAP_less, ib__augment_draw(g, u, 1), chance, IB_NO_NODE);
    ib_node turned = ib__op_subtract(g, ib__op_constant(g, (float)s->range[1]), x);
    return ib__op_select(g, drawn, turned, x);
}

static const double bytes[2] = {0, 255};

#define UP(key_, member)                                                                                     \
    {                                                                                                        \
        .key = key_, .fallback = "0.0", .read = ib__read_range, IB_AUGMENT(member), .high = 1.0,             \
        .choices = "up"                                                                                      \
    }
static const ib_field solarization_fields[] = {IB_AUGMENT_FIELDS, IB_AUGMENT_VALUES,
                                               UP("addition_factor", factor), UP("threshold_factor", second),
                                               IB_AUGMENT_SEED};

static ib_node solarize(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_node u = ib__augment_draws(layer, b, x, 2);
    ib_node addition = ib__augment_between(g, u, 0, s->factor[0], s->factor[1] * 255);
    ib_node threshold = ib__augment_between(g, u, 1, s->second[0], s->second[1] * 255);
    x = ib__augment_clip(g, ib__op_add(g, ib__augment_rescaled(g, x, s->range, bytes), addition), 0, 255);
    ib_node below = ib__op_map(g, IB_MAP_less, x, threshold, IB_NO_NODE);
    ib_node turned = ib__op_subtract(g, ib__op_constant(g, 255), x);
    return ib__augment_rescaled(g, ib__op_select(g, below, x, turned), bytes, s->range);
}

IB_AUGMENT_CLASS(random_invert, "RandomInvert", invert_fields, ib__augment_shape, invert)
IB_AUGMENT_CLASS(solarization, "Solarization", solarization_fields, ib__augment_shape, solarize)

/* ---- Sharpness ---- */

/* A part of the way from the image blurred by a 3 x 3 kernel, or beyond it. */
static ib_node sharpen(ib_layer *layer, ib_build *b, ib_node x) {
    static const int last[4] = {0, 2, 3, 1}, back[4] = {0, 3, 1, 2};
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_node u = ib__augment_draws(layer, b, x, 1),
            image = s->channels_first ? ib__op_transpose(g, x, last) : x;
    ib_node factor = ib__op_scale(g, ib__augment_between(g, u, 0, s->factor[0], s->factor[1]), 2);
    int64_t channels = ib__node_shape(g, image).dims[3];
    const float a = (float)(1.0 / 13.0), middle = (float)(5.0 / 13.0);
    const float taps[9] = {a, a, a, a, middle, a, a, a, a};
    ib_shape small = {4, {3, 3, 1, 1}}, whole = {4, {3, 3, 1, channels}};
    ib_node kernel = ib__op_broadcast_to(g, ib__op_constant_array(g, taps, &small), &whole);
    const ib_window window = {
        .taps = {3, 3}, .strides = {1, 1}, .dilation = {1, 1}, .low = {1, 1}, .high = {1, 1}};
    ib_node blurred = ib__op_convolution(g, image, kernel, &window, channels);
    ib_node away = ib__op_subtract(g, ib__op_constant(g, 1), factor);
    image = ib__op_add(g, image, ib__op_multiply(g, away, ib__op_subtract(g, blurred, image)));
    image = ib__augment_clip(g, image, s->range[0], s->range[1]);
    return s->channels_first ? ib__op_transpose(g, image, back) : image;
}

IB_AUGMENT_CLASS(random_sharpness, "RandomSharpness", unit_fields, ib__augment_shape, sharpen)

/* ---- By pixels: saturation, hue, posterization; nothing flows back through them ---- */

typedef struct colours colours;
typedef void pixel_fn(const augment *s, float factor, float *pixel);

struct colours {
    const augment *settings;
    size_t step, stride; /* from pixel to pixel, from channel to channel */
    size_t pixels, draws, channels;
    float (*factor)(const augment *s, const float *u);
    pixel_fn *change;
};

static void colour_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const colours *c = context;
    for (size_t row = first; row < end; row++) {
        const float *x = (const float *)rows->in[0] + row * rows->width[0];
        float *out = (float *)rows->out + row * rows->out_width;
        float factor = c->factor(c->settings, (const float *)rows->in[1] + row * c->draws);
        for (size_t i = 0; i < c->pixels; i++) {
            float pixel[3] = {0};
            for (size_t k = 0; k < c->channels; k++)
                pixel[k] = x[i * c->step + k * c->stride];
            c->change(c->settings, factor, pixel);
            for (size_t k = 0; k < c->channels; k++)
                out[i * c->step + k * c->stride] = pixel[k];
        }
    }
}

/* channels: that a pixel's change looks at together; 1: each number is a pixel. */
static ib_node change_pixels(ib_layer *layer, ib_build *b, ib_node x, size_t channels, size_t draws,
                             float (*factor)(const augment *, const float *), pixel_fn *change) {
    const augment *s = layer->settings;
    ib_shape shape = ib__node_shape(b->g, x);
    size_t numbers = (size_t)(shape.dims[1] * shape.dims[2] * shape.dims[3]), pixels = numbers / channels;
    colours *c = ib__arena_alloc(&layer->arena, sizeof *c);
    if (!c) return ib__graph_fail(b->g, IB_NO_MEMORY, "out of memory");
    bool planes = s->channels_first && channels > 1;
    *c = (colours){s, planes ? 1 : channels, planes ? pixels : 1, pixels, draws, channels, factor, change};
    ib_node u = ib__augment_draws(layer, b, x, (int64_t)draws);
    return ib__op_custom_call(b->g, colour_rows, c, x, u, IB_TYPE_F32, &shape);
}

static float spread(float u, double low, double high) {
    return u * ((float)high - (float)low) + (float)low;
}

/* As tf.image.rgb_to_hsv. */
static void to_hsv(float *p) {
    float r = p[0], g = p[1], b = p[2];
    float top = fmaxf(r, fmaxf(g, b)), width = top - fminf(r, fminf(g, b)), h = 0.0f;
    if (width > 0.0f) {
        float unit = 1.0f / (6.0f * width);
        h = r == top   ? unit * (g - b)
            : g == top ? unit * (b - r) + 2.0f / 6.0f
                       : unit * (r - g) + 4.0f / 6.0f;
    }
    p[0] = h < 0.0f ? h + 1.0f : h;
    p[1] = top > 0.0f ? width / top : 0.0f;
    p[2] = top;
}

static float clipped(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

static void to_rgb(float *p) {
    float h = p[0] * 6.0f, s = p[1], v = p[2];
    float parts[3] = {fabsf(h - 3.0f) - 1.0f, 2.0f - fabsf(h - 2.0f), 2.0f - fabsf(h - 4.0f)};
    for (int i = 0; i < 3; i++)
        p[i] = ((1.0f - s) + s * clipped(parts[i], 0.0f, 1.0f)) * v;
}

static float saturation_factor(const augment *s, const float *u) {
    float factor = spread(u[0], s->factor[0], s->factor[1]);
    return factor / (1.0f - factor + 1e-7f);
}

static void saturate_pixel(const augment *s, float factor, float *pixel) {
    to_hsv(pixel);
    pixel[1] = clipped(pixel[1] * factor, (float)s->range[0], (float)s->range[1]);
    to_rgb(pixel);
}

static float hue_factor(const augment *s, const float *u) {
    return (u[0] > 0.5f ? -1.0f : 1.0f) * spread(u[1], s->factor[0], s->factor[1]) * 0.5f;
}

static void turn_pixel(const augment *s, float factor, float *pixel) {
    float low = (float)s->range[0], width = (float)s->range[1] - low;
    for (int i = 0; i < 3; i++)
        pixel[i] = (pixel[i] - low) / width;
    to_hsv(pixel);
    float h = pixel[0] + factor;
    if (h > 1.0f) h -= 1.0f;
    pixel[0] = h < 0.0f ? h + 1.0f : h;
    to_rgb(pixel);
    for (int i = 0; i < 3; i++)
        pixel[i] = clipped(pixel[i], 0.0f, 1.0f) * width + low;
}

/* How many bits go: 8 less what is drawn, from factor[0] to before factor[1]. */
static float posterization_factor(const augment *s, const float *u) {
    return 8.0f - floorf(spread(u[0], s->factor[0], s->factor[1]));
}

static void posterize_pixel(const augment *s, float factor, float *pixel) {
    float low = (float)s->range[0], width = (float)s->range[1] - low;
    float x = clipped((*pixel - low) / width * 255.0f, 0.0f, 255.0f);
    unsigned bits = (unsigned)factor, byte = x == x ? (unsigned)x : 0u;
    *pixel = (float)(byte >> bits << bits) / 255.0f * width + low;
}

/* With the range of a byte nothing is scaled, so that the steps are exact. */
static void posterize_byte(const augment *s, float factor, float *pixel) {
    (void)s;
    float x = clipped(*pixel, 0.0f, 255.0f);
    unsigned bits = (unsigned)factor, byte = x == x ? (unsigned)x : 0u;
    *pixel = (float)(byte >> bits << bits);
}

static ib_node saturation(ib_layer *layer, ib_build *b, ib_node x) {
    return change_pixels(layer, b, x, 3, 1, saturation_factor, saturate_pixel);
}

static ib_node hue(ib_layer *layer, ib_build *b, ib_node x) {
    return change_pixels(layer, b, x, 3, 2, hue_factor, turn_pixel);
}

static ib_node posterization(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    bool plain = s->range[0] == bytes[0] && s->range[1] == bytes[1];
    return change_pixels(layer, b, x, 1, 1, posterization_factor, plain ? posterize_byte : posterize_pixel);
}

static const ib_field posterization_fields[] = {
    IB_AUGMENT_FIELDS, {FACTOR(1.0, 8.0, "each")}, IB_AUGMENT_VALUES, IB_AUGMENT_SEED};

IB_AUGMENT_CLASS(random_saturation, "RandomSaturation", brightness_fields, colour_shape, saturation)
IB_AUGMENT_CLASS(random_hue, "RandomHue", unit_fields, colour_shape, hue)
IB_AUGMENT_CLASS(random_posterization, "RandomPosterization", posterization_fields, ib__augment_shape,
                 posterization)

/* ---- AutoContrast: each channel over its whole range. Keras takes axes 1 and 2 for any data_format. ---- */

static const ib_field auto_contrast_fields[] = {IB_AUGMENT_FIELDS, IB_AUGMENT_VALUES};

static ib_status auto_contrast_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, auto_contrast_fields,
                               sizeof auto_contrast_fields / sizeof *auto_contrast_fields, config, err);
}

static ib_node auto_contrast_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    const unsigned axes = 1u << 1 | 1u << 2;
    ib_node original = ib__op_convert(g, inputs[0], IB_TYPE_F32),
            x = ib__augment_rescaled(g, original, s->range, bytes);
    ib_node low = ib__op_reduce(g, IB_REDUCE_MIN, x, axes, true);
    ib_node high = ib__op_reduce(g, IB_REDUCE_MAX, x, axes, true);
    ib_node scale = ib__op_divide(g, ib__op_constant(g, 255), ib__op_subtract(g, high, low));
    ib_node offset = ib__op_multiply(g, ib__op_negate(g, low), scale);
    x = ib__op_add(g, ib__op_multiply(g, x, scale), offset);
    x = ib__augment_rescaled(g, ib__augment_clip(g, x, 0, 255), bytes, s->range);
    ib_node number = ib__op_map(g, IB_MAP_equal, x, x, IB_NO_NODE);
    return ib__op_select(g, number, x, original);
}

const ib_layer_class ib__layer_auto_contrast = {.name = "AutoContrast",
                                                .settings = sizeof(augment),
                                                .configure = auto_contrast_configure,
                                                .shape = ib__augment_shape,
                                                .call = auto_contrast_call};
