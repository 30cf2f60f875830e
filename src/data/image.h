/* SPDX-License-Identifier: Apache-2.0
 *
 * Images: JPEG and PNG into pixels, pixels into PNG, resizing.
 *
 * The bits of a decoded image are part of the contract. libjpeg-turbo gives the samples of each component,
 * made by the accurate integer transform, which JPEG fixes closely and the library exactly; enlarging the
 * colour components and turning them into red, green and blue is our own, with the library's formulas.
 */
#ifndef IB_DATA_IMAGE_H
#define IB_DATA_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* pixels: [h, w, c], 1 (grey), 3 (red, green, blue) or 4 (and alpha) bytes a pixel; malloc memory. */
typedef struct ib_image {
    size_t height, width, channels;
    uint8_t *pixels;
} ib_image;

/* At most so many pixels. */
#define IB_IMAGE_PIXELS ((size_t)1 << 27)

/* Decodes a whole file, JPEG or PNG by its first bytes, to this many channels. Grey comes from the luminance
 * of a JPEG, from round((299 r + 587 g + 114 b) / 1000) of a PNG. 16-bit PNG keep their high bytes; alpha
 * that is not wanted is dropped, alpha that is not there is 255. Damaged and cut images are errors. *out:
 * yours, release with ib__image_free. */
ib_status ib__image_decode(ib_image *out, const void *bytes, size_t n, size_t channels, const char *name,
                           ib_error *err);
void ib__image_free(ib_image *image);

/* Appends a PNG; the bytes depend on the pixels and on zlib. */
ib_status ib__image_encode_png(ib_buf *out, const ib_image *image, ib_error *err);

/* The methods of tf.image.resize without antialias. */
typedef enum ib_resizing {
    IB_RESIZE_BILINEAR,
    IB_RESIZE_NEAREST,
    IB_RESIZE_BICUBIC,
    IB_RESIZE_AREA
} ib_resizing;

/* out: [height, width, c] float32. Pixels [top, top + h) x [left, left + w) of the image are taken. */
typedef struct ib_crop {
    size_t top, left, h, w;
} ib_crop;
ib_status ib__image_resize(float *out, size_t height, size_t width, const ib_image *image,
                           const ib_crop *crop, ib_resizing how, ib_error *err);

#endif
