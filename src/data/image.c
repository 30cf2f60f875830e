/* SPDX-License-Identifier: Apache-2.0
 *
 * Images: which format it is; resizing with the formulas of tf.image.resize.
 */
#include "data/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/image_internal.h"
#include "kernels/kernels.h"

ib_status ib__image_decode(ib_image *out, const void *bytes, size_t n, size_t channels, const char *name,
                           ib_error *err) {
    const unsigned char *b = bytes;
    ib_image image = {.channels = channels};
    ib_status status;
    if (n >= 3 && b[0] == 0xff && b[1] == 0xd8 && b[2] == 0xff)
        status = ib__jpeg_decode(&image, bytes, n, name, err);
    else if (n >= 8 && memcmp(b, "\x89PNG\r\n\x1a\n", 8) == 0)
        status = ib__png_decode(&image, bytes, n, name, err);
    else
        status = ib__fail(err, IB_BAD_INPUT, name, "expected a JPEG or PNG image, found something else");
    if (status == IB_OK)
        *out = image;
    else
        ib__image_free(&image);
    return status;
}

void ib__image_free(ib_image *image) {
    free(image->pixels);
    *image = (ib_image){0};
}

/* ---- Resizing ---- */

/* Where an output row or column comes from: up to `n` input rows from `first` on, with weights. */
typedef struct taps {
    size_t first, n;
    float weights[4];
} taps;

/* The scale and the places of samples as tf.image.resize has them, in float32: the middle of output pixel i
 * is at (i + 0.5) * scale of the input. */
static float middle(size_t i, float scale) {
    float x = (float)i + 0.5f;
    x = x * scale;
    return x;
}

static taps bilinear_taps(size_t i, float scale, size_t size) {
    float x = middle(i, scale) - 0.5f, floor_x = floorf(x), rest = x - floor_x;
    size_t low = floor_x > 0 ? (size_t)floor_x : 0, high = floor_x < 0 ? 0 : low + 1;
    if (low >= size) low = size - 1;
    if (high >= size) high = size - 1;
    return (taps){low, high > low ? 2 : 1, {rest, 0, 0, 0}};
}

static taps nearest_taps(size_t i, float scale, size_t size) {
    size_t at = (size_t)floorf(middle(i, scale));
    return (taps){at < size ? at : size - 1, 1, {1, 0, 0, 0}};
}

/* The cubic kernel with a = -1/2 at distance d, from a table of 1024 steps as TensorFlow's. */
static float cubic(double d) {
    double x = d < 0 ? -d : d;
    if (x <= 1) return (float)((1.5 * x - 2.5) * x * x + 1.0);
    return (float)(((-0.5 * x + 2.5) * x - 4.0) * x + 2.0);
}

/* Weights of samples outside of the image are dropped, the others scaled up to a sum of 1. */
static taps cubic_taps(size_t i, float scale, size_t size) {
    float x = middle(i, scale) - 0.5f, floor_x = floorf(x);
    int64_t low = (int64_t)floor_x - 1;
    double step = (double)lrintf((x - floor_x) * 1024.0f) / 1024.0;
    taps t = {0, 0, {0}};
    float sum = 0;
    for (int64_t k = 0; k < 4; k++) {
        if (low + k < 0 || low + k >= (int64_t)size) continue;
        if (t.n == 0) t.first = (size_t)(low + k);
        float w = cubic(step + 1.0 - (double)k);
        t.weights[t.n++] = w;
        sum = sum + w;
    }
    for (size_t k = 0; k < t.n && t.n < 4; k++)
        t.weights[k] = t.weights[k] / sum;
    return t;
}

typedef struct resizing {
    const uint8_t *pixels; /* of the crop */
    size_t stride, channels;
    taps *rows, *columns;
    size_t height, width;
    size_t used; /* numbers in a row of the crop */
} resizing;

static float pixel(const resizing *r, size_t y, size_t x, size_t k) {
    return (float)r->pixels[y * r->stride + x * r->channels + k];
}

/* ---- Bilinear ---- */

