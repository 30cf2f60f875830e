/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder with a folder of files for each class, as keras.utils.image_dataset_from_directory and
 * text_dataset_from_directory take them: {images: FOLDER, ...} or {texts: FOLDER, ...}.
 */
#ifndef IB_DATA_CLASS_FOLDER_H
#define IB_DATA_CLASS_FOLDER_H

#include "base/buf.h"
#include "data/elements.h"
#include "data/entry.h"
#include "data/listing.h"

typedef enum ib_label_mode {
    IB_LABEL_INT,
    IB_LABEL_CATEGORICAL,
    IB_LABEL_BINARY,
    IB_LABEL_NONE
} ib_label_mode;

typedef struct ib_class_folder {
    char *folder;
    ib_listing files; /* relative to the folder, in the order of labels */
    ib_digest *digests;
    ib_digest whole; /* over each relative path, a zero byte and the file's digest: that of the input */
    int32_t *labels; /* one a file */
    uint32_t *order; /* element -> file */
    uint64_t count;  /* of elements */
    size_t classes;
    ib_label_mode mode;
} ib_class_folder;

/* The entry's fields for it. */
#define IB_CLASS_FOLDER_FIELDS                                                                               \
    "labels", "label_mode", "class_names", "validation_split", "subset", "shuffle", "seed"

/* Lists, orders and hashes the files. Release with ib__class_folder_free, also on failure. */
ib_status ib__class_folder_open(ib_class_folder *out, const ib_entry *q);
/* Without an order, for those who copy or check the files, which lie in `folder`, wherever the entry says. */
ib_status ib__class_folder_read(ib_class_folder *out, const ib_entry *q, const char *folder);
void ib__class_folder_free(ib_class_folder *f);

/* A file's bytes, which must be those that were hashed. *path: of the file, yours, also on failure; free().
 */
ib_status ib__class_folder_file(ib_buf *out, const ib_class_folder *f, size_t file, char **path,
                                ib_error *err);

/* Type and shape of a label (without a name) as label_mode says, if it says any, and a file's label. */
ib_data_field ib__class_folder_label(const ib_class_folder *f);
void ib__class_folder_put_label(void *out, const ib_class_folder *f, size_t file);

#endif
