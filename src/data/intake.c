/* SPDX-License-Identifier: Apache-2.0
 *
 * Files read once, with or without gzip (RFC 1952, any number of members one behind the other).
 */
#include "data/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define BLOCK 65536

struct ib_intake {
    char *path;
    int file;
    struct stat opened;
    ib_sha256 *sha;
    unsigned char block[BLOCK];
    size_t have, used; /* bytes of block */
    uint64_t raw, at;  /* bytes read from the file; bytes given */
    bool gzip, inflating;
    z_stream z;
};

/* The next block, when all of the last one is used; have is 0 at the end of the file. */
static ib_status fill(ib_intake *in, ib_error *err) {
    if (in->used < in->have) return IB_OK;
    in->used = in->have = 0;
    for (;;) {
        ssize_t n = read(in->file, in->block, BLOCK);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ib__fail(err, IB_IO, in->path, "cannot be read: %s", strerror(errno));
        in->have = (size_t)n;
        break;
    }
    in->raw += in->have;
    ib__sha256_add(in->sha, in->block, in->have);
    return IB_OK;
}

static ib_status open_file(ib_intake *in, ib_error *err) {
    in->file = open(in->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in->file < 0 || fstat(in->file, &in->opened) != 0)
        return ib__fail(err, IB_IO, in->path, "cannot be opened: %s", strerror(errno));
    if (!S_ISREG(in->opened.st_mode))
        return ib__fail(err, IB_IO, in->path, "expected a file, found a folder, device or pipe");
    return IB_OK;
}

ib_status ib__intake_open(ib_intake **out, const char *path, ib_error *err) {
    ib_intake *in = calloc(1, sizeof *in);
    if (in == NULL) return ib__fail_memory(err);
    in->file = -1;
    in->path = strdup(path);
    in->sha = ib__sha256_new();
    ib_status status = in->path == NULL || in->sha == NULL ? ib__fail_memory(err) : open_file(in, err);
    if (status == IB_OK) status = fill(in, err);
    if (status == IB_OK && in->have >= 2 && in->block[0] == 0x1f && in->block[1] == 0x8b) {
        in->gzip = true;
        in->inflating = inflateInit2(&in->z, 16 + MAX_WBITS) == Z_OK;
        if (!in->inflating) status = ib__fail_memory(err);
    }
    if (status == IB_OK)
        *out = in;
    else
        ib__intake_close(in);
    return status;
}

void ib__intake_close(ib_intake *in) {
    if (in == NULL) return;
    if (in->inflating) inflateEnd(&in->z);
    if (in->file >= 0) close(in->file);
    if (in->sha != NULL) (void)ib__sha256_end(in->sha);
    free(in->path);
    free(in);
}

static ib_status fail_gzip(const ib_intake *in, const char *found, ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, in->path, "expected gzip data, found %s before offset %" PRIu64 "",
                    found, in->raw - (in->have - in->used));
}

/* A member ended; another one may follow. */
static ib_status next_member(ib_intake *in, ib_error *err) {
    inflateEnd(&in->z);
    in->inflating = false;
    ib_status status = fill(in, err);
    if (status != IB_OK || in->have == in->used) return status;
    memset(&in->z, 0, sizeof in->z);
    in->inflating = inflateInit2(&in->z, 16 + MAX_WBITS) == Z_OK;
    return in->inflating ? IB_OK : ib__fail_memory(err);
}

static ib_status read_gzip(ib_intake *in, void *out, size_t room, size_t *n, ib_error *err) {
    in->z.next_out = out;
    in->z.avail_out = (uInt)(room < (1u << 30) ? room : (1u << 30));
    uInt wanted = in->z.avail_out;
    while (in->inflating && in->z.avail_out == wanted) {
        ib_status status = fill(in, err);
        if (status != IB_OK) return status;
        if (in->have == in->used) return fail_gzip(in, "its end (the file is cut)", err);
        in->z.next_in = in->block + in->used;
        in->z.avail_in = (uInt)(in->have - in->used);
        int result = inflate(&in->z, Z_NO_FLUSH);
        in->used = in->have - in->z.avail_in;
        if (result == Z_MEM_ERROR) return ib__fail_memory(err);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return fail_gzip(in, in->z.msg != NULL ? in->z.msg : "other data", err);
        if (result == Z_STREAM_END) {
            uInt left = in->z.avail_out;
            unsigned char *to = in->z.next_out;
            status = next_member(in, err);
            if (status != IB_OK) return status;
            in->z.avail_out = left;
            in->z.next_out = to;
        }
    }
    *n = wanted - in->z.avail_out;
    return IB_OK;
}

ib_status ib__intake_read(ib_intake *in, void *out, size_t room, size_t *n, ib_error *err) {
    ib_status status;
    *n = 0;
    if (room == 0) return IB_OK;
    if (in->gzip) {
        status = read_gzip(in, out, room, n, err);
    } else {
        status = fill(in, err);
        *n = in->have - in->used < room ? in->have - in->used : room;
        memcpy(out, in->block + in->used, *n);
        in->used += *n;
    }
    in->at += *n;
    return status;
}

ib_status ib__intake_need(ib_intake *in, void *out, size_t n, const char *what, ib_error *err) {
    size_t done = 0;
    while (done < n) {
        size_t got;
        ib_status status = ib__intake_read(in, (unsigned char *)out + done, n - done, &got, err);
        if (status != IB_OK) return status;
        if (got == 0)
            return ib__fail(err, IB_BAD_INPUT, in->path,
                            "expected %s of %zu bytes at offset %" PRIu64 ", found %zu: the file is cut",
                            what, n, in->at - done, done);
        done += got;
    }
    return IB_OK;
}

uint64_t ib__intake_at(const ib_intake *in) {
    return in->at;
}

bool ib__intake_is_gzip(const ib_intake *in) {
    return in->gzip;
}

/* It has the size of the beginning, all of it was read, and nobody wrote to it. */
static ib_status check_unchanged(const ib_intake *in, ib_error *err) {
    struct stat now;
    if (fstat(in->file, &now) != 0)
        return ib__fail(err, IB_IO, in->path, "cannot be read: %s", strerror(errno));
    if (in->raw != (uint64_t)in->opened.st_size)
        return ib__fail(err, IB_BAD_INPUT, in->path,
                        "expected %" PRIu64 " bytes, found %" PRIu64
                        ": the file was changed while it was read",
                        (uint64_t)in->opened.st_size, in->raw);
    if (now.st_size == in->opened.st_size && now.st_mtim.tv_sec == in->opened.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == in->opened.st_mtim.tv_nsec)
        return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, in->path, "the file was changed while it was read");
}

ib_status ib__intake_end(ib_intake *in, ib_digest *digest, uint64_t *rest, ib_error *err) {
    unsigned char block[BLOCK];
    size_t n = 1;
    *rest = 0;
    while (n > 0) {
        ib_status status = ib__intake_read(in, block, sizeof block, &n, err);
        if (status != IB_OK) return status;
        *rest += n;
    }
    ib_status status = check_unchanged(in, err);
    if (status != IB_OK) return status;
    *digest = ib__sha256_end(in->sha);
    in->sha = NULL;
    return IB_OK;
}
