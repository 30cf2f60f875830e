/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that move elements: reshaping, transposing, turning, repeating, padding. The first axis, the
 * batch's, stays the first: what would mix samples is refused.
 */
#include "layers/operations/operation.h"

static ib_status refuse_batch(const ib_layer *layer, ib_error *err) {
    return ib__fail(err, IB_UNSUPPORTED, layer->place,
                    "axis does not fit the tensor, or the first axis, the batch's, would not stay as it is");
}

/* ---- New shapes of the same elements: a function from the operand's shape to the result's ---- */

typedef bool shape_fn(const ib_operation *s, const ib_shape *in, ib_shape *out);

static bool expanded(const ib_operation *s, const ib_shape *in, ib_shape *out) {
    unsigned mask = 0;
    out->rank = in->rank + s->count;
    if (out->rank > IB_RANK_MAX || s->count < 1) return false;
    for (int i = 0; i < s->count; i++) {
        int axis = ib__operation_axis(s->list[i], out->rank, false);
        if (axis < 0 || (mask >> axis & 1)) return false;
        mask |= 1u << axis;
    }
    for (int i = 0, k = 0; i < out->rank; i++)
        out->dims[i] = mask >> i & 1 ? 1 : in->dims[k++];
    return true;
}

/* null: all axes of size 1 but the first */
static bool squeezed(const ib_operation *s, const ib_shape *in, ib_shape *out) {
    unsigned mask = 0;
    for (int i = 1; s->count == 0 && i < in->rank; i++)
        mask |= (in->dims[i] == 1 ? 1u : 0u) << i;
    for (int i = 0; i < s->count; i++) {
        int axis = ib__operation_axis(s->list[i], in->rank, false);
        if (axis < 0 || in->dims[axis] != 1) return false;
        mask |= 1u << axis;
    }
    out->rank = 0;
    for (int i = 0; i < in->rank; i++)
        if (!(mask >> i & 1)) out->dims[out->rank++] = in->dims[i];
    return true;
}

/* newshape begins with -1 for the batch; the rest holds as many elements as a sample has. */
static bool reshaped(const ib_operation *s, const ib_shape *in, ib_shape *out) {
    if (s->count < 1 || s->list[0] != -1) return false;
    ib_shape have = *in, want = {.rank = s->count};
    have.dims[0] = want.dims[0] = 1;
    for (int i = 1; i < s->count; i++) {
        if (s->list[i] < 0) return false;
        want.dims[i] = s->list[i];
    }
    int64_t elements = ib__shape_elements(&have), wanted = ib__shape_elements(&want);
    if (wanted < 0 || (elements >= 0 && elements != wanted)) return false;
    want.dims[0] = in->dims[0];
    *out = want;
    return true;
}

static ib_status infer_shape(const ib_layer *layer, const ib_args *args, shape_fn *shape, ib_spec *out,
                             size_t *n, ib_error *err) {
    ib_spec in;
    ib_status status = ib__operation_tensor(layer, args, "x", &in, err);
    *n = 1;
    *out = in;
    if (status != IB_OK || shape(layer->settings, &in.shape, &out->shape)) return status;
    return refuse_batch(layer, err);
}

static void apply_shape(const ib_layer *layer, ib_build *b, const ib_args *args, shape_fn *shape,
                        ib_flow *out) {
    ib_node x = ib__operand(b->g, args, "x");
    ib_shape in = ib__node_shape(b->g, x), to = {0};
    if (x == IB_NO_NODE) return;
    if (shape(layer->settings, &in, &to))
        out->node = ib__op_reshape(b->g, x, &to);
    else
        (void)ib__graph_fail(b->g, IB_BAD_INPUT, "the new shape does not fit the tensor");
}

