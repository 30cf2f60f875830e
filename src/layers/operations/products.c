/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that multiply matrices: Matmul, Einsum.
 */
#include "layers/einsum.h"
#include "layers/operations/operation.h"

/* ---- Matmul: the last axis of x1 with the last but one of x2; the axes before are broadcast ---- */

static ib_status matmul_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                              size_t *n, ib_error *err) {
    ib_spec a, b;
    if (!ib__operand_spec(args, "x1", &a) || !ib__operand_spec(args, "x2", &b) || a.shape.rank < 2 ||
        b.shape.rank < 2)
        return ib__fail(err, IB_UNSUPPORTED, layer->place, "expected two operands of at least two axes");
    int i = a.shape.rank, k = b.shape.rank;
    int64_t rows = a.shape.dims[i - 2], columns = b.shape.dims[k - 1];
    int64_t left = a.shape.dims[i - 1], right = b.shape.dims[k - 2];
    if (left >= 0 && right >= 0 && left != right)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "matrices of %lld columns and %lld rows do not fit",
                        (long long)left, (long long)right);
    a.shape.rank -= 2;
    b.shape.rank -= 2;
    *n = 1;
    out[0] = (ib_spec){.type = IB_TYPE_F32};
    ib_status status = ib__operands_shape(layer, &a, &b, &out[0].shape, err);
    out[0].shape.dims[out[0].shape.rank++] = rows;
    out[0].shape.dims[out[0].shape.rank++] = columns;
    return status;
}

/* x with these axes before its last two. */
static ib_node spread(ib_graph *g, ib_node x, const ib_shape *leading) {
    ib_shape shape = *leading, own = ib__node_shape(g, x);
    if (own.rank < 2) return IB_NO_NODE;
    shape.dims[shape.rank++] = own.dims[own.rank - 2];
    shape.dims[shape.rank++] = own.dims[own.rank - 1];
    return ib__op_broadcast_to(g, x, &shape);
}

static void matmul_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    ib_graph *g = b->g;
    ib_node x = ib__op_convert(g, ib__operand(g, args, "x1"), IB_TYPE_F32);
    ib_node y = ib__op_convert(g, ib__operand(g, args, "x2"), IB_TYPE_F32);
    ib_spec left = {.shape = ib__node_shape(g, x)}, right = {.shape = ib__node_shape(g, y)};
    ib_shape leading;
    ib_error err = {0};
    if (x == IB_NO_NODE || y == IB_NO_NODE) return;
    if (right.shape.rank == 2) {
        out->node = ib__op_matmul(g, x, y);
        return;
    }
    left.shape.rank -= 2;
    right.shape.rank -= 2;
    if (ib__operands_shape(layer, &left, &right, &leading, &err) != IB_OK) {
        (void)ib__graph_fail(g, IB_BAD_INPUT, "%s", err.text);
        return;
    }
    ib_dot_axes axes = {.n_batch = leading.rank, .n_contract = 1};
    for (int i = 0; i < leading.rank; i++)
        axes.a_batch[i] = axes.b_batch[i] = i;
    axes.a_contract[0] = leading.rank + 1;
    axes.b_contract[0] = leading.rank;
    out->node = ib__op_dot_general(g, spread(g, x, &leading), spread(g, y, &leading), &axes);
}

const ib_layer_class ib__layer_op_matmul = {.name = "keras.src.ops.numpy.Matmul",
                                            .arguments = "x1 x2",
                                            .configure = ib__operation_configure,
                                            .infer = matmul_infer,
                                            .apply = matmul_apply};

/* ---- Einsum of two operands ---- */

static const ib_field einsum_fields[] = {IB_OPERATION_NAME, {.key = "subscripts", .read = ib__read_name}};
IB_OPERATION_CONFIGURE(einsum, einsum_fields)

/* Where a letter stands in an operand: its size, -1: not known, 0: not there. */
static int64_t size_of(const char *letters, const ib_shape *shape, char letter) {
    const char *at = strchr(letters, letter);
    return at ? shape->dims[at - letters] : 0;
}

static ib_status einsum_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                              size_t *n, ib_error *err) {
    const char *equation = ib__value_get(layer->config, "subscripts")->string;
    ib_einsum e;
    if (args->n != 2)
        return ib__fail(err, IB_UNSUPPORTED, layer->place, "einsum of %zu operands; expected two", args->n);
    const ib_shape *a = &args->specs[0].shape, *b = &args->specs[1].shape;
    if (!ib__einsum_parse(&e, equation, a->rank, b->rank))
        return ib__fail(err, IB_UNSUPPORTED, layer->place,
                        "the equation \"%.60s\" does not fit its operands, or repeats a letter", equation);
    if (!e.a[0] || e.out[0] != e.a[0])
        return ib__fail(err, IB_UNSUPPORTED, layer->place,
                        "the first axis, the batch's, would not stay first");
    for (int i = 0; e.a[i]; i++) {
        int64_t other = size_of(e.b, b, e.a[i]);
        if (other > 0 && a->dims[i] > 0 && other != a->dims[i])
            return ib__fail(err, IB_BAD_INPUT, layer->place, "the sizes of axis \"%c\" differ", e.a[i]);
    }
    *n = 1;
    out[0] = (ib_spec){.type = IB_TYPE_F32, .shape.rank = (int)strlen(e.out)};
    for (int i = 0; e.out[i]; i++) {
        int64_t size = size_of(e.a, a, e.out[i]);
        out[0].shape.dims[i] = size > 0 || !strchr(e.b, e.out[i]) ? size : size_of(e.b, b, e.out[i]);
    }
    return IB_OK;
}

static void einsum_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const char *equation = ib__value_get(layer->config, "subscripts")->string;
    ib_node x = ib__op_convert(b->g, args->flows[0].node, IB_TYPE_F32);
    out->node = ib__einsum(b->g, equation, x, ib__op_convert(b->g, args->flows[1].node, IB_TYPE_F32));
}

const ib_layer_class ib__layer_op_einsum = {.name = "keras.src.ops.numpy.Einsum",
                                            .arguments = "x1 x2",
                                            .configure = einsum_configure,
                                            .infer = einsum_infer,
                                            .apply = einsum_apply};
