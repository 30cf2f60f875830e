/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders of images, with the settings and meaning of keras.utils.image_dataset_from_directory:
 *
 *   {images: FOLDER, image_size: [180, 180], color_mode: rgb, label_mode: int, validation_split: 0.2,
 *    subset: training, seed: 123}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/pool.h"
#include "data/image_entry.h"
#include "data/image_folder.h"
#include "data/kinds.h"
#include "data/listing.h"
#include "numerics/random.h"

#define FILE_MAX ((size_t)1 << 30)

typedef enum label_mode { MODE_INT, MODE_CATEGORICAL, MODE_BINARY, MODE_NONE } label_mode;

typedef struct image_source {
    ib_elements base;
    char *folder;
    ib_listing files;
    ib_digest *digests;
    int32_t *labels; /* one a file */
    uint32_t *order; /* element -> file */
    size_t classes;
    ib_image_form form;
    label_mode mode;
} image_source;

static const char *const endings[] = {".bmp", ".gif", ".jpeg", ".jpg", ".png", NULL};

/* ---- Reading ---- */

static ib_status read_file(ib_buf *out, const image_source *s, size_t file, char **path, ib_error *err) {
    *path = ib__path_join(s->folder, s->files.paths[file]);
    if (*path == NULL) return ib__fail_memory(err);
    return ib__file_read(out, *path, FILE_MAX, err);
}

/* The file's bytes, which must be those that were hashed. */
static ib_status read_again(ib_buf *out, const image_source *s, size_t file, char **path, ib_error *err) {
    ib_status status = read_file(out, s, file, path, err);
    if (status != IB_OK) return status;
    ib_digest now = ib__sha256(out->data, out->length);
    if (memcmp(&now, &s->digests[file], sizeof now) == 0) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, *path, "the file was changed while it was read");
}

static void put_label(void *out, const image_source *s, int32_t label) {
    float *values = out;
    if (s->mode == MODE_INT) memcpy(out, &label, sizeof label);
    if (s->mode == MODE_BINARY) values[0] = (float)label;
    for (size_t i = 0; s->mode == MODE_CATEGORICAL && i < s->classes; i++)
        values[i] = i == (size_t)label ? 1 : 0;
}

static ib_status images_read(const ib_elements *e, uint64_t first, size_t n, void *const *out,
                             ib_error *err) {
    const image_source *s = (const image_source *)e;
    size_t bytes = ib__data_field_bytes(&e->fields[0]);
    ib_status status = IB_OK;
    for (size_t i = 0; i < n && status == IB_OK; i++) {
        size_t file = s->order[first + i];
        ib_buf image = {0};
        char *path = NULL;
        status = read_again(&image, s, file, &path, err);
        if (status == IB_OK)
            status =
                ib__image_form_put((char *)out[0] + i * bytes, &s->form, image.data, image.length, path, err);
        if (status == IB_OK && s->mode != MODE_NONE)
            put_label((char *)out[1] + i * ib__data_field_bytes(&e->fields[1]), s, s->labels[file]);
        ib__buf_free(&image);
        free(path);
    }
    return status;
}

static void images_free(ib_elements *e) {
    image_source *s = (image_source *)e;
    ib__listing_free(&s->files);
    free(s->folder);
    free(s->digests);
    free(s->labels);
    free(s->order);
}

static const ib_elements_class images_class = {sizeof(image_source), images_read, images_free, NULL};

/* ---- Files and labels ---- */

/* Adds a class's files, labelled with its number. */
static ib_status add_class(image_source *s, const char *name, int32_t label, ib_error *err) {
    size_t before = s->files.n;
    ib_status status = ib__listing_add(&s->files, s->folder, name, endings, err);
    if (status != IB_OK) return status;
    int32_t *labels = realloc(s->labels, (s->files.n + 1) * sizeof *labels);
    if (labels == NULL) return ib__fail_memory(err);
    s->labels = labels;
    for (size_t i = before; i < s->files.n; i++)
        labels[i] = label;
    return IB_OK;
}