/* A class whose shape or permutation is what the function `change` says. */
#define CHANGES(symbol, class_name, fields, kind, change)                                                    \
    IB_OPERATION_CONFIGURE(symbol, fields)                                                                   \
    static ib_status symbol##_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], \
                                    size_t *n, ib_error *err) {                                              \
        return infer_##kind(layer, args, change, out, n, err);                                               \
    }                                                                                                        \
    static void symbol##_apply(ib_layer *layer, ib_build *b, const ib_args *args,                            \
                               ib_flow out[IB_OUTPUTS_MAX]) {                                                \
        apply_##kind(layer, b, args, change, out);                                                           \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = "keras.src.ops.numpy." class_name,                    \
                                               .settings = sizeof(ib_operation),                             \
                                               .arguments = "x",                                             \
                                               .configure = symbol##_configure,                              \
                                               .infer = symbol##_infer,                                      \
                                               .apply = symbol##_apply};

static const ib_field expand_fields[] = {IB_OPERATION_NAME, IB_OPERATION_LIST("axis", NULL)};
static const ib_field squeeze_fields[] = {IB_OPERATION_NAME, IB_OPERATION_LIST("axis", "null")};
static const ib_field reshape_fields[] = {IB_OPERATION_NAME, IB_OPERATION_LIST("newshape", NULL)};
CHANGES(op_expand_dims, "ExpandDims", expand_fields, shape, expanded)
CHANGES(op_squeeze, "Squeeze", squeeze_fields, shape, squeezed)
CHANGES(op_reshape, "Reshape", reshape_fields, shape, reshaped)

/* ---- Permutations ---- */

typedef bool permutation_fn(const ib_operation *s, int rank, int *permutation);

static bool transposed(const ib_operation *s, int rank, int *permutation) {
    unsigned mask = 0;
    if (s->count != rank) return false;
    for (int i = 0; i < rank; i++) {
        permutation[i] = ib__operation_axis(s->list[i], rank, true);
        if (permutation[i] < 0) return false;
        mask |= 1u << permutation[i];
    }
    return mask == (1u << rank) - 1 && rank > 0 && permutation[0] == 0;
}

static bool swapped(const ib_operation *s, int rank, int *permutation) {
    int a = ib__operation_axis(s->axis, rank, false), b = ib__operation_axis(s->second, rank, false);
    for (int i = 0; i < rank; i++)
        permutation[i] = i == a ? b : i == b ? a : i;
    return a > 0 && b > 0;
}

static bool moved(const ib_operation *s, int rank, int *permutation) {
    int from = ib__operation_axis(s->axis, rank, false), to = ib__operation_axis(s->second, rank, false);
    for (int i = 0, k = 0; i < rank; i++) {
        if (k == from) k++;
        permutation[i] = i == to ? from : k++;
    }
    return from > 0 && to > 0;
}

static ib_status infer_permutation(const ib_layer *layer, const ib_args *args, permutation_fn *permute,
                                   ib_spec *out, size_t *n, ib_error *err) {
    ib_spec in;
    int permutation[IB_RANK_MAX];
    ib_status status = ib__operation_tensor(layer, args, "x", &in, err);
    *n = 1;
    *out = in;
    if (status != IB_OK) return status;
    if (!permute(layer->settings, in.shape.rank, permutation)) return refuse_batch(layer, err);
    for (int i = 0; i < in.shape.rank; i++)
        out->shape.dims[i] = in.shape.dims[permutation[i]];
    return IB_OK;
}

static void apply_permutation(const ib_layer *layer, ib_build *b, const ib_args *args,
                              permutation_fn *permute, ib_flow *out) {
    int permutation[IB_RANK_MAX];
    ib_node x = ib__operand(b->g, args, "x");
    if (permute(layer->settings, ib__node_shape(b->g, x).rank, permutation))
        out->node = ib__op_transpose(b->g, x, permutation);
}

#define SECOND(key_)                                                                                         \
    {                                                                                                        \
        .key = key_, .read = ib__read_int, .offset = offsetof(ib_operation, second), .low = -IB_RANK_MAX,    \
        .high = IB_RANK_MAX - 1                                                                              \
    }
static const ib_field transpose_fields[] = {IB_OPERATION_NAME, IB_OPERATION_LIST("axes", "null")};
static const ib_field swap_fields[] = {IB_OPERATION_NAME, IB_OPERATION_AXIS("axis1", NULL), SECOND("axis2")};
static const ib_field move_fields[] = {IB_OPERATION_NAME, IB_OPERATION_AXIS("source", NULL),
                                       SECOND("destination")};
CHANGES(op_transpose, "Transpose", transpose_fields, permutation, transposed)
CHANGES(op_swapaxes, "Swapaxes", swap_fields, permutation, swapped)
CHANGES(op_moveaxis, "Moveaxis", move_fields, permutation, moved)

/* ---- Flip and Roll ---- */

/* All axes of a list, none of them the first. */
static ib_status infer_axes(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                            size_t *n, ib_error *err) {
    const ib_operation *s = layer->settings;
    ib_status status = ib__operation_same(layer, args, out, n, err);
    bool good = s->count > 0;
    for (int i = 0; status == IB_OK && i < s->count; i++)
        good = good && ib__operation_axis(s->list[i], out[0].shape.rank, false) > 0;
    return status != IB_OK || good ? status : refuse_batch(layer, err);
}

static void flip_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const ib_operation *s = layer->settings;
    ib_node x = ib__operand(b->g, args, "x");
    int rank = ib__node_shape(b->g, x).rank;
    for (int i = 0; i < s->count; i++)
        x = ib__op_reverse(b->g, x, ib__operation_axis(s->list[i], rank, false));
    out->node = x;
}

