/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that move images about while training: RandomFlip, RandomCrop, RandomTranslation, RandomRotation,
 * RandomZoom, RandomShear, RandomPerspective.
 *
 * The last five say where in the image each pixel of the result comes from, by a matrix, as TensorFlow's
 * ImageProjectiveTransformV3 does; nothing flows back through them.
 */
#include <math.h>

#include "layers/augment.h"

enum { REFLECT, WRAP, CONSTANT, NEAREST }; /* fill_mode */

/* ---- Flip ---- */

static const ib_field flip_fields[] = {IB_AUGMENT_FIELDS,
                                       IB_AUGMENT_SEED,
                                       {.key = "mode",
                                        .fallback = "\"horizontal_and_vertical\"",
                                        .read = ib__read_choice,
                                        IB_AUGMENT(mode),
                                        .choices = "horizontal vertical horizontal_and_vertical"}};

/* One draw decides for both directions. */
static ib_node flip(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_graph *g = b->g;
    ib_image_axes axes = ib__image_axes(s);
    ib_node u = ib__augment_draw(g, ib__augment_draws(layer, b, x, 1), 0), turned = x;
    ib_node flips = ib__op_map(g, IB_MAP_less_equal, u, ib__op_constant(g, 0.5f), IB_NO_NODE);
    if (s->mode != 1) turned = ib__op_reverse(g, turned, axes.width);
    if (s->mode != 0) turned = ib__op_reverse(g, turned, axes.height);
    return ib__op_select(g, flips, turned, x);
}

IB_AUGMENT_CLASS(random_flip, "RandomFlip", flip_fields, ib__augment_shape, flip)

/* ---- Crop ---- */

static const ib_field crop_fields[] = {
    IB_AUGMENT_FIELDS,
    {.key = "height", .read = ib__read_int, IB_AUGMENT(height), .low = 1, .high = 0x1p24},
    {.key = "width", .read = ib__read_int, IB_AUGMENT(width), .low = 1, .high = 0x1p24},
    IB_AUGMENT_SEED};

typedef struct cropping {
    ib_image_layout from, to;
    size_t fixed[2]; /* where the window begins, unless it is drawn */
    bool drawn;
} cropping;

/* Where Keras begins, when it does not draw: the middle of the largest window of this form. */
static size_t middle(int64_t size, int64_t other, int64_t wanted, int64_t other_wanted) {
    int64_t form = (int64_t)((double)(other * wanted) / (double)other_wanted);
    form = form < size ? form : size;
    return (size_t)((size - (form > 1 ? form : 1)) / 2);
}

/* An image that is larger in both directions is cut at random; one of the same size or larger in one
 * direction is cut in the middle. */
static ib_status crop_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                            ib_error *err) {
    const augment *s = layer->settings;
    ib_image_axes axes = ib__image_axes(s);
    ib_status status = ib__augment_shape(layer, inputs, n, out, err);
    if (status != IB_OK) return status;
    int64_t h = out->dims[axes.height], w = out->dims[axes.width];
    bool fits = h >= s->height && w >= s->width;
    if (fits && (h == s->height || w == s->width))
        fits = (int64_t)middle(h, w, s->height, s->width) + s->height <= h &&
               (int64_t)middle(w, h, s->width, s->height) + s->width <= w;
    if (!fits)
        return ib__fail(err, IB_UNSUPPORTED, layer->place,
                        "images of %lld x %lld would have to be resized, which is not supported yet",
                        (long long)h, (long long)w);
    out->dims[axes.height] = s->height;
    out->dims[axes.width] = s->width;
    return IB_OK;
}

/* How many windows begin within size; a draw of [0, 1) takes one. */
static size_t begin_at(float u, size_t size, size_t wanted) {
    size_t at = (size_t)(u * (float)(size - wanted + 1));
    return at > size - wanted ? size - wanted : at;
}