#define WINDOW 16 /* bytes that are looked at for four numbers */
#define BLOCK 16  /* numbers that a kernel makes at once */

/* The columns as kernels want them; window begins the memory of left and right too. */
typedef struct column_tables {
    size_t n, padded;
    uint32_t *window, *left, *right;
    float *dx;
} column_tables;

/* False: no memory. */
static bool tables_new(column_tables *c, const resizing *r) {
    size_t n = r->width * r->channels, padded = (n + BLOCK - 1) / BLOCK * BLOCK;
    uint32_t *words = padded == 0 ? NULL : calloc(padded, 3 * sizeof *words);
    float *floats = words == NULL ? NULL : calloc(padded, sizeof *floats);
    *c = (column_tables){n, padded, words, words + padded, words + 2 * padded, floats};
    return words != NULL && floats != NULL;
}

static void tables_free(column_tables *c) {
    free(c->window);
    free(c->dx);
}

/* The number in a row of the image left of number i of a row of the result; *right: that right of it. */
static size_t number_beside(const resizing *r, size_t i, size_t *right) {
    const taps *t = &r->columns[i / r->channels];
    size_t left = t->first * r->channels + i % r->channels;
    *right = left + (t->n - 1) * r->channels;
    return left;
}

/* Numbers [at, at + 4) of the result, or fewer at the end. False: what they are made of lies too far apart.
 */
static bool fill_four(column_tables *c, const resizing *r, size_t at) {
    size_t low = r->used - WINDOW, end = at + 4 < c->n ? at + 4 : c->n, right;
    for (size_t i = at; i < end; i++) {
        size_t left = number_beside(r, i, &right);
        if (left < low) low = left;
    }
    c->window[at / 4] = (uint32_t)low;
    for (size_t i = at; i < end; i++) {
        size_t left = number_beside(r, i, &right);
        if (right >= low + WINDOW) return false;
        c->left[i] = IB_PLACE | (uint32_t)(left - low);
        c->right[i] = IB_PLACE | (uint32_t)(right - low);
        c->dx[i] = r->columns[i / r->channels].weights[0];
    }
    return true;
}

/* False: the numbers of a row lie too far apart, or there are too few. */
static bool fill_tables(column_tables *c, const resizing *r) {
    if (r->used < WINDOW || r->used > UINT32_MAX) return false;
    for (size_t i = 0; i < c->n; i += 4)
        if (!fill_four(c, r, i)) return false;
    return true;
}

static float mixed(float a, float b, float t) {
    float d = (b - a) * t;
    return a + d;
}

/* Without tables. */
static void bilinear_row(float *out, const resizing *r, const taps *y) {
    size_t top = y->first, bottom = y->first + y->n - 1;
    for (size_t x = 0; x < r->width; x++) {
        const taps *t = &r->columns[x];
        size_t left = t->first, right = t->first + t->n - 1;
        float dx = t->weights[0];
        for (size_t k = 0; k < r->channels; k++) {
            float upper = mixed(pixel(r, top, left, k), pixel(r, top, right, k), dx);
            float lower = mixed(pixel(r, bottom, left, k), pixel(r, bottom, right, k), dx);
            out[x * r->channels + k] = mixed(upper, lower, y->weights[0]);
        }
    }
}

/* top + (bottom - top) * dy of two rows, each left + (right - left) * dx. False: no memory. */
static bool bilinear_rows(float *out, const resizing *r) {
    column_tables c;
    const ib_kernels *kernels = ib__kernels_for(ib__isa_default());
    bool memory = tables_new(&c, r), fits = memory && fill_tables(&c, r);
    ib_bilinear_columns columns = {c.n, c.window, c.left, c.right, c.dx};
    for (size_t y = 0; memory && y < r->height; y++, out += c.n) {
        const taps *t = &r->rows[y];
        const uint8_t *upper = r->pixels + t->first * r->stride;
        if (fits)
            kernels->bilinear(out, upper, upper + (t->n - 1) * r->stride, t->weights[0], &columns);
        else
            bilinear_row(out, r, t);
    }
    tables_free(&c);
    return memory;
}