/* Elements move up by shift; those that leave at the end come in at the beginning. */
static void roll_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const ib_operation *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = ib__operand(g, args, "x");
    ib_shape shape = ib__node_shape(g, x);
    int axis = ib__operation_axis(s->list[0], shape.rank, false);
    if (axis < 0 || shape.dims[axis] < 1) {
        out->node = x;
        return;
    }
    int64_t size = shape.dims[axis], cut = (size - s->second % size) % size;
    int64_t start[IB_RANK_MAX] = {0}, limit[IB_RANK_MAX];
    memcpy(limit, shape.dims, sizeof limit);
    limit[axis] = cut;
    ib_node last = ib__op_slice(g, x, start, limit);
    start[axis] = cut;
    limit[axis] = size;
    ib_node parts[2] = {ib__op_slice(g, x, start, limit), last};
    out->node = cut ? ib__op_concatenate(g, parts, 2, axis) : x;
}

static const ib_field flip_fields[] = {IB_OPERATION_NAME, IB_OPERATION_LIST("axis", "null")};
static const ib_field roll_fields[] = {IB_OPERATION_NAME,
                                       {.key = "shift",
                                        .read = ib__read_int,
                                        .offset = offsetof(ib_operation, second),
                                        .low = -INT32_MAX,
                                        .high = INT32_MAX},
                                       IB_OPERATION_LIST("axis", "null")};
IB_OPERATION_CONFIGURE(flip, flip_fields)
IB_OPERATION_CONFIGURE(roll, roll_fields)

static ib_status roll_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                            size_t *n, ib_error *err) {
    const ib_operation *s = layer->settings;
    if (s->count > 1) return ib__fail(err, IB_UNSUPPORTED, layer->place, "expected one axis");
    return infer_axes(layer, args, out, n, err);
}

#define CLASS(symbol, class_name, arguments_, configure_, infer_, apply_)                                    \
    const ib_layer_class ib__layer_##symbol = {.name = "keras.src.ops.numpy." class_name,                    \
                                               .settings = sizeof(ib_operation),                             \
                                               .arguments = arguments_,                                      \
                                               .configure = configure_,                                      \
                                               .infer = infer_,                                              \
                                               .apply = apply_};
CLASS(op_flip, "Flip", "x", flip_configure, infer_axes, flip_apply)
CLASS(op_roll, "Roll", "x", roll_configure, roll_infer, roll_apply)

/* ---- Tile and Repeat ---- */

enum { REPEATS_MAX = 1 << 16 };

static ib_status too_many(const ib_layer *layer, ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, layer->place, "expected repeats from 1 to %d", REPEATS_MAX);
}

/* How often axis i of the operand stands in the result of Tile: repeats are of the last axes. */
static int64_t tiles(const ib_operation *s, int rank, int axis) {
    int i = axis - (rank - s->count);
    return i < 0 ? 1 : s->list[i];
}

static ib_status tile_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                            size_t *n, ib_error *err) {
    const ib_operation *s = layer->settings;
    ib_status status = ib__operation_same(layer, args, out, n, err);
    if (status != IB_OK) return status;
    int rank = out[0].shape.rank;
    if (s->count < 1 || s->count > rank || tiles(s, rank, 0) != 1) return refuse_batch(layer, err);
    for (int i = 1; i < rank; i++) {
        int64_t times = tiles(s, rank, i), *size = &out[0].shape.dims[i];
        if (times < 1 || times > REPEATS_MAX) return too_many(layer, err);
        if (*size > 0 && __builtin_mul_overflow(*size, times, size)) return too_many(layer, err);
    }
    return IB_OK;
}

/* x with its axis, seen as two of sizes before and after, stretched by `times` between (Tile: after the axis'
 * start, Repeat: after its elements). */
static ib_node stretch(ib_graph *g, ib_node x, int axis, int64_t times, bool elements) {
    ib_shape shape = ib__node_shape(g, x), wide = shape, whole = shape;
    int dims[IB_RANK_MAX];
    if (times == 1 || x == IB_NO_NODE) return x;
    if (shape.rank == IB_RANK_MAX) return ib__graph_fail(g, IB_UNSUPPORTED, "the tensor has too many axes");
    int at = elements ? axis + 1 : axis;
    wide.rank++;
    for (int i = wide.rank - 1; i > at; i--)
        wide.dims[i] = wide.dims[i - 1];
    wide.dims[at] = times;
    for (int i = 0; i < shape.rank; i++)
        dims[i] = i < at ? i : i + 1;
    whole.dims[axis] *= times;
    return ib__op_reshape(g, ib__op_broadcast_in_dim(g, x, &wide, dims), &whole);
}

static void tile_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    ib_node x = ib__operand(b->g, args, "x");
    int rank = ib__node_shape(b->g, x).rank;
    for (int i = 1; i < rank; i++)
        x = stretch(b->g, x, i, tiles(layer->settings, rank, i), false);
    out->node = x;
}

