/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder a class: files, labels, order, digests.
 */
#include "data/class_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/pool.h"
#include "numerics/random.h"

#define FILE_MAX ((size_t)1 << 30)

static const char *const image_endings[] = {".bmp", ".gif", ".jpeg", ".jpg", ".png", NULL};
static const char *const text_endings[] = {".txt", NULL};

/* What lies in the folder, by the entry's field. */
typedef struct folder_kind {
    const char *key, *what;
    const char *const *endings;
} folder_kind;

static const folder_kind kinds[] = {{"images", "images (.jpg .jpeg .png)", image_endings},
                                    {"texts", "texts (.txt)", text_endings}};

static const folder_kind *kind_of(const ib_entry *q) {
    return &kinds[ib__value_get(q->map, kinds[0].key) == NULL];
}

/* ---- Files and labels ---- */

/* Adds a class's files, labelled with its number. */
static ib_status add_class(ib_class_folder *f, const ib_entry *q, const char *name, int32_t label) {
    size_t before = f->files.n;
    ib_status status = ib__listing_add(&f->files, f->folder, name, kind_of(q)->endings, q->err);
    if (status != IB_OK) return status;
    int32_t *labels = realloc(f->labels, (f->files.n + 1) * sizeof *labels);
    if (labels == NULL) return ib__fail_memory(q->err);
    f->labels = labels;
    for (size_t i = before; i < f->files.n; i++)
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
static ib_status infer_labels(ib_class_folder *f, const ib_entry *q) {
    const ib_value *names = ib__value_get(q->map, "class_names");
    ib_listing folders = {0};
    ib_status status = ib__listing_folders(&folders, f->folder, q->err);
    if (status == IB_OK && names != NULL && names->kind != IB_LIST)
        status =
            ib__entry_fail(q, names, "class_names", "expected a list, found %s", ib__kind_name(names->kind));
    for (size_t i = 0; names != NULL && i < names->count && status == IB_OK; i++)
        status = check_class(q, names->items[i], &folders);
    f->classes = names != NULL ? names->count : folders.n;
    for (size_t i = 0; i < f->classes && status == IB_OK; i++)
        status = add_class(f, q, names != NULL ? names->items[i]->string : folders.paths[i], (int32_t)i);
    ib__listing_free(&folders);
    return status;
}

/* labels: [0, 2, 1, ...], one for each file in the order of paths. */
static ib_status take_labels(ib_class_folder *f, const ib_entry *q, const ib_value *list) {
    if (ib__value_get(q->map, "class_names") != NULL)
        return ib__entry_fail(q, NULL, "class_names", "stands beside labels: only inferred ones have names");
    ib_status status = add_class(f, q, "", 0);
    if (status != IB_OK) return status;
    if (list->count != f->files.n)
        return ib__entry_fail(q, list, "labels", "expected a label for each of %zu files, found %zu",
                              f->files.n, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const ib_value *v = list->items[i];
        if (v->kind != IB_INT || v->integer < 0 || v->integer > 1000000)
            return ib__entry_fail(q, v, "labels", "expected class numbers from 0");
        f->labels[i] = (int32_t)v->integer;
        if ((size_t)v->integer >= f->classes) f->classes = (size_t)v->integer + 1;
    }
    return IB_OK;
}

static ib_status find_files(ib_class_folder *f, const ib_entry *q) {
    const ib_value *labels = ib__value_get(q->map, "labels");
    ib_status status;
    if (labels == NULL || ib__value_is_string(labels, "inferred")) {
        status = infer_labels(f, q);
    } else if (labels->kind == IB_NULL) {
        f->mode = IB_LABEL_NONE;
        status = add_class(f, q, "", 0);
    } else if (labels->kind == IB_LIST) {
        status = take_labels(f, q, labels);
    } else {
        status = ib__entry_fail(q, labels, "labels", "expected inferred, null or a list of class numbers");
    }
    if (status == IB_OK && f->files.n == 0)
        status = ib__fail(q->err, IB_BAD_INPUT, f->folder,
                          "expected %s, in a folder for each class, found none", kind_of(q)->what);
    if (status == IB_OK && f->files.n > UINT32_MAX / 2)
        status = ib__fail(q->err, IB_BAD_INPUT, f->folder, "too many files");
    if (status == IB_OK && f->mode == IB_LABEL_BINARY && f->classes != 2)
        status = ib__entry_fail(q, NULL, "label_mode", "binary needs 2 classes, found %zu", f->classes);
    return status;
}

/* ---- Order and split ---- */

static ib_status shuffle_files(ib_class_folder *f, const ib_entry *q) {
    const ib_value *seed = ib__value_get(q->map, "seed");
    char where[256];
    snprintf(where, sizeof where, "%.120s, %.60s.seed", q->name, q->place);
    ib_value *own = ib__value_int((int64_t)q->seed);
    ib_random random;
    ib_status status = own == NULL ? ib__fail_memory(q->err) : IB_OK;
    if (status == IB_OK)
        status = ib__random_open(&random, seed != NULL ? "numpy.RandomState" : "isobit",
                                 seed != NULL ? seed : own, where, q->err);
    if (status == IB_OK) status = ib__random_shuffle(&random, f->order, f->files.n, q->err);
    ib__value_free(own);
    return status;
}

/* The last int(validation_split * n) files are for validation. */
static ib_status split_files(ib_class_folder *f, const ib_entry *q) {
    static const char *const subsets[] = {"training", "validation"};
    double split = 0;
    size_t subset = SIZE_MAX, n = f->files.n;
    ib_status status = ib__entry_number(q, "validation_split", 0, 1, &split);
    if (status == IB_OK) status = ib__entry_choice(q, "subset", subsets, 2, &subset);
    if (status != IB_OK) return status;
    f->count = n;
    if ((split > 0) != (subset != SIZE_MAX))
        return ib__entry_fail(q, NULL, "", "expected validation_split and subset together");
    if (split == 0) return IB_OK;
    size_t held = (size_t)(split * (double)n);
    if (held == 0 || held == n)
        return ib__entry_fail(
            q, NULL, "validation_split",
            "%zu files are cut in %zu to train and %zu to validate; expected at least one of each", n,
            n - held, held);
    f->count = subset == 0 ? n - held : held;
    if (subset == 1) memmove(f->order, f->order + (n - held), held * sizeof *f->order);
    return IB_OK;
}

static ib_status order_files(ib_class_folder *f, const ib_entry *q) {
    bool shuffle = true;
    ib_status status = ib__entry_flag(q, "shuffle", &shuffle);
    if (status != IB_OK) return status;
    f->order = calloc(f->files.n + 1, sizeof *f->order);
    if (f->order == NULL) return ib__fail_memory(q->err);
    for (size_t i = 0; i < f->files.n; i++)
        f->order[i] = (uint32_t)i;
    if (shuffle) status = shuffle_files(f, q);
    return status == IB_OK ? split_files(f, q) : status;
}

/* ---- Labels ---- */

static ib_status read_mode(ib_class_folder *f, const ib_entry *q) {
    static const char *const modes[] = {"int", "categorical", "binary"};
    const ib_value *mode = ib__value_get(q->map, "label_mode");
    size_t chosen = 0;
    bool none = mode != NULL && mode->kind == IB_NULL;
    ib_status status = none ? IB_OK : ib__entry_choice(q, "label_mode", modes, 3, &chosen);
    f->mode = none ? IB_LABEL_NONE : (ib_label_mode)chosen;
    return status;
}

ib_data_field ib__class_folder_label(const ib_class_folder *f) {
    ib_data_field y = {.dtype = f->mode == IB_LABEL_INT ? IB_I32 : IB_F32};
    if (f->mode != IB_LABEL_INT)
        y.shape = (ib_shape){1, {f->mode == IB_LABEL_BINARY ? 1 : (int64_t)f->classes}};
    return y;
}

void ib__class_folder_put_label(void *out, const ib_class_folder *f, size_t file) {
    int32_t label = f->labels[file];
    float *values = out;
    if (f->mode == IB_LABEL_INT) memcpy(out, &label, sizeof label);
    if (f->mode == IB_LABEL_BINARY) values[0] = (float)label;
    for (size_t i = 0; f->mode == IB_LABEL_CATEGORICAL && i < f->classes; i++)
        values[i] = i == (size_t)label ? 1 : 0;
}

/* ---- Digests ---- */

typedef struct hashing {
    ib_class_folder *f;
    ib_status *status; /* one a file; the first that failed is looked at again, for its words */
} hashing;

static ib_status hash_file(ib_class_folder *f, size_t file, ib_error *err) {
    char *path = ib__path_join(f->folder, f->files.paths[file]);
    ib_status status = path == NULL ? ib__fail_memory(err) : ib__sha256_file(&f->digests[file], path, err);
    free(path);
    return status;
}

static void hash_part(void *context, size_t file, size_t worker) {
    hashing *h = context;
    (void)worker;
    h->status[file] = hash_file(h->f, file, NULL);
}

/* Each file's SHA-256, and that of the folder: over each relative path, a zero byte and the file's digest. */
static ib_status hash_files(ib_class_folder *f, ib_error *err) {
    ib_pool *pool = NULL;
    hashing h = {.f = f, .status = calloc(f->files.n, sizeof(ib_status))};
    f->digests = calloc(f->files.n, sizeof *f->digests);
    ib_sha256 *all = ib__sha256_new();
    bool good = h.status != NULL && f->digests != NULL && all != NULL;
    ib_status status = good ? ib__pool_new(&pool, 0, err) : ib__fail_memory(err);
    if (status == IB_OK) ib__pool_run(pool, f->files.n, hash_part, &h);
    for (size_t i = 0; status == IB_OK && i < f->files.n; i++) {
        if (h.status[i] != IB_OK) status = hash_file(f, i, err);
        if (status != IB_OK) break;
        ib__sha256_add(all, f->files.paths[i], strlen(f->files.paths[i]) + 1);
        ib__sha256_add(all, &f->digests[i], sizeof f->digests[i]);
    }
    if (all != NULL) f->whole = ib__sha256_end(all);
    ib__pool_free(pool);
    free(h.status);
    return status;
}

/* ---- Reading ---- */

static ib_status read_file(ib_buf *out, const ib_class_folder *f, size_t file, char **path, ib_error *err) {
    *path = ib__path_join(f->folder, f->files.paths[file]);
    if (*path == NULL) return ib__fail_memory(err);
    return ib__file_read(out, *path, FILE_MAX, err);
}

/* The file's bytes, which must be those that were hashed. */
ib_status ib__class_folder_file(ib_buf *out, const ib_class_folder *f, size_t file, char **path,
                                ib_error *err) {
    ib_status status = read_file(out, f, file, path, err);
    if (status != IB_OK) return status;
    ib_digest now = ib__sha256(out->data, out->length);
    if (memcmp(&now, &f->digests[file], sizeof now) == 0) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, *path, "the file was changed while it was read");
}

/* ---- Opening ---- */

ib_status ib__class_folder_read(ib_class_folder *out, const ib_entry *q, const char *folder) {
    *out = (ib_class_folder){.folder = strdup(folder)};
    ib_status status = out->folder == NULL ? ib__fail_memory(q->err) : read_mode(out, q);
    if (status == IB_OK) status = find_files(out, q);
    return status == IB_OK ? hash_files(out, q->err) : status;
}

ib_status ib__class_folder_open(ib_class_folder *out, const ib_entry *q) {
    const char *folder;
    *out = (ib_class_folder){0};
    ib_status status = ib__entry_text(q, kind_of(q)->key, true, &folder);
    if (status == IB_OK && (out->folder = ib__entry_path(q, folder)) == NULL)
        status = ib__fail_memory(q->err);
    if (status == IB_OK) status = read_mode(out, q);
    if (status == IB_OK) status = find_files(out, q);
    if (status == IB_OK) status = order_files(out, q);
    return status == IB_OK ? hash_files(out, q->err) : status;
}

void ib__class_folder_free(ib_class_folder *f) {
    ib__listing_free(&f->files);
    free(f->folder);
    free(f->digests);
    free(f->labels);
    free(f->order);
    *f = (ib_class_folder){0};
}