/* ---- Other methods ---- */

/* Sums over the columns of each row, then over the rows. */
static void weighted_row(float *out, const resizing *r, const taps *y) {
    for (size_t x = 0; x < r->width; x++) {
        const taps *t = &r->columns[x];
        for (size_t k = 0; k < r->channels; k++) {
            float sum = 0;
            for (size_t j = 0; j < y->n; j++) {
                float line = 0;
                for (size_t i = 0; i < t->n; i++)
                    line = line + t->weights[i] * pixel(r, y->first + j, t->first + i, k);
                sum = sum + y->weights[j] * line;
            }
            out[x * r->channels + k] = sum;
        }
    }
}

/* How much of input pixel `at` lies within [from, to). */
static float covered(size_t at, float from, float to) {
    float a = (float)at, b = a + 1;
    float low = a < from ? from : a, high = b > to ? to : b;
    return high - low;
}

/* area: the mean of what an output pixel covers. */
static void area_row(float *out, const resizing *r, size_t y, float sy, float sx, size_t h, size_t w) {
    float y0 = (float)y * sy, y1 = (float)(y + 1) * sy, share = 1 / (sy * sx);
    size_t top = (size_t)floorf(y0), bottom = (size_t)ceilf(y1);
    if (bottom > h) bottom = h;
    for (size_t x = 0; x < r->width; x++) {
        float x0 = (float)x * sx, x1 = (float)(x + 1) * sx;
        size_t left = (size_t)floorf(x0), right = (size_t)ceilf(x1);
        if (right > w) right = w;
        for (size_t k = 0; k < r->channels; k++) {
            float sum = 0;
            for (size_t i = top; i < bottom; i++) {
                float line = 0;
                for (size_t j = left; j < right; j++)
                    line = line + pixel(r, i, j, k) * covered(j, x0, x1);
                sum = sum + line * covered(i, y0, y1);
            }
            out[x * r->channels + k] = sum * share;
        }
    }
}

static void copy_pixels(float *out, const resizing *r) {
    for (size_t y = 0; y < r->height; y++)
        for (size_t i = 0; i < r->width * r->channels; i++)
            *out++ = (float)r->pixels[y * r->stride + i];
}

/* False: no memory. */
static bool resize_rows(float *out, resizing *r, const ib_crop *crop, ib_resizing how) {
    float sy = (float)crop->h / (float)r->height, sx = (float)crop->w / (float)r->width;
    taps (*const make)(size_t, float, size_t) = how == IB_RESIZE_BILINEAR  ? bilinear_taps
                                                : how == IB_RESIZE_NEAREST ? nearest_taps
                                                                           : cubic_taps;
    for (size_t y = 0; y < r->height; y++)
        r->rows[y] = make(y, sy, crop->h);
    for (size_t x = 0; x < r->width; x++)
        r->columns[x] = make(x, sx, crop->w);
    if (how == IB_RESIZE_BILINEAR) return bilinear_rows(out, r);
    for (size_t y = 0; y < r->height; y++, out += r->width * r->channels) {
        if (how == IB_RESIZE_AREA)
            area_row(out, r, y, sy, sx, crop->h, crop->w);
        else
            weighted_row(out, r, &r->rows[y]);
    }
    return true;
}

ib_status ib__image_resize(float *out, size_t height, size_t width, const ib_image *image,
                           const ib_crop *crop, ib_resizing how, ib_error *err) {
    resizing r = {.pixels = image->pixels + (crop->top * image->width + crop->left) * image->channels,
                  .stride = image->width * image->channels,
                  .channels = image->channels,
                  .height = height,
                  .width = width,
                  .used = crop->w * image->channels};
    if (crop->h == height && crop->w == width) {
        copy_pixels(out, &r);
        return IB_OK;
    }
    r.rows = calloc(height + width + 1, sizeof *r.rows);
    if (r.rows == NULL) return ib__fail_memory(err);
    r.columns = r.rows + height;
    bool good = resize_rows(out, &r, crop, how);
    free(r.rows);
    return good ? IB_OK : ib__fail_memory(err);
}
