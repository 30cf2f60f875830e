/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that join tensors and take them apart: Stack, Concatenate, Split, Unstack, GetItem, Take; and
 * Where, Cast, ZerosLike, OnesLike.
 */
#include "layers/operations/operation.h"

#define CLASS(symbol, class_name, arguments_, many, configure_, infer_, apply_)                              \
    const ib_layer_class ib__layer_##symbol = {.name = "keras.src.ops." class_name,                          \
                                               .settings = sizeof(ib_operation),                             \
                                               .arguments = arguments_,                                      \
                                               .many_inputs = many,                                          \
                                               .configure = configure_,                                      \
                                               .infer = infer_,                                              \
                                               .apply = apply_};

static ib_status refuse_axis(const ib_layer *layer, ib_error *err) {
    return ib__fail(err, IB_UNSUPPORTED, layer->place, "axis is outside of the tensor, or its first");
}

/* Elements [from, to) of an axis. */
static ib_node part(ib_graph *g, ib_node x, int axis, int64_t from, int64_t to) {
    ib_shape shape = ib__node_shape(g, x);
    int64_t start[IB_RANK_MAX] = {0}, limit[IB_RANK_MAX];
    if (x == IB_NO_NODE) return x;
    memcpy(limit, shape.dims, sizeof limit);
    start[axis] = from;
    limit[axis] = to;
    return ib__op_slice(g, x, start, limit);
}

/* x without an axis of size 1, or with a new one. */
static ib_node without(ib_graph *g, ib_node x, int axis) {
    ib_shape shape = ib__node_shape(g, x);
    for (int i = axis; i + 1 < shape.rank; i++)
        shape.dims[i] = shape.dims[i + 1];
    shape.rank--;
    return ib__op_reshape(g, x, &shape);
}

static ib_node with(ib_graph *g, ib_node x, int axis) {
    ib_shape shape = ib__node_shape(g, x);
    for (int i = shape.rank++; i > axis; i--)
        shape.dims[i] = shape.dims[i - 1];
    shape.dims[axis] = 1;
    return ib__op_reshape(g, x, &shape);
}

/* ---- Stack and Concatenate ---- */

enum { JOINED_MAX = 256 };

static ib_status join_infer(const ib_layer *layer, const ib_args *args, bool stack, ib_spec *out, size_t *n,
                            ib_error *err) {
    const ib_operation *s = layer->settings;
    if (args->n < 1 || args->n > JOINED_MAX)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected 1 to %d tensors", JOINED_MAX);
    *n = 1;
    *out = args->specs[0];
    int rank = out->shape.rank, axis = ib__operation_axis(s->axis, stack ? rank + 1 : rank, false);
    if (axis < 0 || rank + stack > IB_RANK_MAX) return refuse_axis(layer, err);
    for (size_t k = 1; k < args->n; k++) {
        const ib_spec *next = &args->specs[k];
        bool fits = next->shape.rank == rank && next->type == out->type;
        for (int i = 1; fits && i < rank; i++) {
            int64_t *have = &out->shape.dims[i], size = next->shape.dims[i];
            if (i == axis && !stack)
                *have = *have < 0 || size < 0 ? -1 : *have + size;
            else
                fits = *have < 0 || size < 0 || *have == size;
        }
        if (!fits) return ib__fail(err, IB_BAD_INPUT, layer->place, "the tensors do not fit each other");
    }
    if (!stack) return IB_OK;
    for (int i = out->shape.rank++; i > axis; i--)
        out->shape.dims[i] = out->shape.dims[i - 1];
    out->shape.dims[axis] = (int64_t)args->n;
    return IB_OK;
}

static void join_apply(const ib_layer *layer, ib_build *b, const ib_args *args, bool stack, ib_flow *out) {
    const ib_operation *s = layer->settings;
    ib_node parts[JOINED_MAX];
    int rank = ib__node_shape(b->g, args->flows[0].node).rank;
    int axis = ib__operation_axis(s->axis, stack ? rank + 1 : rank, false);
    for (size_t i = 0; i < args->n; i++)
        parts[i] = stack ? with(b->g, args->flows[i].node, axis) : args->flows[i].node;
    out->node = ib__op_concatenate(b->g, parts, args->n, axis);
}

