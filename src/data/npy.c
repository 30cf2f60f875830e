/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy as numpy.lib.format describes it: magic, version, length of the header, a Python dict as text, data.
 */
#include "data/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/value.h"

#define HEADER_MAX (IB_NPY_HEADER_MAX - 12)
#define FILE_LIMIT ((size_t)1 << 40)

typedef struct header {
    const char *at, *end;
    char descr[64];
    bool fortran, seen_descr, seen_order, seen_shape;
    ib_shape shape;
    const char *name;
    ib_error *err;
} header;

static ib_status damaged(const header *h, const char *expected) {
    return ib__fail(h->err, IB_BAD_INPUT, h->name, "the header of the .npy is damaged: expected %s",
                    expected);
}

static void skip_blanks(header *h) {
    while (h->at < h->end && strchr(" \t\r\n", *h->at) != NULL && *h->at != '\0')
        h->at++;
}

/* Steps over c, after blanks. */
static bool take(header *h, char c) {
    skip_blanks(h);
    if (h->at >= h->end || *h->at != c) return false;
    h->at++;
    return true;
}

/* A text in single or double quotes, without escapes: names and dtypes need none. */
static bool take_text(header *h, char out[64]) {
    skip_blanks(h);
    if (h->at >= h->end || (*h->at != '\'' && *h->at != '"')) return false;
    char quote = *h->at++;
    size_t n = 0;
    while (h->at < h->end && *h->at != quote && n < 63)
        out[n++] = *h->at++;
    out[n] = '\0';
    return h->at < h->end && *h->at++ == quote;
}

static bool take_word(header *h, const char *word) {
    size_t n = strlen(word);
    skip_blanks(h);
    if ((size_t)(h->end - h->at) < n || memcmp(h->at, word, n) != 0) return false;
    h->at += n;
    return true;
}

/* (), (3,), (3, 4); Python 2 wrote long integers as 3L. */
static ib_status read_shape(header *h) {
    if (!take(h, '(')) return damaged(h, "the shape as (d0, d1, ...)");
    while (!take(h, ')')) {
        size_t n = 0;
        skip_blanks(h);
        while (h->at + n < h->end && h->at[n] >= '0' && h->at[n] <= '9')
            n++;
        if (h->shape.rank == IB_RANK_MAX) {
            return ib__fail(h->err, IB_UNSUPPORTED, h->name, "expected at most %d dimensions, found more",
                            IB_RANK_MAX);
        }
        if (n == 0 || !ib__int_parse(h->at, n, &h->shape.dims[h->shape.rank++]))
            return damaged(h, "dimensions within int64");
        h->at += n;
        take_word(h, "L");
        if (!take(h, ',') && (h->at >= h->end || *h->at != ')')) return damaged(h, "a comma in the shape");
    }
    return IB_OK;
}

static ib_status read_field(header *h, const char *key) {
    if (strcmp(key, "descr") == 0) {
        h->seen_descr = true;
        skip_blanks(h);
        if (h->at < h->end && *h->at == '[')
            return ib__fail(h->err, IB_UNSUPPORTED, h->name, "structured dtypes are not read");
        return take_text(h, h->descr) ? IB_OK : damaged(h, "a dtype after 'descr'");
    }
    if (strcmp(key, "fortran_order") == 0) {
        h->seen_order = true;
        h->fortran = take_word(h, "True");
        return h->fortran || take_word(h, "False") ? IB_OK
                                                   : damaged(h, "True or False after 'fortran_order'");
    }
    if (strcmp(key, "shape") == 0 && !h->seen_shape) {
        h->seen_shape = true;
        return read_shape(h);
    }
    return damaged(h, "descr, fortran_order and shape, each once");
}

static ib_status read_header(header *h) {
    if (!take(h, '{')) return damaged(h, "{");
    while (!take(h, '}')) {
        char key[64];
        if (!take_text(h, key) || !take(h, ':')) return damaged(h, "'key':");
        ib_status status = read_field(h, key);
        if (status != IB_OK) return status;
        skip_blanks(h);
        if (!take(h, ',') && (h->at >= h->end || *h->at != '}')) return damaged(h, "a comma or }");
    }
    skip_blanks(h);
    if (!h->seen_descr || !h->seen_order || !h->seen_shape || h->at != h->end)
        return damaged(h, "descr, fortran_order and shape, each once");
    return IB_OK;
}

static bool little_endian(void) {
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 1;
}