static void crop_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const cropping *c = context;
    const ib_image_layout *from = &c->from, *to = &c->to;
    size_t line = to->width * to->step;
    for (size_t row = first; row < end; row++) {
        const float *x = (const float *)rows->in[0] + row * rows->width[0], *u = rows->in[1];
        float *out = (float *)rows->out + row * rows->out_width;
        size_t top = c->drawn ? begin_at(u[2 * row], from->height, to->height) : c->fixed[0];
        size_t left = c->drawn ? begin_at(u[2 * row + 1], from->width, to->width) : c->fixed[1];
        for (size_t i = 0; i < to->planes * to->height; i++) {
            size_t at = (i / to->height * from->height + top + i % to->height) * from->width + left;
            memcpy(out + i * line, x + at * from->step, line * sizeof *out);
        }
    }
}

static ib_node crop(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_shape shape = ib__node_shape(b->g, x), out = shape;
    ib_image_axes axes = ib__image_axes(s);
    int64_t h = shape.dims[axes.height], w = shape.dims[axes.width];
    cropping *c = ib__arena_alloc(&layer->arena, sizeof *c);
    if (!c) return ib__graph_fail(b->g, IB_NO_MEMORY, "out of memory");
    out.dims[axes.height] = s->height;
    out.dims[axes.width] = s->width;
    *c = (cropping){ib__image_layout(s, &shape),
                    ib__image_layout(s, &out),
                    {middle(h, w, s->height, s->width), middle(w, h, s->width, s->height)},
                    h > s->height && w > s->width};
    ib_node u = ib__augment_draws(layer, b, x, 2);
    return ib__op_custom_call(b->g, crop_rows, c, x, u, IB_TYPE_F32, &out);
}

IB_AUGMENT_CLASS(random_crop, "RandomCrop", crop_fields, crop_shape, crop)

/* ---- Matrices ---- */

/* Pixel (x, y) of the result comes from (m0 x + m1 y + m2, m3 x + m4 y + m5), divided by m6 x + m7 y + 1,
 * which is 1 until a matrix says otherwise. u: the image's draws. */
typedef void matrix_fn(const augment *s, const ib_image_layout *l, const float *u, float m[8]);

typedef struct moving {
    const augment *settings;
    ib_image_layout layout;
    size_t draws;
    matrix_fn *matrix;
} moving;

static float between(float u, double low, double high) {
    return u * ((float)high - (float)low) + (float)low;
}

static void translation(const augment *s, const ib_image_layout *l, const float *u, float m[8]) {
    float dy = between(u[0], s->factor[0], s->factor[1]) * (float)l->height;
    float dx = between(u[1], s->second[0], s->second[1]) * (float)l->width;
    const float made[6] = {1, 0, -dx, 0, 1, -dy};
    memcpy(m, made, sizeof made);
}

/* Around the middle, by a part of a whole turn. */
static void rotation(const augment *s, const ib_image_layout *l, const float *u, float m[8]) {
    float degrees = between(u[0], s->factor[0] * 360.0, s->factor[1] * 360.0);
    double angle = (double)(degrees * (float)(3.14159265358979323846 / 180.0));
    float cosine = (float)ib__double_cos(angle), sine = (float)ib__double_sin(angle);
    float cx = 0.5f * (float)(l->width - 1), cy = 0.5f * (float)(l->height - 1);
    const float made[6] = {cosine, -sine,  cx - cx * cosine - cy * -sine,
                           sine,   cosine, cy - cx * sine - cy * cosine};
    memcpy(m, made, sizeof made);
}

static void zoom(const augment *s, const ib_image_layout *l, const float *u, float m[8]) {
    float zy = between(u[0], 1.0 + s->factor[0], 1.0 + s->factor[1]);
    float zx = s->has_second ? between(u[1], 1.0 + s->second[0], 1.0 + s->second[1]) : zy;
    float dx = ((float)l->width - 1.0f) / 2.0f * (1.0f - zx);
    float dy = ((float)l->height - 1.0f) / 2.0f * (1.0f - zy);
    const float made[6] = {zx, 0, dx, 0, zy, dy};
    memcpy(m, made, sizeof made);
}

