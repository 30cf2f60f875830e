/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG by libjpeg-turbo, up to the samples of the components; from there to pixels by our own formulas, which
 * are those of libjpeg ("fancy" upsampling, 16-bit fixed point colours).
 */
#include <endian.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "data/image_internal.h"

#define SCANS_MAX 500 /* of a progressive file; each costs a pass over all coefficients */
#define COMPONENTS 3
#define SIXTEEN 16 /* numbers at once */

typedef struct decoder {
    struct jpeg_decompress_struct j;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf leave;
    char text[JMSG_LENGTH_MAX];
    /* Samples of each component as the file has them, rows of `stride`. */
    uint8_t *planes[COMPONENTS];
    size_t stride[COMPONENTS], rows[COMPONENTS];
    JSAMPROW *lines; /* a group of rows of all components */
} decoder;

static void leave(j_common_ptr j) {
    decoder *d = (decoder *)j->client_data;
    j->err->format_message(j, d->text);
    longjmp(d->leave, 1);
}

/* A warning is an error, for what the library makes of damaged data is its own affair; only bytes between
 * markers that belong to nothing do no harm. */
static void message(j_common_ptr j, int level) {
    if (level < 0 && j->err->msg_code != JWRN_EXTRANEOUS_DATA) leave(j);
}

static void watch(j_common_ptr j) {
    decoder *d = (decoder *)j->client_data;
    if (d->j.input_scan_number <= SCANS_MAX) return;
    snprintf(d->text, sizeof d->text, "more than %d scans", SCANS_MAX);
    longjmp(d->leave, 1);
}

static void refuse(decoder *d, const char *text) {
    snprintf(d->text, sizeof d->text, "%s", text);
    longjmp(d->leave, 1);
}

/* ---- Components ---- */

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

/* Room for whole groups of rows: the library writes up to the end of a block. */
static void make_planes(decoder *d) {
    size_t lines = 0;
    for (int i = 0; i < d->j.num_components; i++) {
        const jpeg_component_info *c = &d->j.comp_info[i];
        size_t group = (size_t)c->v_samp_factor * DCTSIZE;
        d->stride[i] = round_up(c->width_in_blocks, (size_t)c->h_samp_factor) * DCTSIZE;
        d->rows[i] = round_up(c->height_in_blocks * (size_t)DCTSIZE, group);
        d->planes[i] = calloc(d->stride[i] * d->rows[i] + SIXTEEN, 1);
        if (d->planes[i] == NULL) refuse(d, "out of memory");
        lines += group;
    }
    d->lines = calloc(lines + 1, sizeof *d->lines);
    if (d->lines == NULL) refuse(d, "out of memory");
}

static void read_planes(decoder *d) {
    JSAMPARRAY groups[COMPONENTS];
    JDIMENSION group = (JDIMENSION)d->j.max_v_samp_factor * DCTSIZE;
    for (size_t block = 0; d->j.output_scanline < d->j.output_height; block++) {
        size_t line = 0;
        for (int i = 0; i < d->j.num_components; i++) {
            size_t rows = (size_t)d->j.comp_info[i].v_samp_factor * DCTSIZE;
            groups[i] = d->lines + line;
            for (size_t k = 0; k < rows; k++)
                d->lines[line++] = d->planes[i] + (block * rows + k) * d->stride[i];
        }
        if (jpeg_read_raw_data(&d->j, groups, group) == 0) refuse(d, "the data end early");
    }
}

/* ---- Enlarging a component to the size of the image ---- */

/* A component: w x h samples that count. */
typedef struct plane {
    const uint8_t *samples;
    size_t stride, w, h;
} plane;

static const uint8_t *row_of(const plane *p, size_t y) {
    return p->samples + (y < p->h ? y : p->h - 1) * p->stride;
}

