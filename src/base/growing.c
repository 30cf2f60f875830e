/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that grow.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

struct ib_growing {
    int file;
    uint64_t length;
    char *path;
};

static ib_status fail(const char *path, const char *what, ib_error *err) {
    return ib__fail(err, IB_IO, path, "cannot be %s: %s", what, strerror(errno));
}

/* The file at its end, `length` bytes long. */
static ib_status open_at(ib_growing *g, uint64_t length, ib_error *err) {
    struct stat st;
    g->file = open(g->path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (g->file < 0 && errno == ENOENT && length == 0) g->file = ib__disk.create(g->path);
    if (g->file < 0) return fail(g->path, "opened", err);
    if (fstat(g->file, &st) != 0) return fail(g->path, "looked at", err);
    if (!S_ISREG(st.st_mode))
        return ib__fail(err, IB_IO, g->path, "expected a file, found a folder, device or pipe");
    if ((uint64_t)st.st_size < length)
        return ib__fail(err, IB_BAD_INPUT, g->path, "expected at least %llu bytes, found %llu",
                        (unsigned long long)length, (unsigned long long)st.st_size);
    if ((uint64_t)st.st_size > length && ib__disk.truncate(g->file, (off_t)length) != 0)
        return fail(g->path, "cut", err);
    if (lseek(g->file, (off_t)length, SEEK_SET) < 0) return fail(g->path, "written", err);
    g->length = length;
    return IB_OK;
}

ib_status ib__growing_open(ib_growing **out, const char *path, uint64_t length, ib_error *err) {
    ib_growing *g = calloc(1, sizeof *g);
    if (g == NULL) return ib__fail_memory(err);
    g->file = -1;
    g->path = strdup(path);
    ib_status status = g->path == NULL ? ib__fail_memory(err) : open_at(g, length, err);
    if (status == IB_OK)
        *out = g;
    else
        ib__growing_close(g);
    return status;
}

ib_status ib__growing_add(ib_growing *g, const void *bytes, size_t n, ib_error *err) {
    const char *at = bytes;
    while (n > 0) {
        ssize_t done = ib__disk.write(g->file, at, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return fail(g->path, "written", err);
        at += done;
        n -= (size_t)done;
        g->length += (uint64_t)done;
    }
    return IB_OK;
}

ib_status ib__growing_sync(ib_growing *g, ib_error *err) {
    return ib__disk.sync(g->file) == 0 ? IB_OK : fail(g->path, "written", err);
}

uint64_t ib__growing_length(const ib_growing *g) {
    return g->length;
}

void ib__growing_close(ib_growing *g) {
    if (g == NULL) return;
    if (g->file >= 0) close(g->file);
    free(g->path);
    free(g);
}
