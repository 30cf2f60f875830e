/* SPDX-License-Identifier: Apache-2.0
 *
 * HDF5 data sets: {hdf5: FILE, x: /path, y: /path}
 *
 * A child process opens the file and says type and shape of each data set. Data that lie in one piece are
 * read by us, where they are; others the child reads by blocks of rows and sends, so that neither it nor we
 * need memory for all.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "data/h5_guard.h"
#include "data/kinds.h"

#define SILENCE 120000   /* milliseconds without a byte before the child is given up */
#define BLOCK_SECONDS 20 /* of processor time for a block of rows; some files are endless loops */
#define CHILD_MEMORY ((size_t)1 << 30)
#define BLOCK ((size_t)4 << 20)

/* What the child says of a data set; its bytes follow unless it lies in one piece. */
typedef struct answer {
    int32_t state, dtype, rank, swap, whole; /* whole: in one piece, from `offset` on */
    uint64_t offset;
    int64_t dims[IB_RANK_MAX];
    char found[IB_H5_FOUND];
} answer;

/* ---- The child ---- */

typedef struct kind {
    ib_dtype dtype;
    hid_t little, big, native;
} kind;

/* The types that arrays have, and h5py's bool: an enumeration over int8. */
static bool find_kind(hid_t type, answer *a, hid_t *native) {
    const kind kinds[] = {
        {IB_U8, H5T_STD_U8LE, H5T_STD_U8BE, H5T_NATIVE_UINT8},
        {IB_I8, H5T_STD_I8LE, H5T_STD_I8BE, H5T_NATIVE_INT8},
        {IB_U16, H5T_STD_U16LE, H5T_STD_U16BE, H5T_NATIVE_UINT16},
        {IB_I16, H5T_STD_I16LE, H5T_STD_I16BE, H5T_NATIVE_INT16},
        {IB_U32, H5T_STD_U32LE, H5T_STD_U32BE, H5T_NATIVE_UINT32},
        {IB_I32, H5T_STD_I32LE, H5T_STD_I32BE, H5T_NATIVE_INT32},
        {IB_U64, H5T_STD_U64LE, H5T_STD_U64BE, H5T_NATIVE_UINT64},
        {IB_I64, H5T_STD_I64LE, H5T_STD_I64BE, H5T_NATIVE_INT64},
        {IB_F32, H5T_IEEE_F32LE, H5T_IEEE_F32BE, H5T_NATIVE_FLOAT},
        {IB_F64, H5T_IEEE_F64LE, H5T_IEEE_F64BE, H5T_NATIVE_DOUBLE},
    };
    bool enumeration = H5Tget_class(type) == H5T_ENUM;
    hid_t plain = enumeration ? H5Tget_super(type) : type;
    for (size_t i = 0; plain >= 0 && i < sizeof kinds / sizeof *kinds; i++) {
        bool little = H5Tequal(plain, kinds[i].little) > 0, big = H5Tequal(plain, kinds[i].big) > 0;
        if (!little && !big) continue;
        a->dtype = (int32_t)(enumeration && kinds[i].dtype == IB_I8 ? IB_BOOL8 : kinds[i].dtype);
        a->swap = !little && big != (H5Tequal(kinds[i].native, kinds[i].big) > 0);
        if (little) a->swap = H5Tequal(kinds[i].native, kinds[i].little) <= 0;
        *native = enumeration ? type : kinds[i].native;
        return !enumeration || kinds[i].dtype == IB_I8;
    }
    return false;
}

static bool find_shape(hid_t space, answer *a) {
    hsize_t dims[H5S_MAX_RANK];
    a->rank = H5Sget_simple_extent_ndims(space);
    if (H5Sget_simple_extent_type(space) != H5S_SIMPLE || a->rank < 1 || a->rank > IB_RANK_MAX) {
        snprintf(a->found, sizeof a->found, "no array of 1 to %d dimensions", IB_RANK_MAX);
        return false;
    }
    if (H5Sget_simple_extent_dims(space, dims, NULL) != a->rank) return false;
    uint64_t bytes = 16; /* of a number, and more */
    for (int i = 0; i < a->rank; i++) {
        if (__builtin_mul_overflow(bytes, dims[i], &bytes) || bytes > INT64_MAX || dims[i] > INT64_MAX)
            return false;
        a->dims[i] = (int64_t)dims[i];
    }
    return true;
}

/* Data in one piece, in a type that is read as it is. */
static void find_place(hid_t set, answer *a) {
    hid_t list = H5Dget_create_plist(set);
    bool plain = list >= 0 && H5Pget_layout(list) == H5D_CONTIGUOUS && H5Pget_nfilters(list) == 0;
    haddr_t offset = plain ? H5Dget_offset(set) : HADDR_UNDEF;
    a->whole = offset != HADDR_UNDEF;
    a->offset = a->whole ? offset : 0;
    if (!a->whole) a->swap = 0; /* the child turns bytes around itself */
}

/* Deflate makes data at most 1,032 times smaller. A file of a few bytes that says to hold more has chunks
 * that nobody wrote; it would give fill values for hours. */