static ib_status check_class(const ib_entry *q, const ib_value *name, const ib_listing *folders) {
    if (name->kind != IB_STRING)
        return ib__entry_fail(q, name, "class_names", "expected names of folders, found %s",
                              ib__kind_name(name->kind));
    for (size_t i = 0; i < folders->n; i++)
        if (strcmp(folders->paths[i], name->string) == 0) return IB_OK;
    const char *near = ib__nearest(name->string, (const char *const *)folders->paths, folders->n);
    return ib__entry_fail(q, name, "class_names", "there is no folder %.60s%s%.60s", name->string,
                          near != NULL ? ", did you mean " : "", near != NULL ? near : "");
}

/* A class is a folder: all of them in bytewise order, or those of class_names in that order. */
static ib_status infer_labels(image_source *s, const ib_entry *q) {
    const ib_value *names = ib__value_get(q->map, "class_names");
    ib_listing folders = {0};
    ib_status status = ib__listing_folders(&folders, s->folder, q->err);
    if (status == IB_OK && names != NULL && names->kind != IB_LIST)
        status =
            ib__entry_fail(q, names, "class_names", "expected a list, found %s", ib__kind_name(names->kind));
    for (size_t i = 0; names != NULL && i < names->count && status == IB_OK; i++)
        status = check_class(q, names->items[i], &folders);
    s->classes = names != NULL ? names->count : folders.n;
    for (size_t i = 0; i < s->classes && status == IB_OK; i++)
        status = add_class(s, names != NULL ? names->items[i]->string : folders.paths[i], (int32_t)i, q->err);
    ib__listing_free(&folders);
    return status;
}

/* labels: [0, 2, 1, ...], one for each file in the order of paths. */
static ib_status take_labels(image_source *s, const ib_entry *q, const ib_value *list) {
    if (ib__value_get(q->map, "class_names") != NULL)
        return ib__entry_fail(q, NULL, "class_names", "stands beside labels: only inferred ones have names");
    ib_status status = add_class(s, "", 0, q->err);
    if (status != IB_OK) return status;
    if (list->count != s->files.n)
        return ib__entry_fail(q, list, "labels", "expected a label for each of %zu files, found %zu",
                              s->files.n, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const ib_value *v = list->items[i];
        if (v->kind != IB_INT || v->integer < 0 || v->integer > 1000000)
            return ib__entry_fail(q, v, "labels", "expected class numbers from 0");
        s->labels[i] = (int32_t)v->integer;
        if ((size_t)v->integer >= s->classes) s->classes = (size_t)v->integer + 1;
    }
    return IB_OK;
}

static ib_status find_files(image_source *s, const ib_entry *q) {
    const ib_value *labels = ib__value_get(q->map, "labels");
    ib_status status;
    if (labels == NULL || ib__value_is_string(labels, "inferred")) {
        status = infer_labels(s, q);
    } else if (labels->kind == IB_NULL) {
        s->mode = MODE_NONE;
        status = add_class(s, "", 0, q->err);
    } else if (labels->kind == IB_LIST) {
        status = take_labels(s, q, labels);
    } else {
        status = ib__entry_fail(q, labels, "labels", "expected inferred, null or a list of class numbers");
    }
    if (status == IB_OK && s->files.n == 0)
        status = ib__fail(q->err, IB_BAD_INPUT, s->folder,
                          "expected images (.jpg .jpeg .png), in a folder for each class, found none");
    if (status == IB_OK && s->files.n > UINT32_MAX / 2)
        status = ib__fail(q->err, IB_BAD_INPUT, s->folder, "too many files");
    if (status == IB_OK && s->mode == MODE_BINARY && s->classes != 2)
        status = ib__entry_fail(q, NULL, "label_mode", "binary needs 2 classes, found %zu", s->classes);
    return status;
}

/* ---- Order and split ---- */

