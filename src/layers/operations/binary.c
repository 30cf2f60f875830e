/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations of two operands, element by element.
 */
#include "layers/operations/operation.h"

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_type type, ib_spec *out, size_t *n,
                       ib_error *err) {
    ib_spec a, b;
    if (!ib__operand_spec(args, "x1", &a) || !ib__operand_spec(args, "x2", &b))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected two operands, tensors or numbers");
    *n = 1;
    out[0].type = type;
    return ib__operands_shape(layer, &a, &b, &out[0].shape, err);
}

IB_OPERATION_INFER(infer_number, IB_TYPE_F32)
IB_OPERATION_INFER(infer_predicate, IB_TYPE_PRED)

static void apply(ib_build *b, const ib_args *args, ib_map_op op, ib_type type, ib_flow *out) {
    ib_node x = ib__op_convert(b->g, ib__operand(b->g, args, "x1"), type);
    ib_node y = ib__op_convert(b->g, ib__operand(b->g, args, "x2"), type);
    out->node = ib__op_map(b->g, op, x, y, IB_NO_NODE);
}

#define BINARY(symbol, class_name, op, operands, result)                                                     \
    static void symbol##_apply(ib_layer *layer, ib_build *b, const ib_args *args,                            \
                               ib_flow out[IB_OUTPUTS_MAX]) {                                                \
        (void)layer;                                                                                         \
        apply(b, args, IB_MAP_##op, operands, out);                                                          \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = "keras.src.ops.numpy." class_name,                    \
                                               .arguments = "x1 x2",                                         \
                                               .configure = ib__operation_configure,                         \
                                               .infer = result,                                              \
                                               .apply = symbol##_apply};

BINARY(op_add, "Add", add, IB_TYPE_F32, infer_number)
BINARY(op_subtract, "Subtract", subtract, IB_TYPE_F32, infer_number)
BINARY(op_multiply, "Multiply", multiply, IB_TYPE_F32, infer_number)
BINARY(op_divide, "Divide", divide, IB_TYPE_F32, infer_number)
BINARY(op_true_divide, "TrueDivide", divide, IB_TYPE_F32, infer_number)
BINARY(op_maximum, "Maximum", maximum, IB_TYPE_F32, infer_number)
BINARY(op_minimum, "Minimum", minimum, IB_TYPE_F32, infer_number)
BINARY(op_equal, "Equal", equal, IB_TYPE_F32, infer_predicate)
BINARY(op_not_equal, "NotEqual", not_equal, IB_TYPE_F32, infer_predicate)
BINARY(op_less, "Less", less, IB_TYPE_F32, infer_predicate)
BINARY(op_less_equal, "LessEqual", less_equal, IB_TYPE_F32, infer_predicate)
BINARY(op_greater, "Greater", greater, IB_TYPE_F32, infer_predicate)
BINARY(op_greater_equal, "GreaterEqual", greater_equal, IB_TYPE_F32, infer_predicate)
BINARY(op_logical_and, "LogicalAnd", and, IB_TYPE_PRED, infer_predicate)
BINARY(op_logical_or, "LogicalOr", or, IB_TYPE_PRED, infer_predicate)