static bool is_stored(hid_t set, answer *a) {
    double bytes = (double)ib__dtype_size((ib_dtype)a->dtype), stored = (double)H5Dget_storage_size(set);
    for (int i = 0; i < a->rank; i++)
        bytes *= (double)a->dims[i];
    if (bytes <= 1100 * stored + (double)BLOCK) return true;
    snprintf(a->found, sizeof a->found, "%.0f bytes, of which %.0f are stored", bytes, stored);
    return false;
}

static ib_h5_state describe(hid_t file, const char *path, answer *a, hid_t *set, hid_t *native) {
    snprintf(a->found, sizeof a->found, "what libhdf5 cannot read");
    ib_h5_state links = ib__h5_check_links(file, path, a->found);
    if (links != IB_H5_READ) return links;
    H5O_info_t info;
    if (H5Oget_info_by_name(file, path, &info, H5P_DEFAULT) < 0) return IB_H5_REFUSED;
    if (info.type != H5O_TYPE_DATASET) {
        snprintf(a->found, sizeof a->found, "a group");
        return IB_H5_REFUSED;
    }
    *set = H5Dopen2(file, path, H5P_DEFAULT);
    if (*set < 0 || !ib__h5_plain_storage(*set, a->found)) return IB_H5_REFUSED;
    hid_t type = H5Dget_type(*set), space = H5Dget_space(*set);
    if (type < 0 || space < 0 || !find_shape(space, a)) return IB_H5_REFUSED;
    if (!find_kind(type, a, native)) {
        snprintf(a->found, sizeof a->found, "another type than integers, float32, float64 and bool");
        return IB_H5_REFUSED;
    }
    if (!is_stored(*set, a)) return IB_H5_REFUSED;
    find_place(*set, a);
    return IB_H5_READ;
}