static ib_status repeat_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX],
                              size_t *n, ib_error *err) {
    const ib_operation *s = layer->settings;
    ib_status status = ib__operation_same(layer, args, out, n, err);
    if (status != IB_OK) return status;
    int axis = ib__operation_axis(s->axis, out[0].shape.rank, false);
    if (axis < 0) return refuse_batch(layer, err);
    int64_t *size = &out[0].shape.dims[axis];
    if (s->count != 1 || s->list[0] < 1 || s->list[0] > REPEATS_MAX) return too_many(layer, err);
    if (*size > 0 && __builtin_mul_overflow(*size, s->list[0], size)) return too_many(layer, err);
    return IB_OK;
}

static void repeat_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const ib_operation *s = layer->settings;
    ib_node x = ib__operand(b->g, args, "x");
    int axis = ib__operation_axis(s->axis, ib__node_shape(b->g, x).rank, false);
    out->node = stretch(b->g, x, axis, s->list[0], true);
}

static const ib_field tile_fields[] = {IB_OPERATION_NAME, IB_OPERATION_LIST("repeats", NULL)};
static const ib_field repeat_fields[] = {IB_OPERATION_NAME, IB_OPERATION_LIST("repeats", NULL),
                                         IB_OPERATION_AXIS("axis", NULL)};
IB_OPERATION_CONFIGURE(tile, tile_fields)
IB_OPERATION_CONFIGURE(repeat, repeat_fields)
CLASS(op_tile, "Tile", "x", tile_configure, tile_infer, tile_apply)
CLASS(op_repeat, "Repeat", "x", repeat_configure, repeat_infer, repeat_apply)

/* ---- Pad ---- */

enum { PADDING_MAX = 1 << 24 };

static ib_status read_widths(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    bool good = value->kind == IB_LIST && value->count >= 1 && value->count <= IB_RANK_MAX;
    for (size_t i = 0; good && i < value->count; i++) {
        const ib_value *pair = value->items[i];
        good = pair->kind == IB_LIST && pair->count == 2;
        for (size_t k = 0; good && k < 2; k++)
            good = pair->items[k]->kind == IB_INT && pair->items[k]->integer >= 0 &&
                   pair->items[k]->integer <= PADDING_MAX;
    }
    return good ? IB_OK : ib__fail(err, IB_BAD_INPUT, where, "expected pairs of sizes up to %d", PADDING_MAX);
}

/* What stands before (0) or behind (1) an axis. */
static int64_t padding(const ib_layer *layer, int axis, size_t end) {
    const ib_value *widths = ib__value_get(layer->config, "pad_width");
    return widths->items[widths->count == 1 ? 0 : axis]->items[end]->integer;
}

static ib_status pad_infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                           ib_error *err) {
    const ib_value *widths = ib__value_get(layer->config, "pad_width");
    const ib_value *value = ib__args_setting(args, "constant_values");
    double number;
    ib_status status = ib__operation_same(layer, args, out, n, err);
    if (status != IB_OK) return status;
    if (value && !ib__value_number(value, &number))
        return ib__fail(err, IB_UNSUPPORTED, layer->place, "constant_values: expected a number");
    ib_shape *shape = &out[0].shape;
    out[0].type = IB_TYPE_F32;
    if ((widths->count != 1 && widths->count != (size_t)shape->rank) || padding(layer, 0, 0) ||
        padding(layer, 0, 1))
        return refuse_batch(layer, err);
    for (int i = 1; i < shape->rank; i++)
        if (shape->dims[i] >= 0) shape->dims[i] += padding(layer, i, 0) + padding(layer, i, 1);
    return IB_OK;
}

static void pad_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    double value = 0;
    int64_t low[IB_RANK_MAX] = {0}, high[IB_RANK_MAX] = {0};
    ib_node x = ib__op_convert(b->g, ib__operand(b->g, args, "x"), IB_TYPE_F32);
    for (int i = 1; i < ib__node_shape(b->g, x).rank; i++) {
        low[i] = padding(layer, i, 0);
        high[i] = padding(layer, i, 1);
    }
    (void)ib__value_number(ib__args_setting(args, "constant_values"), &value);
    out->node = ib__op_pad(b->g, x, (float)value, low, high);
}

static const ib_field pad_fields[] = {
    IB_OPERATION_NAME,
    {.key = "pad_width", .read = read_widths},
    {.key = "mode", .fallback = "\"constant\"", .read = ib__read_choice, .choices = "constant"}};
IB_OPERATION_CONFIGURE(pad, pad_fields)
CLASS(op_pad, "Pad", "x constant_values", pad_configure, pad_infer, pad_apply)
