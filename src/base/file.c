/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files: read with a limit, written atomically.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_LIMIT ((size_t)1 << 30)
#define BLOCK ((size_t)1 << 16)

static ib_status too_large(const char *path, size_t limit, ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, path, "expected at most %zu bytes, found more", limit);
}

/* Reads until the end, whatever fstat said about the size: it may grow, and files in /proc say 0. There is
 * room for one byte more than that size, so that the end is seen without more memory. */
static ib_status read_all(ib_buf *buf, int file, size_t size, const char *path, size_t limit, ib_error *err) {
    size_t total = 0;
    for (;;) {
        if (!ib__buf_reserve(buf, total <= size && size > 0 ? size - total + 1 : BLOCK))
            return ib__fail_memory(err);
        buf->data[buf->length] = '\0';
        ssize_t n = read(file, buf->data + buf->length, buf->capacity - buf->length - 1);
        if (n == 0) return IB_OK;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ib__fail(err, IB_IO, path, "cannot be read: %s", strerror(errno));
        buf->length += (size_t)n;
        total += (size_t)n;
        if (total > limit) return too_large(path, limit, err);
    }
}

/* O_NONBLOCK, so that a pipe at this path is refused instead of waited for. An empty file still gives buf a
 * terminated text. */
ib_status ib__file_read(ib_buf *buf, const char *path, size_t limit, ib_error *err) {
    if (limit == 0) limit = DEFAULT_LIMIT;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return ib__fail(err, IB_IO, path, "cannot be opened: %s", strerror(errno));
    ib_status status = IB_OK;
    struct stat st;
    if (fstat(file, &st) != 0)
        status = ib__fail(err, IB_IO, path, "cannot be looked at: %s", strerror(errno));
    else if (!S_ISREG(st.st_mode))
        status = ib__fail(err, IB_IO, path, "expected a file, found a folder, device or pipe");
    else if (st.st_size > 0 && (uintmax_t)st.st_size > limit)
        status = too_large(path, limit, err);
    else
        status = read_all(buf, file, (size_t)st.st_size, path, limit, err);
    close(file);
    return status;
}

/* The folder part of path as a new text: "a/b" -> "a", "b" -> ".", "/b" -> "/". NULL: no memory. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

char *ib__path_join(const char *folder, const char *name) {
    ib_buf path = {0};
    ib__buf_printf(&path, "%s/%s", folder, name);
    if (!path.failed) return path.data;
    ib__buf_free(&path);
    return NULL;
}

/* Makes a new file "PREFIX.PID.N" that did not exist; mode as the umask says. The name is for release with
 * free(). -1: errno tells. */
static int create_beside(char **name, const char *prefix) {
    static atomic_uint counter;
    for (int attempt = 0; attempt < 100; attempt++) {
        ib_buf text = {0};
        ib__buf_printf(&text, "%s.%ld.%u", prefix, (long)getpid(), atomic_fetch_add(&counter, 1));
        if (text.failed) {
            ib__buf_free(&text);
            errno = ENOMEM;
            return -1;
        }
        int file = ib__disk.create(text.data);
        if (file >= 0) {
            *name = text.data;
            return file;
        }
        ib__buf_free(&text);
        if (errno != EEXIST) return -1;
    }
    return -1;
}

static bool write_all(int file, const char *bytes, size_t n) {
    while (n > 0) {
        ssize_t done = ib__disk.write(file, bytes, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

ib_status ib__file_write(const char *path, const void *bytes, size_t n, ib_error *err) {
    char *name = NULL;
    char *folder = folder_of(path);
    if (folder == NULL) return ib__fail_memory(err);
    ib_status status = IB_OK;
    int file = create_beside(&name, path);
    bool good = file >= 0 && write_all(file, bytes, n) && ib__disk.sync(file) == 0;
    int problem = errno;
    if (file >= 0 && close(file) != 0 && good) {
        good = false;
        problem = errno;
    }
    bool renamed = good && ib__disk.rename(name, path) == 0;
    if (good && (!renamed || ib__disk.sync_folder(folder) != 0)) {
        good = false;
        problem = errno;
    }
    if (!good) {
        if (name != NULL && !renamed) ib__disk.remove(name);
        status = ib__fail(err, IB_IO, path, "cannot be written: %s", strerror(problem));
    }
    free(name);
    free(folder);
    return status;
}

bool ib__file_exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

static bool is_folder(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A new folder is there after a loss of power only when the folder around it was synced. */
static ib_status make_one(const char *part, const char *path, ib_error *err) {
    if (is_folder(part)) return IB_OK;
    bool good = ib__disk.make(part) == 0;
    int problem = errno;
    if (!good && problem == EEXIST) good = is_folder(part);
    char *around = good ? folder_of(part) : NULL;
    if (good && around == NULL) return ib__fail_memory(err);
    if (good && ib__disk.sync_folder(around) != 0) {
        good = false;
        problem = errno;
    }
    free(around);
    return good ? IB_OK : ib__fail(err, IB_IO, path, "cannot be made: %s", strerror(problem));
}

ib_status ib__folder_make(const char *path, ib_error *err) {
    if (path[0] == '\0') return ib__fail(err, IB_BAD_INPUT, "", "expected the name of a folder, found none");
    char *part = strdup(path);
    if (part == NULL) return ib__fail_memory(err);
    ib_status status = IB_OK;
    for (size_t i = 1; status == IB_OK; i++) {
        if (part[i] != '/' && part[i] != '\0') continue;
        char end = part[i];
        part[i] = '\0';
        status = make_one(part, path, err);
        part[i] = end;
        if (end == '\0') break;
    }
    free(part);
    return status;
}

ib_status ib__folder_check_writable(const char *path, ib_error *err) {
    ib_status status = ib__folder_make(path, err);
    if (status != IB_OK) return status;
    ib_buf prefix = {0};
    ib__buf_printf(&prefix, "%s/.writable", path);
    char *name = NULL;
    int file = prefix.failed ? -1 : create_beside(&name, prefix.data);
    if (prefix.failed)
        status = ib__fail_memory(err);
    else if (file < 0)
        status = ib__fail(err, IB_IO, path, "no file can be made in it: %s", strerror(errno));
    if (file >= 0) close(file);
    if (name != NULL) ib__disk.remove(name);
    free(name);
    ib__buf_free(&prefix);
    return status;
}

ib_status ib__file_remove(const char *path, ib_error *err) {
    if (ib__disk.remove(path) == 0 || errno == ENOENT) return IB_OK;
    return ib__fail(err, IB_IO, path, "cannot be removed: %s", strerror(errno));
}

bool ib__file_is_leftover(const char *name, const char *target) {
    size_t n = strlen(target);
    if (strncmp(name, target, n) != 0 || name[n] != '.') return false;
    const char *numbers = name + n + 1;
    size_t process = strspn(numbers, "0123456789");
    if (process == 0 || numbers[process] != '.') return false;
    const char *last = numbers + process + 1;
    return *last != '\0' && last[strspn(last, "0123456789")] == '\0';
}