static bool send_bytes(int end, const void *bytes, size_t n) {
    const char *at = bytes;
    while (n > 0) {
        ssize_t done = write(end, at, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

/* Rows of the first dimension that make about a block, in whole chunks. */
static hsize_t rows_at_once(hid_t set, const answer *a, size_t row) {
    hsize_t chunk[H5S_MAX_RANK] = {1}, rows = row > 0 ? BLOCK / row : 1;
    hid_t list = H5Dget_create_plist(set);
    if (list < 0 || H5Pget_layout(list) != H5D_CHUNKED || H5Pget_chunk(list, a->rank, chunk) != a->rank)
        chunk[0] = 1;
    rows = rows / chunk[0] * chunk[0];
    return rows > 0 ? rows : chunk[0];
}

static void send_rows(int end, hid_t set, hid_t native, const answer *a) {
    size_t row = ib__dtype_size((ib_dtype)a->dtype);
    hsize_t start[IB_RANK_MAX] = {0}, count[IB_RANK_MAX], total = (hsize_t)a->dims[0];
    for (int i = 1; i < a->rank; i++) {
        count[i] = (hsize_t)a->dims[i];
        row *= (size_t)a->dims[i];
    }
    hsize_t step = rows_at_once(set, a, row);
    if (step > total) step = total;
    char *block = malloc((size_t)step * row + 1);
    for (start[0] = 0; block != NULL && start[0] < total; start[0] += step) {
        count[0] = total - start[0] < step ? total - start[0] : step;
        ib__h5_allow(BLOCK_SECONDS);
        hid_t from = H5Dget_space(set), to = H5Screate_simple(a->rank, count, NULL);
        bool sent = from >= 0 && to >= 0 &&
                    H5Sselect_hyperslab(from, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                    H5Dread(set, native, to, from, H5P_DEFAULT, block) >= 0 &&
                    send_bytes(end, block, (size_t)count[0] * row);
        H5Sclose(from);
        H5Sclose(to);
        if (!sent) break;
    }
    free(block);
}

static void child(const char *path, const ib_picks *picks, int end) {
    ib__h5_enter_child(CHILD_MEMORY, 0);
    ib__h5_allow(BLOCK_SECONDS);
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file = -1;
#if H5_VERSION_GE(1, 10, 7)
    if (access >= 0) H5Pset_file_locking(access, false, true); /* the file is only read */
#endif
    if (access >= 0) file = H5Fopen(path, H5F_ACC_RDONLY, access);
    for (size_t i = 0; i < picks->n; i++) {
        answer a = {.state = IB_H5_REFUSED};
        hid_t set = -1, native = -1;
        ib__h5_allow(BLOCK_SECONDS);
        if (file < 0)
            snprintf(a.found, sizeof a.found, "no HDF5 file that libhdf5 can open");
        else
            a.state = (int32_t)describe(file, picks->list[i].source, &a, &set, &native);
        if (!send_bytes(end, &a, sizeof a) || a.state != IB_H5_READ) _exit(0);
        if (!a.whole) send_rows(end, set, native, &a);
    }
    _exit(0);
}

/* ---- The parent ---- */

typedef struct reader {
    const ib_entry *q;
    const char *path;
    int end;
    pid_t pid;
} reader;

static ib_status fail_reader(const reader *r, const char *set) {
    return ib__fail(r->q->err, IB_BAD_INPUT, r->path,
                    "%s: the reader ended or took too long; the file is broken", set);
}

/* All of n bytes from the child, or an error. */
static ib_status receive(const reader *r, void *out, size_t n, const char *set) {
    char *at = out;
    while (n > 0) {
        struct pollfd poller = {.fd = r->end, .events = POLLIN};
        int ready = poll(&poller, 1, SILENCE);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return fail_reader(r, set);
        ssize_t got = read(r->end, at, n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return fail_reader(r, set);
        at += got;
        n -= (size_t)got;
    }
    return IB_OK;
}

/* What the child says is believed no more than the file is. */
static ib_status check_answer(const reader *r, const answer *a, const ib_pick *pick, ib_array *out) {
    char found[IB_H5_FOUND];
    ib__h5_clean(found, a->found);
    if (a->state == IB_H5_MISSING)
        return ib__entry_fail(r->q, pick->at, pick->field, "there is no %s in %.150s", pick->source, r->path);
    if (a->state != IB_H5_READ)
        return ib__fail(r->q->err, IB_BAD_INPUT, r->path, "%s: expected a data set, found %s", pick->source,
                        found);
    if (a->rank < 1 || a->rank > IB_RANK_MAX || a->dtype < 0 || a->dtype > IB_F64)
        return fail_reader(r, pick->source);
    *out = (ib_array){.dtype = (ib_dtype)a->dtype, .shape = {.rank = a->rank}, .swap = a->swap != 0};
    memcpy(out->shape.dims, a->dims, sizeof a->dims);
    if (ib__shape_elements(&out->shape) < 0) return fail_reader(r, pick->source);
    return IB_OK;
}

/* The bytes that the child sends, into a blob. */
static ib_status receive_rows(const reader *r, ib_array *out, uint64_t length, const char *set) {
    char *block = malloc(BLOCK);
    ib_status status = block == NULL ? ib__fail_memory(r->q->err)
                                     : ib__blob_new(&out->blob, r->path, r->q->memory, r->q->err);
    while (status == IB_OK && length > 0) {
        size_t n = length < BLOCK ? (size_t)length : BLOCK;
        status = receive(r, block, n, set);
        if (status == IB_OK) status = ib__blob_add(out->blob, block, n, r->q->err);
        length -= n;
    }
    free(block);
    return status;
}

static ib_status receive_array(const reader *r, ib_array *out, const ib_pick *pick) {
    answer a;
    ib_status status = receive(r, &a, sizeof a, pick->source);
    if (status == IB_OK) status = check_answer(r, &a, pick, out);
    if (status != IB_OK) return status;
    uint64_t length = (uint64_t)ib__shape_elements(&out->shape) * ib__dtype_size(out->dtype);
    return a.whole ? ib__blob_of_file(&out->blob, r->path, a.offset, length, r->q->memory, r->q->err)
                   : receive_rows(r, out, length, pick->source);
}

static ib_status start_child(reader *r, const ib_picks *picks) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ib__fail(r->q->err, IB_IO, r->path, "cannot make a pipe to the reader: %s", strerror(errno));
    r->pid = fork();
    if (r->pid == 0) {
        close(ends[0]);
        child(r->path, picks, ends[1]);
    }
    close(ends[1]);
    r->end = ends[0];
    if (r->pid > 0) return IB_OK;
    return ib__fail(r->q->err, IB_IO, r->path, "cannot start the reader: %s", strerror(errno));
}

static void end_child(reader *r) {
    if (r->end >= 0) close(r->end);
    if (r->pid <= 0) return;
    kill(r->pid, SIGKILL);
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static ib_status receive_all(reader *r, ib_array *arrays, const ib_picks *picks) {
    struct stat before, after;
    if (stat(r->path, &before) != 0)
        return ib__fail(r->q->err, IB_IO, r->path, "cannot be opened: %s", strerror(errno));
    if (!S_ISREG(before.st_mode))
        return ib__fail(r->q->err, IB_IO, r->path, "expected a file, found a folder, device or pipe");
    ib_status status = start_child(r, picks);
    for (size_t i = 0; status == IB_OK && i < picks->n; i++)
        status = receive_array(r, &arrays[i], &picks->list[i]);
    end_child(r);
    if (status == IB_OK &&
        (stat(r->path, &after) != 0 || after.st_size != before.st_size ||
         after.st_mtim.tv_sec != before.st_mtim.tv_sec || after.st_mtim.tv_nsec != before.st_mtim.tv_nsec))
        return ib__fail(r->q->err, IB_BAD_INPUT, r->path, "the file was changed while it was read");
    return status;
}

static ib_status open_picks(ib_array *arrays, const ib_entry *q, const char *path, const ib_picks *picks) {
    reader r = {.q = q, .path = path, .end = -1};
    return receive_all(&r, arrays, picks);
}

static ib_status h5_open(ib_elements **out, const ib_entry *q) {
    return ib__picks_open(out, q, "hdf5", open_picks);
}

static const char *const fields[] = {"hdf5", "x", "y", "sample_weight", NULL};
const ib_source_kind ib__source_hdf5 = {"hdf5", fields, h5_open};
