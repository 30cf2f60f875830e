/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking through folders.
 */
#include "data/listing.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#define FOLDERS_MAX 1000000
#define FILES_MAX 100000000

static ib_status add_path(ib_listing *list, const char *inner, const char *name, ib_error *err) {
    ib_buf path = {0};
    ib__buf_printf(&path, "%s%s%s", inner, inner[0] != '\0' ? "/" : "", name);
    if (path.failed || !ib__grow(&list->paths, &list->capacity, list->n + 1, sizeof *list->paths)) {
        ib__buf_free(&path);
        return ib__fail_memory(err);
    }
    list->paths[list->n++] = path.data;
    return IB_OK;
}

void ib__listing_free(ib_listing *list) {
    for (size_t i = 0; i < list->n; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (ib_listing){0};
}

/* ASCII letters alone: no locale has a say. */
static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool ends_in(const char *name, const char *ending) {
    size_t n = strlen(name), m = strlen(ending);
    if (n < m) return false;
    for (size_t i = 0; i < m; i++)
        if (lower(name[n - m + i]) != ending[i]) return false;
    return true;
}

static bool is_wanted(const char *name, const char *const *endings) {
    for (size_t i = 0; endings[i] != NULL; i++)
        if (ends_in(name, endings[i])) return true;
    return false;
}

/* A folder that is really there, not a link to one (follow: or a link). */
static bool is_folder(const char *folder, const char *inner, const char *name, bool follow) {
    char path[8192];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%s%s%s", folder, inner, inner[0] != '\0' ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof path) return false;
    return (follow ? stat(path, &st) : lstat(path, &st)) == 0 && S_ISDIR(st.st_mode);
}

/* Names in folder/inner, sorted bytewise. */
static ib_status names_in(char ***names, size_t *n, const char *folder, const char *inner, ib_error *err) {
    ib_buf path = {0};
    struct stat st;
    ib__buf_printf(&path, "%s%s%s", folder, inner[0] != '\0' ? "/" : "", inner);
    ib_status status = path.failed ? ib__fail_memory(err) : IB_OK;
    if (status == IB_OK && stat(path.data, &st) != 0)
        status = ib__fail(err, IB_IO, path.data, "cannot be opened: %s", strerror(errno));
    if (status == IB_OK && !S_ISDIR(st.st_mode))
        status = ib__fail(err, IB_BAD_INPUT, path.data, "expected a folder, found a file");
    if (status == IB_OK) status = ib__folder_names(names, n, path.data, err);
    ib__buf_free(&path);
    return status;
}

/* The folders below, themselves included, in the order in which they are found. */
static ib_status find_folders(ib_listing *folders, const char *folder, const char *inner, ib_error *err) {
    ib_status status = add_path(folders, "", inner, err);
    for (size_t at = 0; at < folders->n && status == IB_OK; at++) {
        char **names;
        size_t n;
        status = names_in(&names, &n, folder, folders->paths[at], err);
        if (status != IB_OK) break;
        for (size_t i = 0; i < n && status == IB_OK; i++) {
            if (!is_folder(folder, folders->paths[at], names[i], false)) continue;
            if (folders->n == FOLDERS_MAX)
                status = ib__fail(err, IB_BAD_INPUT, folder, "too many folders");
            else
                status = add_path(folders, folders->paths[at], names[i], err);
        }
        ib__names_free(names, n);
    }
    return status;
}

static int by_path(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

ib_status ib__listing_add(ib_listing *list, const char *folder, const char *inner, const char *const *endings,
                          ib_error *err) {
    ib_listing folders = {0};
    ib_status status = find_folders(&folders, folder, inner, err);
    if (status == IB_OK) qsort(folders.paths, folders.n, sizeof *folders.paths, by_path);
    for (size_t at = 0; at < folders.n && status == IB_OK; at++) {
        char **names;
        size_t n;
        status = names_in(&names, &n, folder, folders.paths[at], err);
        if (status != IB_OK) break;
        for (size_t i = 0; i < n && status == IB_OK; i++) {
            if (!is_wanted(names[i], endings) || is_folder(folder, folders.paths[at], names[i], true))
                continue;
            if (list->n == FILES_MAX)
                status = ib__fail(err, IB_BAD_INPUT, folder, "too many files");
            else
                status = add_path(list, folders.paths[at], names[i], err);
        }
        ib__names_free(names, n);
    }
    ib__listing_free(&folders);
    return status;
}

ib_status ib__listing_folders(ib_listing *list, const char *folder, ib_error *err) {
    char **names;
    size_t n;
    ib_status status = names_in(&names, &n, folder, "", err);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < n && status == IB_OK; i++)
        if (names[i][0] != '.' && is_folder(folder, "", names[i], true))
            status = add_path(list, "", names[i], err);
    ib__names_free(names, n);
    return status;
}
