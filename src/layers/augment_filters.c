/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that look at the whole of an image or at what is around each pixel: RandomGaussianBlur; Equalization
 * and ContrastLimitedAdaptiveHistogramEqualization, which are not random.
 */
#include <math.h>

#include "layers/augment.h"
#include "numerics/double.h"

/* ---- RandomGaussianBlur ---- */

enum { TAPS_MAX = 255 };

typedef struct blur {
    augment common; /* second: the standard deviations */
    int64_t taps[2];
    ib_image_layout layout;
} blur;

/* An odd number, or two of them, written as two. */
static ib_status read_taps(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    (void)field;
    int64_t *taps = out;
    bool list = value->kind == IB_LIST, good = !list || value->count == 2;
    for (size_t i = 0; good && i < 2; i++) {
        const ib_value *item = list ? value->items[i] : value;
        good = item->kind == IB_INT && item->integer > 0 && item->integer <= TAPS_MAX && item->integer % 2;
        if (good) taps[i] = item->integer;
    }
    if (!good)
        return ib__fail(err, IB_BAD_INPUT, where, "expected an odd number up to %d, or two of them",
                        (int)TAPS_MAX);
    if (list) return IB_OK;
    *canonical = ib__value_list();
    for (int i = 0; i < 2; i++)
        if (!ib__value_add(*canonical, ib__value_copy(value))) return ib__fail_memory(err);
    return IB_OK;
}

static const ib_field blur_fields[] = {
    IB_AUGMENT_FIELDS,
    IB_AUGMENT_FACTOR("factor", "1.0", factor),
    {.key = "kernel_size", .fallback = "3", .read = read_taps, .offset = offsetof(blur, taps)},
    IB_AUGMENT_FACTOR("sigma", "1.0", second),
    IB_AUGMENT_VALUES,
    IB_AUGMENT_SEED};

static ib_status blur_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, blur_fields, sizeof blur_fields / sizeof *blur_fields, config, err);
}

/* A line of the normal density, its sum 1. */
static void bell(double *line, int64_t n, float sigma) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = ((double)i - (double)(n - 1) / 2.0) / (double)sigma;
        line[i] = ib__double_exp(-0.5 * x * x);
        sum += line[i];
    }
    for (int64_t i = 0; i < n; i++)
        line[i] /= sum;
}

/* out += weight * what lies (down, across) from each place, where that is inside of the plane. */
static void add_moved(const ib_image_layout *l, float weight, int64_t down, int64_t across, const float *x,
                      float *out) {
    int64_t height = (int64_t)l->height, width = (int64_t)l->width, step = (int64_t)l->step;
    int64_t left = across < 0 ? -across : 0, right = across > 0 ? width - across : width;
    for (int64_t row = down < 0 ? -down : 0; row < height && row + down < height; row++) {
        const float *from = x + ((row + down) * width + across) * step;
        float *to = out + row * width * step;
        for (int64_t i = left * step; i < right * step; i++)
            to[i] = fmaf(weight, from[i], to[i]);
    }
}

/* in[1]: the images' draws; numbers 2 and 3 give the standard deviations across and down. The kernel is the
 * product of two lines, read row by row as kernel_size has them. A pixel is one chain over the taps, as in a
 * convolution. */
static void blur_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const blur *s = context;
    const ib_image_layout *l = &s->layout;
    const double *range = s->common.second;
    size_t size = l->height * l->width * l->step;
    for (size_t row = first; row < end; row++) {
        const float *u = (const float *)rows->in[1] + row * rows->width[1];
        const float *x = (const float *)rows->in[0] + row * rows->width[0];
        float *out = (float *)rows->out + row * rows->out_width;
        double lines[2][TAPS_MAX] = {{0}};
        for (int k = 0; k < 2; k++)
            bell(lines[k], s->taps[k],
                 u[2 + k] * ((float)range[1] - (float)range[0]) + (float)range[0] + 1e-6f);
        memset(out, 0, rows->out_width * sizeof *out);
        for (int64_t i = 0; i < s->taps[0] * s->taps[1]; i++) {
            float weight = (float)(lines[1][i / s->taps[0]] * lines[0][i % s->taps[0]]);
            int64_t down = i / s->taps[1] - s->taps[0] / 2, across = i % s->taps[1] - s->taps[1] / 2;
            for (size_t p = 0; p < l->planes; p++)
                add_moved(l, weight, down, across, x + p * size, out + p * size);
        }
    }
}

