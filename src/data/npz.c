/* SPDX-License-Identifier: Apache-2.0
 *
 * .npz: arrays by name out of a zip archive, and into one.
 */
#include "data/npz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

#define ARRAY_LIMIT ((size_t)1 << 40)

/* The names of the arrays, without ".npy". NULL: no memory; release the texts and the list with free(). */
static char **array_names(const ib_zip *zip) {
    char **names = calloc(ib__zip_count(zip) + 1, sizeof *names);
    for (size_t i = 0; names != NULL && i < ib__zip_count(zip); i++) {
        const char *member = ib__zip_name(zip, i);
        size_t n = strlen(member);
        bool npy = n > 4 && strcmp(member + n - 4, ".npy") == 0;
        names[i] = strndup(member, npy ? n - 4 : n);
    }
    return names;
}

static ib_status fail_missing(const ib_zip *zip, const char *path, const char *name, ib_error *err) {
    if (err == NULL) return IB_BAD_INPUT; /* nobody wants the words */
    char **names = array_names(zip);
    size_t n = names != NULL ? ib__zip_count(zip) : 0;
    ib_buf text = {0};
    bool all = names != NULL;
    for (size_t i = 0; i < n; i++)
        all = all && names[i] != NULL;
    const char *near = all ? ib__nearest(name, (const char *const *)names, n) : NULL;
    ib__buf_printf(&text, "no array is named '%.80s'", name);
    if (near != NULL) ib__buf_printf(&text, ", did you mean '%.80s'?", near);
    ib__buf_text(&text, n > 0 ? " (there are: " : " (there is none");
    for (size_t i = 0; all && i < n && text.length < 450; i++)
        ib__buf_printf(&text, "%s%.60s", i > 0 ? ", " : "", names[i]);
    ib__buf_text(&text, ")");
    ib_status status = IB_BAD_INPUT;
    if (!all || text.failed)
        status = ib__fail_memory(err);
    else
        ib__error_set(err, status, path, "%s", text.data);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    ib__buf_free(&text);
    return status;
}

ib_status ib__npz_array(ib_tensor *out, ib_zip *zip, const char *path, const char *name, ib_error *err) {
    ib_buf member = {0}, bytes = {0}, where = {0};
    size_t index;
    ib__buf_printf(&member, "%s.npy", name);
    ib__buf_printf(&where, "%s, %s", path, name);
    ib_status status = IB_OK;
    if (member.failed || where.failed)
        status = ib__fail_memory(err);
    else if (!ib__zip_find(zip, member.data, &index))
        status = fail_missing(zip, path, name, err);
    else
        status = ib__zip_read(zip, member.data, ARRAY_LIMIT, &bytes, err);
    if (status == IB_OK) status = ib__npy_parse(out, bytes.data, bytes.length, where.data, err);
    ib__buf_free(&member);
    ib__buf_free(&bytes);
    ib__buf_free(&where);
    return status;
}

ib_status ib__npz_read(ib_tensor *out, const char *path, const char *name, ib_error *err) {
    ib_zip *zip = NULL;
    ib_status status = ib__zip_open(&zip, path, err);
    if (status == IB_OK) status = ib__npz_array(out, zip, path, name, err);
    ib__zip_close(zip);
    return status;
}

ib_status ib__npz_write(const char *path, const ib_npz_entry *entries, size_t n, ib_error *err) {
    ib_status status = IB_OK;
    ib_zip_member *members = calloc(n + 1, sizeof *members);
    ib_buf *names = calloc(n + 1, sizeof *names), *arrays = calloc(n + 1, sizeof *arrays);
    if (members == NULL || names == NULL || arrays == NULL) {
        status = ib__fail_memory(err);
        goto cleanup;
    }
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        status = ib__buf_printf(&names[i], "%s.npy", entries[i].name) ? IB_OK : ib__fail_memory(err);
        if (status == IB_OK) status = ib__npy_pack(&arrays[i], entries[i].tensor, err);
        members[i] = (ib_zip_member){names[i].data, arrays[i].data, arrays[i].length};
    }
    if (status == IB_OK) status = ib__zip_write(path, members, n, err);
cleanup:
    for (size_t i = 0; names != NULL && arrays != NULL && i < n; i++) {
        ib__buf_free(&names[i]);
        ib__buf_free(&arrays[i]);
    }
    free(names);
    free(arrays);
    free(members);
    return status;
}