static ib_status shuffle_files(image_source *s, const ib_entry *q) {
    const ib_value *seed = ib__value_get(q->map, "seed");
    char where[256];
    snprintf(where, sizeof where, "%.120s, %.60s.seed", q->name, q->place);
    ib_value *own = ib__value_int((int64_t)q->seed);
    ib_random random;
    ib_status status = own == NULL ? ib__fail_memory(q->err) : IB_OK;
    if (status == IB_OK)
        status = ib__random_open(&random, seed != NULL ? "numpy.RandomState" : "isobit",
                                 seed != NULL ? seed : own, where, q->err);
    if (status == IB_OK) status = ib__random_shuffle(&random, s->order, s->files.n, q->err);
    ib__value_free(own);
    return status;
}

/* The last int(validation_split * n) files are for validation. */
static ib_status split_files(image_source *s, const ib_entry *q) {
    static const char *const subsets[] = {"training", "validation"};
    double split = 0;
    size_t subset = SIZE_MAX, n = s->files.n;
    ib_status status = ib__entry_number(q, "validation_split", 0, 1, &split);
    if (status == IB_OK) status = ib__entry_choice(q, "subset", subsets, 2, &subset);
    if (status != IB_OK) return status;
    s->base.count = n;
    if ((split > 0) != (subset != SIZE_MAX))
        return ib__entry_fail(q, NULL, "", "expected validation_split and subset together");
    if (split == 0) return IB_OK;
    size_t held = (size_t)(split * (double)n);
    if (held == 0 || held == n)
        return ib__entry_fail(
            q, NULL, "validation_split",
            "%zu files are cut in %zu to train and %zu to validate; expected at least one of each", n,
            n - held, held);
    s->base.count = subset == 0 ? n - held : held;
    if (subset == 1) memmove(s->order, s->order + (n - held), held * sizeof *s->order);
    return IB_OK;
}

static ib_status order_files(image_source *s, const ib_entry *q) {
    bool shuffle = true;
    ib_status status = ib__entry_flag(q, "shuffle", &shuffle);
    if (status != IB_OK) return status;
    s->order = calloc(s->files.n + 1, sizeof *s->order);
    if (s->order == NULL) return ib__fail_memory(q->err);
    for (size_t i = 0; i < s->files.n; i++)
        s->order[i] = (uint32_t)i;
    if (shuffle) status = shuffle_files(s, q);
    return status == IB_OK ? split_files(s, q) : status;
}

/* ---- Settings ---- */

static ib_status read_settings(image_source *s, const ib_entry *q) {
    static const char *const modes[] = {"int", "categorical", "binary"};
    const ib_value *mode = ib__value_get(q->map, "label_mode");
    size_t chosen = 0;
    ib_status status = ib__image_form_read(&s->form, q);
    if (status != IB_OK) return status;
    if (mode == NULL || mode->kind != IB_NULL) status = ib__entry_choice(q, "label_mode", modes, 3, &chosen);
    s->mode = mode != NULL && mode->kind == IB_NULL ? MODE_NONE : (label_mode)chosen;
    return status;
}

/* Without image_size the first image tells. */
static ib_status learn_size(image_source *s, ib_error *err) {
    ib_buf image = {0};
    char *path = NULL;
    ib_status status = read_again(&image, s, s->order[0], &path, err);
    if (status == IB_OK) status = ib__image_form_learn(&s->form, image.data, image.length, path, err);
    ib__buf_free(&image);
    free(path);
    return status;
}

static ib_status add_fields(image_source *s, ib_error *err) {
    ib_shape x = ib__image_form_shape(&s->form);
    ib_shape none = {0}, one = {1, {1}}, all = {1, {(int64_t)s->classes}};
    bool good = ib__elements_add_field(&s->base, "x", ib__image_form_dtype(&s->form), &x);
    if (s->mode != MODE_NONE)
        good = good && ib__elements_add_field(&s->base, "y", s->mode == MODE_INT ? IB_I32 : IB_F32,
                                              s->mode == MODE_INT      ? &none
                                              : s->mode == MODE_BINARY ? &one
                                                                       : &all);
    return good ? IB_OK : ib__fail_memory(err);
}

