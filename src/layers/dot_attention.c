/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention (Luong's) and AdditiveAttention (Bahdanau's) over [query, value] or [query, value, key]; Dot.
 */
#include "layers/activation.h"
#include "layers/recurrent.h"

typedef struct attention {
    bool use_scale;
    int concat; /* score_mode */
    double dropout;
    int64_t seed;
} attention;

#define AT(member) .offset = offsetof(attention, member)
#define SCALE(fallback_)                                                                                     \
    { .key = "use_scale", .fallback = fallback_, .read = ib__read_bool, AT(use_scale) }
#define REST                                                                                                 \
    {.key = "dropout", .fallback = "0.0", .read = ib__read_real, AT(dropout), .high = 1.0}, {                \
        .key = "seed", .fallback = "null", .read = ib__read_optional_int, AT(seed), .high = 0x1p53           \
    }
static const ib_field dot_fields[] = {IB_LAYER_FIELDS,
                                      SCALE("false"),
                                      {.key = "score_mode",
                                       .fallback = "\"dot\"",
                                       .read = ib__read_choice,
                                       AT(concat),
                                       .choices = "dot concat"},
                                      REST};
static const ib_field additive_fields[] = {IB_LAYER_FIELDS, SCALE("true"), REST};

static ib_status dot_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, dot_fields, sizeof dot_fields / sizeof *dot_fields, config, err);
}

static ib_status additive_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    return ib__layer_configure(layer, additive_fields, sizeof additive_fields / sizeof *additive_fields,
                               config, err);
}

static bool is_additive(const ib_layer *layer) {
    return strcmp(layer->class->name, "AdditiveAttention") == 0;
}

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                       ib_error *err) {
    const attention *s = layer->settings;
    bool fits = args->n == 2 || args->n == 3;
    for (size_t i = 0; fits && i < args->n; i++)
        fits = args->specs[i].shape.rank == 3;
    if (!fits)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected [query, value] or [query, value, key], each with 3 axes");
    const ib_shape *q = &args->specs[0].shape, *v = &args->specs[1].shape,
                   *k = &args->specs[args->n - 1].shape;
    bool together = is_additive(layer) || s->concat;
    fits = q->dims[2] == k->dims[2] || (together && (q->dims[2] == 1 || k->dims[2] == 1));
    fits = fits && (v->dims[1] == k->dims[1] || v->dims[1] < 0 || k->dims[1] < 0) && q->dims[2] > 0;
    if (!fits)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "the shapes of query, value and key do not fit");
    out[0] =
        (ib_spec){.shape = {.rank = 3, .dims = {q->dims[0], q->dims[1], v->dims[2]}}, .type = IB_TYPE_F32};
    out[1] =
        (ib_spec){.shape = {.rank = 3, .dims = {q->dims[0], q->dims[1], k->dims[1]}}, .type = IB_TYPE_F32};
    *n = ib__args_flag(args, "return_attention_scores") ? 2 : 1;
    return IB_OK;
}

static ib_status dot_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)inputs, (void)n;
    const attention *s = layer->settings;
    const ib_value *ones = ib__layer_keep(layer, ib__value_string("ones"));
    ib_shape number = {0};
    if (!ones) return ib__fail_memory(err);
    ib_status status = IB_OK;
    if (s->use_scale)
        status = ib__layer_add_weight(layer, "scale", &number, true, ones, NULL, NULL, NULL, err);
    if (status == IB_OK && s->concat)
        status =
            ib__layer_add_weight(layer, "concat_score_weight", &number, true, ones, NULL, NULL, NULL, err);
    return status;
}

static ib_status additive_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    const attention *s = layer->settings;
    const ib_value *glorot = ib__layer_keep(layer, ib__value_string("glorot_uniform"));
    ib_shape line = {.rank = 1, .dims = {inputs[0].dims[2]}};
    if (!glorot) return ib__fail_memory(err);
    return s->use_scale ? ib__layer_add_weight(layer, "scale", &line, true, glorot, NULL, NULL, NULL, err)
                        : IB_OK;
}