static void shear(const augment *s, const ib_image_layout *l, const float *u, float m[8]) {
    (void)l;
    float sign = u[0] > 0.5f ? -1.0f : 1.0f;
    float y = between(u[1], s->second[0], s->second[1]) * sign;
    float x = between(u[2], s->factor[0], s->factor[1]) * sign;
    const float made[6] = {1, x, 0, y, 1, 0};
    memcpy(m, made, sizeof made);
}

/* Solves 8 equations by elimination; false: they have no single solution. */
static bool solve(double a[8][9]) {
    for (int k = 0; k < 8; k++) {
        int best = k;
        for (int i = k + 1; i < 8; i++)
            if (fabs(a[i][k]) > fabs(a[best][k])) best = i;
        if (!(fabs(a[best][k]) > 1e-9)) return false;
        for (int j = 0; j < 9; j++) {
            double swapped = a[k][j];
            a[k][j] = a[best][j];
            a[best][j] = swapped;
        }
        for (int i = 0; i < 8; i++) {
            double part = i == k ? 0.0 : a[i][k] / a[k][k];
            for (int j = k; j < 9 && i != k; j++)
                a[i][j] -= part * a[k][j];
        }
    }
    for (int k = 0; k < 8; k++)
        a[k][8] /= a[k][k];
    return true;
}

/* The corners are drawn towards the first one and away from it. The matrix that brings their new places to
 * the old ones is found in float64; an image without one (of a single row, say) is filled. */
static void perspective(const augment *s, const ib_image_layout *l, const float *u, float m[8]) {
    float right = (float)(l->width - 1), bottom = (float)(l->height - 1);
    const float corners[4][2] = {{0, 0}, {right, 0}, {0, bottom}, {right, bottom}};
    double a[8][9] = {{0}};
    for (int i = 0; i < 4; i++) {
        float to[2];
        for (int k = 0; k < 2; k++)
            to[k] = corners[i][k] +
                    corners[i][k] * between(u[2 + 2 * i + k], -0.5 * s->second[0], 0.5 * s->second[0]);
        for (int k = 0; k < 2; k++) {
            double *row = a[2 * i + k];
            row[3 * k] = (double)to[0];
            row[3 * k + 1] = (double)to[1];
            row[3 * k + 2] = 1.0;
            row[6] = (double)(-corners[i][k] * to[0]);
            row[7] = (double)(-corners[i][k] * to[1]);
            row[8] = (double)corners[i][k];
        }
    }
    bool solved = solve(a);
    for (int k = 0; k < 8; k++)
        m[k] = solved ? (float)a[k][8] : NAN;
}

/* ---- Pixels ---- */

/* [abcd] goes on as dcba|abcd|dcba. */
static float reflected(float at, float n) {
    if (at < 0.0f) {
        if (n <= 1.0f) return 0.0f;
        float twice = 2.0f * n;
        if (at < twice) at = twice * truncf(-at / twice) + at;
        return at < -n ? at + twice : -at - 1.0f;
    }
    if (at > n - 1.0f) {
        if (n <= 1.0f) return 0.0f;
        float twice = 2.0f * n;
        at -= twice * truncf(at / twice);
        return at >= n ? twice - at - 1.0f : at;
    }
    return at;
}

/* [abcd] goes on as abcd|abcd|abcd. */
static float wrapped(float at, float n) {
    if (at >= 0.0f && at <= n - 1.0f) return at;
    if (n <= 1.0f) return 0.0f;
    return at < 0.0f ? at + n * (truncf(-at / (n - 1.0f)) + 1.0f) : at - n * truncf(at / (n - 1.0f));
}

