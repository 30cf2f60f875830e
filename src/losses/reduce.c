/* SPDX-License-Identifier: Apache-2.0
 *
 * From targets and predictions to the loss of a batch: aligned, weighted, masked and reduced as Keras's Loss
 * does. Where Keras would stop with shapes that do not fit, weights and masks of fewer axes than the loss are
 * taken as those of the first axes.
 */
#include "losses/internal.h"

#define NO IB_NO_NODE

static ib_node sum_all(ib_graph *g, ib_node a) {
    if (a == NO) return a;
    return ib__op_reduce(g, IB_REDUCE_SUM, a, (1u << ib__node_shape(g, a).rank) - 1, false);
}

/* a / b, 0 where b is 0; rank 0. */
static ib_node divide_no_nan(ib_graph *g, ib_node a, ib_node b) {
    ib_node zero = ib__loss_constant(g, 0.0), none = ib__op_map(g, IB_MAP_equal, b, zero, NO);
    ib_node safe = ib__op_select(g, none, ib__loss_constant(g, 1.0), b);
    return ib__op_select(g, none, zero, ib__op_divide(g, a, safe));
}

static ib_node count_of(ib_graph *g, ib_node a) {
    ib_shape shape = ib__node_shape(g, a);
    return ib__op_constant(g, (float)ib__shape_elements(&shape));
}

/* a times b, or the one of them that there is. */
static ib_node product(ib_graph *g, ib_node a, ib_node b) {
    if (a == NO || b == NO) return a == NO ? b : a;
    ib__first_axes(g, &a, &b);
    return ib__op_multiply(g, a, b);
}

/* A mask as weights: for means the elements that count weigh total / valid, so that the mean is over them. */
static ib_node mask_weight(const ib_loss *loss, ib_graph *g, ib_node mask) {
    if (mask == NO || loss->reduction != IB_REDUCTION_MEAN) return mask;
    return ib__op_multiply(g, mask, divide_no_nan(g, count_of(g, mask), sum_all(g, mask)));
}

static ib_node reduce(const ib_loss *loss, ib_graph *g, ib_node values, ib_node weight) {
    if (weight != NO) {
        ib__first_axes(g, &values, &weight);
        values = ib__op_multiply(g, values, weight);
    }
    if (values == NO || loss->reduction == IB_REDUCTION_NONE || !ib__node_shape(g, values).rank)
        return values;
    ib_node sum = sum_all(g, values);
    if (loss->reduction == IB_REDUCTION_SUM) return sum;
    if (loss->reduction == IB_REDUCTION_WEIGHTED_MEAN && weight != NO)
        return divide_no_nan(g, sum, sum_all(g, weight));
    return ib__op_divide(g, sum, count_of(g, values));
}

/* The axes that the values functions rely on, checked where a caller did not ask ib__loss_target before. */
static bool ready(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p) {
    ib_shape prediction = ib__node_shape(g, p), target = ib__node_shape(g, t), shape;
    ib_type type;
    ib_error error = {0};
    if (ib__graph_status(g, NULL) != IB_OK) return false;
    if (ib__loss_target(loss, &prediction, &target, &type, &shape, &error) == IB_OK) return true;
    (void)ib__graph_fail(g, error.code, "%s", error.text);
    return false;
}

ib_node ib__loss_call_masked(const ib_loss *loss, ib_graph *g, ib_node y_true, ib_node y_pred, ib_node weight,
                             ib_node mask) {
    if (y_true == NO || y_pred == NO || !ready(loss, g, y_true, y_pred)) return NO;
    ib_shape prediction = ib__node_shape(g, y_pred), target = ib__node_shape(g, y_true);
    const ib_loss_class *class = ib__loss_class(loss, &prediction, &target);
    ib_node own = NO;
    if (class->target == IB_TARGET_LIKE) {
        y_true = ib__op_convert(g, y_true, IB_TYPE_F32);
        ib__same_rank(g, &y_true, &y_pred);
    } else {
        y_true = ib__op_convert(g, y_true, IB_TYPE_I32);
        if (class->target == IB_TARGET_CLASS && target.rank == prediction.rank) {
            target.rank--;
            y_true = ib__op_reshape(g, y_true, &target);
        }
    }
    ib_node values = class->values(loss, g, y_true, y_pred, &own);
    if (values == NO) return values;
    return reduce(loss, g, values, product(g, mask_weight(loss, g, product(g, mask, own)), weight));
}

ib_node ib__loss_call(const ib_loss *loss, ib_graph *g, ib_node y_true, ib_node y_pred, ib_node weight) {
    return ib__loss_call_masked(loss, g, y_true, y_pred, weight, NO);
}
