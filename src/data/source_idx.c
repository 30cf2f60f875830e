/* SPDX-License-Identifier: Apache-2.0
 *
 * IDX files, as MNIST is kept in: {idx: {x: FILE, y: FILE}}, gzipped or not. Two zero bytes, a letter for the
 * type, the number of dimensions, the dimensions, the data; all big-endian.
 */
#include <inttypes.h>
#include <string.h>

#include "data/intake.h"
#include "data/kinds.h"

static bool dtype_of(unsigned char code, ib_dtype *out) {
    static const struct code {
        unsigned char code;
        ib_dtype dtype;
    } codes[] = {{0x08, IB_U8},  {0x09, IB_I8},  {0x0b, IB_I16},
                 {0x0c, IB_I32}, {0x0d, IB_F32}, {0x0e, IB_F64}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].code != code) continue;
        *out = codes[i].dtype;
        return true;
    }
    return false;
}

static ib_status read_head(ib_array *a, ib_intake *in, const char *path, ib_error *err) {
    unsigned char head[4], dim[4];
    ib_status status = ib__intake_need(in, head, sizeof head, "an IDX header", err);
    if (status != IB_OK) return status;
    if (head[0] != 0 || head[1] != 0 || !dtype_of(head[2], &a->dtype) || head[3] == 0)
        return ib__fail(
            err, IB_BAD_INPUT, path,
            "expected an IDX file (00 00, a type, the number of dimensions), found %02x %02x %02x "
            "%02x",
            head[0], head[1], head[2], head[3]);
    if (head[3] > IB_RANK_MAX)
        return ib__fail(err, IB_UNSUPPORTED, path, "expected at most %d dimensions, found %d", IB_RANK_MAX,
                        head[3]);
    a->shape.rank = head[3];
    for (int i = 0; i < head[3] && status == IB_OK; i++) {
        status = ib__intake_need(in, dim, sizeof dim, "an IDX header", err);
        a->shape.dims[i] = (int64_t)dim[0] << 24 | dim[1] << 16 | dim[2] << 8 | dim[3];
    }
    const uint16_t one = 1;
    a->swap = *(const uint8_t *)&one == 1;
    return status;
}

/* The data, decompressed, from `in` into a blob. */
static ib_status take_in(ib_array *a, ib_intake *in, uint64_t length, const char *path, size_t memory,
                         ib_error *err) {
    unsigned char block[65536];
    ib_status status = ib__blob_new(&a->blob, path, memory, err);
    while (status == IB_OK && length > 0) {
        size_t n = length < sizeof block ? (size_t)length : sizeof block;
        status = ib__intake_need(in, block, n, "data", err);
        if (status == IB_OK) status = ib__blob_add(a->blob, block, n, err);
        length -= n;
    }
    return status;
}

static ib_status read_array(ib_array *a, ib_intake *in, const char *path, size_t memory, ib_digest *digest,
                            ib_error *err) {
    char text[128];
    uint64_t rest;
    ib_status status = read_head(a, in, path, err);
    if (status != IB_OK) return status;
    uint64_t offset = ib__intake_at(in);
    int64_t elements = ib__shape_elements(&a->shape);
    ib__shape_print(text, &a->shape);
    if (elements < 0)
        return ib__fail(err, IB_BAD_INPUT, path, "expected a shape of at most 2^48 elements, found %s", text);
    uint64_t length = (uint64_t)elements * ib__dtype_size(a->dtype);
    bool stays = !ib__intake_is_gzip(in) && length > memory;
    if (!stays) status = take_in(a, in, length, path, memory, err);
    if (status == IB_OK) status = ib__intake_end(in, digest, &rest, err);
    if (status == IB_OK && rest != (stays ? length : 0))
        status = ib__fail(err, IB_BAD_INPUT, path,
                          "expected %" PRIu64 " bytes of data for the shape %s, found %" PRIu64 "", length,
                          text, stays ? rest : length + rest);
    if (status == IB_OK && stays) status = ib__blob_of_file(&a->blob, path, offset, length, memory, err);
    return status;
}

static ib_status open_file(ib_array *a, const char *path, size_t memory, ib_digest *digest, ib_error *err) {
    ib_intake *in = NULL;
    ib_status status = ib__intake_open(&in, path, err);
    if (status == IB_OK) status = read_array(a, in, path, memory, digest, err);
    ib__intake_close(in);
    return status;
}

static ib_status idx_open(ib_elements **out, const ib_entry *q) {
    return ib__arrays_open(out, q, "idx", open_file);
}

static const char *const fields[] = {"idx", NULL};
const ib_source_kind ib__source_idx = {"idx", fields, idx_open};