#define JOIN(symbol, class_name, fallback, stack)                                                            \
    static const ib_field symbol##_fields[] = {IB_OPERATION_NAME, IB_OPERATION_AXIS("axis", fallback)};      \
    IB_OPERATION_CONFIGURE(symbol, symbol##_fields)                                                          \
    static ib_status symbol##_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], \
                                    size_t *n, ib_error *err) {                                              \
        return join_infer(layer, args, stack, out, n, err);                                                  \
    }                                                                                                        \
    static void symbol##_apply(ib_layer *layer, ib_build *b, const ib_args *args,                            \
                               ib_flow out[IB_OUTPUTS_MAX]) {                                                \
        join_apply(layer, b, args, stack, out);                                                              \
    }                                                                                                        \
    CLASS(symbol, "numpy." class_name, "xs", true, symbol##_configure, symbol##_infer, symbol##_apply)
JOIN(op_stack, "Stack", "0", true)
JOIN(op_concatenate, "Concatenate", "0", false)

/* ---- Split: into n equal parts, or at places; Unstack: into parts of one element ---- */

/* The ends of the parts; their number, 0 if they do not fit. */
static size_t split_ends(const ib_layer *layer, int64_t size, int64_t ends[IB_OUTPUTS_MAX]) {
    const ib_operation *s = layer->settings;
    const ib_value *given = ib__value_get(layer->config, "indices_or_sections");
    bool list = given && given->kind == IB_LIST;
    int64_t n = !given ? size : list ? s->count + 1 : s->list[0];
    if (size < 1 || n < 1 || n > IB_OUTPUTS_MAX || (!list && size % n)) return 0;
    for (int64_t i = 0; i < n; i++) {
        ends[i] = !list ? size / n * (i + 1) : i + 1 < n ? s->list[i] : size;
        if (ends[i] < 0 || ends[i] > size || ends[i] <= (i ? ends[i - 1] : 0)) return 0;
    }
    return (size_t)n;
}

static ib_status split_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                             size_t *n, ib_error *err) {
    const ib_operation *s = layer->settings;
    int64_t ends[IB_OUTPUTS_MAX];
    ib_spec x;
    ib_status status = ib__operation_tensor(layer, args, "x", &x, err);
    if (status != IB_OK) return status;
    int axis = ib__operation_axis(s->axis, x.shape.rank, false);
    if (axis < 0) return refuse_axis(layer, err);
    *n = split_ends(layer, x.shape.dims[axis], ends);
    if (!*n)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected 1 to %d parts that fit the axis",
                        IB_OUTPUTS_MAX);
    for (size_t i = 0; i < *n; i++) {
        out[i] = x;
        out[i].shape.dims[axis] = ends[i] - (i ? ends[i - 1] : 0);
    }
    return IB_OK;
}

static void split_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const ib_operation *s = layer->settings;
    int64_t ends[IB_OUTPUTS_MAX];
    ib_node x = ib__operand(b->g, args, "x");
    ib_shape shape = ib__node_shape(b->g, x);
    int axis = ib__operation_axis(s->axis, shape.rank, false);
    size_t n = split_ends(layer, shape.dims[axis], ends);
    for (size_t i = 0; i < n; i++)
        out[i].node = part(b->g, x, axis, i ? ends[i - 1] : 0, ends[i]);
}

static ib_status unstack_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                               size_t *n, ib_error *err) {
    const ib_operation *s = layer->settings;
    ib_status status = split_infer(layer, args, out, n, err);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < *n; i++) {
        ib_shape *shape = &out[i].shape;
        int axis = ib__operation_axis(s->axis, shape->rank, false);
        for (int k = axis; k + 1 < shape->rank; k++)
            shape->dims[k] = shape->dims[k + 1];
        shape->rank--;
    }
    return IB_OK;
}

static void unstack_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const ib_operation *s = layer->settings;
    ib_shape shape = ib__node_shape(b->g, ib__operand(b->g, args, "x"));
    int axis = ib__operation_axis(s->axis, shape.rank, false);
    split_apply(layer, b, args, out);
    for (int64_t i = 0; i < shape.dims[axis] && i < IB_OUTPUTS_MAX; i++)
        out[i].node = without(b->g, out[i].node, axis);
}

