/* SPDX-License-Identifier: Apache-2.0
 *
 * dpkg's files: info/PACKAGE.list names the files of a package, status its version.
 */
#include "run/packages.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define INFO "/var/lib/dpkg/info"
#define STATUS "/var/lib/dpkg/status"

typedef struct libraries {
    char **paths; /* without a leading /usr */
    bool *owned;
    size_t n, capacity;
    bool failed;
} libraries;

static const char *without_usr(const char *path) {
    return strncmp(path, "/usr/", 5) == 0 ? path + 4 : path;
}

static int note_library(struct dl_phdr_info *info, size_t size, void *context) {
    libraries *l = context;
    (void)size;
    if (info->dlpi_name == NULL || info->dlpi_name[0] != '/') return 0;
    char *real = realpath(info->dlpi_name, NULL);
    char *copy = strdup(without_usr(real != NULL ? real : info->dlpi_name));
    free(real);
    if (copy == NULL || !ib__grow(&l->paths, &l->capacity, l->n + 1, sizeof(char *))) {
        free(copy);
        l->failed = true;
        return 1;
    }
    l->paths[l->n++] = copy;
    return 0;
}

static bool add_package(ib_packages *p, const char *name, bool build) {
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->all[i].name, name) == 0) return true;
    if (!ib__grow(&p->all, &p->capacity, p->n + 1, sizeof *p->all)) return false;
    p->all[p->n] = (ib_package){.name = strdup(name), .build = build};
    return p->all[p->n++].name != NULL;
}

/* Does the list of files own one of the libraries? Of its many lines few hold ".so", and strstr is quick. */
static bool owns_some(const char *text, libraries *l) {
    bool some = false;
    for (const char *at = text; (at = strstr(at, ".so")) != NULL;) {
        const char *before = memrchr(text, '\n', (size_t)(at - text));
        const char *path = without_usr(before != NULL ? before + 1 : text);
        at += strcspn(at, "\n");
        size_t length = (size_t)(at - path);
        for (size_t i = 0; i < l->n; i++) {
            if (strncmp(l->paths[i], path, length) != 0 || l->paths[i][length] != '\0') continue;
            l->owned[i] = some = true;
        }
    }
    return some;
}

/* "libc6:amd64.list" is of libc6. text: for the list of files, used again and again. */
static ib_status scan_list(ib_packages *p, const char *file, libraries *l, ib_buf *text, ib_error *err) {
    char name[256];
    char *path = ib__path_join(INFO, file);
    if (path == NULL) return ib__fail_memory(err);
    text->length = 0;
    bool read = ib__file_read(text, path, 0, NULL) == IB_OK;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(file, ":"), file);
    char *end = strstr(name, ".list");
    if (end != NULL) *end = '\0';
    bool good = !read || !owns_some(text->data, l) || add_package(p, name, false);
    free(path);
    return good ? IB_OK : ib__fail_memory(err);
}

static bool all_owned(const libraries *l) {
    for (size_t i = 0; i < l->n; i++)
        if (!l->owned[i]) return false;
    return true;
}

/* Is names[i] the list of a package with a file of shared libraries beside it? Names are sorted. */
static bool has_shlibs(char *const *names, size_t n, size_t i) {
    size_t stem = strlen(names[i]) - strlen("list");
    for (size_t k = i + 1; k < n && strncmp(names[k], names[i], stem) == 0; k++)
        if (strcmp(names[k] + stem, "shlibs") == 0) return true;
    return false;
}

/* Packages that say that they have libraries own nearly all, then come others called lib..., and all the rest
 * at last. -1: no list of files. */
static int turn_of(char *const *names, size_t n, size_t i) {
    size_t length = strlen(names[i]);
    if (length <= 5 || strcmp(names[i] + length - 5, ".list") != 0) return -1;
    if (has_shlibs(names, n, i)) return 0;
    return strncmp(names[i], "lib", 3) == 0 ? 1 : 2;
}

static ib_status find_owners(ib_packages *p, libraries *l, ib_error *err) {
    char **names;
    size_t n;
    ib_buf text = {0};
    ib_status status = ib__folder_names(&names, &n, INFO, err);
    for (int turn = 0; turn < 3 && status == IB_OK && !(turn > 0 && all_owned(l)); turn++)
        for (size_t i = 0; status == IB_OK && i < n; i++)
            if (turn_of(names, n, i) == turn) status = scan_list(p, names[i], l, &text, err);
    ib__buf_free(&text);
    ib__names_free(names, n);
    return status;
}

