/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests of inputs.
 */
#include "run/inputs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool ib__input_is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

ib_status ib__input_files(ib_class_folder *out, const ib_record *r, const char *field, const char *path,
                          ib_error *err) {
    const char *dot = strrchr(field, '.');
    char place[256] = "";
    *out = (ib_class_folder){0};
    if (dot != NULL && (strcmp(dot, ".images") == 0 || strcmp(dot, ".texts") == 0))
        snprintf(place, sizeof place, "%.*s", (int)(dot - field), field);
    const ib_value *entry = ib__value_path(ib__value_get(r->tree, "experiment"), place);
    if (!ib__value_is(entry, IB_MAP))
        return ib__fail(err, IB_BAD_INPUT, path, "expected a file for %.100s, found a folder", field);
    ib_entry q = {.map = entry, .name = r->folder, .place = place, .err = err};
    return ib__class_folder_read(out, &q, path);
}

ib_status ib__input_digest(ib_digest *out, const ib_record *r, const char *field, const char *path,
                           ib_error *err) {
    if (!ib__input_is_folder(path)) return ib__sha256_file(out, path, err);
    ib_class_folder files;
    ib_status status = ib__input_files(&files, r, field, path, err);
    *out = files.whole;
    ib__class_folder_free(&files);
    return status;
}
