/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the bytes of a stored member begin. libzip knows but does not say, so the directory is read once more
 * (APPNOTE.TXT 4.3, with its 64-bit forms), after libzip has checked that it is consistent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/zip_internal.h"

#define END_LENGTH 22
#define COMMENT_MAX 65535
#define LOCATOR_LENGTH 20
#define END64_LENGTH 56
#define ENTRY_LENGTH 46
#define LOCAL_LENGTH 30
#define DIRECTORY_MAX ((uint64_t)1 << 30)

typedef struct directory {
    int file;
    uint64_t size, begin, length; /* of the file; of the directory in it */
    unsigned char *bytes;
} directory;

static uint64_t number(const unsigned char *at, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static bool read_at(const directory *d, uint64_t at, void *out, size_t n) {
    size_t done = 0;
    if (at > d->size || n > d->size - at) return false;
    while (done < n) {
        ssize_t got = pread(d->file, (char *)out + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        done += (size_t)got;
    }
    return true;
}

/* From the record at the end of the archive, behind which a comment may stand. */
static bool find_directory(directory *d) {
    uint64_t most = END_LENGTH + COMMENT_MAX;
    size_t n = (size_t)(d->size < most ? d->size : most);
    unsigned char *tail = malloc(n + 1), end64[END64_LENGTH];
    bool found = false;
    if (tail == NULL || n < END_LENGTH || !read_at(d, d->size - n, tail, n)) {
        free(tail);
        return false;
    }
    size_t at = n - END_LENGTH + 1;
    while (!found && at-- > 0)
        found = number(tail + at, 4) == 0x06054b50 && number(tail + at + 20, 2) == n - END_LENGTH - at;
    if (found) {
        d->length = number(tail + at + 12, 4);
        d->begin = number(tail + at + 16, 4);
    }
    if (found && at >= LOCATOR_LENGTH && number(tail + at - LOCATOR_LENGTH, 4) == 0x07064b50) {
        uint64_t where = number(tail + at - LOCATOR_LENGTH + 8, 8);
        found = read_at(d, where, end64, sizeof end64) && number(end64, 4) == 0x06064b50;
        d->length = number(end64 + 40, 8);
        d->begin = number(end64 + 48, 8);
    }
    free(tail);
    return found && d->length <= DIRECTORY_MAX;
}

/* The 64-bit form of the local header's offset stands in an extra field, behind those sizes that need 64
 * bits. */
static bool wide_offset(const unsigned char *entry, uint64_t *offset) {
    const unsigned char *extra = entry + ENTRY_LENGTH + number(entry + 28, 2);
    size_t left = (size_t)number(entry + 30, 2);
    while (left >= 4) {
        size_t length = (size_t)number(extra + 2, 2), skip = 0;
        if (length > left - 4) return false;
        skip += number(entry + 24, 4) == 0xffffffff ? 8 : 0;
        skip += number(entry + 20, 4) == 0xffffffff ? 8 : 0;
        if (number(extra, 2) == 1 && length >= skip + 8) {
            *offset = number(extra + 4 + skip, 8);
            return true;
        }
        extra += 4 + length;
        left -= 4 + length;
    }
    return false;
}

/* The local header of entry number `index`. */
static bool find_local(const directory *d, size_t index, uint64_t *offset) {
    const unsigned char *at = d->bytes, *end = d->bytes + d->length;
    for (size_t i = 0;; i++) {
        if (end - at < ENTRY_LENGTH || number(at, 4) != 0x02014b50) return false;
        size_t length = ENTRY_LENGTH + (size_t)(number(at + 28, 2) + number(at + 30, 2) + number(at + 32, 2));
        if (length > (size_t)(end - at)) return false;
        if (i == index) break;
        at += length;
    }
    *offset = number(at + 42, 4);
    return *offset != 0xffffffff || wide_offset(at, offset);
}

static bool find_data(directory *d, size_t index, uint64_t size, uint64_t *offset) {
    unsigned char local[LOCAL_LENGTH];
    if (!find_directory(d) || (d->bytes = malloc((size_t)d->length + 1)) == NULL) return false;
    if (!read_at(d, d->begin, d->bytes, (size_t)d->length) || !find_local(d, index, offset)) return false;
    if (!read_at(d, *offset, local, sizeof local) || number(local, 4) != 0x04034b50) return false;
    *offset += LOCAL_LENGTH + number(local + 26, 2) + number(local + 28, 2);
    return *offset <= d->size && size <= d->size - *offset;
}

bool ib__zip_find_data(const char *path, size_t index, uint64_t size, uint64_t *offset) {
    directory d = {.file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat st;
    bool found = d.file >= 0 && fstat(d.file, &st) == 0 && S_ISREG(st.st_mode);
    if (found) d.size = (uint64_t)st.st_size;
    found = found && find_data(&d, index, size, offset);
    if (d.file >= 0) close(d.file);
    free(d.bytes);
    return found;
}