/* x: [n, t, d] with an axis of size 1 at `axis`. */
static ib_node with_axis(ib_graph *g, ib_node x, int axis) {
    ib_shape shape = ib__node_shape(g, x);
    for (int i = shape.rank++; i > axis; i--)
        shape.dims[i] = shape.dims[i - 1];
    shape.dims[axis] = 1;
    return ib__op_reshape(g, x, &shape);
}

/* [n, tq, tv] */
static ib_node scores_of(const ib_layer *layer, ib_graph *g, ib_node q, ib_node k) {
    const attention *s = layer->settings;
    ib_node scale = ib__layer_weight(layer, g, "scale");
    if (!is_additive(layer) && !s->concat) {
        ib_dot_axes axes = {.n_batch = 1, .n_contract = 1, .a_contract = {2}, .b_contract = {2}};
        ib_node y = ib__op_dot_general(g, q, k, &axes);
        return scale == IB_NO_NODE ? y : ib__op_multiply(g, y, scale);
    }
    ib_node sum = ib__op_add(g, with_axis(g, q, 2), with_axis(g, k, 1));
    if (!is_additive(layer) && scale != IB_NO_NODE) sum = ib__op_multiply(g, scale, sum);
    ib_node t = ib__op_map(g, IB_MAP_tanh, sum, IB_NO_NODE, IB_NO_NODE);
    if (is_additive(layer) && scale != IB_NO_NODE) t = ib__op_multiply(g, scale, t);
    ib_node y = ib__op_reduce(g, IB_REDUCE_SUM, t, 1u << 3, false);
    return is_additive(layer) ? y : ib__op_multiply(g, ib__layer_weight(layer, g, "concat_score_weight"), y);
}

/* [1, tq, tv]: a query sees what stands no later than itself. */
static ib_node causal(ib_graph *g, ib_node scores) {
    ib_shape shape = ib__node_shape(g, scores), one = shape;
    one.dims[0] = 1;
    ib_format format = ib__graph_set_format(g, IB_FORMAT_F32); /* places are no 16-bit numbers */
    ib_node row = ib__op_convert(g, ib__op_iota(g, &one, 1), IB_TYPE_F32);
    ib_node column = ib__op_convert(g, ib__op_iota(g, &one, 2), IB_TYPE_F32);
    (void)ib__graph_set_format(g, format);
    return ib__op_map(g, IB_MAP_greater_equal, row, column, IB_NO_NODE);
}

static void apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const attention *s = layer->settings;
    ib_graph *g = b->g;
    const ib_flow *q = &args->flows[0], *v = &args->flows[1], *k = &args->flows[args->n - 1];
    ib_node scores = scores_of(layer, g, q->node, k->node), mask = IB_NO_NODE;
    ib_shape shape = ib__node_shape(g, scores);
    if (v->mask != IB_NO_NODE) mask = with_axis(g, v->mask, 1);
    if (ib__args_flag(args, "use_causal_mask")) {
        ib_node before = causal(g, scores);
        mask = mask == IB_NO_NODE ? before : ib__op_map(g, IB_MAP_and, mask, before, IB_NO_NODE);
    }
    float far = ib__graph_format(g) == IB_FORMAT_F16 ? -65504.0f : -1.0e9f;
    if (mask != IB_NO_NODE)
        scores =
            ib__op_select(g, ib__op_broadcast_to(g, mask, &shape), scores, ib__op_offset(g, scores, far));
    ib_node weights = ib__softmax(g, scores, 1u << 2);
    if (b->training && s->dropout > 0)
        weights =
            ib__op_multiply(g, weights, ib__dropout_factor(layer, b, s->seed, "dropout", s->dropout, &shape));
    ib_dot_axes axes = {.n_batch = 1, .n_contract = 1, .a_contract = {2}, .b_contract = {1}};
    ib_node y = ib__op_dot_general(g, weights, v->node, &axes);
    if (q->mask != IB_NO_NODE) y = ib__op_select(g, with_axis(g, q->mask, 2), y, ib__op_constant(g, 0.0f));
    out[0] = (ib_flow){y, q->mask};
    out[1].node = weights;
}

