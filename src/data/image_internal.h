/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the image decoder share.
 */
#ifndef IB_DATA_IMAGE_INTERNAL_H
#define IB_DATA_IMAGE_INTERNAL_H

#include "data/image.h"

/* out->channels says what is wanted; pixels are allocated, also on failure. */
ib_status ib__jpeg_decode(ib_image *out, const void *bytes, size_t n, const char *name, ib_error *err);
ib_status ib__png_decode(ib_image *out, const void *bytes, size_t n, const char *name, ib_error *err);

static inline uint8_t ib__image_grey(unsigned r, unsigned g, unsigned b) {
    return (uint8_t)((299 * r + 587 * g + 114 * b + 500) / 1000);
}

#endif