static ib_node blurred(ib_graph *g, const blur *s, ib_node x, ib_node draws) {
    blur *own = ib__graph_memory(g, 1, sizeof *own);
    if (!own) return IB_NO_NODE;
    ib_shape shape = ib__node_shape(g, x);
    *own = *s;
    own->layout = ib__image_layout(&s->common, &shape);
    return ib__op_custom_call(g, blur_rows, own, x, draws, IB_TYPE_F32, &shape);
}

static ib_node blur_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const blur *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = ib__op_convert(g, inputs[0], IB_TYPE_F32);
    if (!b->training) return x;
    ib_node draws = ib__augment_draws(layer, b, x, 4);
    x = ib__op_select(g, ib__augment_chosen(g, draws, s->common.factor), blurred(g, s, x, draws), x);
    return ib__augment_clip(g, x, s->common.range[0], s->common.range[1]);
}

const ib_layer_class ib__layer_random_gaussian_blur = {.name = "RandomGaussianBlur",
                                                       .settings = sizeof(blur),
                                                       .configure = blur_configure,
                                                       .shape = ib__augment_shape,
                                                       .call = blur_call};

/* ---- Equalization: of each channel of an image. Keras takes the numbers of all images of a batch for one
 * histogram. ---- */

typedef struct equalization {
    augment common;
    ib_image_layout layout;
} equalization;

static const ib_field equalization_fields[] = {
    IB_AUGMENT_FIELDS,
    {.key = "bins", .fallback = "256", .read = ib__read_int, IB_AUGMENT(bins), .low = 2, .high = 4096},
    IB_AUGMENT_VALUES};

/* What one channel's numbers become. counts: how many lie in each bin. */
static void equalize(const augment *s, size_t n, size_t stride, const float *x, float *out) {
    int32_t counts[4096] = {0};
    int last = (int)s->bins - 1, used = 0, seen = 0, least = 0;
    double scale = 255.0 / (s->range[1] - s->range[0]), offset = 0.0 - s->range[0] * scale;
    double back = (s->range[1] - s->range[0]) / 255.0;
    for (size_t i = 0; i < n; i++) {
        float v = x[i * stride] * (float)scale + (float)offset, bin = v * (float)last / 255.0f;
        used += counts[bin > 0 ? bin < (float)last ? (int)bin : last : 0]++ == 0;
    }
    for (int i = 0; i <= last; i++) {
        if (least == 0) least = counts[i];
        counts[i] = seen += counts[i];
    }
    double rest = seen > least ? (double)(seen - least) : 1.0;
    for (size_t i = 0; i < n; i++) {
        float v = x[i * stride] * (float)scale + (float)offset, bin = v / 255.0f * (float)last;
        int at = bin > 0 ? bin < (float)last ? (int)bin : last : 0;
        double y = (double)(counts[at] - least) * 255.0 / rest, whole = rint(y);
        if (used <= 1)
            y = (double)v;
        else
            y = whole < 0 ? 0 : whole > 255 ? 255 : whole;
        out[i * stride] = (float)(y * back + s->range[0]);
    }
}

static void equalize_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const equalization *s = context;
    const ib_image_layout *l = &s->layout;
    size_t pixels = l->height * l->width;
    for (size_t row = first; row < end; row++)
        for (size_t i = 0; i < l->planes * l->step; i++) {
            size_t at = row * rows->width[0] + i / l->step * pixels + i % l->step;
            equalize(&s->common, pixels, l->step, (const float *)rows->in[0] + at, (float *)rows->out + at);
        }
}

/* Steps have no slope. */
static ib_node d_none(ib_graph *g, const ib_node in[2], ib_node y, ib_node dy, int i) {
    (void)g, (void)in, (void)y, (void)dy, (void)i;
    return IB_NO_NODE;
}