/* Twice as wide (w > 1): 3/4 of the nearer sample and 1/4 of the farther one, rounded down and up in turn. */
static void widen(uint8_t *out, const uint8_t *in, size_t w) {
    out[0] = in[0];
    out[1] = (uint8_t)((in[0] * 3 + in[1] + 2) >> 2);
    for (size_t x = 1; x + 1 < w; x++) {
        out[2 * x] = (uint8_t)((in[x] * 3 + in[x - 1] + 1) >> 2);
        out[2 * x + 1] = (uint8_t)((in[x] * 3 + in[x + 1] + 2) >> 2);
    }
    out[2 * w - 2] = (uint8_t)((in[w - 1] * 3 + in[w - 2] + 1) >> 2);
    out[2 * w - 1] = in[w - 1];
}

/* Twice as high: y is the number of the row. */
static void heighten(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t w, size_t y) {
    int bias = y % 2 == 0 ? 1 : 2;
    for (size_t x = 0; x < w; x++)
        out[x] = (uint8_t)((near[x] * 3 + far[x] + bias) >> 2);
}

/* Loops of a constant count over short numbers, in functions of their own, where restrict counts: compilers
 * make vectors of them. */
__attribute__((noinline)) static void sixteen_sums(int16_t *restrict out, const uint8_t *restrict near,
                                                   const uint8_t *restrict far) {
    for (size_t i = 0; i < SIXTEEN; i++)
        out[i] = (int16_t)(near[i] * 3 + far[i]);
}

/* sums: with one before and one behind. */
__attribute__((noinline)) static void sixteen_between(uint16_t *restrict out, const int16_t *restrict sums) {
    for (size_t i = 0; i < SIXTEEN; i++) {
        int16_t left = (int16_t)((sums[i + 1] * 3 + sums[i] + 8) >> 4);
        int16_t right = (int16_t)((sums[i + 1] * 3 + sums[i + 2] + 7) >> 4);
        out[i] = (uint16_t)(left | right << 8);
    }
}

/* Twice as wide and high: near and far are the nearer and farther row, in sixteenths. The ends have
 * themselves as neighbours. sums: room for w + 18. Up to 15 samples behind the rows are read, and as many
 * pairs written behind what counts. */
static void widen_between(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t w, int16_t *sums) {
    uint16_t pairs[SIXTEEN];
    for (size_t x = 0; x < w; x += SIXTEEN)
        sixteen_sums(sums + 1 + x, near + x, far + x);
    sums[0] = sums[1];
    sums[w + 1] = sums[w];
    for (size_t x = 0; x < w; x += SIXTEEN) {
        sixteen_between(pairs, sums + x);
        for (size_t i = 0; i < SIXTEEN; i++)
            pairs[i] = htole16(pairs[i]);
        memcpy(out + 2 * x, pairs, sizeof pairs);
    }
}

/* Row y of the image from a component that is fx times narrower and fy times lower: the component's own, or
 * made in room, which is fx times as long as the component is wide, and 32
 * more; sums: see widen_between. */
static const uint8_t *enlarge_row(uint8_t *room, int16_t *sums, const plane *p, size_t y, size_t fx,
                                  size_t fy) {
    size_t at = y / fy;
    size_t beside = y % 2 == 1 ? at + 1 : at > 0 ? at - 1 : 0;
    const uint8_t *in = row_of(p, at), *other = row_of(p, beside);
    if (fx == 2 && fy == 1 && p->w > 2) {
        widen(room, in, p->w);
    } else if (fx == 2 && fy == 2 && p->w > 2) {
        widen_between(room, in, other, p->w, sums);
    } else if (fx == 1 && fy == 2) {
        heighten(room, in, other, p->w, y);
    } else if (fx == 1) {
        return in;
    } else {
        for (size_t x = 0; x < p->w; x++)
            memset(room + x * fx, in[x], fx);
    }
    return room;
}

/* ---- Colours ---- */

/* Sixteen pixels of luminance and two colour differences: r = y + 1.402 cr, g = y - 0.344136 cb - 0.714136
 * cr, b = y + 1.772 cb, in 16 bits behind the point, without what is whole in the factors; cb, cr less 128.
 * out: red lowest. */