static const ib_field split_fields[] = {IB_OPERATION_NAME, IB_OPERATION_LIST("indices_or_sections", NULL),
                                        IB_OPERATION_AXIS("axis", "0")};
static const ib_field unstack_fields[] = {IB_OPERATION_NAME,
                                          {.key = "num", .fallback = "null", .read = ib__read_optional_int},
                                          IB_OPERATION_AXIS("axis", "0")};
IB_OPERATION_CONFIGURE(split, split_fields)
IB_OPERATION_CONFIGURE(unstack, unstack_fields)
CLASS(op_split, "numpy.Split", "x", false, split_configure, split_infer, split_apply)
CLASS(op_unstack, "core.Unstack", "x", false, unstack_configure, unstack_infer, unstack_apply)

/* ---- GetItem: x[:, 1:3, ..., 0, None] ---- */

/* What becomes of one axis: all of it, a range in steps, one element (the axis goes away), or a new axis. */
typedef struct item {
    enum { RANGE, ELEMENT, NEW } kind;
    int axis; /* of the operand */
    int64_t start, count, step;
} item;

static bool is_special(const ib_value *v, const char *class_name) {
    return ib__value_is_string(ib__value_get(v, "class_name"), class_name);
}

/* A bound of a Python slice, cut to [low, high]; missing: otherwise. */
static bool bound(const ib_value *slice, const char *key, int64_t size, int64_t low, int64_t high,
                  int64_t otherwise, int64_t *out) {
    const ib_value *v = ib__value_get(ib__value_get(slice, "config"), key);
    *out = otherwise;
    if (!v || v->kind == IB_NULL) return true;
    if (v->kind != IB_INT) return false;
    int64_t at = v->integer < 0 ? v->integer + size : v->integer;
    *out = at < low ? low : at > high ? high : at;
    return true;
}

/* size -1: unknown, so that only whole axes and ranges from known to known places fit. */
static bool read_slice(const ib_value *slice, int64_t size, item *out) {
    int64_t stop;
    const ib_value *step = ib__value_get(ib__value_get(slice, "config"), "step");
    out->step = step && step->kind == IB_INT ? step->integer : 1;
    if (step && step->kind != IB_NULL && (step->kind != IB_INT || !step->integer)) return false;
    bool up = out->step > 0;
    if (out->step > INT32_MAX || out->step < -INT32_MAX) return false;
    int64_t low = up ? 0 : -1, high = up ? size : size - 1;
    if (!bound(slice, "start", size, low, high, up ? 0 : size - 1, &out->start) ||
        !bound(slice, "stop", size, low, high, up ? size : -1, &stop))
        return false;
    int64_t span = up ? stop - out->start : out->start - stop, each = up ? out->step : -out->step;
    out->count = span > 0 ? (span + each - 1) / each : 0;
    return true;
}

static bool is_whole(const ib_value *slice) {
    const ib_value *config = ib__value_get(slice, "config");
    for (size_t i = 0; config && i < config->count; i++)
        if (config->items[i]->kind != IB_NULL && strcmp(config->keys[i], "step") != 0) return false;
    const ib_value *step = ib__value_get(config, "step");
    return !step || step->kind == IB_NULL || (step->kind == IB_INT && step->integer == 1);
}

/* What reading a key knows. */
typedef struct reading {
    const ib_shape *shape;
    item *out;
    size_t n;
    int axis;        /* the next of the operand */
    const char *why; /* it does not fit */
} reading;

static bool add_item(reading *r, item it) {
    if (r->n == 2 * IB_RANK_MAX) return false;
    r->out[r->n++] = it;
    return true;
}

static bool add_whole(reading *r, int count) {
    bool good = true;
    for (int i = 0; i < count; i++, r->axis++)
        good =
            good &&
            add_item(r, (item){.kind = RANGE, .axis = r->axis, .count = r->shape->dims[r->axis], .step = 1});
    return good;
}

