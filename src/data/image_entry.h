/* SPDX-License-Identifier: Apache-2.0
 *
 * How images become arrays, as entries say it: color_mode, image_size, interpolation, crop_to_aspect_ratio.
 */
#ifndef IB_DATA_IMAGE_ENTRY_H
#define IB_DATA_IMAGE_ENTRY_H

#include "data/entry.h"
#include "data/image.h"
#include "numerics/tensor.h"

typedef struct ib_image_form {
    size_t height, width, channels;
    bool fixed; /* no resizing: all images have this size */
    bool crop;
    ib_resizing how;
} ib_image_form;

#define IB_IMAGE_FIELDS "color_mode", "image_size", "interpolation", "crop_to_aspect_ratio"

/* With Keras's defaults: rgb, 256 x 256, bilinear. image_size: null leaves height and width 0 until the first
 * image is known. */
ib_status ib__image_form_read(ib_image_form *out, const ib_entry *q);
/* [height, width, channels], uint8 without resizing, float32 with it. */
ib_shape ib__image_form_shape(const ib_image_form *form);
ib_dtype ib__image_form_dtype(const ib_image_form *form);
/* Decodes and puts it into out. name: for errors. */
ib_status ib__image_form_put(void *out, const ib_image_form *form, const void *bytes, size_t n,
                             const char *name, ib_error *err);
/* Height and width of the form from an image, if it has none. */
ib_status ib__image_form_learn(ib_image_form *form, const void *bytes, size_t n, const char *name,
                               ib_error *err);

#endif
