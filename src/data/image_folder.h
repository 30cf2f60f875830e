/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of an entry {images: FOLDER, ...}, for those who copy or check them.
 */
#ifndef IB_DATA_IMAGE_FOLDER_H
#define IB_DATA_IMAGE_FOLDER_H

#include "data/entry.h"
#include "data/listing.h"
#include "numerics/tensor.h"

typedef struct ib_image_folder {
    ib_listing files; /* relative to the folder, in the order of labels */
    ib_digest *digests;
    ib_digest whole; /* over each relative path, a zero byte and the file's digest: that of the input */
} ib_image_folder;

/* Lists and hashes the files of q->map, which lie in `folder`, wherever the entry says. Release with
 * ib__image_folder_free, also on failure. */
ib_status ib__image_folder_read(ib_image_folder *out, const ib_entry *q, const char *folder);
void ib__image_folder_free(ib_image_folder *list);

#endif
