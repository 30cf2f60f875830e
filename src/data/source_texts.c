/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders of texts, with the settings and meaning of keras.utils.text_dataset_from_directory:
 *
 *   {texts: FOLDER, label_mode: binary, max_length: 1000, validation_split: 0.2, subset: training, seed: 123}
 *
 * A file is one text, for layers that take texts.
 */
#include <stdlib.h>

#include "data/class_folder.h"
#include "data/kinds.h"
#include "numerics/texts.h"

/* A file's text, its first `most` bytes but for a character that is cut then (0: all), as a number. */
static ib_status read_text(int32_t *out, const ib_class_folder *f, size_t file, size_t most, ib_error *err) {
    ib_buf text = {0};
    char *path = NULL;
    ib_status status = ib__class_folder_file(&text, f, file, &path, err);
    size_t good = status == IB_OK ? ib__utf8_check(text.data, text.length) : 0, n = text.length;
    if (status == IB_OK && good != n)
        status = ib__fail(err, IB_BAD_INPUT, path, "expected UTF-8, found another byte at offset %zu", good);
    if (most > 0 && most < n)
        for (n = most; n > 0 && ((unsigned char)text.data[n] & 0xc0) == 0x80;)
            n--;
    if (status == IB_OK) status = ib__text_number(out, text.data, n, err);
    ib__buf_free(&text);
    free(path);
    return status;
}

/* x: the texts in the order of the elements; y: their labels, `width` bytes each (0: none). */
static ib_status read_all(ib_column *columns, const ib_class_folder *f, size_t width, size_t most,
                          const ib_entry *q) {
    char *label = malloc(width + 1);
    ib_status status = label == NULL ? ib__fail_memory(q->err)
                                     : ib__blob_new(&columns[0].blob, f->folder, q->memory, q->err);
    if (status == IB_OK && width > 0) status = ib__blob_new(&columns[1].blob, f->folder, q->memory, q->err);
    for (uint64_t i = 0; i < f->count && status == IB_OK; i++) {
        int32_t number;
        status = read_text(&number, f, f->order[i], most, q->err);
        if (status == IB_OK) status = ib__blob_add(columns[0].blob, &number, sizeof number, q->err);
        if (status != IB_OK || width == 0) continue;
        ib__class_folder_put_label(label, f, f->order[i]);
        status = ib__blob_add(columns[1].blob, label, width, q->err);
    }
    free(label);
    return status;
}

static ib_status make_elements(ib_elements **out, const ib_class_folder *f, size_t most, const ib_entry *q) {
    ib_data_field y = ib__class_folder_label(f);
    bool labelled = f->mode != IB_LABEL_NONE;
    ib_column columns[] = {{.name = "x", .dtype = IB_TEXT, .shape = {1, {1}}},
                           {.name = "y", .dtype = y.dtype, .shape = y.shape}};
    ib_status status = read_all(columns, f, labelled ? ib__data_field_bytes(&y) : 0, most, q);
    if (status == IB_OK) return ib__elements_from_columns(out, columns, 1 + labelled, f->count, q->err);
    ib__blob_free(columns[0].blob);
    ib__blob_free(columns[1].blob);
    return status;
}

static ib_status texts_open(ib_elements **out, const ib_entry *q) {
    ib_class_folder f = {0};
    ib_elements *e = NULL;
    int64_t most = 0;
    ib__texts_hold();
    ib_status status = ib__entry_count(q, "max_length", 1, INT64_C(1) << 40, &most);
    if (status == IB_OK) status = ib__class_folder_open(&f, q);
    if (status == IB_OK) status = make_elements(&e, &f, (size_t)most, q);
    if (status == IB_OK && !ib__elements_add_file(e, "texts", f.folder, &f.whole))
        status = ib__fail_memory(q->err);
    if (status == IB_OK)
        *out = e;
    else
        ib__elements_free(e);
    ib__class_folder_free(&f);
    ib__texts_release();
    return status;
}

static const char *const fields[] = {"texts", "max_length", IB_CLASS_FOLDER_FIELDS, NULL};
const ib_source_kind ib__source_texts = {"texts", fields, texts_open};
