/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests: disks that fail at the n-th call, processes that are killed there, and what is left after a loss
 * of power there.
 */
#ifndef IB_TEST_RUN_DISK_H
#define IB_TEST_RUN_DISK_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "run/runs.h"

/* ---- The n-th call ---- */

static ib_disk real_disk;

typedef struct fault {
    size_t calls, at; /* calls so far; the one that fails, SIZE_MAX: none */
    int problem;      /* errno, or 0: the process is killed */
    bool lasting;     /* all later calls fail, too */
} fault;
static fault planted;

/* Counts a call; true: it fails. */
static bool strikes(void) {
    size_t call = planted.calls++;
    bool now = call == planted.at || (planted.lasting && call > planted.at);
    if (now && planted.problem == 0) raise(SIGKILL);
    if (now) errno = planted.problem;
    return now;
}

static int faulty_create(const char *path) {
    return strikes() ? -1 : real_disk.create(path);
}

/* A disk that is full takes a part first. */
static ssize_t faulty_write(int file, const void *bytes, size_t n) {
    if (planted.calls == planted.at && n > 1) {
        planted.calls++;
        planted.at++;
        ssize_t some = real_disk.write(file, bytes, n / 2);
        if (planted.problem == 0) raise(SIGKILL);
        return some;
    }
    return strikes() ? -1 : real_disk.write(file, bytes, n);
}

static int faulty_truncate(int file, off_t length) {
    return strikes() ? -1 : real_disk.truncate(file, length);
}

static int faulty_sync(int file) {
    return strikes() ? -1 : real_disk.sync(file);
}

static int faulty_rename(const char *from, const char *to) {
    return strikes() ? -1 : real_disk.rename(from, to);
}

static int faulty_make(const char *folder) {
    return strikes() ? -1 : real_disk.make(folder);
}

static int faulty_remove(const char *path) {
    return strikes() ? -1 : real_disk.remove(path);
}

static int faulty_sync_folder(const char *folder) {
    return strikes() ? -1 : real_disk.sync_folder(folder);
}

static void plant(fault f) {
    planted = f;
    ib__disk = (ib_disk){faulty_create, faulty_write, faulty_truncate, faulty_sync,
                         faulty_rename, faulty_make,  faulty_remove,   faulty_sync_folder};
}

static void mend(void) {
    ib__disk = real_disk;
}

/* ---- What is on the disk after a loss of power ---- */

#define OPS_MAX 4000
#define FILES_MAX 600

typedef enum op_kind { CREATE, WRITE, TRUNCATE, SYNC, RENAME, REMOVE, SYNC_FOLDER } op_kind;
typedef struct op {
    op_kind kind;
    int file; /* number of the file, for CREATE, WRITE, TRUNCATE, SYNC */
    char path[256], to[256];
    char *bytes;
    size_t n;
} op;
static op journal[OPS_MAX];
static size_t n_journal;
static int file_numbers[1024]; /* of open descriptors */
static int n_files;

static op *note(op_kind kind, int file, const char *path) {
    assert_true(n_journal < OPS_MAX);
    op *o = &journal[n_journal++];
    *o = (op){.kind = kind, .file = file};
    snprintf(o->path, sizeof o->path, "%s", path);
    return o;
}

static int noted_create(const char *path) {
    int file = real_disk.create(path);
    assert_true(file >= 0 && file < 1024 && n_files < FILES_MAX);
    file_numbers[file] = n_files++;
    note(CREATE, file_numbers[file], path);
    return file;
}

static ssize_t noted_write(int file, const void *bytes, size_t n) {
    op *o = note(WRITE, file_numbers[file], "");
    o->bytes = malloc(n + 1);
    assert_non_null(o->bytes);
    memcpy(o->bytes, bytes, n);
    o->n = n;
    return real_disk.write(file, bytes, n);
}

static int noted_truncate(int file, off_t length) {
    note(TRUNCATE, file_numbers[file], "")->n = (size_t)length;
    return real_disk.truncate(file, length);
}

static int noted_sync(int file) {
    note(SYNC, file_numbers[file], "");
    return real_disk.sync(file);
}

static int noted_rename(const char *from, const char *to) {
    op *o = note(RENAME, -1, from);
    snprintf(o->to, sizeof o->to, "%s", to);
    return real_disk.rename(from, to);
}

