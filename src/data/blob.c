/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes in memory, in a file, in a temporary file.
 */
#include "data/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

struct ib_blob {
    char *name;
    unsigned char *bytes; /* of a blob in memory */
    size_t capacity, memory;
    uint64_t offset, length;
    int file;           /* -1: in memory */
    struct stat opened; /* of a file that is not ours */
    bool ours;
};

static ib_status blob_new(ib_blob **out, const char *name, size_t memory, ib_error *err) {
    ib_blob *b = calloc(1, sizeof *b);
    if (b == NULL || (b->name = strdup(name)) == NULL) {
        free(b);
        return ib__fail_memory(err);
    }
    b->file = -1;
    b->memory = memory;
    *out = b;
    return IB_OK;
}

void ib__blob_free(ib_blob *b) {
    if (b == NULL) return;
    if (b->file >= 0) close(b->file);
    free(b->bytes);
    free(b->name);
    free(b);
}

uint64_t ib__blob_length(const ib_blob *b) {
    return b->length;
}

const void *ib__blob_memory(const ib_blob *b) {
    return b->file < 0 ? b->bytes : NULL;
}

/* ---- Reading ---- */

static ib_status fail_changed(const ib_blob *b, ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, b->name, "the file was changed while it was read");
}

static bool changed(const ib_blob *b) {
    struct stat now;
    return fstat(b->file, &now) != 0 || now.st_size != b->opened.st_size ||
           now.st_mtim.tv_sec != b->opened.st_mtim.tv_sec || now.st_mtim.tv_nsec != b->opened.st_mtim.tv_nsec;
}

static ib_status read_file(const ib_blob *b, uint64_t at, unsigned char *out, size_t n, ib_error *err) {
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(b->file, out + done, n - done, (off_t)(b->offset + at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return ib__fail(err, IB_IO, b->name, "cannot be read: %s", strerror(errno));
        if (got == 0)
            return ib__fail(err, IB_BAD_INPUT, b->name,
                            "expected %zu bytes at offset %" PRIu64 ", found %zu: the file became shorter "
                            "while it was read",
                            n, b->offset + at, done);
        done += (size_t)got;
    }
    return IB_OK;
}

ib_status ib__blob_read(const ib_blob *b, uint64_t at, void *out, size_t n, ib_error *err) {
    if (at > b->length || n > b->length - at)
        return ib__fail(err, IB_INTERNAL, b->name, "expected a place within %" PRIu64 " bytes", b->length);
    if (n == 0) return IB_OK;
    if (b->file < 0) {
        memcpy(out, b->bytes + at, n);
        return IB_OK;
    }
    ib_status status = read_file(b, at, out, n, err);
    return status == IB_OK && !b->ours && changed(b) ? fail_changed(b, err) : status;
}

/* ---- A part of a file ---- */

static ib_status open_file(ib_blob *b, uint64_t offset, uint64_t length, ib_error *err) {
    b->file = open(b->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (b->file < 0 || fstat(b->file, &b->opened) != 0)
        return ib__fail(err, IB_IO, b->name, "cannot be opened: %s", strerror(errno));
    if (!S_ISREG(b->opened.st_mode))
        return ib__fail(err, IB_IO, b->name, "expected a file, found a folder, device or pipe");
    uint64_t size = (uint64_t)b->opened.st_size;
    if (length == IB_BLOB_REST) length = offset < size ? size - offset : 0;
    if (offset > size || length > size - offset)
        return ib__fail(err, IB_BAD_INPUT, b->name,
                        "expected %" PRIu64 " bytes at offset %" PRIu64 ", found %" PRIu64 "", length, offset,
                        offset > size ? 0 : size - offset);
    b->offset = offset;
    b->length = length;
    return IB_OK;
}

static ib_status take_in(ib_blob *b, ib_error *err) {
    unsigned char *bytes = malloc((size_t)b->length + 1);
    if (bytes == NULL) return ib__fail_memory(err);
    ib_status status = ib__blob_read(b, 0, bytes, (size_t)b->length, err);
    if (status != IB_OK) {
        free(bytes);
        return status;
    }
    b->bytes = bytes;
    close(b->file);
    b->file = -1;
    return IB_OK;
}

ib_status ib__blob_of_file(ib_blob **out, const char *path, uint64_t offset, uint64_t length, size_t memory,
                           ib_error *err) {
    ib_blob *b = NULL;
    ib_status status = blob_new(&b, path, memory, err);
    if (status != IB_OK) return status;
    status = open_file(b, offset, length, err);
    if (status == IB_OK && b->length <= memory) status = take_in(b, err);
    if (status == IB_OK)
        *out = b;
    else
        ib__blob_free(b);
    return status;
}

ib_status ib__blob_of_memory(ib_blob **out, const char *name, void *bytes, size_t n, ib_error *err) {
    ib_status status = blob_new(out, name, n, err);
    if (status != IB_OK) return status;
    (*out)->bytes = bytes;
    (*out)->length = n;
    return IB_OK;
}

/* ---- What is made while a source is opened ---- */

ib_status ib__blob_new(ib_blob **out, const char *name, size_t memory, ib_error *err) {
    return blob_new(out, name, memory, err);
}

/* A file that nobody else sees and that ends with the process. */
static int temporary_file(void) {
    const char *folder = getenv("TMPDIR");
    char path[4096];
    if (folder == NULL || folder[0] != '/' || strlen(folder) > sizeof path - 32) folder = "/var/tmp";
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file >= 0) return file;
    snprintf(path, sizeof path, "%s/isobit-XXXXXX", folder);
    file = mkostemp(path, O_CLOEXEC);
    if (file >= 0) unlink(path);
    return file;
}

static ib_status write_out(ib_blob *b, const void *bytes, size_t n, ib_error *err) {
    const unsigned char *at = bytes;
    uint64_t to = b->length;
    while (n > 0) {
        ssize_t done = pwrite(b->file, at, n, (off_t)to);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return ib__fail(err, IB_IO, b->name, "cannot be put into a temporary file: %s", strerror(errno));
        at += done;
        to += (uint64_t)done;
        n -= (size_t)done;
    }
    return IB_OK;
}

/* From memory to a temporary file. */
static ib_status move_out(ib_blob *b, ib_error *err) {
    b->file = temporary_file();
    if (b->file < 0)
        return ib__fail(err, IB_IO, b->name, "no temporary file can be made: %s", strerror(errno));
    b->ours = true;
    uint64_t length = b->length;
    b->length = 0;
    ib_status status = write_out(b, b->bytes, (size_t)length, err);
    b->length = length;
    free(b->bytes);
    b->bytes = NULL;
    return status;
}

ib_status ib__blob_add(ib_blob *b, const void *bytes, size_t n, ib_error *err) {
    ib_status status = IB_OK;
    if (b->file < 0 && b->length + n > b->memory) status = move_out(b, err);
    if (status != IB_OK || n == 0) return status;
    if (b->file < 0) {
        if (!ib__grow(&b->bytes, &b->capacity, (size_t)b->length + n, 1)) return ib__fail_memory(err);
        memcpy(b->bytes + b->length, bytes, n);
    } else {
        status = write_out(b, bytes, n, err);
    }
    if (status == IB_OK) b->length += n;
    return status;
}
