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

/* Tables of the colours; see make_tables. */
typedef struct colours {
    int red[256], green_cb[256], green_cr[256], blue[256];
    uint8_t limited[768];
} colours;

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
    colours colours;
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
        d->planes[i] = malloc(d->stride[i] * d->rows[i] + 1);
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

/* Twice as wide (w > 1) and high: near and far are the nearer and farther row, in sixteenths. */
static void widen_between(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t w) {
    int before, here = near[0] * 3 + far[0], after = near[1] * 3 + far[1];
    out[0] = (uint8_t)((here * 4 + 8) >> 4);
    out[1] = (uint8_t)((here * 3 + after + 7) >> 4);
    for (size_t x = 1; x + 1 < w; x++) {
        before = here;
        here = after;
        after = near[x + 1] * 3 + far[x + 1];
        out[2 * x] = (uint8_t)((here * 3 + before + 8) >> 4);
        out[2 * x + 1] = (uint8_t)((here * 3 + after + 7) >> 4);
    }
    out[2 * w - 2] = (uint8_t)((after * 3 + here + 8) >> 4);
    out[2 * w - 1] = (uint8_t)((after * 4 + 7) >> 4);
}

/* Row y of the image from a component that is fx times narrower and fy times lower: the component's own, or
 * made in room, which is fx times as long as the component is wide. */
static const uint8_t *enlarge_row(uint8_t *room, const plane *p, size_t y, size_t fx, size_t fy) {
    size_t at = y / fy;
    size_t beside = y % 2 == 1 ? at + 1 : at > 0 ? at - 1 : 0;
    const uint8_t *in = row_of(p, at), *other = row_of(p, beside);
    if (fx == 2 && fy == 1 && p->w > 2) {
        widen(room, in, p->w);
    } else if (fx == 2 && fy == 2 && p->w > 2) {
        widen_between(room, in, other, p->w);
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

/* r = y + 1.402 cr, g = y - 0.344136 cb - 0.714136 cr, b = y + 1.772 cb, in 16 bits behind the point; cb, cr
 * less 128. What is added to y comes from tables, and so does the limit of sums from -256 to 511. */
static void make_tables(colours *c) {
    const int half = 1 << 15;
    for (int i = 0; i < 256; i++) {
        c->red[i] = (91881 * (i - 128) + half) >> 16;
        c->green_cb[i] = -22554 * (i - 128);
        c->green_cr[i] = -46802 * (i - 128) + half;
        c->blue[i] = (116130 * (i - 128) + half) >> 16;
    }
    for (int i = 0; i < 768; i++)
        c->limited[i] = (uint8_t)(i < 256 ? 0 : i > 511 ? 255 : i - 256);
}

/* Four bytes at once: with a step of 3 the last one is the next pixel's, or, at the end, one more that the
 * image has for this. */
static void to_rgb(uint8_t *out, const colours *c, const uint8_t *const rows[COMPONENTS], size_t w,
                   size_t step) {
    const uint8_t *y = rows[0], *cb = rows[1], *cr = rows[2], *limited = c->limited + 256;
    for (size_t x = 0; x < w; x++, out += step) {
        int light = y[x];
        uint32_t red = limited[light + c->red[cr[x]]];
        uint32_t green = limited[light + ((c->green_cb[cb[x]] + c->green_cr[cr[x]]) >> 16)];
        uint32_t blue = limited[light + c->blue[cb[x]]];
        uint32_t pixel = htole32(red | green << 8 | blue << 16);
        memcpy(out, &pixel, sizeof pixel);
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
    if (channels == 1) {
        for (size_t x = 0; x < w; x++)
            out[x] = rgb ? ib__image_grey(rows[0][x], rows[1][x], rows[2][x]) : rows[0][x];
        return;
    }
    if (grey || rgb)
        copy_row(out, grey ? same : rows, w, channels);
    else
        to_rgb(out, &d->colours, rows, w, channels);
    if (channels == 4) set_alpha(out, w);
}

static void make_pixels(decoder *d, ib_image *out) {
    size_t w = d->j.image_width, n = d->j.num_components == 1 ? 1 : COMPONENTS;
    bool colour = out->channels > 1 || d->j.jpeg_color_space == JCS_RGB;
    size_t line = w + (size_t)16 * DCTSIZE;
    uint8_t *room = calloc(COMPONENTS, line);
    if (room == NULL) refuse(d, "out of memory");
    const uint8_t *rows[COMPONENTS] = {NULL};
    for (size_t y = 0; y < d->j.image_height; y++) {
        for (size_t i = 0; i < (colour ? n : 1); i++) {
            const jpeg_component_info *c = &d->j.comp_info[i];
            plane p = {d->planes[i], d->stride[i], c->downsampled_width, c->downsampled_height};
            rows[i] = enlarge_row(room + i * line, &p, y, (size_t)(d->j.max_h_samp_factor / c->h_samp_factor),
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
    make_tables(&d->colours);
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
