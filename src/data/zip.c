/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading zip archives by libzip, after checks that libzip leaves to its caller.
 */
#include "data/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "base/mem.h"
#include "data/zip_internal.h"
#include "data/zip_name.h"

#define MEMBERS_MAX 100000
#define SIZE_MAX_COMPRESSED ((uint64_t)2 << 30)
#define SIZE_MAX_STORED ((uint64_t)1 << 40)
#define RATIO_MAX 1100 /* deflate reaches 1032 : 1 */

typedef struct member {
    const char *name;
    uint64_t size;
    bool stored;
} member;

struct ib_zip {
    zip_t *archive;
    char *path;
    member *members;
    size_t count;
    size_t *sorted; /* member numbers in the order of their names */
};

static ib_status fail_member(const ib_zip *zip, const char *name, ib_status code, ib_error *err,
                             const char *text) {
    char where[256];
    snprintf(where, sizeof where, "%.160s, %.80s", zip->path, name);
    return ib__fail(err, code, where, "%s", text);
}

static ib_status check_method(const ib_zip *zip, const char *name, const zip_stat_t *st, ib_error *err) {
    if (st->encryption_method != ZIP_EM_NONE)
        return fail_member(zip, name, IB_UNSUPPORTED, err, "encrypted members are not read");
    if (st->comp_method == ZIP_CM_STORE) {
        if (st->size != st->comp_size || st->size > SIZE_MAX_STORED)
            return fail_member(zip, name, IB_BAD_INPUT, err, "the archive states an impossible size for it");
    } else if (st->comp_method == ZIP_CM_DEFLATE) {
        if (st->size > SIZE_MAX_COMPRESSED || st->size / RATIO_MAX > st->comp_size)
            return fail_member(zip, name, IB_BAD_INPUT, err, "the archive states an impossible size for it");
    } else {
        char text[128];
        snprintf(text, sizeof text, "expected a stored or deflated member, found compression method %u",
                 st->comp_method);
        return fail_member(zip, name, IB_UNSUPPORTED, err, text);
    }
    return IB_OK;
}

/* Archives made on Unix keep the file type in the upper half of the attributes. */
static bool is_plain_file(zip_t *archive, uint64_t index) {
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    if (zip_file_get_external_attributes(archive, index, 0, &system, &attributes) != 0) return false;
    unsigned type = attributes >> 16 & S_IFMT;
    return system != ZIP_OPSYS_UNIX || type == 0 || type == S_IFREG || type == S_IFDIR;
}

static ib_status check_member(ib_zip *zip, size_t index, ib_error *err) {
    zip_stat_t st;
    const zip_uint64_t need =
        ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    const char *name = zip_get_name(zip->archive, index, ZIP_FL_ENC_RAW);
    if (name == NULL || zip_stat_index(zip->archive, index, 0, &st) != 0 || (st.valid & need) != need)
        return ib__fail(err, IB_BAD_INPUT, zip->path, "the directory entry of member %zu is damaged", index);
    zip->members[index] = (member){name, st.size, st.comp_method == ZIP_CM_STORE};
    const char *problem = ib__zip_name_problem(name);
    if (problem != NULL) {
        return ib__fail(err, IB_BAD_INPUT, zip->path, "the name of member %zu %s; the archive is refused",
                        index, problem);
    }
    if (!is_plain_file(zip->archive, index))
        return fail_member(zip, name, IB_BAD_INPUT, err, "expected a file, found a link or a device");
    return check_method(zip, name, &st, err);
}

static int compare_names(const void *a, const void *b, void *members) {
    const member *all = members;
    return strcmp(all[*(const size_t *)a].name, all[*(const size_t *)b].name);
}

static ib_status check_members(ib_zip *zip, ib_error *err) {
    zip_int64_t entries = zip_get_num_entries(zip->archive, 0);
    if (entries < 0 || entries > MEMBERS_MAX)
        return ib__fail(err, IB_BAD_INPUT, zip->path, "expected at most %d members", MEMBERS_MAX);
    zip->count = (size_t)entries;
    zip->members = calloc(zip->count + 1, sizeof *zip->members);
    zip->sorted = calloc(zip->count + 1, sizeof *zip->sorted);
    if (zip->members == NULL || zip->sorted == NULL) return ib__fail_memory(err);
    for (size_t i = 0; i < zip->count; i++) {
        ib_status status = check_member(zip, i, err);
        if (status != IB_OK) return status;
        zip->sorted[i] = i;
    }
    qsort_r(zip->sorted, zip->count, sizeof *zip->sorted, compare_names, zip->members);
    for (size_t i = 1; i < zip->count; i++) {
        const char *name = zip->members[zip->sorted[i]].name;
        if (strcmp(zip->members[zip->sorted[i - 1]].name, name) == 0)
            return fail_member(zip, name, IB_BAD_INPUT, err, "two members have this name");
    }
    return IB_OK;
}

/* libzip takes over the file. O_NONBLOCK, so that a pipe is refused instead of waited for; ZIP_CHECKCONS
 * compares every local header with the directory. */
