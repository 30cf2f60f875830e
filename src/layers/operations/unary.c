/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations of one operand, element by element.
 */
#include "layers/operations/operation.h"

#include <math.h>

#define NO IB_NO_NODE

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_type type, ib_spec *out, size_t *n,
                       ib_error *err) {
    ib_status status = ib__operation_tensor(layer, args, "x", out, err);
    *n = 1;
    out->type = type;
    return status;
}

IB_OPERATION_INFER(infer_number, IB_TYPE_F32)
IB_OPERATION_INFER(infer_predicate, IB_TYPE_PRED)

static ib_node map(ib_graph *g, ib_map_op op, ib_node x) {
    return ib__op_map(g, op, x, NO, NO);
}

static ib_node is_nan(ib_graph *g, ib_node x) {
    return ib__op_map(g, IB_MAP_not_equal, x, x, NO);
}

static ib_node is_infinite(ib_graph *g, ib_node x) {
    return ib__op_map(g, IB_MAP_equal, map(g, IB_MAP_abs, x), ib__op_constant(g, INFINITY), NO);
}

#define UNARY(symbol, class_name, operand, infer_, value)                                                    \
    static void symbol##_apply(ib_layer *layer, ib_build *b, const ib_args *args,                            \
                               ib_flow out[IB_OUTPUTS_MAX]) {                                                \
        (void)layer;                                                                                         \
        ib_graph *g = b->g;                                                                                  \
        ib_node x = ib__op_convert(g, ib__operand(g, args, "x"), operand);                                   \
        out->node = (value);                                                                                 \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = "keras.src.ops." class_name,                          \
                                               .arguments = "x",                                             \
                                               .configure = ib__operation_configure,                         \
                                               .infer = infer_,                                              \
                                               .apply = symbol##_apply};
#define NUMBER(symbol, class_name, value) UNARY(symbol, class_name, IB_TYPE_F32, infer_number, value)

NUMBER(op_negative, "numpy.Negative", ib__op_negate(g, x))
NUMBER(op_absolute, "numpy.Absolute", map(g, IB_MAP_abs, x))
NUMBER(op_square, "numpy.Square", ib__op_square(g, x))
NUMBER(op_sqrt, "numpy.Sqrt", ib__op_sqrt(g, x))
NUMBER(op_exp, "numpy.Exp", ib__op_exp(g, x))
NUMBER(op_expm1, "numpy.Expm1", map(g, IB_MAP_expm1, x))
NUMBER(op_log, "numpy.Log", ib__op_log(g, x))
NUMBER(op_log1p, "numpy.Log1p", map(g, IB_MAP_log1p, x))
NUMBER(op_tanh, "numpy.Tanh", map(g, IB_MAP_tanh, x))
NUMBER(op_sign, "numpy.Sign", map(g, IB_MAP_sign, x))
NUMBER(op_floor, "numpy.Floor", map(g, IB_MAP_floor, x))
NUMBER(op_ceil, "numpy.Ceil", map(g, IB_MAP_ceil, x))
NUMBER(op_reciprocal, "numpy.Reciprocal", ib__op_divide(g, ib__op_constant(g, 1.0f), x))
NUMBER(op_rsqrt, "math.Rsqrt", map(g, IB_MAP_rsqrt, x))
NUMBER(op_erf, "math.Erf", map(g, IB_MAP_erf, x))
NUMBER(op_stop_gradient, "core.StopGradient", ib__op_stop_gradient(g, x))
UNARY(op_is_nan, "numpy.Isnan", IB_TYPE_F32, infer_predicate, is_nan(g, x))
UNARY(op_is_inf, "numpy.Isinf", IB_TYPE_F32, infer_predicate, is_infinite(g, x))
UNARY(op_is_finite, "numpy.Isfinite", IB_TYPE_F32, infer_predicate, map(g, IB_MAP_is_finite, x))
UNARY(op_logical_not, "numpy.LogicalNot", IB_TYPE_PRED, infer_predicate, map(g, IB_MAP_not, x))