__attribute__((noinline)) static void sixteen_to_rgb(uint32_t *restrict out, const uint8_t *restrict y,
                                                     const uint8_t *restrict cb, const uint8_t *restrict cr) {
    int16_t red[SIXTEEN], green[SIXTEEN], blue[SIXTEEN];
    const int half = 1 << 15;
    for (size_t i = 0; i < SIXTEEN; i++) {
        int16_t b = (int16_t)(cb[i] - 128), r = (int16_t)(cr[i] - 128);
        red[i] = (int16_t)(y[i] + r + ((26345 * r + half) >> 16));
        green[i] = (int16_t)(y[i] - r + ((-22554 * b + 18734 * r + half) >> 16));
        blue[i] = (int16_t)(y[i] + 2 * b + ((-14942 * b + half) >> 16));
    }
    for (size_t i = 0; i < SIXTEEN; i++) {
        red[i] = red[i] < 0 ? 0 : red[i];
        red[i] = red[i] > 255 ? 255 : red[i];
        green[i] = green[i] < 0 ? 0 : green[i];
        green[i] = green[i] > 255 ? 255 : green[i];
        blue[i] = blue[i] < 0 ? 0 : blue[i];
        blue[i] = blue[i] > 255 ? 255 : blue[i];
    }
    for (size_t i = 0; i < SIXTEEN; i++)
        out[i] = (uint32_t)(uint16_t)red[i] | (uint32_t)(uint16_t)green[i] << 8 |
                 (uint32_t)(uint16_t)blue[i] << 16;
}

/* Four bytes at once: with a step of 3 the last one is the next pixel's, or, at the end, one more that the
 * image has for this. */
static void to_rgb(uint8_t *out, const uint8_t *const rows[COMPONENTS], size_t w, size_t step) {
    uint8_t rest[COMPONENTS][SIXTEEN] = {{0}};
    uint32_t pixels[SIXTEEN];
    for (size_t x = 0; x < w; x += SIXTEEN) {
        size_t n = w - x < SIXTEEN ? w - x : SIXTEEN;
        const uint8_t *in[COMPONENTS] = {rows[0] + x, rows[1] + x, rows[2] + x};
        for (size_t i = 0; n < SIXTEEN && i < COMPONENTS; i++) {
            memcpy(rest[i], in[i], n);
            in[i] = rest[i];
        }
        sixteen_to_rgb(pixels, in[0], in[1], in[2]);
        for (size_t i = 0; i < n; i++, out += step) {
            uint32_t pixel = htole32(pixels[i]);
            memcpy(out, &pixel, sizeof pixel);
        }
    }
}

static void set_alpha(uint8_t *out, size_t w) {
    for (size_t x = 0; x < w; x++)
        out[4 * x + 3] = 255;
}

static void copy_row(uint8_t *out, const uint8_t *const rows[COMPONENTS], size_t w, size_t step) {
    for (size_t x = 0; x < w; x++)
        for (size_t k = 0; k < 3; k++)
            out[step * x + k] = rows[k][x];
}

/* One row of pixels from one row of each component. */
static void finish_row(uint8_t *out, const decoder *d, const uint8_t *const rows[COMPONENTS], size_t w,
                       size_t channels) {
    bool grey = d->j.num_components == 1, rgb = d->j.jpeg_color_space == JCS_RGB;
    const uint8_t *const same[COMPONENTS] = {rows[0], rows[0], rows[0]};
    if (channels <= 1) {
        for (size_t x = 0; x < w; x++)
            out[x] = rgb ? ib__image_grey(rows[0][x], rows[1][x], rows[2][x]) : rows[0][x];
        return;
    }
    if (grey || rgb)
        copy_row(out, grey ? same : rows, w, channels);
    else
        to_rgb(out, rows, w, channels);
    if (channels == 4) set_alpha(out, w);
}