static int noted_remove(const char *path) {
    note(REMOVE, -1, path);
    return real_disk.remove(path);
}

static int noted_sync_folder(const char *folder) {
    note(SYNC_FOLDER, -1, folder);
    return real_disk.sync_folder(folder);
}

static void note_all(void) {
    ib__disk = (ib_disk){noted_create, noted_write,    noted_truncate, noted_sync,
                         noted_rename, real_disk.make, noted_remove,   noted_sync_folder};
}

static void free_journal(void) {
    for (size_t i = 0; i < n_journal; i++)
        free(journal[i].bytes);
    n_journal = 0;
    n_files = 0;
}

/* A name that stands for a file. */
typedef struct link_entry {
    char path[256];
    int file;
} link_entry;
typedef struct names {
    link_entry links[FILES_MAX];
    size_t n;
} names;
typedef struct content {
    ib_buf now, safe; /* safe: what the last sync left */
} content;

static link_entry *find_link(names *t, const char *path) {
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->links[i].path, path) == 0) return &t->links[i];
    return NULL;
}

static void set_link(names *t, const char *path, int file) {
    link_entry *l = find_link(t, path);
    if (l == NULL) l = &t->links[t->n++];
    snprintf(l->path, sizeof l->path, "%s", path);
    l->file = file;
}

static void drop_link(names *t, const char *path) {
    link_entry *l = find_link(t, path);
    if (l != NULL) *l = t->links[--t->n];
}

static bool lies_in(const char *path, const char *folder) {
    size_t n = strlen(folder);
    return strncmp(path, folder, n) == 0 && path[n] == '/' && strchr(path + n + 1, '/') == NULL;
}

/* The names in the folder are from now on safe as they are. */
static void sync_names(names *safe, const names *now, const char *folder) {
    for (size_t i = safe->n; i-- > 0;)
        if (lies_in(safe->links[i].path, folder)) safe->links[i] = safe->links[--safe->n];
    for (size_t i = 0; i < now->n; i++)
        if (lies_in(now->links[i].path, folder)) set_link(safe, now->links[i].path, now->links[i].file);
}

static void replay(const op *o, names *now, names *safe, content *files) {
    content *c = o->file >= 0 ? &files[o->file] : NULL;
    if (o->kind == CREATE) set_link(now, o->path, o->file);
    if (o->kind == WRITE) ib__buf_add(&c->now, o->bytes, o->n);
    if (o->kind == TRUNCATE) c->now.length = o->n;
    if (o->kind == SYNC) {
        c->safe.length = 0;
        ib__buf_add(&c->safe, c->now.data, c->now.length);
    }
    if (o->kind == RENAME) {
        set_link(now, o->to, find_link(now, o->path)->file);
        drop_link(now, o->path);
    }
    if (o->kind == REMOVE) drop_link(now, o->path);
    if (o->kind == SYNC_FOLDER) sync_names(safe, now, o->path);
}

/* Makes the folder `to` what would be left of `from` when the power fails before operation number `cut`: no
 * content that was not synced; names as the last sync of their folder left them, or, with `late`, as they
 * were (a system may write names before content). */
static void leave(const char *from, const char *to, size_t cut, bool late) {
    static names now, safe;
    static content files[FILES_MAX];
    now.n = safe.n = 0;
    memset(files, 0, sizeof files);
    for (size_t i = 0; i < cut; i++)
        replay(&journal[i], &now, &safe, files);
    const names *left = late ? &now : &safe;
    char path[600];
    snprintf(path, sizeof path, "rm -rf '%.200s' && mkdir -p '%.200s/checkpoint'", to, to);
    assert_int_equal(system(path), 0);
    for (size_t i = 0; i < left->n; i++) {
        const ib_buf *b = &files[left->links[i].file].safe;
        size_t n = strlen(from);
        if (strncmp(left->links[i].path, from, n) != 0) continue;
        snprintf(path, sizeof path, "%s%s", to, left->links[i].path + n);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(b->data == NULL ? "" : b->data, 1, b->length, file), b->length);
        fclose(file);
    }
    for (size_t i = 0; i < FILES_MAX; i++) {
        ib__buf_free(&files[i].now);
        ib__buf_free(&files[i].safe);
    }
}

#endif