static ib_node equalization_train(ib_layer *layer, ib_build *b, ib_node x) {
    equalization *own = ib__graph_memory(b->g, 1, sizeof *own);
    if (!own) return IB_NO_NODE;
    const augment *s = layer->settings;
    ib_shape shape = ib__node_shape(b->g, x);
    *own = (equalization){*s, ib__image_layout(s, &shape)};
    const ib_rows_function f = {equalize_rows, d_none, own};
    return ib__op_function_call(b->g, &f, x, IB_NO_NODE, &shape);
}

IB_AUGMENT_CLASS(equalization, "Equalization", equalization_fields, ib__augment_shape, equalization_train)

/* ---- ContrastLimitedAdaptiveHistogramEqualization: a map of the 256 values for each tile of a grid; a pixel
 * takes what the maps of the four nearest tiles make of it. ---- */

typedef struct clahe {
    augment common;
    int64_t grid[2]; /* rows and columns of tiles */
    double limit;
    size_t tile[2], height, width, channels;
} clahe;

static ib_status read_grid(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    int64_t *grid = out;
    bool good = value->kind == IB_LIST && value->count == 2;
    for (size_t i = 0; good && i < 2; i++) {
        good = value->items[i]->kind == IB_INT && value->items[i]->integer > 0 &&
               value->items[i]->integer <= 256;
        if (good) grid[i] = value->items[i]->integer;
    }
    return good ? IB_OK : ib__fail(err, IB_BAD_INPUT, where, "expected two numbers from 1 to 256");
}

static const ib_field clahe_fields[] = {
    IB_AUGMENT_FIELDS,
    IB_AUGMENT_VALUES,
    {.key = "clip_limit",
     .fallback = "4.0",
     .read = ib__read_real,
     .offset = offsetof(clahe, limit),
     .low = 0.0,
     .high = 0x1p40},
    {.key = "tile_grid_size", .fallback = "[8, 8]", .read = read_grid, .offset = offsetof(clahe, grid)}};

static ib_status clahe_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, clahe_fields, sizeof clahe_fields / sizeof *clahe_fields, config, err);
}

/* A tile has one size; an image that the tiles do not fill goes on as its mirror image. */
static ib_status clahe_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                             ib_error *err) {
    const clahe *s = layer->settings;
    ib_image_axes axes = ib__image_axes(&s->common);
    ib_status status = ib__augment_shape(layer, inputs, n, out, err);
    if (status != IB_OK) return status;
    const int64_t sizes[2] = {out->dims[axes.height], out->dims[axes.width]};
    for (int i = 0; i < 2; i++) {
        int64_t tile = (sizes[i] + s->grid[i] - 1) / s->grid[i];
        if (tile * s->grid[i] - sizes[i] > sizes[i])
            return ib__fail(err, IB_BAD_INPUT, layer->place,
                            "tile_grid_size: %lld tiles are too many for images of %lld pixels",
                            (long long)s->grid[i], (long long)sizes[i]);
    }
    return IB_OK;
}

static size_t mirrored(size_t i, size_t n) {
    return i < n ? i : 2 * n - 1 - i;
}

static int byte_of(float x) {
    return x > 0.0f ? x < 255.0f ? (int)x : 255 : 0;
}

/* Counts above the limit are cut and spread over all values; map: the sums so far, scaled to 0 to 255. */
static void make_map(const clahe *s, float *map) {
    float size = (float)(s->tile[0] * s->tile[1]);
    float limit = (float)(s->limit * (double)size / 256.0), excess = 0.0f, sum = 0.0f, least = 0.0f;
    for (int i = 0; i < 256 && s->limit > 0; i++) {
        float cut = map[i] > limit ? limit : map[i];
        excess += map[i] - cut;
        map[i] = cut;
    }
    for (int i = 0; i < 256; i++) {
        sum += map[i] + excess / 256.0f;
        if (i == 0) least = sum;
        float rest = size - least;
        float y = (sum - least) * 255.0f / (rest == 0.0f ? 1.0f : rest);
        map[i] = y < 0.0f ? 0.0f : y > 255.0f ? 255.0f : y;
    }
}