/* A slice or an integer. */
static bool add_axis(reading *r, const ib_value *v) {
    bool slice = is_special(v, "__slice__");
    if (slice && is_whole(v)) return add_whole(r, 1);
    int64_t size = r->shape->dims[r->axis];
    item it = {.kind = slice ? RANGE : ELEMENT, .axis = r->axis++};
    if (it.axis == 0 || size < 0) {
        r->why = it.axis ? "an axis of unknown size cannot be cut"
                         : "the first axis, the batch's, must stay whole";
        return false;
    }
    if (slice) return read_slice(v, size, &it) && add_item(r, it);
    if (v->integer >= size || v->integer < -size) return false;
    it.start = v->integer < 0 ? v->integer + size : v->integer;
    return add_item(r, it);
}

/* The items for an operand of this shape; their number, or 0 with *why. The first axis stays whole. */
static size_t read_items(const ib_value *key, const ib_shape *shape, item out[2 * IB_RANK_MAX],
                         const char **why) {
    reading r = {.shape = shape, .out = out};
    r.why = "expected slices, integers, None and at most one \"...\" that fit the tensor";
    size_t n = key->kind == IB_LIST ? key->count : 1, dots = 0;
    int used = 0;
    for (size_t i = 0; i < n && n <= 2 * IB_RANK_MAX; i++) {
        const ib_value *v = key->kind == IB_LIST ? key->items[i] : key;
        used += v->kind == IB_INT || is_special(v, "__slice__");
        dots += is_special(v, "__ellipsis__");
    }
    int rest = shape->rank - used;
    bool good = rest >= 0 && dots <= 1 && n <= 2 * IB_RANK_MAX;
    for (size_t i = 0; good && i < n; i++) {
        const ib_value *v = key->kind == IB_LIST ? key->items[i] : key;
        if (is_special(v, "__ellipsis__"))
            good = add_whole(&r, rest);
        else if (v->kind == IB_NULL)
            good = r.axis > 0 && add_item(&r, (item){.kind = NEW, .axis = r.axis});
        else
            good = (v->kind == IB_INT || is_special(v, "__slice__")) && add_axis(&r, v);
    }
    good = good && (dots || add_whole(&r, rest));
    *why = r.why;
    return good ? r.n : 0;
}

static ib_status get_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                           ib_error *err) {
    const ib_value *key = ib__value_get(args->settings, "key");
    ib_status status = ib__operation_tensor(layer, args, "x", out, err);
    if (status != IB_OK) return status;
    item items[2 * IB_RANK_MAX];
    const char *why = "expected a key";
    size_t count = key ? read_items(key, &out[0].shape, items, &why) : 0;
    ib_shape shape = {0};
    for (size_t i = 0; count && i < count; i++) {
        if (items[i].kind == ELEMENT) continue;
        if (shape.rank == IB_RANK_MAX) {
            why = "the result has too many axes";
            count = 0;
        } else {
            shape.dims[shape.rank++] = items[i].kind == NEW ? 1 : items[i].count;
        }
    }
    if (!count) return ib__fail(err, IB_UNSUPPORTED, layer->place, "%s", why);
    out[0].shape = shape;
    *n = 1;
    return IB_OK;
}

/* A range in steps: turned round for steps below 0; then every step-th element by splitting the axis. */
static ib_node range(ib_graph *g, ib_node x, const item *it) {
    ib_shape shape = ib__node_shape(g, x);
    int axis = it->axis;
    int64_t size = shape.dims[axis], start = it->start, step = it->step;
    if (start == 0 && step == 1 && it->count == size) return x;
    if (step < 0) {
        x = ib__op_reverse(g, x, axis);
        start = size - 1 - start;
        step = -step;
    }
    if (it->count == 0 || step == 1) return part(g, x, axis, start, start + it->count);
    int64_t end = start + it->count * step, low[IB_RANK_MAX] = {0}, high[IB_RANK_MAX] = {0};
    x = part(g, x, axis, start, end < size ? end : size);
    high[axis] = end > size ? end - size : 0;
    if (high[axis]) x = ib__op_pad(g, x, 0.0f, low, high);
    if (shape.rank == IB_RANK_MAX) return ib__graph_fail(g, IB_UNSUPPORTED, "the tensor has too many axes");
    ib_shape split = ib__node_shape(g, x);
    for (int i = split.rank++; i > axis; i--)
        split.dims[i] = split.dims[i - 1];
    split.dims[axis] = it->count;
    split.dims[axis + 1] = step;
    return without(g, part(g, ib__op_reshape(g, x, &split), axis + 1, 0, 1), axis + 1);
}

