/* SPDX-License-Identifier: Apache-2.0
 *
 * The names in a folder; folders for a while.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

ib_status ib__folder_names(char ***names, size_t *n, const char *path, ib_error *err) {
    *names = NULL;
    *n = 0;
    size_t capacity = 0;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return errno == ENOENT ? IB_OK : ib__fail(err, IB_IO, path, "cannot be read: %s", strerror(errno));
    ib_status status = IB_OK;
    const struct dirent *entry;
    while (status == IB_OK && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *name = strdup(entry->d_name);
        if (name == NULL || !ib__grow(names, &capacity, *n + 1, sizeof(char *))) {
            free(name);
            status = ib__fail_memory(err);
            break;
        }
        (*names)[(*n)++] = name;
    }
    closedir(folder);
    if (status == IB_OK && *n > 0) qsort(*names, *n, sizeof(char *), by_name);
    if (status == IB_OK) return IB_OK;
    ib__names_free(*names, *n);
    *names = NULL;
    *n = 0;
    return status;
}

void ib__names_free(char **names, size_t n) {
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

ib_status ib__folder_temporary(char **out, ib_error *err) {
    const char *place = getenv("TMPDIR");
    char *folder = ib__path_join(place != NULL && place[0] == '/' ? place : "/tmp", "isobit-XXXXXX");
    if (folder == NULL) return ib__fail_memory(err);
    if (mkdtemp(folder) != NULL) {
        *out = folder;
        return IB_OK;
    }
    ib_status status = ib__fail(err, IB_IO, folder, "cannot be made: %s", strerror(errno));
    free(folder);
    return status;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place) {
    (void)st;
    (void)kind;
    (void)place;
    return remove(path);
}

void ib__tree_remove(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void ib__folder_discard(char *folder) {
    if (folder == NULL) return;
    ib__tree_remove(folder);
    free(folder);
}
