/* SPDX-License-Identifier: Apache-2.0
 *
 * What operations share: operands that may be tensors, numbers or arrays.
 */
#include "layers/operations/operation.h"

ib_status ib__operation_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    static const ib_field fields[] = {{.key = "name", .read = ib__read_name}};
    return ib__layer_configure(layer, fields, 1, config, err);
}

ib_status ib__read_list(const ib_field *field, const ib_value *value, const char *where, void *out,
                        ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    ib_operation *s = (ib_operation *)((char *)out - offsetof(ib_operation, list));
    bool list = value->kind == IB_LIST;
    size_t n = value->kind == IB_NULL ? 0 : list ? value->count : 1;
    bool good = n <= IB_RANK_MAX;
    for (size_t i = 0; good && i < n; i++) {
        const ib_value *item = list ? value->items[i] : value;
        good = item->kind == IB_INT && item->integer >= -INT32_MAX && item->integer <= INT32_MAX;
        if (good) s->list[i] = item->integer;
    }
    if (!good)
        return ib__fail(err, IB_BAD_INPUT, where, "expected an integer or a list of at most %d integers",
                        IB_RANK_MAX);
    s->count = (int)n;
    return IB_OK;
}

ib_status ib__operation_tensor(const ib_layer *layer, const ib_args *args, const char *argument, ib_spec *out,
                               ib_error *err) {
    size_t n, first = ib__args_find(args, argument, &n);
    if (n != 1 || args->specs[first].shape.rank < 1)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected a tensor as %s", argument);
    *out = args->specs[first];
    return IB_OK;
}

int ib__operation_axis(int64_t axis, int rank, bool batch) {
    if (axis < 0) axis += rank;
    return axis < (batch ? 0 : 1) || axis >= rank ? -1 : (int)axis;
}

ib_status ib__operation_same(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                             size_t *n, ib_error *err) {
    *n = 1;
    return ib__operation_tensor(layer, args, "x", out, err);
}

/* An array in a file: {"class_name": "__tensor__", "config": {"value": nested lists}}; a number is one, too.
 */
static const ib_value *array_of(const ib_value *setting) {
    if (ib__value_is_string(ib__value_get(setting, "class_name"), "__tensor__") ||
        ib__value_is_string(ib__value_get(setting, "class_name"), "__numpy__"))
        return ib__value_get(ib__value_get(setting, "config"), "value");
    return setting;
}

static bool array_shape(const ib_value *array, ib_shape *out) {
    out->rank = 0;
    for (; array && array->kind == IB_LIST; array = array->items[0]) {
        if (out->rank == IB_RANK_MAX || !array->count) return false;
        out->dims[out->rank++] = (int64_t)array->count;
    }
    return array && (array->kind == IB_INT || array->kind == IB_REAL || array->kind == IB_BOOL);
}

static bool fill(const ib_value *array, const ib_shape *shape, int axis, float **at) {
    double number = array->kind == IB_BOOL ? array->boolean : 0;
    if (axis == shape->rank) {
        if (array->kind != IB_BOOL && !ib__value_number(array, &number)) return false;
        *(*at)++ = (float)number;
        return true;
    }
    if (array->kind != IB_LIST || array->count != (size_t)shape->dims[axis]) return false;
    for (size_t i = 0; i < array->count; i++)
        if (!fill(array->items[i], shape, axis + 1, at)) return false;
    return true;
}

bool ib__operand_spec(const ib_args *args, const char *argument, ib_spec *out) {
    size_t n, first = ib__args_find(args, argument, &n);
    if (n == 1) {
        *out = args->specs[first];
        return true;
    }
    const ib_value *setting = ib__args_setting(args, argument);
    *out = (ib_spec){.type = IB_TYPE_F32};
    return setting && array_shape(array_of(setting), &out->shape);
}

ib_node ib__operand(ib_graph *g, const ib_args *args, const char *argument) {
    size_t n, first = ib__args_find(args, argument, &n);
    if (n == 1) return args->flows[first].node;
    const ib_value *setting = ib__args_setting(args, argument), *array = array_of(setting);
    ib_shape shape;
    if (!array || !array_shape(array, &shape))
        return ib__graph_fail(g, IB_BAD_INPUT, "%s is missing", argument);
    float *values = ib__alloc((size_t)ib__shape_elements(&shape) + 1, sizeof *values), *at = values;
    if (!values) return ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    ib_node node = IB_NO_NODE;
    if (!fill(array, &shape, 0, &at))
        (void)ib__graph_fail(g, IB_BAD_INPUT, "%s: expected an array of numbers", argument);
    else
        node = shape.rank ? ib__op_constant_array(g, values, &shape) : ib__op_constant(g, values[0]);
    ib__free(values);
    return node;
}

ib_status ib__operands_shape(const ib_layer *layer, const ib_spec *a, const ib_spec *b, ib_shape *out,
                             ib_error *err) {
    const ib_shape *x = &a->shape, *y = &b->shape;
    *out = (ib_shape){.rank = x->rank > y->rank ? x->rank : y->rank};
    for (int i = 1; i <= out->rank; i++) {
        int64_t p = i <= x->rank ? x->dims[x->rank - i] : 1, q = i <= y->rank ? y->dims[y->rank - i] : 1;
        if (p != q && p != 1 && q != 1 && p >= 0 && q >= 0) {
            char s[128], t[128];
            ib__shape_print(s, x);
            ib__shape_print(t, y);
            return ib__fail(err, IB_BAD_INPUT, layer->place, "shapes %s and %s do not fit", s, t);
        }
        out->dims[out->rank - i] = p == 1 ? q : q == 1 ? p : p < 0 ? q : p;
    }
    if (out->rank > 0 &&
        ((x->rank == out->rank && x->dims[0] < 0) || (y->rank == out->rank && y->dims[0] < 0)))
        out->dims[0] = -1;
    return IB_OK;
}