/* x: [n, h, w, c] -> [n, rows, columns, c, 256] */
static void map_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const clahe *s = context;
    size_t columns = (size_t)s->grid[1], tiles = (size_t)s->grid[0] * columns;
    for (size_t row = first; row < end; row++) {
        const float *x = (const float *)rows->in[0] + row * rows->width[0];
        float *maps = (float *)rows->out + row * rows->out_width;
        memset(maps, 0, rows->out_width * sizeof *maps);
        for (size_t i = 0; i < tiles * s->tile[0] * s->tile[1]; i++) {
            size_t down = i / (columns * s->tile[1]), across = i % (columns * s->tile[1]);
            size_t from = mirrored(down, s->height) * s->width + mirrored(across, s->width);
            size_t tile = down / s->tile[0] * columns + across / s->tile[1];
            for (size_t k = 0; k < s->channels; k++)
                maps[(tile * s->channels + k) * 256 + (size_t)byte_of(x[from * s->channels + k])] += 1.0f;
        }
        for (size_t i = 0; i < tiles * s->channels; i++)
            make_map(s, maps + i * 256);
    }
}

/* The tiles before and after place i of an axis, and the weight of the second one. */
static float neighbours(const clahe *s, int axis, size_t i, size_t tiles[2]) {
    float size = (float)s->tile[axis], at = ((float)i - size / 2.0f) / size + 1.0f, before = floorf(at);
    for (int k = 0; k < 2; k++) {
        int64_t tile = (int64_t)before + k - 1, last = s->grid[axis] - 1;
        tiles[k] = (size_t)(tile < 0 ? 0 : tile > last ? last : tile);
    }
    return at - before;
}

static void look_up(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const clahe *s = context;
    size_t line = s->channels * 256;
    for (size_t row = first; row < end; row++) {
        const float *maps = (const float *)rows->in[1] + row * rows->width[1];
        for (size_t i = 0; i < s->height * s->width; i++) {
            size_t down[2], across[2], at = row * rows->width[0] + i * s->channels;
            float wy = neighbours(s, 0, i / s->width, down), wx = neighbours(s, 1, i % s->width, across);
            for (size_t k = 0; k < s->channels; k++) {
                size_t value = k * 256 + (size_t)byte_of(((const float *)rows->in[0])[at + k]);
                float part[2];
                for (int j = 0; j < 2; j++) {
                    const float *tiles = maps + down[j] * (size_t)s->grid[1] * line + value;
                    part[j] = tiles[across[0] * line] * (1.0f - wx) + tiles[across[1] * line] * wx;
                }
                ((float *)rows->out)[at + k] = part[0] * (1.0f - wy) + part[1] * wy;
            }
        }
    }
}

static ib_node clahe_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    static const double bytes[2] = {0, 255};
    ib_graph *g = b->g;
    clahe *s = ib__graph_memory(g, 1, sizeof *s);
    if (!s) return IB_NO_NODE;
    *s = *(const clahe *)layer->settings;
    ib_node x = ib__op_convert(g, inputs[0], IB_TYPE_F32);
    bool first = s->common.channels_first;
    if (first) x = ib__op_transpose(g, x, (int[]){0, 2, 3, 1});
    ib_shape shape = ib__node_shape(g, x);
    s->height = (size_t)shape.dims[1];
    s->width = (size_t)shape.dims[2];
    s->channels = (size_t)shape.dims[3];
    s->tile[0] = (s->height + (size_t)s->grid[0] - 1) / (size_t)s->grid[0];
    s->tile[1] = (s->width + (size_t)s->grid[1] - 1) / (size_t)s->grid[1];
    ib_shape maps = {5, {shape.dims[0], s->grid[0], s->grid[1], shape.dims[3], 256}};
    x = ib__augment_rescaled(g, x, s->common.range, bytes);
    const ib_rows_function count = {map_rows, d_none, s}, look = {look_up, d_none, s};
    x = ib__op_function_call(g, &look, x, ib__op_function_call(g, &count, x, IB_NO_NODE, &maps), &shape);
    x = ib__augment_rescaled(g, x, bytes, s->common.range);
    return first ? ib__op_transpose(g, x, (int[]){0, 3, 1, 2}) : x;
}

const ib_layer_class ib__layer_clahe = {.name = "ContrastLimitedAdaptiveHistogramEqualization",
                                        .settings = sizeof(clahe),
                                        .configure = clahe_configure,
                                        .shape = clahe_shape,
                                        .call = clahe_call};