static void make_pixels(decoder *d, ib_image *out) {
    size_t w = d->j.image_width, n = d->j.num_components == 1 ? 1 : COMPONENTS;
    bool colour = out->channels > 1 || d->j.jpeg_color_space == JCS_RGB;
    size_t line = round_up(w, 2) + (size_t)16 * DCTSIZE;
    uint8_t *room = calloc(COMPONENTS + 2, line); /* a row of each component, then the sums */
    if (room == NULL) refuse(d, "out of memory");
    int16_t *sums = (int16_t *)(void *)(room + COMPONENTS * line);
    const uint8_t *rows[COMPONENTS] = {NULL};
    for (size_t y = 0; y < d->j.image_height; y++) {
        for (size_t i = 0; i < (colour ? n : 1); i++) {
            const jpeg_component_info *c = &d->j.comp_info[i];
            plane p = {d->planes[i], d->stride[i], c->downsampled_width, c->downsampled_height};
            rows[i] =
                enlarge_row(room + i * line, sums, &p, y, (size_t)(d->j.max_h_samp_factor / c->h_samp_factor),
                            (size_t)(d->j.max_v_samp_factor / c->v_samp_factor));
        }
        finish_row(out->pixels + y * w * out->channels, d, rows, w, out->channels);
    }
    free(room);
}

/* ---- The whole ---- */

static void check_header(decoder *d, ib_image *out) {
    const struct jpeg_decompress_struct *j = &d->j;
    J_COLOR_SPACE space = j->jpeg_color_space;
    if (space != JCS_GRAYSCALE && space != JCS_YCbCr && space != JCS_RGB)
        refuse(d, "colours other than grey, YCbCr and RGB are not supported");
    if (j->num_components != (space == JCS_GRAYSCALE ? 1 : 3) || j->data_precision != 8)
        refuse(d, "expected 1 or 3 components of 8 bits");
    for (int i = 0; i < j->num_components; i++)
        if (j->max_h_samp_factor % j->comp_info[i].h_samp_factor != 0 ||
            j->max_v_samp_factor % j->comp_info[i].v_samp_factor != 0)
            refuse(d, "a ratio of samples that is no integer is not supported");
    if ((size_t)j->image_width * j->image_height > IB_IMAGE_PIXELS) refuse(d, "too many pixels");
    out->width = j->image_width;
    out->height = j->image_height;
    out->pixels = malloc(out->width * out->height * out->channels + 1);
    if (out->pixels == NULL) refuse(d, "out of memory");
}

static void decode(decoder *d, ib_image *out, const void *bytes, size_t n) {
    jpeg_create_decompress(&d->j);
    jpeg_mem_src(&d->j, bytes, (unsigned long)n);
    d->progress.progress_monitor = watch;
    d->j.progress = &d->progress;
    (void)jpeg_read_header(&d->j, TRUE);
    check_header(d, out);
    d->j.out_color_space = d->j.jpeg_color_space;
    d->j.raw_data_out = TRUE;
    d->j.dct_method = JDCT_ISLOW;
    d->j.do_block_smoothing = FALSE;
    (void)jpeg_start_decompress(&d->j);
    make_planes(d);
    read_planes(d);
    make_pixels(d, out);
    (void)jpeg_finish_decompress(&d->j); /* frees what is known of the components; sees the file's end */
}

ib_status ib__jpeg_decode(ib_image *out, const void *bytes, size_t n, const char *name, ib_error *err) {
    decoder *d = calloc(1, sizeof *d);
    if (d == NULL) return ib__fail_memory(err);
    ib_status status = IB_OK;
    d->j.err = jpeg_std_error(&d->errors);
    d->j.client_data = d;
    d->errors.error_exit = leave;
    d->errors.emit_message = message;
    if (setjmp(d->leave) == 0)
        decode(d, out, bytes, n);
    else
        status = ib__fail(err, IB_BAD_INPUT, name, "expected a JPEG image: %.150s", d->text);
    jpeg_destroy_decompress(&d->j);
    for (size_t i = 0; i < COMPONENTS; i++)
        free(d->planes[i]);
    free(d->lines);
    free(d);
    return status;
}