#define ATTENTION(symbol, class_name, prefix)                                                                \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .rounds = true,                                               \
                                               .settings = sizeof(attention),                                \
                                               .arguments =                                                  \
                                                   "inputs return_attention_scores use_causal_mask",         \
                                               .configure = prefix##_configure,                              \
                                               .infer = infer,                                               \
                                               .build = prefix##_build,                                      \
                                               .apply = apply,                                               \
                                               .many_inputs = true};
ATTENTION(attention, "Attention", dot)
ATTENTION(additive_attention, "AdditiveAttention", additive)

/* ---- Dot: products over one axis of each of two inputs ---- */

typedef struct dot {
    int64_t axes[IB_RANK_MAX];
    int n;
    bool normalize;
} dot;

static const ib_field dot_layer_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "axes", .read = ib__read_axes, .offset = offsetof(dot, axes)},
    {.key = "normalize", .fallback = "false", .read = ib__read_bool, .offset = offsetof(dot, normalize)}};

static ib_status dot_layer_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    dot *s = layer->settings;
    ib_status status = ib__layer_configure(layer, dot_layer_fields,
                                           sizeof dot_layer_fields / sizeof *dot_layer_fields, config, err);
    if (status != IB_OK) return status;
    s->n = ib__axes_count(ib__value_get(layer->config, "axes"));
    if (s->n > 2) return ib__fail(err, IB_BAD_INPUT, layer->place, "axes: expected one or two");
    return IB_OK;
}

static bool dot_axes(const ib_layer *layer, const ib_shape *a, const ib_shape *b, int *first, int *second) {
    const dot *s = layer->settings;
    *first = ib__layer_axis(s->axes[0], a->rank);
    *second = ib__layer_axis(s->axes[s->n - 1], b->rank);
    return *first > 0 && *second > 0 && a->dims[*first] == b->dims[*second] && a->dims[*first] >= 0;
}

static ib_status dot_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                           ib_error *err) {
    int first, second;
    if (n != 2 || !dot_axes(layer, &inputs[0], &inputs[1], &first, &second) ||
        inputs[0].rank + inputs[1].rank - 3 > IB_RANK_MAX)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected two inputs with axes of the same size, not that of the batch");
    *out = (ib_shape){0};
    for (int i = 0; i < inputs[0].rank; i++)
        if (i != first) out->dims[out->rank++] = inputs[0].dims[i];
    for (int i = 1; i < inputs[1].rank; i++)
        if (i != second) out->dims[out->rank++] = inputs[1].dims[i];
    if (out->rank == 1) out->dims[out->rank++] = 1;
    return IB_OK;
}

/* x / |x| over an axis, as Keras has it: x * min(1 / sqrt(sum of squares), 1e7). */
static ib_node normalized(ib_graph *g, ib_node x, int axis) {
    ib_node sum = ib__op_reduce(g, IB_REDUCE_SUM, ib__op_square(g, x), 1u << axis, true);
    ib_node inverse = ib__op_map(g, IB_MAP_rsqrt, sum, IB_NO_NODE, IB_NO_NODE);
    return ib__op_multiply(g, x, ib__op_minimum(g, inverse, ib__op_constant(g, 1e7f)));
}

static ib_node dot_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const dot *s = layer->settings;
    ib_graph *g = b->g;
    ib_node x = inputs[0], y = inputs[1];
    ib_shape a = ib__node_shape(g, x), c = ib__node_shape(g, y);
    int first, second;
    if (!dot_axes(layer, &a, &c, &first, &second)) return IB_NO_NODE;
    if (s->normalize) {
        x = normalized(g, x, first);
        y = normalized(g, y, second);
    }
    ib_dot_axes axes = {.n_batch = 1, .n_contract = 1, .a_contract = {first}, .b_contract = {second}};
    ib_node out = ib__op_dot_general(g, x, y, &axes);
    ib_shape shape = ib__node_shape(g, out);
    if (shape.rank > 1) return out;
    shape.dims[shape.rank++] = 1;
    return ib__op_reshape(g, out, &shape);
}

const ib_layer_class ib__layer_dot = {.name = "Dot",
                                      .rounds = true,
                                      .settings = sizeof(dot),
                                      .configure = dot_layer_configure,
                                      .shape = dot_shape,
                                      .call = dot_call,
                                      .many_inputs = true};
