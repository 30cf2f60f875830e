/* SPDX-License-Identifier: Apache-2.0
 *
 * Setting files aside: a rename beside the file, so that nothing is lost when the process is killed
 * meanwhile. Files that were there before the script ran are copied instead, because the script may read
 * them.
 */
#include "hold/aside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define SUFFIX ".isobit-aside"
#define COPY_LIMIT ((size_t)1 << 30)

static bool exists(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

static ib_status copy_file(const char *from, const char *to, ib_error *err) {
    ib_buf bytes = {0};
    ib_status status = ib__file_read(&bytes, from, COPY_LIMIT, err);
    if (status == IB_OK) status = ib__file_write(to, bytes.data, bytes.length, err);
    ib__buf_free(&bytes);
    return status;
}

static ib_status move(const char *from, const char *to, ib_error *err) {
    if (rename(from, to) == 0) return IB_OK;
    return ib__fail(err, IB_IO, from, "cannot be set aside: %s", strerror(errno));
}

/* Is the path in a folder that is set aside as a whole? */
static bool covered(const ib_aside *aside, const char *path) {
    for (size_t i = 0; i < aside->count; i++) {
        size_t n = strlen(aside->items[i].path);
        if (strncmp(aside->items[i].path, path, n) == 0 && (path[n] == '/' || path[n] == '\0')) return true;
    }
    return false;
}

static ib_status add(ib_aside *aside, const char *path, bool made, ib_error *err) {
    if (path[0] != '/' || covered(aside, path)) return IB_OK;
    if (!ib__grow(&aside->items, &aside->capacity, aside->count + 1, sizeof *aside->items))
        return ib__fail_memory(err);
    ib_buf kept = {0};
    ib__buf_printf(&kept, "%s" SUFFIX, path);
    ib_aside_item item = {.path = strdup(path), .kept = kept.data, .made = made};
    aside->items[aside->count++] = item;
    if (item.path == NULL || kept.failed) return ib__fail_memory(err);
    if (exists(item.kept))
        return ib__fail(err, IB_IO, item.kept,
                        "is left from a verification that was killed: please move it back to its name");
    aside->items[aside->count - 1].absent = !exists(path);
    if (!exists(path)) return IB_OK;
    ib_status status = made ? move(path, item.kept, err) : copy_file(path, item.kept, err);
    aside->items[aside->count - 1].there = status == IB_OK;
    return status;
}

static bool holds_run(const char *path, const char *run) {
    char *real = realpath(run, NULL);
    size_t n = strlen(path);
    bool holds = real != NULL && strncmp(real, path, n) == 0 && (real[n] == '/' || real[n] == '\0');
    free(real);
    return holds;
}

ib_status ib__aside_begin(ib_aside *aside, const ib_script_run *run, ib_error *err) {
    const ib_value *folders = ib__value_get(run->tree, "folders"),
                   *outputs = ib__value_get(run->tree, "outputs");
    ib_status status = IB_OK;
    *aside = (ib_aside){0};
    for (size_t i = 0; status == IB_OK && ib__value_is(folders, IB_LIST) && i < folders->count; i++) {
        const ib_value *path = folders->items[i];
        if (ib__value_is(path, IB_STRING) && !holds_run(path->string, run->folder))
            status = add(aside, path->string, true, err);
    }
    for (size_t i = 0; status == IB_OK && i < outputs->count; i++) {
        const ib_value *made = ib__value_get(outputs->items[i], "new");
        status = add(aside, ib__value_get(outputs->items[i], "path")->string,
                     ib__value_is(made, IB_BOOL) && made->boolean, err);
    }
    if (status != IB_OK) (void)ib__aside_end(aside, NULL);
    return status;
}

ib_status ib__aside_again(const ib_aside *aside, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < aside->count; i++) {
        const ib_aside_item *item = &aside->items[i];
        if (item->made)
            ib__tree_remove(item->path);
        else if (item->there)
            status = copy_file(item->kept, item->path, err);
    }
    return status;
}

ib_status ib__aside_end(ib_aside *aside, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; i < aside->count; i++) {
        ib_aside_item *item = &aside->items[i];
        bool whole = item->path != NULL && item->kept != NULL;
        if (whole && item->there) {
            ib__tree_remove(item->path);
            if (rename(item->kept, item->path) != 0 && status == IB_OK)
                status =
                    ib__fail(err, IB_IO, item->kept, "cannot be moved back to its name: %s", strerror(errno));
        } else if (whole && item->absent) {
            ib__tree_remove(item->path);
        }
        free(item->path);
        free(item->kept);
    }
    free(aside->items);
    *aside = (ib_aside){0};
    return status;
}
