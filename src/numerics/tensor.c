/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors as plain arrays: dtypes, shapes, conversion to float, digests.
 */
#include "numerics/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "numerics/texts.h"

#define ELEMENTS_MAX ((int64_t)1 << 48)

typedef struct dtype_info {
    const char *name;
    size_t size;
} dtype_info;

static const dtype_info dtypes[] = {
#define X(name, text, bytes) [name] = {text, bytes},
    IB_DTYPE_LIST(X)
#undef X
};

const char *ib__dtype_name(ib_dtype dtype) {
    return dtypes[dtype].name;
}

size_t ib__dtype_size(ib_dtype dtype) {
    return dtypes[dtype].size;
}

bool ib__dtype_parse(const char *name, ib_dtype *out) {
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(name, dtypes[i].name) == 0) {
            *out = (ib_dtype)i;
            return true;
        }
    }
    return false;
}

int64_t ib__shape_elements(const ib_shape *shape) {
    int64_t elements = 1;
    bool empty = false;
    for (int i = 0; i < shape->rank; i++) {
        int64_t d = shape->dims[i];
        if (d < 0) return -1;
        if (d == 0)
            empty = true;
        else if (d > ELEMENTS_MAX / elements)
            return -1;
        else
            elements *= d;
    }
    return empty ? 0 : elements;
}

bool ib__shape_equal(const ib_shape *a, const ib_shape *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

/* A shape too long for the text (dimensions of many digits) is cut, never written past the end. */
void ib__shape_print(char out[128], const ib_shape *shape) {
    size_t n = (size_t)snprintf(out, 128, "(");
    for (int i = 0; i < shape->rank && n < 100; i++) {
        const char *after = i + 1 < shape->rank ? ", " : shape->rank == 1 ? "," : "";
        if (shape->dims[i] < 0)
            n += (size_t)snprintf(out + n, 128 - n, "None%s", after);
        else
            n += (size_t)snprintf(out + n, 128 - n, "%lld%s", (long long)shape->dims[i], after);
    }
    snprintf(out + n, 128 - n, ")");
}

ib_status ib__tensor_new(ib_tensor *out, ib_dtype dtype, const ib_shape *shape, ib_error *err) {
    int64_t elements = ib__shape_elements(shape);
    if (elements < 0) {
        char text[128];
        ib__shape_print(text, shape);
        return ib__fail(err, IB_BAD_INPUT, "", "expected a shape of at most 2^48 elements, found %s", text);
    }
    size_t n = (size_t)elements * ib__dtype_size(dtype);
    void *data = ib__alloc(n > 0 ? n : 1, 1);
    if (data == NULL) return ib__fail_memory(err);
    *out = (ib_tensor){.dtype = dtype, .shape = *shape, .data = data};
    return IB_OK;
}

void ib__tensor_free(ib_tensor *tensor) {
    ib__free(tensor->data);
    *tensor = (ib_tensor){0};
}

/* IEEE binary16 to double, exactly. */
static double half_to_double(uint16_t h) {
    int exponent = h >> 10 & 31;
    int fraction = h & 1023;
    double sign = h >> 15 ? -1.0 : 1.0;
    if (exponent == 31) return fraction != 0 ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, -24);
    return sign * ldexp(fraction + 1024, exponent - 25);
}

double ib__tensor_at(const ib_tensor *tensor, size_t i) {
    const void *data = tensor->data;
    switch (tensor->dtype) {
    case IB_BOOL8:
        return ((const uint8_t *)data)[i] != 0 ? 1.0 : 0.0;
    case IB_U8:
        return ((const uint8_t *)data)[i];
    case IB_I8:
        return ((const int8_t *)data)[i];
    case IB_U16:
        return ((const uint16_t *)data)[i];
    case IB_I16:
        return ((const int16_t *)data)[i];
    case IB_U32:
        return ((const uint32_t *)data)[i];
    case IB_I32:
    case IB_TEXT:
        return ((const int32_t *)data)[i];
    case IB_U64:
        return (double)((const uint64_t *)data)[i];
    case IB_I64:
        return (double)((const int64_t *)data)[i];
    case IB_F16:
        return half_to_double(((const uint16_t *)data)[i]);
    case IB_F32:
        return (double)((const float *)data)[i];
    case IB_F64:
        return ((const double *)data)[i];
    }
    return 0.0;
}