static void get_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    (void)layer;
    ib_graph *g = b->g;
    ib_node x = ib__operand(g, args, "x");
    ib_shape shape = ib__node_shape(g, x), made = {0};
    item items[2 * IB_RANK_MAX];
    const char *why;
    size_t n = read_items(ib__value_get(args->settings, "key"), &shape, items, &why);
    for (size_t i = 0; i < n; i++) {
        if (items[i].kind == ELEMENT) x = part(g, x, items[i].axis, items[i].start, items[i].start + 1);
        if (items[i].kind == RANGE && items[i].axis > 0) x = range(g, x, &items[i]);
    }
    for (size_t i = 0; i < n; i++)
        if (items[i].kind != ELEMENT)
            made.dims[made.rank++] = items[i].kind == NEW ? 1
                                     : items[i].axis      ? items[i].count
                                                          : shape.dims[0];
    if (n) out->node = ib__op_reshape(g, x, &made);
}

CLASS(op_get_item, "numpy.GetItem", "x key", false, ib__operation_configure, get_infer, get_apply)

/* ---- Take: elements of an axis by constant numbers ---- */

enum { TAKEN_MAX = 256 };

static bool taken(const ib_args *args, int64_t size, int64_t out[TAKEN_MAX], size_t *n, bool *one) {
    const ib_value *v = ib__args_setting(args, "indices");
    *one = v && v->kind == IB_INT;
    *n = *one ? 1 : v && v->kind == IB_LIST ? v->count : 0;
    for (size_t i = 0; i < *n && *n <= TAKEN_MAX; i++) {
        const ib_value *item = *one ? v : v->items[i];
        if (item->kind != IB_INT || item->integer >= size || item->integer < -size) return false;
        out[i] = item->integer < 0 ? item->integer + size : item->integer;
    }
    return *n > 0 && *n <= TAKEN_MAX;
}

static ib_status take_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                            size_t *n, ib_error *err) {
    const ib_operation *s = layer->settings;
    int64_t indices[TAKEN_MAX];
    size_t count;
    bool one;
    ib_status status = ib__operation_same(layer, args, out, n, err);
    if (status != IB_OK) return status;
    ib_shape *shape = &out[0].shape;
    int axis = ib__operation_axis(s->axis, shape->rank, false);
    if (axis < 0) return refuse_axis(layer, err);
    if (!taken(args, shape->dims[axis], indices, &count, &one))
        return ib__fail(err, IB_UNSUPPORTED, layer->place,
                        "indices: expected 1 to %d constant integers that fit the axis", TAKEN_MAX);
    shape->dims[axis] = (int64_t)count;
    for (int i = axis; one && i + 1 < shape->rank; i++)
        shape->dims[i] = shape->dims[i + 1];
    shape->rank -= one;
    return IB_OK;
}

static void take_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const ib_operation *s = layer->settings;
    int64_t indices[TAKEN_MAX];
    ib_node parts[TAKEN_MAX], x = ib__operand(b->g, args, "x");
    ib_shape shape = ib__node_shape(b->g, x);
    int axis = ib__operation_axis(s->axis, shape.rank, false);
    size_t n;
    bool one;
    if (x == IB_NO_NODE || !taken(args, shape.dims[axis], indices, &n, &one)) return;
    for (size_t i = 0; i < n; i++)
        parts[i] = part(b->g, x, axis, indices[i], indices[i] + 1);
    out->node = ib__op_concatenate(b->g, parts, n, axis);
    if (one) out->node = without(b->g, out->node, axis);
}

static const ib_field take_fields[] = {IB_OPERATION_NAME, IB_OPERATION_AXIS("axis", NULL)};
IB_OPERATION_CONFIGURE(take, take_fields)
CLASS(op_take, "numpy.Take", "x indices", false, take_configure, take_infer, take_apply)

/* ---- Where and Cast ---- */

