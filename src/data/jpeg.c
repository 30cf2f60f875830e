/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG by libjpeg-turbo, up to the samples of the components; from there to pixels by our own formulas, which
 * are those of libjpeg ("fancy" upsampling, 16-bit fixed point colours).
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "data/image_internal.h"
#include "kernels/kernels.h"

#define SCANS_MAX 500 /* of a progressive file; each costs a pass over all coefficients */
#define COMPONENTS 3

/* Samples of a component as the file has them, w x h of which count, fx times narrower and fy times lower
 * than the image. Row y lies in row y % ring. */
typedef struct plane {
    uint8_t *samples;
    size_t stride, ring, w, h, fx, fy;
} plane;

typedef struct decoder {
    struct jpeg_decompress_struct j;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf leave;
    char text[JMSG_LENGTH_MAX];
    const ib_kernels *kernels;
    plane planes[COMPONENTS];
    uint8_t *room;   /* for rows of the components as wide as the image */
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

/* Room for two groups of rows, as they come from the file: rows at the end of one have neighbours in the
 * next. The library writes up to the end of a block. */
static void make_planes(decoder *d) {
    size_t lines = 0;
    for (int i = 0; i < d->j.num_components; i++) {
        const jpeg_component_info *c = &d->j.comp_info[i];
        plane *p = &d->planes[i];
        size_t group = (size_t)c->v_samp_factor * DCTSIZE;
        p->w = c->downsampled_width;
        p->h = c->downsampled_height;
        p->stride = round_up(c->width_in_blocks, (size_t)c->h_samp_factor) * DCTSIZE;
        p->ring = 2 * group;
        p->fx = (size_t)(d->j.max_h_samp_factor / c->h_samp_factor);
        p->fy = (size_t)(d->j.max_v_samp_factor / c->v_samp_factor);
        p->samples = calloc(p->stride * p->ring, 1);
        if (p->samples == NULL) refuse(d, "out of memory");
        lines += group;
    }
    d->lines = calloc(lines + 1, sizeof *d->lines);
    if (d->lines == NULL) refuse(d, "out of memory");
}

/* The next group of rows of all components. */
static void read_group(decoder *d, size_t number) {
    JSAMPARRAY groups[COMPONENTS];
    size_t line = 0;
    for (int i = 0; i < d->j.num_components; i++) {
        const plane *p = &d->planes[i];
        size_t rows = p->ring / 2;
        groups[i] = d->lines + line;
        for (size_t k = 0; k < rows; k++)
            d->lines[line++] = p->samples + (number % 2 * rows + k) * p->stride;
    }
    JDIMENSION group = (JDIMENSION)d->j.max_v_samp_factor * DCTSIZE;
    if (jpeg_read_raw_data(&d->j, groups, group) == 0) refuse(d, "the data end early");
}

/* ---- Enlarging a component to the size of the image ---- */

static const uint8_t *row_of(const plane *p, size_t y) {
    return p->samples + (y < p->h ? y : p->h - 1) % p->ring * p->stride;
}

/* Twice as high: y is the number of the row. */
static void heighten(uint8_t *out, const uint8_t *near, const uint8_t *far, size_t w, size_t y) {
    int bias = y % 2 == 0 ? 1 : 2;
    for (size_t x = 0; x < w; x++)
        out[x] = (uint8_t)((near[x] * 3 + far[x] + bias) >> 2);
}

/* Row y of the image from a component that is fx times narrower and fy times lower: the component's own, or
 * made in room, which is fx times as long as the component is wide. */
static const uint8_t *enlarge_row(uint8_t *room, const ib_kernels *kernels, const plane *p, size_t y) {
    size_t at = y / p->fy;
    size_t beside = y % 2 == 1 ? at + 1 : at > 0 ? at - 1 : 0;
    const uint8_t *in = row_of(p, at), *other = row_of(p, beside);
    if (p->fx == 2 && p->fy <= 2 && p->w > 2) {
        kernels->widen(room, in, p->fy == 2 ? other : NULL, p->w);
    } else if (p->fx == 1 && p->fy == 2) {
        heighten(room, in, other, p->w, y);
    } else if (p->fx == 1) {
        return in;
    } else {
        for (size_t x = 0; x < p->w; x++)
            memset(room + x * p->fx, in[x], p->fx);
    }
    return room;
}

/* ---- Colours ---- */

/* Pixels of three bytes to four, from the end on: they may begin at the same place. */
static void add_alpha(uint8_t *out, const uint8_t *in, size_t w) {
    for (size_t x = w; x-- > 0;) {
        for (size_t k = 3; k-- > 0;)
            out[4 * x + k] = in[3 * x + k];
        out[4 * x + 3] = 255;
    }
}

static void copy_row(uint8_t *out, const uint8_t *const rows[COMPONENTS], size_t w) {
    for (size_t x = 0; x < w; x++)
        for (size_t k = 0; k < 3; k++)
            out[3 * x + k] = rows[k][x];
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
        copy_row(out, grey ? same : rows, w);
    else
        d->kernels->ycc_to_rgb(out, rows[0], rows[1], rows[2], w);
    if (channels == 4) add_alpha(out, out, w);
}

/* Bytes for a row of a component that was made as wide as the image, or somewhat wider. */
static size_t room_of_row(const decoder *d) {
    return (size_t)d->j.image_width + (size_t)16 * DCTSIZE;
}

/* Rows [first, end) of the image. room: a row of each component. */
static void make_rows(decoder *d, ib_image *out, uint8_t *room, size_t first, size_t end) {
    size_t w = d->j.image_width, n = d->j.num_components == 1 ? 1 : COMPONENTS;
    bool colour = out->channels > 1 || d->j.jpeg_color_space == JCS_RGB;
    size_t line = room_of_row(d);
    const uint8_t *rows[COMPONENTS] = {NULL};
    for (size_t y = first; y < end; y++) {
        for (size_t i = 0; i < (colour ? n : 1); i++)
            rows[i] = enlarge_row(room + i * line, d->kernels, &d->planes[i], y);
        finish_row(out->pixels + y * w * out->channels, d, rows, w, out->channels);
    }
}

/* Group by group; the last row of a group waits for its neighbours in the next one. */
static void make_pixels(decoder *d, ib_image *out) {
    size_t group = (size_t)d->j.max_v_samp_factor * DCTSIZE, made = 0;
    d->room = calloc(COMPONENTS, room_of_row(d));
    if (d->room == NULL) refuse(d, "out of memory");
    for (size_t number = 0; made < out->height; number++) {
        size_t end = (number + 1) * group;
        read_group(d, number);
        end = end < out->height ? end - 1 : out->height;
        make_rows(d, out, d->room, made, end);
        made = end;
    }
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
    make_pixels(d, out);
    (void)jpeg_finish_decompress(&d->j); /* frees what is known of the components; sees the file's end */
}

ib_status ib__jpeg_decode(ib_image *out, const void *bytes, size_t n, const char *name, ib_error *err) {
    decoder *d = calloc(1, sizeof *d);
    if (d == NULL) return ib__fail_memory(err);
    ib_status status = IB_OK;
    d->kernels = ib__kernels_for(ib__isa_default());
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
        free(d->planes[i].samples);
    free(d->room);
    free(d->lines);
    free(d);
    return status;
}