/* A place outside of [0, n - 1] as fill_mode has it; what is farther than any image counts as outside. */
static float placed(int fill, float at, size_t size) {
    float n = (float)size, to = at;
    if (!(fabsf(at) < 0x1p30f)) to = at = at > 0 ? 0x1p30f : -0x1p30f;
    if (fill == CONSTANT) return at;
    if (fill == REFLECT) to = reflected(at, n);
    if (fill == WRAP) to = wrapped(at, n);
    return to < 0.0f ? 0.0f : to > n - 1.0f ? n - 1.0f : to;
}

/* The number at a pixel of a plane; channel: within the pixel. */
static float pixel(const moving *c, const float *plane, float y, float x, size_t channel) {
    const ib_image_layout *l = &c->layout;
    if (!(y >= 0.0f && x >= 0.0f && y < (float)l->height && x < (float)l->width))
        return (float)c->settings->fill_value;
    return plane[((size_t)y * l->width + (size_t)x) * l->step + channel];
}

static float between_pixels(const moving *c, const float *plane, float y, float x, size_t channel) {
    float top = floorf(y), left = floorf(x), bottom = top + 1.0f, right = left + 1.0f;
    float upper =
        (right - x) * pixel(c, plane, top, left, channel) + (x - left) * pixel(c, plane, top, right, channel);
    float lower = (right - x) * pixel(c, plane, bottom, left, channel) +
                  (x - left) * pixel(c, plane, bottom, right, channel);
    return (bottom - y) * upper + (y - top) * lower;
}

static void move_plane(const moving *c, const float m[8], const float *plane, float *out) {
    const ib_image_layout *l = &c->layout;
    int fill = c->settings->fill;
    for (size_t i = 0; i < l->height * l->width; i++) {
        size_t row = i / l->width;
        float oy = (float)row, ox = (float)(i - row * l->width);
        float depth = m[6] * ox + m[7] * oy + 1.0f;
        float x = placed(fill, (m[0] * ox + m[1] * oy + m[2]) / depth, l->width);
        float y = placed(fill, (m[3] * ox + m[4] * oy + m[5]) / depth, l->height);
        for (size_t k = 0; k < l->step; k++)
            out[i * l->step + k] = c->settings->interpolation ? between_pixels(c, plane, y, x, k)
                                                              : pixel(c, plane, roundf(y), roundf(x), k);
    }
}

static void move_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const moving *c = context;
    size_t size = c->layout.height * c->layout.width * c->layout.step;
    for (size_t row = first; row < end; row++) {
        float m[8] = {0};
        c->matrix(c->settings, &c->layout, (const float *)rows->in[1] + row * c->draws, m);
        for (size_t p = 0; p < c->layout.planes; p++) {
            size_t at = row * rows->width[0] + p * size;
            move_plane(c, m, (const float *)rows->in[0] + at, (float *)rows->out + at);
        }
    }
}

static ib_node move(ib_layer *layer, ib_build *b, ib_node x, size_t draws, matrix_fn *matrix) {
    const augment *s = layer->settings;
    ib_shape shape = ib__node_shape(b->g, x);
    moving *c = ib__arena_alloc(&layer->arena, sizeof *c);
    if (!c) return ib__graph_fail(b->g, IB_NO_MEMORY, "out of memory");
    *c = (moving){s, ib__image_layout(s, &shape), draws, matrix};
    ib_node u = ib__augment_draws(layer, b, x, (int64_t)draws);
    return ib__op_custom_call(b->g, move_rows, c, x, u, IB_TYPE_F32, &shape);
}

#define MOVE(name, draws)                                                                                    \
    static ib_node name##_images(ib_layer *layer, ib_build *b, ib_node x) {                                  \
        return move(layer, b, x, draws, name);                                                               \
    }
MOVE(translation, 2)
MOVE(rotation, 1)
MOVE(zoom, 2)
MOVE(shear, 3)