static ib_status open_archive(ib_zip *zip, const char *path, ib_error *err) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return ib__fail(err, IB_IO, path, "cannot be opened: %s", strerror(errno));
    struct stat st;
    if (fstat(file, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(file);
        return ib__fail(err, IB_IO, path, "expected a file, found a folder, device or pipe");
    }
    int problem = 0;
    zip->archive = zip_fdopen(file, ZIP_CHECKCONS, &problem);
    if (zip->archive != NULL) return IB_OK;
    close(file);
    if (problem == ZIP_ER_MEMORY) return ib__fail_memory(err);
    zip_error_t why;
    zip_error_init_with_code(&why, problem);
    ib_status status = ib__fail(err, problem == ZIP_ER_READ ? IB_IO : IB_BAD_INPUT, path,
                                "expected a zip archive: %s", zip_error_strerror(&why));
    zip_error_fini(&why);
    return status;
}

ib_status ib__zip_open(ib_zip **out, const char *path, ib_error *err) {
    ib_zip *zip = calloc(1, sizeof *zip);
    if (zip == NULL) return ib__fail_memory(err);
    zip->path = strdup(path);
    ib_status status = zip->path == NULL ? ib__fail_memory(err) : open_archive(zip, path, err);
    if (status == IB_OK) status = check_members(zip, err);
    if (status == IB_OK)
        *out = zip;
    else
        ib__zip_close(zip);
    return status;
}

void ib__zip_close(ib_zip *zip) {
    if (zip == NULL) return;
    if (zip->archive != NULL) zip_discard(zip->archive);
    free(zip->members);
    free(zip->sorted);
    free(zip->path);
    free(zip);
}

size_t ib__zip_count(const ib_zip *zip) {
    return zip->count;
}

const char *ib__zip_name(const ib_zip *zip, size_t index) {
    return zip->members[index].name;
}

uint64_t ib__zip_size(const ib_zip *zip, size_t index) {
    return zip->members[index].size;
}

bool ib__zip_find(const ib_zip *zip, const char *name, size_t *index) {
    size_t low = 0, high = zip->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(zip->members[zip->sorted[middle]].name, name);
        if (order == 0) {
            *index = zip->sorted[middle];
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static ib_status fail_missing(const ib_zip *zip, const char *name, ib_error *err) {
    ib_buf text = {0};
    ib__buf_text(&text, zip->count == 0 ? "no such member; the archive is empty" : "no such member, only ");
    for (size_t i = 0; i < zip->count && text.length < 400; i++)
        ib__buf_printf(&text, "%s%.60s", i > 0 ? ", " : "", zip->members[i].name);
    ib_status status =
        text.failed ? ib__fail_memory(err) : fail_member(zip, name, IB_BAD_INPUT, err, text.data);
    ib__buf_free(&text);
    return status;
}

static ib_status fail_damaged(const ib_zip *zip, const member *m, const char *why, ib_error *err) {
    char text[128];
    snprintf(text, sizeof text, "expected the %llu bytes that were packed, found damaged ones: %.60s",
             (unsigned long long)m->size, why);
    return fail_member(zip, m->name, IB_BAD_INPUT, err, text);
}

/* Reads to the end and not only `size` bytes: libzip compares the CRC there. */
static ib_status read_bytes(const ib_zip *zip, const member *m, zip_file_t *file, ib_zip_sink *sink,
                            void *context, ib_error *err) {
    uint64_t total = 0;
    for (;;) {
        char block[65536];
        zip_int64_t n = zip_fread(file, block, sizeof block);
        if (n < 0) return fail_damaged(zip, m, zip_file_strerror(file), err);
        if (n == 0) break;
        total += (uint64_t)n;
        if (total > m->size) break;
        ib_status status = sink(context, block, (size_t)n, err);
        if (status != IB_OK) return status;
    }
    if (total == m->size) return IB_OK;
    return fail_member(zip, m->name, IB_BAD_INPUT, err, "it has not the size that the archive states");
}

ib_status ib__zip_each(ib_zip *zip, size_t index, ib_zip_sink *sink, void *context, ib_error *err) {
    const member *m = &zip->members[index];
    zip_file_t *file = zip_fopen_index(zip->archive, index, 0);
    if (file == NULL) return fail_member(zip, m->name, IB_BAD_INPUT, err, zip_strerror(zip->archive));
    ib_status status = read_bytes(zip, m, file, sink, context, err);
    zip_fclose(file);
    return status;
}

static ib_status to_buffer(void *context, const void *bytes, size_t n, ib_error *err) {
    return ib__buf_add(context, bytes, n) ? IB_OK : ib__fail_memory(err);
}

ib_status ib__zip_read(ib_zip *zip, const char *name, size_t limit, ib_buf *buf, ib_error *err) {
    size_t index;
    if (!ib__zip_find(zip, name, &index)) return fail_missing(zip, name, err);
    const member *m = &zip->members[index];
    if (limit == 0) limit = (size_t)SIZE_MAX_COMPRESSED;
    if (m->size > limit) {
        char text[128];
        snprintf(text, sizeof text, "expected at most %zu bytes, found %llu", limit,
                 (unsigned long long)m->size);
        return fail_member(zip, name, IB_BAD_INPUT, err, text);
    }
    if (!ib__buf_text(buf, "")) return ib__fail_memory(err);
    return ib__zip_each(zip, index, to_buffer, buf, err);
}

ib_status ib__zip_locate(const ib_zip *zip, size_t index, bool *stored, uint64_t *offset, ib_error *err) {
    const member *m = &zip->members[index];
    *stored = m->stored;
    if (!m->stored || ib__zip_find_data(zip->path, index, m->size, offset)) return IB_OK;
    return fail_member(zip, m->name, IB_BAD_INPUT, err, "it does not lie where the directory says");
}
