/* SPDX-License-Identifier: Apache-2.0
 *
 * Protocol buffers on the wire, read in place: no memory is taken, nothing is read past the end, and what is
 * no message sets failed. The few messages of TensorFlow's Example need no more, and no code generator.
 */
#ifndef IB_DATA_WIRE_H
#define IB_DATA_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ib_wire {
    const unsigned char *at, *end;
    bool failed;
} ib_wire;

enum { IB_WIRE_VARINT = 0, IB_WIRE_64 = 1, IB_WIRE_BYTES = 2, IB_WIRE_32 = 5 };

/* A field: its number, its wire type, and its value (number) or bytes. */
typedef struct ib_wire_field {
    uint32_t number;
    int type;
    uint64_t value;
    ib_wire bytes;
} ib_wire_field;

/* The next field; false at the end and after a failure. */
bool ib__wire_next(ib_wire *w, ib_wire_field *field);
uint64_t ib__wire_varint(ib_wire *w);

/* ---- tensorflow.Example ---- */

typedef enum ib_feature_kind {
    IB_FEATURE_NONE,
    IB_FEATURE_BYTES,
    IB_FEATURE_FLOATS,
    IB_FEATURE_INTS
} ib_feature_kind;

/* A feature: its list, still on the wire; the last one counts where several are given. */
typedef struct ib_feature {
    ib_feature_kind kind;
    ib_wire list;
} ib_feature;

/* Looks for a feature by name; false: the bytes are no Example. *out: kind IB_FEATURE_NONE if it is not
 * there, or empty of any kind. */
bool ib__example_find(ib_feature *out, const void *bytes, size_t n, const char *name);
/* The name and kind of feature number i, in the order of the bytes; *name is not terminated. false: there is
 * no such feature. */
bool ib__example_at(const void *bytes, size_t n, size_t i, const char **name, size_t *length,
                    ib_feature *out);

/* Values of a list, at most `room`; they give how many there are, also if that is more. SIZE_MAX: the bytes
 * are no such list. */
size_t ib__feature_floats(const ib_feature *f, float *out, size_t room);
size_t ib__feature_ints(const ib_feature *f, int64_t *out, size_t room);
size_t ib__feature_bytes(const ib_feature *f, ib_wire *out, size_t room);

#endif