static ib_node perspective_images(ib_layer *layer, ib_build *b, ib_node x) {
    const augment *s = layer->settings;
    ib_node drawn = ib__augment_chosen(b->g, ib__augment_draws(layer, b, x, 10), s->factor);
    return ib__op_select(b->g, drawn, move(layer, b, x, 10, perspective), x);
}

#define FILL                                                                                                 \
    {                                                                                                        \
        .key = "fill_mode", .fallback = "\"reflect\"", .read = ib__read_choice, IB_AUGMENT(fill),            \
        .choices = "reflect wrap constant nearest"                                                           \
    }
#define RANGE(key_, member, low_, how)                                                                       \
    .key = key_, .read = ib__read_range, IB_AUGMENT(member), .low = low_, .high = 1.0, .choices = how

static const ib_field translation_fields[] = {IB_AUGMENT_FIELDS,
                                              {RANGE("height_factor", factor, -1.0, "plain")},
                                              {RANGE("width_factor", second, -1.0, "plain")},
                                              FILL,
                                              IB_AUGMENT_INTERPOLATION,
                                              IB_AUGMENT_SEED,
                                              IB_AUGMENT_FILL_VALUE};
static const ib_field rotation_fields[] = {IB_AUGMENT_FIELDS,
                                           {RANGE("factor", factor, -1.0, "base")},
                                           FILL,
                                           IB_AUGMENT_FILL_VALUE,
                                           IB_AUGMENT_INTERPOLATION,
                                           IB_AUGMENT_SEED};

/* As ib__read_range; null: as the other direction. */
static ib_status read_width(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    augment *s = out;
    s->has_second = value->kind != IB_NULL;
    return ib__read_range(field, value, where, s->second, canonical, err);
}

/* Above -1, where nothing would be left. */
#define ABOVE -0x1.fffffffffffffp-1
static const ib_field zoom_fields[] = {IB_AUGMENT_FIELDS,
                                       {RANGE("height_factor", factor, ABOVE, "plain")},
                                       {.key = "width_factor",
                                        .fallback = "null",
                                        .read = read_width,
                                        .low = ABOVE,
                                        .high = 1.0,
                                        .choices = "plain"},
                                       FILL,
                                       IB_AUGMENT_INTERPOLATION,
                                       IB_AUGMENT_SEED,
                                       IB_AUGMENT_FILL_VALUE};
static const ib_field shear_fields[] = {IB_AUGMENT_FIELDS,
                                        {RANGE("x_factor", factor, -1.0, "each"), .fallback = "0.0"},
                                        {RANGE("y_factor", second, -1.0, "each"), .fallback = "0.0"},
                                        FILL,
                                        IB_AUGMENT_INTERPOLATION,
                                        IB_AUGMENT_SEED,
                                        IB_AUGMENT_FILL_VALUE};

static ib_status read_scale(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    augment *s = out;
    s->fill = CONSTANT;
    return ib__read_real(field, value, where, s->second, canonical, err);
}

static const ib_field perspective_fields[] = {
    IB_AUGMENT_FIELDS,
    IB_AUGMENT_FACTOR("factor", "1.0", factor),
    {.key = "scale", .fallback = "1.0", .read = read_scale, .low = 0.0, .high = 1.0},
    IB_AUGMENT_INTERPOLATION,
    IB_AUGMENT_FILL_VALUE,
    IB_AUGMENT_SEED};

IB_AUGMENT_CLASS(random_perspective, "RandomPerspective", perspective_fields, ib__augment_shape,
                 perspective_images)
IB_AUGMENT_CLASS(random_translation, "RandomTranslation", translation_fields, ib__augment_shape,
                 translation_images)
IB_AUGMENT_CLASS(random_rotation, "RandomRotation", rotation_fields, ib__augment_shape, rotation_images)
IB_AUGMENT_CLASS(random_zoom, "RandomZoom", zoom_fields, ib__augment_shape, zoom_images)
IB_AUGMENT_CLASS(random_shear, "RandomShear", shear_fields, ib__augment_shape, shear_images)