/* The value of a field within a paragraph of status, as a new text; NULL: none. */
static char *field_of(const char *paragraph, size_t length, const char *field) {
    size_t n = strlen(field);
    for (const char *line = paragraph; line < paragraph + length;) {
        size_t all = strcspn(line, "\n");
        if (all > n && strncmp(line, field, n) == 0) return strndup(line + n, all - n);
        line += all + 1;
    }
    return NULL;
}

/* Fills version and architecture of those that are installed; at: the text of the database. */
static void read_versions(ib_packages *p, const char *at) {
    while (*at != '\0') {
        const char *end = strstr(at, "\n\n");
        size_t length = end != NULL ? (size_t)(end - at) : strlen(at);
        char *name = field_of(at, length, "Package: ");
        for (size_t i = 0; name != NULL && i < p->n; i++) {
            if (strcmp(p->all[i].name, name) != 0 || p->all[i].version != NULL) continue;
            char *state = field_of(at, length, "Status: ");
            if (state != NULL && strstr(state, " installed") != NULL) {
                p->all[i].version = field_of(at, length, "Version: ");
                p->all[i].architecture = field_of(at, length, "Architecture: ");
            }
            free(state);
        }
        free(name);
        at += length + (end != NULL ? 2 : 0);
    }
}

/* What tools/setup asks for. */
static bool add_build_packages(ib_packages *p) {
    char names[] = IB_BUILD_PACKAGES, *save = NULL;
    bool good = true;
    for (char *name = strtok_r(names, " \n;", &save); good && name != NULL;
         name = strtok_r(NULL, " \n;", &save))
        good = add_package(p, name, true);
    return good;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const ib_package *)a)->name, ((const ib_package *)b)->name);
}

/* Those that are not installed are not part of the environment. */
static void drop_missing(ib_packages *p) {
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->all[i].version != NULL) {
            p->all[kept++] = p->all[i];
            continue;
        }
        free(p->all[i].name);
        free(p->all[i].architecture);
    }
    p->n = kept;
}

static ib_status keep_unknown(ib_packages *p, const libraries *l, ib_error *err) {
    for (size_t i = 0; i < l->n; i++) {
        if (l->owned[i]) continue;
        if (!ib__grow(&p->unknown, &p->unknown_capacity, p->n_unknown + 1, sizeof(char *)))
            return ib__fail_memory(err);
        p->unknown[p->n_unknown] = strdup(l->paths[i]);
        if (p->unknown[p->n_unknown++] == NULL) return ib__fail_memory(err);
    }
    return IB_OK;
}

ib_status ib__packages_here(ib_packages *p, ib_error *err) {
    libraries l = {0};
    ib_buf database = {0};
    *p = (ib_packages){.dpkg = ib__file_read(&database, STATUS, 0, NULL) == IB_OK};
    dl_iterate_phdr(note_library, &l);
    l.owned = calloc(l.n + 1, sizeof *l.owned);
    ib_status status = l.failed || l.owned == NULL ? ib__fail_memory(err) : IB_OK;
    if (status == IB_OK && p->dpkg) status = find_owners(p, &l, err);
    if (status == IB_OK && p->dpkg && !add_build_packages(p)) status = ib__fail_memory(err);
    if (status == IB_OK && p->dpkg) read_versions(p, database.data);
    if (status == IB_OK) status = keep_unknown(p, &l, err);
    if (status == IB_OK) {
        drop_missing(p);
        if (p->n > 1) qsort(p->all, p->n, sizeof *p->all, by_name);
    } else {
        ib__packages_free(p);
    }
    ib__names_free(l.paths, l.n);
    free(l.owned);
    ib__buf_free(&database);
    return status;
}

void ib__packages_free(ib_packages *p) {
    for (size_t i = 0; i < p->n; i++) {
        free(p->all[i].name);
        free(p->all[i].version);
        free(p->all[i].architecture);
    }
    free(p->all);
    ib__names_free(p->unknown, p->n_unknown);
    *p = (ib_packages){0};
}

const ib_package *ib__packages_find(const ib_packages *p, const char *name) {
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->all[i].name, name) == 0) return &p->all[i];
    return NULL;
}

ib_status ib__packages_add_versions(ib_packages *p, const ib_packages *names, ib_error *err) {
    ib_buf database = {0};
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < names->n; i++)
        if (!add_package(p, names->all[i].name, names->all[i].build)) status = ib__fail_memory(err);
    if (status == IB_OK && ib__file_read(&database, STATUS, 0, NULL) == IB_OK)
        read_versions(p, database.data);
    ib__buf_free(&database);
    return status;
}
