/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays within configs.
 */
#include <string.h>

#include "initializers/numbers.h"

/* Lists of `depth` and deeper must have the sizes of shape and hold numbers in the end. */
static bool is_regular(const ib_value *value, const ib_shape *shape, int depth) {
    double x;
    if (depth == shape->rank) return ib__value_number(value, &x);
    if (value->kind != IB_LIST || (int64_t)value->count != shape->dims[depth]) return false;
    for (size_t i = 0; i < value->count; i++)
        if (!is_regular(value->items[i], shape, depth + 1)) return false;
    return true;
}

ib_status ib__numbers_read(ib_numbers *out, const ib_value *value, const char *where, ib_error *err) {
    const ib_value *class_name = ib__value_get(value, "class_name");
    if (ib__value_is_string(class_name, "__numpy__") || ib__value_is_string(class_name, "__tensor__"))
        value = ib__value_get(ib__value_get(value, "config"), "value");
    *out = (ib_numbers){.tree = value};
    const ib_value *at = value;
    while (ib__value_is(at, IB_LIST) && at->count > 0 && out->shape.rank < IB_RANK_MAX) {
        out->shape.dims[out->shape.rank++] = (int64_t)at->count;
        at = at->items[0];
    }
    if (value && is_regular(value, &out->shape, 0)) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected a number or an array of numbers");
}

double ib__numbers_at(const ib_numbers *numbers, const int64_t *coordinates) {
    const ib_value *at = numbers->tree;
    for (int i = 0; i < numbers->shape.rank; i++)
        at = at->items[coordinates[i]];
    double x = 0.0;
    (void)ib__value_number(at, &x);
    return x;
}

/* NumPy's rule: aligned at the end, 1 stretches. */
static bool fits(const ib_shape *from, const ib_shape *to) {
    bool good = from->rank <= to->rank;
    for (int i = 1; good && i <= from->rank; i++) {
        int64_t size = from->dims[from->rank - i];
        good = size == 1 || size == to->dims[to->rank - i];
    }
    return good;
}

ib_status ib__numbers_fill(float *data, const ib_shape *shape, const ib_numbers *numbers, const char *path,
                           ib_error *err) {
    const ib_shape *from = &numbers->shape;
    if (!fits(from, shape)) {
        char a[128], b[128];
        ib__shape_print(a, from);
        ib__shape_print(b, shape);
        return ib__fail(err, IB_BAD_INPUT, path, "an array of shape %s does not fit a weight of shape %s", a,
                        b);
    }
    size_t n = (size_t)ib__shape_elements(shape);
    for (size_t i = 0; i < n; i++) {
        int64_t coordinates[IB_RANK_MAX] = {0};
        size_t rest = i;
        for (int d = 1; d <= from->rank; d++) {
            size_t size = (size_t)shape->dims[shape->rank - d];
            coordinates[from->rank - d] = from->dims[from->rank - d] == 1 ? 0 : (int64_t)(rest % size);
            rest /= size;
        }
        data[i] = (float)ib__numbers_at(numbers, coordinates);
    }
    return IB_OK;
}
