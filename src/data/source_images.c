/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders of images, with the settings and meaning of keras.utils.image_dataset_from_directory:
 *
 *   {images: FOLDER, image_size: [180, 180], color_mode: rgb, label_mode: int, validation_split: 0.2,
 *    subset: training, seed: 123}
 */
#include <stdlib.h>

#include "data/class_folder.h"
#include "data/image_entry.h"
#include "data/kinds.h"

typedef struct image_source {
    ib_elements base;
    ib_class_folder files;
    ib_image_form form;
} image_source;

static ib_status images_read(const ib_elements *e, uint64_t first, size_t n, void *const *out,
                             ib_error *err) {
    const image_source *s = (const image_source *)e;
    size_t bytes = ib__data_field_bytes(&e->fields[0]);
    ib_status status = IB_OK;
    for (size_t i = 0; i < n && status == IB_OK; i++) {
        size_t file = s->files.order[first + i];
        ib_buf image = {0};
        char *path = NULL;
        status = ib__class_folder_file(&image, &s->files, file, &path, err);
        if (status == IB_OK)
            status =
                ib__image_form_put((char *)out[0] + i * bytes, &s->form, image.data, image.length, path, err);
        if (status == IB_OK && s->files.mode != IB_LABEL_NONE)
            ib__class_folder_put_label((char *)out[1] + i * ib__data_field_bytes(&e->fields[1]), &s->files,
                                       file);
        ib__buf_free(&image);
        free(path);
    }
    return status;
}

static void images_free(ib_elements *e) {
    ib__class_folder_free(&((image_source *)e)->files);
}

static const ib_elements_class images_class = {
    .size = sizeof(image_source), .read = images_read, .free = images_free};

/* Without image_size the first image tells. */
static ib_status learn_size(image_source *s, ib_error *err) {
    ib_buf image = {0};
    char *path = NULL;
    ib_status status = ib__class_folder_file(&image, &s->files, s->files.order[0], &path, err);
    if (status == IB_OK) status = ib__image_form_learn(&s->form, image.data, image.length, path, err);
    ib__buf_free(&image);
    free(path);
    return status;
}

static ib_status open_folder(image_source *s, const ib_entry *q) {
    ib_status status = ib__image_form_read(&s->form, q);
    if (status == IB_OK) status = ib__class_folder_open(&s->files, q);
    if (status == IB_OK && s->form.fixed) status = learn_size(s, q->err);
    if (status != IB_OK) return status;
    ib_shape x = ib__image_form_shape(&s->form);
    s->base.count = s->files.count;
    ib_data_field y = ib__class_folder_label(&s->files);
    bool good =
        ib__elements_add_field(&s->base, "x", ib__image_form_dtype(&s->form), &x) &&
        (s->files.mode == IB_LABEL_NONE || ib__elements_add_field(&s->base, "y", y.dtype, &y.shape)) &&
        ib__elements_add_file(&s->base, "images", s->files.folder, &s->files.whole);
    return good ? IB_OK : ib__fail_memory(q->err);
}

static ib_status images_open(ib_elements **out, const ib_entry *q) {
    ib_elements *e = ib__elements_new(&images_class);
    ib_status status = e == NULL ? ib__fail_memory(q->err) : open_folder((image_source *)e, q);
    if (status == IB_OK)
        *out = e;
    else
        ib__elements_free(e);
    return status;
}

static const char *const fields[] = {"images", IB_CLASS_FOLDER_FIELDS, IB_IMAGE_FIELDS, NULL};
const ib_source_kind ib__source_images = {"images", fields, images_open};
