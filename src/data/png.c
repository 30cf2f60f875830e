/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG by libpng: everything is turned into 8 bits of grey, grey and alpha, colours, or colours and alpha by
 * the library, and into what is wanted here.
 */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/image_internal.h"

#define SIDE_MAX 1000000
#define CHUNK_MAX ((size_t)64 << 20)

typedef struct decoder {
    png_structp png;
    png_infop info;
    const unsigned char *at, *end;
    char text[160];
    uint8_t *pixels; /* as the file has them */
    png_bytep *rows;
} decoder;

static void on_error(png_structp png, png_const_charp text) {
    decoder *d = png_get_error_ptr(png);
    snprintf(d->text, sizeof d->text, "%s", text);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void read_bytes(png_structp png, png_bytep out, size_t n) {
    decoder *d = png_get_io_ptr(png);
    if ((size_t)(d->end - d->at) < n) png_error(png, "the file is cut");
    memcpy(out, d->at, n);
    d->at += n;
}

static void set_transforms(decoder *d) {
    png_set_expand(d->png); /* palettes, fewer than 8 bits, transparent colours */
    png_set_strip_16(d->png);
    (void)png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
}

/* From `have` channels to the wanted ones. */
static void convert_pixel(uint8_t *out, size_t want, const uint8_t *in, size_t have) {
    bool grey = have < 3;
    if (want == 1) {
        out[0] = grey ? in[0] : ib__image_grey(in[0], in[1], in[2]);
        return;
    }
    for (size_t k = 0; k < 3; k++)
        out[k] = in[grey ? 0 : k];
    if (want == 4) out[3] = have % 2 == 0 ? in[have - 1] : 255;
}

static void decode(decoder *d, ib_image *out) {
    png_set_user_limits(d->png, SIDE_MAX, SIDE_MAX);
    png_set_chunk_malloc_max(d->png, CHUNK_MAX);
    png_set_read_fn(d->png, d, read_bytes);
    png_read_info(d->png, d->info);
    out->width = png_get_image_width(d->png, d->info);
    out->height = png_get_image_height(d->png, d->info);
    if (out->width * out->height > IB_IMAGE_PIXELS) png_error(d->png, "too many pixels");
    set_transforms(d);
    size_t have = png_get_channels(d->png, d->info), n = out->width * out->height;
    if (png_get_rowbytes(d->png, d->info) != out->width * have) png_error(d->png, "expected 8 bits a sample");
    out->pixels = malloc(n * out->channels + 1);
    d->pixels = malloc(n * have + 1);
    d->rows = calloc(out->height + 1, sizeof *d->rows);
    if (out->pixels == NULL || d->pixels == NULL || d->rows == NULL) png_error(d->png, "out of memory");
    for (size_t y = 0; y < out->height; y++)
        d->rows[y] = d->pixels + y * out->width * have;
    png_read_image(d->png, d->rows);
    png_read_end(d->png, NULL);
    if (have == out->channels)
        memcpy(out->pixels, d->pixels, n * have);
    else
        for (size_t i = 0; i < n; i++)
            convert_pixel(out->pixels + i * out->channels, out->channels, d->pixels + i * have, have);
}

/* false: the library gave up; d->text says why. */
static bool try_decode(decoder *d, ib_image *out) {
    if (setjmp(png_jmpbuf(d->png)) != 0) return false;
    decode(d, out);
    return true;
}

ib_status ib__png_decode(ib_image *out, const void *bytes, size_t n, const char *name, ib_error *err) {
    decoder d = {.at = bytes, .end = (const unsigned char *)bytes + n};
    ib_status status = IB_OK;
    d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning);
    if (d.png == NULL) return ib__fail_memory(err);
    d.info = png_create_info_struct(d.png);
    if (d.info == NULL)
        status = ib__fail_memory(err);
    else if (!try_decode(&d, out))
        status = ib__fail(err, IB_BAD_INPUT, name, "expected a PNG image: %.150s", d.text);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    free(d.pixels);
    free(d.rows);
    return status;
}

/* ---- Writing ---- */

static void write_bytes(png_structp png, png_bytep bytes, size_t n) {
    if (!ib__buf_add(png_get_io_ptr(png), bytes, n)) png_error(png, "out of memory");
}

static void flush_nothing(png_structp png) {
    (void)png;
}

static void encode(png_structp png, png_infop info, const ib_image *image) {
    int type = image->channels == 1   ? PNG_COLOR_TYPE_GRAY
               : image->channels == 3 ? PNG_COLOR_TYPE_RGB
                                      : PNG_COLOR_TYPE_RGB_ALPHA;
    png_set_IHDR(png, info, (png_uint_32)image->width, (png_uint_32)image->height, 8, type,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (size_t y = 0; y < image->height; y++)
        png_write_row(png, image->pixels + y * image->width * image->channels);
    png_write_end(png, info);
}

static bool try_encode(decoder *d, const ib_image *image) {
    if (setjmp(png_jmpbuf(d->png)) != 0) return false;
    encode(d->png, d->info, image);
    return true;
}

ib_status ib__image_encode_png(ib_buf *out, const ib_image *image, ib_error *err) {
    decoder d = {.text = ""};
    ib_status status = IB_OK;
    d.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &d, on_error, on_warning);
    if (d.png == NULL) return ib__fail_memory(err);
    d.info = png_create_info_struct(d.png);
    png_set_write_fn(d.png, out, write_bytes, flush_nothing);
    if (d.info == NULL)
        status = ib__fail_memory(err);
    else if (!try_encode(&d, image))
        status = ib__fail(err, IB_INTERNAL, "png", "cannot be written: %.150s", d.text);
    png_destroy_write_struct(&d.png, &d.info);
    return status;
}
