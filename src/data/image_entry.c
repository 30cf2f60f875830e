/* SPDX-License-Identifier: Apache-2.0
 *
 * Images into arrays.
 */
#include "data/image_entry.h"

#include <string.h>

#define SIDE_MAX 65536

ib_status ib__image_form_read(ib_image_form *out, const ib_entry *q) {
    static const char *const colors[] = {"grayscale", "rgb", "rgba"};
    static const char *const methods[] = {"bilinear", "nearest", "bicubic", "area"};
    const ib_value *size = ib__value_get(q->map, "image_size");
    size_t color = 1, how = 0, n = 0;
    int64_t sides[2] = {256, 256};
    *out = (ib_image_form){.fixed = size != NULL && size->kind == IB_NULL};
    ib_status status = ib__entry_choice(q, "color_mode", colors, 3, &color);
    if (status == IB_OK) status = ib__entry_choice(q, "interpolation", methods, 4, &how);
    if (status == IB_OK) status = ib__entry_flag(q, "crop_to_aspect_ratio", &out->crop);
    if (status == IB_OK && !out->fixed) status = ib__entry_counts(q, "image_size", 1, SIDE_MAX, sides, 2, &n);
    out->channels = color == 0 ? 1 : color == 1 ? 3 : 4;
    out->how = (ib_resizing)how;
    if (out->fixed) return status;
    out->height = (size_t)sides[0];
    out->width = (size_t)(n == 1 ? sides[0] : sides[1]);
    return status;
}

ib_shape ib__image_form_shape(const ib_image_form *form) {
    return (ib_shape){3, {(int64_t)form->height, (int64_t)form->width, (int64_t)form->channels}};
}

ib_dtype ib__image_form_dtype(const ib_image_form *form) {
    return form->fixed ? IB_U8 : IB_F32;
}

/* The pixels that are wanted: all, or the largest part in the middle with the wanted ratio of sides. */
static ib_crop choose_crop(const ib_image_form *form, const ib_image *image) {
    ib_crop crop = {0, 0, image->height, image->width};
    if (!form->crop) return crop;
    size_t h = image->width * form->height / form->width, w = image->height * form->width / form->height;
    if (h < crop.h) crop.h = h > 0 ? h : 1;
    if (w < crop.w) crop.w = w > 0 ? w : 1;
    crop.top = (image->height - crop.h) / 2;
    crop.left = (image->width - crop.w) / 2;
    return crop;
}

static ib_status put_image(void *out, const ib_image_form *form, const ib_image *image, const char *name,
                           ib_error *err) {
    if (!form->fixed) {
        ib_crop crop = choose_crop(form, image);
        return ib__image_resize(out, form->height, form->width, image, &crop, form->how, err);
    }
    if (image->height != form->height || image->width != form->width)
        return ib__fail(
            err, IB_BAD_INPUT, name,
            "expected %zu rows and %zu columns as the first image has, found %zu and %zu: without "
            "image_size all have one size",
            form->height, form->width, image->height, image->width);
    memcpy(out, image->pixels, form->height * form->width * form->channels);
    return IB_OK;
}

ib_status ib__image_form_put(void *out, const ib_image_form *form, const void *bytes, size_t n,
                             const char *name, ib_error *err) {
    ib_image image = {0};
    ib_status status = ib__image_decode(&image, bytes, n, form->channels, name, err);
    if (status == IB_OK) status = put_image(out, form, &image, name, err);
    ib__image_free(&image);
    return status;
}

ib_status ib__image_form_learn(ib_image_form *form, const void *bytes, size_t n, const char *name,
                               ib_error *err) {
    ib_image image = {0};
    if (!form->fixed) return IB_OK;
    ib_status status = ib__image_decode(&image, bytes, n, form->channels, name, err);
    form->height = image.height;
    form->width = image.width;
    ib__image_free(&image);
    return status;
}
