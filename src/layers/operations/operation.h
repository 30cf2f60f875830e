/* SPDX-License-Identifier: Apache-2.0
 *
 * keras.ops in models: an operation stands in a Functional model as a layer without weights. Its class is
 * called by module and name, as "keras.src.ops.numpy.Add".
 */
#ifndef IB_LAYERS_OPERATIONS_OPERATION_H
#define IB_LAYERS_OPERATIONS_OPERATION_H

#include "layers/internal.h"

/* Settings of operations; each class reads those that it has. */
typedef struct ib_operation {
    int64_t list[IB_RANK_MAX]; /* an integer or a list of them; count: how many, 0 for null */
    int count;
    int64_t axis, second;
    double a, b, c;
    bool flag;
} ib_operation;

/* Rows of tables of fields. */
#define IB_OPERATION_NAME                                                                                    \
    { .key = "name", .read = ib__read_name }
#define IB_OPERATION_LIST(key_, fallback_)                                                                   \
    { .key = key_, .fallback = fallback_, .read = ib__read_list, .offset = offsetof(ib_operation, list) }
#define IB_OPERATION_AXIS(key_, fallback_)                                                                   \
    {                                                                                                        \
        .key = key_, .fallback = fallback_, .read = ib__read_int, .offset = offsetof(ib_operation, axis),    \
        .low = -IB_RANK_MAX, .high = IB_RANK_MAX - 1                                                         \
    }
#define IB_OPERATION_CONFIGURE(symbol, fields)                                                               \
    static ib_status symbol##_configure(ib_layer *layer, const ib_value *config, ib_error *err) {            \
        return ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);              \
    }
/* infer of a file's operations for results of this type; the file has infer(layer, args, type, out, n, err).
 */
#define IB_OPERATION_INFER(symbol, type)                                                                     \
    static ib_status symbol(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],         \
                            size_t *n, ib_error *err) {                                                      \
        return infer(layer, args, type, out, n, err);                                                        \
    }

/* null, an integer or a list of at most IB_RANK_MAX; stands at ib_operation's list and count. */
ib_read_fn ib__read_list;
/* A tensor's spec, or an error. */
ib_status ib__operation_tensor(const ib_layer *layer, const ib_args *args, const char *argument, ib_spec *out,
                               ib_error *err);
/* An axis from the start; batch: the first one is allowed. -1: outside. */
int ib__operation_axis(int64_t axis, int rank, bool batch);
/* Same shape and type as the tensor x. */
ib_status ib__operation_same(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                             size_t *n, ib_error *err);

/* Config of an operation without settings: its name alone. */
ib_status ib__operation_configure(ib_layer *layer, const ib_value *config, ib_error *err);
/* What an argument is: a tensor's spec, or that of a constant; false: it is not given. */
bool ib__operand_spec(const ib_args *args, const char *argument, ib_spec *out);
/* The argument as a node: a tensor, a number, or an array written in the file. */
ib_node ib__operand(ib_graph *g, const ib_args *args, const char *argument);
/* The common shape of two, as NumPy broadcasts; the batch is -1. */
ib_status ib__operands_shape(const ib_layer *layer, const ib_spec *a, const ib_spec *b, ib_shape *out,
                             ib_error *err);

#endif
