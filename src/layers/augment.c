/* SPDX-License-Identifier: Apache-2.0
 *
 * What the layers of random images share: settings, axes, random numbers.
 */
#include "layers/augment.h"

#include <math.h>
#include <stdio.h>

/* [-f, f], or [low, f] where that is higher; written with the numbers' own kind. */
static ib_value *spread(const ib_value *value, double low, bool up) {
    ib_value *list = ib__value_list();
    bool whole = value->kind == IB_INT;
    double f = 0;
    (void)ib__value_number(value, &f);
    f = fabs(f);
    ib_value *first = up || -f < low ? ib__value_int(up ? 0 : (int64_t)low)
                      : whole        ? ib__value_int((int64_t)-f)
                                     : ib__value_real(-f);
    bool good = ib__value_add(list, first);
    good = good && ib__value_add(list, whole ? ib__value_int((int64_t)f) : ib__value_real(f));
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

static bool in_bounds(const ib_field *field, double x) {
    return x >= field->low && x <= field->high;
}

ib_status ib__read_range(const ib_field *field, const ib_value *value, const char *where, void *out,
                         ib_value **canonical, ib_error *err) {
    double *range = out, x[2] = {0, 0};
    const char *how = field->choices;
    bool list = value->kind == IB_LIST, plain = strcmp(how, "plain") == 0, up = strcmp(how, "up") == 0;
    bool good = true;
    if (value->kind == IB_NULL) return IB_OK;
    if (list) {
        good = value->count == 2 && ib__value_number(value->items[0], &x[0]) &&
               ib__value_number(value->items[1], &x[1]) && fabs(x[0]) < 0x1p20 && fabs(x[1]) < 0x1p20;
        good = good && (strcmp(how, "base") == 0 ? x[0] <= field->high && x[1] >= field->low
                                                 : in_bounds(field, x[0]) && in_bounds(field, x[1]));
    } else {
        good = ib__value_number(value, &x[1]) && in_bounds(field, x[1]);
        x[1] = fabs(x[1]);
        x[0] = up ? 0 : plain ? -x[1] : fmax(-x[1], field->low);
    }
    if (!good) {
        char low[32], high[32];
        ib__double_print(low, field->low);
        ib__double_print(high, field->high);
        return ib__fail(err, IB_BAD_INPUT, where, "expected a number or a list of two, from %s to %s", low,
                        high);
    }
    bool turned = x[0] > x[1];
    range[0] = turned ? x[1] : x[0];
    range[1] = turned ? x[0] : x[1];
    if (plain || (list && !turned)) return IB_OK;
    if (!list) {
        *canonical = spread(value, field->low, up);
        return *canonical ? IB_OK : ib__fail_memory(err);
    }
    *canonical = ib__value_list();
    return ib__value_add(*canonical, ib__value_copy(value->items[1])) &&
                   ib__value_add(*canonical, ib__value_copy(value->items[0]))
               ? IB_OK
               : ib__fail_memory(err);
}

ib_status ib__read_value_range(const ib_field *field, const ib_value *value, const char *where, void *out,
                               ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    double *range = out;
    bool good = value->kind == IB_LIST && value->count == 2 && ib__value_number(value->items[0], &range[0]) &&
                ib__value_number(value->items[1], &range[1]) && range[0] < range[1] &&
                fabs(range[0]) < 0x1p60 && fabs(range[1]) < 0x1p60;
    return good ? IB_OK : ib__fail(err, IB_BAD_INPUT, where, "expected two numbers, the smaller one first");
}

ib_status ib__augment_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                            ib_error *err) {
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status == IB_OK) status = ib__layer_check_rank(layer, &inputs[0], 4, err);
    for (int i = 1; status == IB_OK && i < 4; i++)
        if (out->dims[i] < 1 || out->dims[i] > INT32_MAX)
            status = ib__fail(err, IB_BAD_INPUT, layer->place, "expected images of a known size");
    return status;
}

ib_image_axes ib__image_axes(const augment *s) {
    return s->channels_first ? (ib_image_axes){2, 3, 1} : (ib_image_axes){1, 2, 3};
}

ib_image_layout ib__image_layout(const augment *s, const ib_shape *shape) {
    ib_image_axes axes = ib__image_axes(s);
    size_t channels = (size_t)shape->dims[axes.channels];
    return (ib_image_layout){s->channels_first ? channels : 1, (size_t)shape->dims[axes.height],
                             (size_t)shape->dims[axes.width], s->channels_first ? 1 : channels};
}

ib_node ib__augment_draws(const ib_layer *layer, ib_build *b, ib_node x, int64_t k) {
    const augment *s = layer->settings;
    ib_shape shape = {2, {ib__node_shape(b->g, x).dims[0], k}};
    char purpose[32] = "augment";
    if (s->turn) (void)snprintf(purpose, sizeof purpose, "augment %lld", (long long)s->turn);
    return ib__layer_uniform(layer, b, s->seed, purpose, &shape);
}

ib_node ib__augment_draw(ib_graph *g, ib_node draws, int64_t i) {
    int64_t n = ib__node_shape(g, draws).dims[0], start[2] = {0, i}, limit[2] = {n, i + 1};
    ib_shape wide = {4, {n, 1, 1, 1}};
    return ib__op_reshape(g, ib__op_slice(g, draws, start, limit), &wide);
}

ib_node ib__augment_between(ib_graph *g, ib_node draws, int64_t i, double low, double high) {
    return ib__op_offset(g, ib__op_scale(g, ib__augment_draw(g, draws, i), (float)high - (float)low),
                         (float)low);
}

ib_node ib__augment_chosen(ib_graph *g, ib_node draws, const double factor[2]) {
    ib_node chance = ib__augment_between(g, draws, 0, factor[0], factor[1]);
    return ib__op_map(g, IB_MAP_less, ib__augment_draw(g, draws, 1), chance, IB_NO_NODE);
}

ib_node ib__augment_within(ib_graph *g, const ib_shape *shape, int axis, ib_node part, ib_node u) {
    size_t n = (size_t)shape->dims[axis];
    ib_shape line = {4, {1, 1, 1, 1}};
    line.dims[axis] = shape->dims[axis];
    ib_node places = ib__op_convert(g, ib__op_iota(g, &line, axis), IB_TYPE_F32);
    ib_node size = ib__op_scale(g, part, (float)n);
    ib_node rest = ib__op_subtract(g, ib__op_constant(g, (float)n), size);
    ib_node begin = ib__op_multiply(g, u, rest);
    ib_node after = ib__op_map(g, IB_MAP_greater_equal, places, begin, IB_NO_NODE);
    ib_node before = ib__op_map(g, IB_MAP_less, places, ib__op_add(g, begin, size), IB_NO_NODE);
    return ib__op_map(g, IB_MAP_and, after, before, IB_NO_NODE);
}

ib_node ib__augment_clip(ib_graph *g, ib_node x, double low, double high) {
    x = ib__op_maximum(g, x, ib__op_constant(g, (float)low));
    return ib__op_minimum(g, x, ib__op_constant(g, (float)high));
}

ib_node ib__augment_rescaled(ib_graph *g, ib_node x, const double from[2], const double to[2]) {
    if (from[0] == to[0] && from[1] == to[1]) return x;
    float low = (float)from[0], width = (float)from[1] - low, wide = (float)to[1] - (float)to[0];
    x = ib__op_divide(g, ib__op_offset(g, x, -low), ib__op_constant(g, width));
    return ib__op_offset(g, ib__op_scale(g, x, wide), (float)to[0]);
}
