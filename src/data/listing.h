/* SPDX-License-Identifier: Apache-2.0
 *
 * The files below a folder, in an order that no file system decides.
 */
#ifndef IB_DATA_LISTING_H
#define IB_DATA_LISTING_H

#include "base/error.h"

/* Relative paths ("cats/1.jpg"). */
typedef struct ib_listing {
    char **paths;
    size_t n, capacity;
} ib_listing;

/* Adds the files of `folder`/`inner` (inner "" or "cats") and of all folders below whose names end in one of
 * the endings (".jpg"; letters in any case; NULL-terminated): folder by folder in the bytewise order of their
 * paths, within each in the bytewise order of names. Links to files are followed, links to folders below are
 * not. */
ib_status ib__listing_add(ib_listing *list, const char *folder, const char *inner, const char *const *endings,
                          ib_error *err);
void ib__listing_free(ib_listing *list);

/* Names of the folders in `folder` that do not begin with a dot, sorted bytewise. Release as a listing. */
ib_status ib__listing_folders(ib_listing *list, const char *folder, ib_error *err);

#endif