/* NumPy's code of a dtype: kind and size, "f4". */
static const char *code_of(ib_dtype dtype) {
    static const char *const codes[] = {[IB_BOOL8] = "b1", [IB_U8] = "u1",  [IB_I8] = "i1",  [IB_U16] = "u2",
                                        [IB_I16] = "i2",   [IB_U32] = "u4", [IB_I32] = "i4", [IB_U64] = "u8",
                                        [IB_I64] = "i8",   [IB_F16] = "f2", [IB_F32] = "f4", [IB_F64] = "f8"};
    return codes[dtype];
}

/* "<f4" into dtype and whether the bytes must be swapped. */
static ib_status read_descr(const header *h, ib_dtype *dtype, bool *swap) {
    const char *d = h->descr;
    if (strchr("<>|=", d[0]) != NULL && d[0] != '\0') {
        *swap = (d[0] == '<' && !little_endian()) || (d[0] == '>' && little_endian());
        for (int i = IB_BOOL8; i <= IB_F64; i++) {
            *dtype = (ib_dtype)i;
            if (strcmp(d + 1, code_of(*dtype)) == 0 && (d[0] != '|' || ib__dtype_size(*dtype) == 1))
                return IB_OK;
        }
    }
    if (strchr(d, 'O') != NULL)
        return ib__fail(h->err, IB_UNSUPPORTED, h->name,
                        "an object array (dtype '%s') holds pickled Python objects, which are not read", d);
    return ib__fail(h->err, IB_UNSUPPORTED, h->name,
                    "expected bool, an integer or a float of 16, 32 or 64 bits, found dtype '%s'", d);
}

static void copy_element(unsigned char *to, const unsigned char *from, size_t size, bool swap) {
    for (size_t i = 0; i < size; i++)
        to[i] = from[swap ? size - 1 - i : i];
}

/* Element by element in C order, where Fortran's order or the other byte order is met. */
static void copy_reordered(ib_tensor *out, const unsigned char *data, bool fortran, bool swap) {
    const ib_shape *shape = &out->shape;
    size_t size = ib__dtype_size(out->dtype), n = (size_t)ib__shape_elements(shape);
    int64_t index[IB_RANK_MAX] = {0};
    size_t stride[IB_RANK_MAX] = {0}, step = 1, from = 0;
    for (int k = 0; k < shape->rank; k++) {
        int axis = fortran ? k : shape->rank - 1 - k;
        stride[axis] = step;
        step *= (size_t)shape->dims[axis];
    }
    for (size_t i = 0; i < n; i++) {
        copy_element((unsigned char *)out->data + i * size, data + from * size, size, swap);
        for (int axis = shape->rank - 1; axis >= 0; axis--) {
            from += stride[axis];
            if (++index[axis] < shape->dims[axis]) break;
            from -= (size_t)shape->dims[axis] * stride[axis];
            index[axis] = 0;
        }
    }
}

/* The length of the data is compared before memory is taken, so a shape cannot ask for more than the file. */
static ib_status read_data(ib_tensor *out, const ib_npy_layout *l, const unsigned char *data, size_t n,
                           const char *name, ib_error *err) {
    char text[128];
    ib__shape_print(text, &l->shape);
    int64_t elements = ib__shape_elements(&l->shape);
    if (elements < 0 || (uint64_t)elements * ib__dtype_size(l->dtype) != n) {
        return ib__fail(err, IB_BAD_INPUT, name, "expected the data of %s %s, found %zu bytes",
                        ib__dtype_name(l->dtype), text, n);
    }
    ib_status status = ib__tensor_new(out, l->dtype, &l->shape, err);
    if (status != IB_OK) return status;
    if (l->fortran || l->swap)
        copy_reordered(out, data, l->fortran, l->swap);
    else
        memcpy(out->data, data, n);
    if (l->dtype == IB_BOOL8)
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)out->data)[i] = ((uint8_t *)out->data)[i] != 0;
    return IB_OK;
}

ib_status ib__npy_layout(ib_npy_layout *out, const void *bytes, size_t n, const char *name, ib_error *err) {
    const unsigned char *b = bytes;
    if (n < 10 || memcmp(b, "\x93NUMPY", 6) != 0)
        return ib__fail(err, IB_BAD_INPUT, name, "expected a NumPy array (.npy), found something else");
    if (b[6] < 1 || b[6] > 3)
        return ib__fail(err, IB_UNSUPPORTED, name, "expected .npy version 1, 2 or 3, found %d", b[6]);
    size_t start = b[6] == 1 ? 10 : 12, length = (size_t)b[8] | (size_t)b[9] << 8;
    if (b[6] > 1 && n >= 12) length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (n < start || length > n - start || length > HEADER_MAX)
        return ib__fail(err, IB_BAD_INPUT, name, "the header of the .npy is cut or too long");
    header h = {
        .at = (const char *)b + start, .end = (const char *)b + start + length, .name = name, .err = err};
    ib_status status = read_header(&h);
    *out = (ib_npy_layout){.shape = h.shape, .fortran = h.fortran, .header = start + length};
    return status == IB_OK ? read_descr(&h, &out->dtype, &out->swap) : status;
}