/* 64-bit integers go to float directly: by way of double they would be rounded twice. */
void ib__tensor_to_float(float *out, const ib_tensor *tensor, size_t start, size_t n) {
    if (tensor->dtype == IB_F32) {
        if (n > 0) memcpy(out, (const float *)tensor->data + start, n * sizeof *out);
    } else if (tensor->dtype == IB_I64) {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)((const int64_t *)tensor->data)[start + i];
    } else if (tensor->dtype == IB_U64) {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)((const uint64_t *)tensor->data)[start + i];
    } else {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)ib__tensor_at(tensor, start + i);
    }
}

/* Element i as the bits the digest sees: its pattern, NaNs and true made canonical. */
static uint64_t canonical_bits(const ib_tensor *tensor, size_t i) {
    switch (ib__dtype_size(tensor->dtype)) {
    case 1: {
        uint8_t bits = ((const uint8_t *)tensor->data)[i];
        return tensor->dtype == IB_BOOL8 ? bits != 0 : bits;
    }
    case 2: {
        uint16_t bits = ((const uint16_t *)tensor->data)[i];
        return tensor->dtype == IB_F16 && (bits & 0x7fff) > 0x7c00 ? 0x7e00 : bits;
    }
    case 4: {
        uint32_t bits = ((const uint32_t *)tensor->data)[i];
        return tensor->dtype == IB_F32 && (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : bits;
    }
    default: {
        uint64_t bits;
        memcpy(&bits, (const char *)tensor->data + 8 * i, 8);
        bool nan = tensor->dtype == IB_F64 && (bits & 0x7fffffffffffffff) > 0x7ff0000000000000;
        return nan ? 0x7ff8000000000000 : bits;
    }
    }
}

/* The canonical bytes of float32 words, many at a time: weights are hashed at the end of every epoch. */
static void digest_floats(ib_sha256 *state, const uint32_t *words, size_t elements) {
    uint32_t block[2048];
    for (size_t at = 0; at < elements;) {
        size_t n = elements - at < 2048 ? elements - at : 2048;
        for (size_t i = 0; i < n; i++) {
            uint32_t bits = words[at + i];
            block[i] = (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : bits;
        }
        ib__sha256_add(state, block, n * sizeof *block);
        at += n;
    }
}

static void digest_head(ib_sha256 *state, const ib_tensor *tensor) {
    char text[32];
    ib__sha256_add(state, ib__dtype_name(tensor->dtype), strlen(ib__dtype_name(tensor->dtype)));
    for (int i = 0; i < tensor->shape.rank; i++) {
        int n = snprintf(text, sizeof text, "%c%lld", i == 0 ? '(' : ',', (long long)tensor->shape.dims[i]);
        ib__sha256_add(state, text, (size_t)n);
    }
    ib__sha256_add(state, tensor->shape.rank == 0 ? "()" : ")", tensor->shape.rank == 0 ? 2 : 1);
}

/* Texts by what they say: the length of each as eight bytes, and its bytes. */
static void digest_texts(ib_sha256 *state, const ib_tensor *tensor, size_t elements) {
    for (size_t i = 0; i < elements; i++) {
        size_t n;
        const char *text = ib__text_of(((const int32_t *)tensor->data)[i], &n);
        uint8_t length[8];
        for (size_t k = 0; k < 8; k++)
            length[k] = (uint8_t)((uint64_t)n >> (8 * k));
        ib__sha256_add(state, length, sizeof length);
        ib__sha256_add(state, text, n);
    }
}

/* Without memory for the state the digest is zero, as with a failure inside libcrypto. */
ib_digest ib__tensor_digest(const ib_tensor *tensor) {
    ib_sha256 *state = ib__sha256_new();
    if (state == NULL) return (ib_digest){{0}};
    digest_head(state, tensor);
    size_t elements = (size_t)ib__shape_elements(&tensor->shape);
    if (tensor->dtype == IB_TEXT) {
        digest_texts(state, tensor, elements);
        return ib__sha256_end(state);
    }
    size_t size = ib__dtype_size(tensor->dtype);
    uint8_t block[8192];
    size_t used = 0;
    if (tensor->dtype == IB_F32 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        digest_floats(state, tensor->data, elements);
        return ib__sha256_end(state);
    }
    for (size_t i = 0; i < elements; i++) {
        uint64_t bits = canonical_bits(tensor, i);
        for (size_t k = 0; k < size; k++)
            block[used++] = (uint8_t)(bits >> (8 * k));
        if (used == sizeof block) {
            ib__sha256_add(state, block, used);
            used = 0;
        }
    }
    ib__sha256_add(state, block, used);
    return ib__sha256_end(state);
}