/* ---- Digests ---- */

typedef struct hashing {
    image_source *s;
    ib_status *status; /* one a file; the first that failed is looked at again, for its words */
} hashing;

static ib_status hash_file(image_source *s, size_t file, ib_error *err) {
    char *path = ib__path_join(s->folder, s->files.paths[file]);
    ib_status status = path == NULL ? ib__fail_memory(err) : ib__sha256_file(&s->digests[file], path, err);
    free(path);
    return status;
}

static void hash_part(void *context, size_t file, size_t worker) {
    hashing *h = context;
    (void)worker;
    h->status[file] = hash_file(h->s, file, NULL);
}

/* Each file's SHA-256, and that of the folder: over each relative path, a zero byte and the file's digest. */
static ib_status hash_files(image_source *s, ib_digest *folder, ib_error *err) {
    ib_pool *pool = NULL;
    hashing h = {.s = s, .status = calloc(s->files.n, sizeof(ib_status))};
    s->digests = calloc(s->files.n, sizeof *s->digests);
    ib_sha256 *all = ib__sha256_new();
    bool good = h.status != NULL && s->digests != NULL && all != NULL;
    ib_status status = good ? ib__pool_new(&pool, 0, err) : ib__fail_memory(err);
    if (status == IB_OK) ib__pool_run(pool, s->files.n, hash_part, &h);
    for (size_t i = 0; status == IB_OK && i < s->files.n; i++) {
        if (h.status[i] != IB_OK) status = hash_file(s, i, err);
        if (status != IB_OK) break;
        ib__sha256_add(all, s->files.paths[i], strlen(s->files.paths[i]) + 1);
        ib__sha256_add(all, &s->digests[i], sizeof s->digests[i]);
    }
    if (all != NULL) *folder = ib__sha256_end(all);
    ib__pool_free(pool);
    free(h.status);
    return status;
}

ib_status ib__image_folder_read(ib_image_folder *out, const ib_entry *q, const char *folder) {
    image_source s = {0};
    *out = (ib_image_folder){0};
    s.folder = strdup(folder);
    ib_status status = s.folder == NULL ? ib__fail_memory(q->err) : read_settings(&s, q);
    if (status == IB_OK) status = find_files(&s, q);
    if (status == IB_OK) status = hash_files(&s, &out->whole, q->err);
    out->files = s.files;
    out->digests = s.digests;
    free(s.labels);
    free(s.folder);
    return status;
}

void ib__image_folder_free(ib_image_folder *list) {
    ib__listing_free(&list->files);
    free(list->digests);
    *list = (ib_image_folder){0};
}

static ib_status open_folder(image_source *s, const ib_entry *q) {
    const char *folder;
    ib_digest digest;
    ib_status status = ib__entry_text(q, "images", true, &folder);
    if (status == IB_OK && (s->folder = ib__entry_path(q, folder)) == NULL) status = ib__fail_memory(q->err);
    if (status == IB_OK) status = read_settings(s, q);
    if (status == IB_OK) status = find_files(s, q);
    if (status == IB_OK) status = order_files(s, q);
    if (status == IB_OK) status = hash_files(s, &digest, q->err);
    if (status == IB_OK && s->form.fixed) status = learn_size(s, q->err);
    if (status == IB_OK) status = add_fields(s, q->err);
    if (status == IB_OK && !ib__elements_add_file(&s->base, "images", s->folder, &digest))
        status = ib__fail_memory(q->err);
    return status;
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

static const char *const fields[] = {"images", "labels",  "label_mode", "class_names",   "validation_split",
                                     "subset", "shuffle", "seed",       IB_IMAGE_FIELDS, NULL};
const ib_source_kind ib__source_images = {"images", fields, images_open};