ib_status ib__npy_parse(ib_tensor *out, const void *bytes, size_t n, const char *name, ib_error *err) {
    ib_npy_layout layout;
    ib_status status = ib__npy_layout(&layout, bytes, n, name, err);
    if (status != IB_OK) return status;
    return read_data(out, &layout, (const unsigned char *)bytes + layout.header, n - layout.header, name,
                     err);
}

ib_status ib__npy_read(ib_tensor *out, const char *path, ib_error *err) {
    ib_buf buf = {0};
    ib_status status = ib__file_read(&buf, path, FILE_LIMIT, err);
    if (status == IB_OK) status = ib__npy_parse(out, buf.data, buf.length, path, err);
    ib__buf_free(&buf);
    return status;
}

/* Magic, version and dict, padded with blanks so that the data begins at a multiple of 64 bytes. */
static void pack_header(ib_buf *buf, const ib_tensor *tensor) {
    ib_buf dict = {0};
    char order = ib__dtype_size(tensor->dtype) == 1 ? '|' : '<';
    ib__buf_printf(&dict, "{'descr': '%c%s', 'fortran_order': False, 'shape': (", order,
                   code_of(tensor->dtype));
    for (int i = 0; i < tensor->shape.rank; i++)
        ib__buf_printf(&dict, "%s%lld", i > 0 ? ", " : "", (long long)tensor->shape.dims[i]);
    ib__buf_text(&dict, tensor->shape.rank == 1 ? ",), }" : "), }");
    while (!dict.failed && (10 + dict.length + 1) % 64 != 0)
        ib__buf_text(&dict, " ");
    ib__buf_text(&dict, "\n");
    unsigned char head[] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)dict.length, (unsigned char)(dict.length >> 8)};
    ib__buf_add(buf, head, sizeof head);
    ib__buf_add(buf, dict.data, dict.length);
    buf->failed = buf->failed || dict.failed;
    ib__buf_free(&dict);
}

/* Header and data, piece by piece. */
static ib_status give_bytes(const ib_tensor *tensor, void (*take)(void *context, const void *bytes, size_t n),
                            void *context, ib_error *err) {
    int64_t elements = ib__shape_elements(&tensor->shape);
    if (elements < 0) return ib__fail(err, IB_BAD_INPUT, "npy", "the shape is not known or too large");
    size_t size = ib__dtype_size(tensor->dtype);
    ib_buf header = {0};
    pack_header(&header, tensor);
    bool good = !header.failed;
    if (good) take(context, header.data, header.length);
    ib__buf_free(&header);
    if (little_endian()) {
        take(context, tensor->data, (size_t)elements * size);
    } else {
        for (size_t i = 0; i < (size_t)elements; i++) {
            unsigned char element[8];
            copy_element(element, (const unsigned char *)tensor->data + i * size, size, true);
            take(context, element, size);
        }
    }
    return good ? IB_OK : ib__fail_memory(err);
}

static void take_to_buf(void *context, const void *bytes, size_t n) {
    ib__buf_add(context, bytes, n);
}

static void take_to_digest(void *context, const void *bytes, size_t n) {
    ib__sha256_add(context, bytes, n);
}

ib_status ib__npy_pack(ib_buf *buf, const ib_tensor *tensor, ib_error *err) {
    ib_status status = give_bytes(tensor, take_to_buf, buf, err);
    return status == IB_OK && buf->failed ? ib__fail_memory(err) : status;
}

ib_status ib__npy_digest(ib_digest *out, const ib_tensor *tensor, ib_error *err) {
    ib_sha256 *state = ib__sha256_new();
    if (state == NULL) return ib__fail_memory(err);
    ib_status status = give_bytes(tensor, take_to_digest, state, err);
    *out = ib__sha256_end(state);
    return status;
}

ib_status ib__npy_write(const char *path, const ib_tensor *tensor, ib_error *err) {
    ib_buf buf = {0};
    ib_status status = ib__npy_pack(&buf, tensor, err);
    if (status == IB_OK) status = ib__file_write(path, buf.data, buf.length, err);
    ib__buf_free(&buf);
    return status;
}
