/* SPDX-License-Identifier: Apache-2.0
 *
 * keras.ops in models: an operation stands in a Functional model as a layer without weights. Its class is
 * called by module and name, as "keras.src.ops.numpy.Add".
 */
#ifndef IB_LAYERS_OPERATIONS_OPERATION_H
#define IB_LAYERS_OPERATIONS_OPERATION_H

#include "layers/internal.h"

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