static ib_status where_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                             size_t *n, ib_error *err) {
    ib_spec condition, a, b, both = {.type = IB_TYPE_F32};
    if (!ib__operand_spec(args, "condition", &condition) || !ib__operand_spec(args, "x1", &a) ||
        !ib__operand_spec(args, "x2", &b))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected a condition and two operands");
    *n = 1;
    out[0] = both;
    ib_status status = ib__operands_shape(layer, &a, &b, &both.shape, err);
    return status == IB_OK ? ib__operands_shape(layer, &condition, &both, &out[0].shape, err) : status;
}

static void where_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    (void)layer;
    ib_graph *g = b->g;
    ib_node condition = ib__op_convert(g, ib__operand(g, args, "condition"), IB_TYPE_PRED);
    ib_node x = ib__op_convert(g, ib__operand(g, args, "x1"), IB_TYPE_F32);
    ib_node y = ib__op_convert(g, ib__operand(g, args, "x2"), IB_TYPE_F32);
    out->node = ib__op_select(g, condition, x, y);
}

CLASS(op_where, "numpy.Where", "condition x1 x2", false, ib__operation_configure, where_infer, where_apply)

static const ib_type cast_types[] = {IB_TYPE_F32,  IB_TYPE_I32, IB_TYPE_I32,
                                     IB_TYPE_PRED, IB_TYPE_F32, IB_TYPE_F32};
/* The format of float casts; the others' is not asked for. */
static const ib_format cast_formats[] = {IB_FORMAT_F32, IB_FORMAT_F32,  IB_FORMAT_F32,
                                         IB_FORMAT_F32, IB_FORMAT_BF16, IB_FORMAT_F16};
static const ib_field cast_fields[] = {IB_OPERATION_NAME,
                                       {.key = "dtype",
                                        .read = ib__read_choice,
                                        .choices = "float32 int32 int64 bool bfloat16 float16",
                                        .offset = offsetof(ib_operation, count)}};
IB_OPERATION_CONFIGURE(cast, cast_fields)

static ib_status cast_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                            size_t *n, ib_error *err) {
    const ib_operation *s = layer->settings;
    ib_status status = ib__operation_same(layer, args, out, n, err);
    out[0].type = cast_types[s->count];
    return status;
}

static void cast_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const ib_operation *s = layer->settings;
    ib_node x = ib__op_convert(b->g, ib__operand(b->g, args, "x"), cast_types[s->count]);
    out->node = ib__op_format(b->g, x, cast_formats[s->count]);
}

const ib_layer_class ib__layer_op_cast = {.name = "keras.src.ops.core.Cast",
                                          .passes = true,
                                          .settings = sizeof(ib_operation),
                                          .arguments = "x",
                                          .configure = cast_configure,
                                          .infer = cast_infer,
                                          .apply = cast_apply};

/* ---- ZerosLike and OnesLike; without a dtype, the tensor's ---- */

static ib_status read_dtype(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    if (value->kind != IB_NULL) return ib__read_choice(field, value, where, out, canonical, err);
    *(int *)out = -1;
    return IB_OK;
}

static ib_status like_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                            size_t *n, ib_error *err) {
    const ib_operation *s = layer->settings;
    ib_status status = ib__operation_same(layer, args, out, n, err);
    if (s->count >= 0) out[0].type = cast_types[s->count];
    return status;
}

static void like_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const ib_operation *s = layer->settings;
    ib_node x = ib__operand(b->g, args, "x");
    ib_shape shape = ib__node_shape(b->g, x);
    ib_type type = s->count < 0 ? ib__node_type(b->g, x) : cast_types[s->count];
    ib_node value = ib__op_constant(b->g, strstr(layer->class->name, "Ones") ? 1.0f : 0.0f);
    out->node = ib__op_convert(b->g, ib__op_broadcast_to(b->g, value, &shape), type);
}

static const ib_field like_fields[] = {IB_OPERATION_NAME,
                                       {.key = "dtype",
                                        .fallback = "null",
                                        .read = read_dtype,
                                        .choices = "float32 int32 int64 bool",
                                        .offset = offsetof(ib_operation, count)}};
IB_OPERATION_CONFIGURE(like, like_fields)
CLASS(op_zeros_like, "numpy.ZerosLike", "x", false, like_configure, like_infer, like_apply)
CLASS(op_ones_like, "numpy.OnesLike", "x", false, like_configure, like_infer, like_apply)
