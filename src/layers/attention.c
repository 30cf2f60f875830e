/* SPDX-License-Identifier: Apache-2.0
 *
 * MultiHeadAttention and GroupQueryAttention. Projections are EinsumDense layers inside. Keras has two ways
 * of computing, which differ where a query may attend to nothing: without dropout and scores the mean of all
 * values comes out, with them 0.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "layers/activation.h"
#include "layers/einsum.h"
#include "layers/recurrent.h"

typedef struct attention {
    int64_t heads, key_heads, key_dim, value_dim;
    int64_t axes[IB_RANK_MAX]; /* attention_axes as given; n_axes 0: all between batch and features */
    int n_axes;
    ib_shape output; /* output_shape; rank 0: the query's last axis */
    bool use_bias, use_gate;
    double dropout;
    int64_t window, seed; /* window -1: none */
} attention;

#define AT(member) .offset = offsetof(attention, member)
#define REST                                                                                                 \
    {.key = "kernel_initializer", .fallback = "\"glorot_uniform\"", .read = ib__read_initializer},           \
        {.key = "bias_initializer", .fallback = "\"zeros\"", .read = ib__read_initializer},                  \
        {.key = "kernel_regularizer", .fallback = "null", .read = ib__read_regularizer},                     \
        {.key = "bias_regularizer", .fallback = "null", .read = ib__read_regularizer},                       \
        {.key = "activity_regularizer", .fallback = "null", .read = ib__read_regularizer},                   \
        {.key = "kernel_constraint", .fallback = "null", .read = ib__read_constraint},                       \
        {.key = "bias_constraint", .fallback = "null", .read = ib__read_constraint}, {                       \
        .key = "seed", .fallback = "null", .read = ib__read_optional_int, AT(seed), .high = 0x1p53           \
    }
#define WINDOW                                                                                               \
    {                                                                                                        \
        .key = "sliding_window", .fallback = "null", .read = ib__read_optional_int, AT(window), .low = 1,    \
        .high = 0x1p31                                                                                       \
    }

/* null, an axis or a list of axes */
static ib_status read_axes(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    if (value->kind == IB_NULL) return IB_OK;
    ib_field list = *field;
    list.choices = "list";
    return ib__read_axes(&list, value, where, out, canonical, err);
}

/* null, a size or a list of sizes */
static ib_status read_output(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    (void)field;
    ib_shape *shape = out;
    if (value->kind == IB_NULL) return IB_OK;
    bool list = value->kind == IB_LIST, good = !list || (value->count && value->count < IB_RANK_MAX);
    shape->rank = good && list ? (int)value->count : 1;
    for (int i = 0; good && i < shape->rank; i++) {
        const ib_value *item = list ? value->items[i] : value;
        good = item->kind == IB_INT && item->integer > 0 && item->integer < INT64_C(1) << 31;
        if (good) shape->dims[i] = item->integer;
    }
    if (!good) return ib__fail(err, IB_BAD_INPUT, where, "expected null, a size or a list of sizes");
    if (list) return IB_OK;
    *canonical = ib__value_list();
    return ib__value_add(*canonical, ib__value_int(value->integer)) ? IB_OK : ib__fail_memory(err);
}

static const ib_field multi_fields[] = {
    IB_LAYER_NAMED,
    {.key = "num_heads", .read = ib__read_int, AT(heads), .low = 1, .high = 0x1p20},
    {.key = "key_dim", .read = ib__read_int, AT(key_dim), .low = 1, .high = 0x1p20},
    {.key = "value_dim",
     .fallback = "null",
     .read = ib__read_optional_int,
     AT(value_dim),
     .low = 1,
     .high = 0x1p20},
    {.key = "dropout", .fallback = "0.0", .read = ib__read_real, AT(dropout), .high = 1.0},
    {.key = "use_bias", .fallback = "true", .read = ib__read_bool, AT(use_bias)},
    {.key = "use_gate", .fallback = "false", .read = ib__read_bool, AT(use_gate)},
    {.key = "output_shape", .fallback = "null", .read = read_output, AT(output)},
    {.key = "attention_axes", .fallback = "null", .read = read_axes, AT(axes)},
    WINDOW,
    REST};

static const ib_field group_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "head_dim", .read = ib__read_int, AT(key_dim), .low = 1, .high = 0x1p20},
    {.key = "num_query_heads", .read = ib__read_int, AT(heads), .low = 1, .high = 0x1p20},
    {.key = "num_key_value_heads", .read = ib__read_int, AT(key_heads), .low = 1, .high = 0x1p20},
    {.key = "use_bias", .fallback = "true", .read = ib__read_bool, AT(use_bias)},
    {.key = "use_gate", .fallback = "false", .read = ib__read_bool, AT(use_gate)},
    WINDOW,
    {.key = "dropout", .fallback = "0.0", .read = ib__read_real, AT(dropout), .high = 1.0},
    REST};

/* Keras writes value_dim and the axes of attention as they were resolved; a null stays in the config until
 * the layer is built. */
static ib_status multi_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    attention *s = layer->settings;
    ib_status status =
        ib__layer_configure(layer, multi_fields, sizeof multi_fields / sizeof *multi_fields, config, err);
    if (status != IB_OK) return status;
    layer->unpenalized = true; /* its projections have the penalty */
    s->key_heads = s->heads;
    if (s->value_dim < 0) {
        s->value_dim = s->key_dim;
        if (!ib__value_set(layer->config, "value_dim", ib__value_int(s->key_dim)))
            return ib__fail_memory(err);
    }
    const ib_value *axes = ib__value_get(layer->config, "attention_axes");
    s->n_axes = axes->kind == IB_NULL ? 0 : ib__axes_count(axes);
    return IB_OK;
}

static ib_status group_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    attention *s = layer->settings;
    ib_status status =
        ib__layer_configure(layer, group_fields, sizeof group_fields / sizeof *group_fields, config, err);
    if (status != IB_OK) return status;
    s->value_dim = s->key_dim;
    if (s->heads % s->key_heads != 0)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "num_query_heads: expected a multiple of num_key_value_heads, found %lld and %lld",
                        (long long)s->heads, (long long)s->key_heads);
    return IB_OK;
}

static bool is_group(const ib_layer *layer) {
    return strcmp(layer->class->name, "GroupQueryAttention") == 0;
}

/* ---- Inputs and shapes ---- */

/* Where query, value and key stand among the call's tensors; without a key it is the value. */
typedef struct operands {
    size_t query, value, key;
    bool has_key;
} operands;

static bool find_operands(const ib_args *args, operands *o) {
    size_t n_query, n_value, n_key;
    o->query = ib__args_find(args, "query", &n_query);
    o->value = ib__args_find(args, "value", &n_value);
    o->key = ib__args_find(args, "key", &n_key);
    o->has_key = n_key == 1;
    if (!o->has_key) o->key = o->value;
    return n_query == 1 && n_value == 1 && n_key <= 1;
}

/* The axes that are attended over, as a mask over the axes of the query. */
static unsigned attended(const attention *s, int rank) {
    unsigned axes = 0;
    if (s->n_axes == 0) return ((1u << (rank - 1)) - 1) & ~1u;
    for (int i = 0; i < s->n_axes; i++) {
        int64_t a = s->axes[i] < 0 ? s->axes[i] + rank : s->axes[i];
        if (a < 1 || a > rank - 2 || (axes >> a & 1)) return 0;
        axes |= 1u << a;
    }
    return axes;
}

static ib_status check_operands(const ib_layer *layer, const ib_args *args, operands *o, ib_error *err) {
    const attention *s = layer->settings;
    if (!find_operands(args, o))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected a query and a value, and perhaps a key");
    const ib_shape *q = &args->specs[o->query].shape, *v = &args->specs[o->value].shape;
    const ib_shape *k = &args->specs[o->key].shape;
    bool fits = q->rank >= 3 && q->rank < IB_RANK_MAX - 1 && v->rank == q->rank && k->rank == q->rank &&
                attended(s, q->rank) && (!is_group(layer) || q->rank == 3);
    for (int i = 1; fits && i + 1 < q->rank; i++) {
        fits = v->dims[i] == k->dims[i] || v->dims[i] < 0 || k->dims[i] < 0;
        if (!(attended(s, q->rank) >> i & 1)) fits = fits && (q->dims[i] == v->dims[i] || q->dims[i] < 0);
    }
    fits = fits && q->dims[q->rank - 1] > 0 && v->dims[q->rank - 1] > 0 && k->dims[q->rank - 1] > 0;
    if (fits) return IB_OK;
    char a[128], b[128];
    ib__shape_print(a, q);
    ib__shape_print(b, v);
    return ib__fail(err, IB_BAD_INPUT, layer->place, "query %s and value %s do not fit the layer", a, b);
}

/* [batch, axes that are not attended over, heads, attended of the query, attended of the key] */
static ib_shape scores_shape(const attention *s, const ib_shape *q, const ib_shape *k) {
    unsigned axes = attended(s, q->rank);
    ib_shape out = {0};
    for (int i = 0; i + 1 < q->rank; i++)
        if (!(axes >> i & 1)) out.dims[out.rank++] = q->dims[i];
    out.dims[out.rank++] = s->heads;
    for (int i = 0; i + 1 < q->rank; i++)
        if (axes >> i & 1) out.dims[out.rank++] = q->dims[i];
    for (int i = 0; i + 1 < q->rank && out.rank < IB_RANK_MAX; i++)
        if (axes >> i & 1) out.dims[out.rank++] = k->dims[i];
    return out;
}

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                       ib_error *err) {
    const attention *s = layer->settings;
    operands o;
    ib_status status = check_operands(layer, args, &o, err);
    if (status != IB_OK) return status;
    const ib_shape *q = &args->specs[o.query].shape, *k = &args->specs[o.key].shape;
    ib_shape y = *q;
    if (s->output.rank) {
        y.rank--;
        if (y.rank + s->output.rank > IB_RANK_MAX)
            return ib__fail(err, IB_UNSUPPORTED, layer->place, "output_shape has too many axes");
        for (int i = 0; i < s->output.rank; i++)
            y.dims[y.rank++] = s->output.dims[i];
    }
    out[0] = (ib_spec){.shape = y, .type = IB_TYPE_F32};
    *n = 1;
    if (ib__args_flag(args, "return_attention_scores"))
        out[(*n)++] = (ib_spec){.shape = scores_shape(s, q, k), .type = IB_TYPE_F32};
    return IB_OK;
}

/* ---- Weights ---- */

/* The config of a projection: what all have in common from the layer's own. NULL: no memory. */
static ib_value *projection_config(const ib_layer *layer, const char *equation, const ib_value *shape,
                                   const char *bias_axes, const char *activation) {
    static const char *const shared[] = {"dtype",
                                         "kernel_initializer",
                                         "bias_initializer",
                                         "kernel_regularizer",
                                         "bias_regularizer",
                                         "activity_regularizer",
                                         "kernel_constraint",
                                         "bias_constraint"};
    const attention *s = layer->settings;
    ib_value *config = ib__value_map();
    bool good =
        ib__value_set(config, "equation", ib__value_string(equation)) &&
        ib__value_set(config, "output_shape", ib__value_copy(shape)) &&
        ib__value_set(config, "bias_axes", s->use_bias ? ib__value_string(bias_axes) : ib__value_null()) &&
        ib__value_set(config, "activation", activation ? ib__value_string(activation) : ib__value_null());
    for (size_t i = 0; good && i < sizeof shared / sizeof *shared; i++)
        good = ib__value_set(config, shared[i], ib__value_copy(ib__value_get(layer->config, shared[i])));
    ib_value *entry = good ? ib__serialized("keras.layers", "EinsumDense", config) : NULL;
    if (!good) ib__value_free(config);
    return entry;
}

/* Keras saves a part under its public name where it has one. */
static const char *attribute_of(const ib_layer *layer, const char *attribute) {
    return is_group(layer) || strcmp(attribute, "_gate_dense") == 0 ? attribute : attribute + 1;
}

/* Adds a projection of an input with `free` axes before the last `bound`, which become `sizes`. */
static ib_status add_projection(ib_layer *layer, const char *attribute, const char *name,
                                const ib_shape *input, int bound, const ib_shape *sizes,
                                const char *activation, ib_error *err) {
    char equation[4 * IB_RANK_MAX] = "", kernel[2 * IB_RANK_MAX] = "", out[2 * IB_RANK_MAX] = "",
                      bias[IB_RANK_MAX + 1] = "";
    int free_axes = input->rank - bound, letter = 0, at = 0;
    ib_value *shape = ib__value_list();
    bool good = shape != NULL;
    for (int i = 0; i < input->rank; i++, letter++) {
        equation[at++] = (char)('a' + letter);
        if (i < free_axes)
            out[strlen(out)] = (char)('a' + letter);
        else
            kernel[strlen(kernel)] = (char)('a' + letter);
    }
    for (int i = 1; good && i < free_axes; i++)
        good = ib__value_add(shape, ib__value_null());
    for (int i = 0; good && i < sizes->rank; i++, letter++) {
        kernel[strlen(kernel)] = out[strlen(out)] = bias[strlen(bias)] = (char)('a' + letter);
        good = ib__value_add(shape, ib__value_int(sizes->dims[i]));
    }
    (void)snprintf(equation + at, sizeof equation - (size_t)at, ",%s->%s", kernel, out);
    ib_value *entry = good ? projection_config(layer, equation, shape, bias, activation) : NULL;
    ib__value_free(shape);
    if (!entry) return ib__fail_memory(err);
    ib_layer *part;
    ib_status status =
        ib__layer_add_part(layer, attribute_of(layer, attribute), entry, name, &part, NULL, err);
    ib__value_free(entry);
    return status == IB_OK ? ib__layer_build_part(part, input, err) : status;
}

static ib_status build(ib_layer *layer, const ib_args *args, ib_error *err) {
    const attention *s = layer->settings;
    operands o;
    if (!find_operands(args, &o))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected a query and a value");
    const ib_shape *q = &args->specs[o.query].shape, *v = &args->specs[o.value].shape;
    const ib_shape *k = &args->specs[o.key].shape;
    ib_shape query = {.rank = 2, .dims = {s->heads, s->key_dim}};
    ib_shape key = {.rank = 2, .dims = {s->key_heads, s->key_dim}};
    ib_shape value = {.rank = 2, .dims = {s->key_heads, s->value_dim}};
    ib_shape gate = {.rank = 2, .dims = {s->heads, s->value_dim}};
    ib_shape last = {.rank = 1, .dims = {q->dims[q->rank - 1]}}, context = *q;
    context.dims[context.rank - 1] = s->heads;
    context.dims[context.rank++] = s->value_dim;
    ib_status status = add_projection(layer, "_query_dense", "query", q, 1, &query, NULL, err);
    if (status == IB_OK) status = add_projection(layer, "_key_dense", "key", k, 1, &key, NULL, err);
    if (status == IB_OK && s->use_gate)
        status = add_projection(layer, "_gate_dense", "gate", q, 1, &gate, "sigmoid", err);
    if (status == IB_OK) status = add_projection(layer, "_value_dense", "value", v, 1, &value, NULL, err);
    if (status == IB_OK)
        status = add_projection(layer, "_output_dense", "attention_output", &context, 2,
                                s->output.rank ? &s->output : &last, NULL, err);
    if (status != IB_OK || is_group(layer)) return status;
    /* Keras keeps the axes as they were resolved. */
    ib_value *axes = ib__value_list();
    for (int i = 1; axes && i + 1 < q->rank; i++)
        if (attended(s, q->rank) >> i & 1 && !ib__value_add(axes, ib__value_int(i))) {
            ib__value_free(axes);
            axes = NULL;
        }
    return ib__value_set(layer->config, "attention_axes", axes) ? IB_OK : ib__fail_memory(err);
}

static ib_layer *part(const ib_layer *layer, const char *attribute) {
    for (size_t i = 0; i < layer->n_parts; i++)
        if (strcmp(layer->parts[i].attribute, attribute_of(layer, attribute)) == 0)
            return layer->parts[i].layer;
    return NULL;
}

/* ---- Masks ---- */

static ib_node both(ib_graph *g, ib_node a, ib_node b) {
    if (a == IB_NO_NODE || b == IB_NO_NODE) return a == IB_NO_NODE ? b : a;
    return ib__op_map(g, IB_MAP_and, a, b, IB_NO_NODE);
}

/* [1, t, s]: where the query's place and the key's place are in a relation. */
static ib_node places_mask(ib_graph *g, int64_t t, int64_t s, bool causal, int64_t window) {
    ib_shape shape = {.rank = 3, .dims = {1, t, s}};
    float *values = ib__alloc((size_t)(t * s) + 1, sizeof *values);
    if (!values) return ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    for (int64_t i = 0; i < t; i++)
        for (int64_t j = 0; j < s; j++) {
            int64_t apart = i > j ? i - j : j - i;
            values[i * s + j] = (!causal || i >= j) && (window < 0 || apart < window) ? 1.0f : 0.0f;
        }
    ib_node node = ib__op_constant_array(g, values, &shape);
    ib__free(values);
    return ib__op_convert(g, node, IB_TYPE_PRED);
}

static ib_node mask_as(ib_graph *g, ib_node mask, bool query) {
    if (mask == IB_NO_NODE) return mask;
    ib_shape shape = ib__node_shape(g, mask);
    int64_t last = shape.dims[shape.rank - 1];
    shape.dims[shape.rank - 1] = query ? last : 1;
    shape.dims[shape.rank++] = query ? 1 : last;
    return ib__op_reshape(g, mask, &shape);
}

/* The masks of query, value and key, places, and the argument attention_mask, all joined: [batch, t, s] or
 * fewer; IB_NO_NODE: none. */
static ib_node attention_mask(const ib_layer *layer, ib_graph *g, const ib_args *args, const operands *o) {
    const attention *s = layer->settings;
    ib_node mask = mask_as(g, args->flows[o->query].mask, true);
    mask = both(g, mask, mask_as(g, args->flows[o->value].mask, false));
    if (o->has_key) mask = both(g, mask, mask_as(g, args->flows[o->key].mask, false));
    bool causal = ib__args_flag(args, "use_causal_mask");
    if (causal || s->window >= 0) {
        ib_shape q = ib__node_shape(g, args->flows[o->query].node);
        ib_shape v = ib__node_shape(g, args->flows[o->value].node);
        mask = both(g, mask, places_mask(g, q.dims[1], v.dims[1], causal, s->window));
    }
    size_t n, given = ib__args_find(args, "attention_mask", &n);
    if (n) mask = both(g, ib__op_convert(g, args->flows[given].node, IB_TYPE_PRED), mask);
    return mask;
}

/* The mask with axes of size 1 so that it broadcasts against the scores. */
static ib_node widen_mask(ib_graph *g, ib_node mask, ib_node scores, int attended_axes) {
    if (mask == IB_NO_NODE) return mask;
    ib_shape shape = ib__node_shape(g, mask), all = ib__node_shape(g, scores);
    int at = shape.rank - 2 * attended_axes;
    while (shape.rank < all.rank && at >= 0) {
        for (int i = shape.rank++; i > at; i--)
            shape.dims[i] = shape.dims[i - 1];
        shape.dims[at] = 1;
    }
    return ib__op_reshape(g, mask, &shape);
}

/* ---- Ops ---- */

/* Each head of [batch, steps, heads, dim] as often as query heads share it. */
static ib_node repeat_heads(ib_graph *g, ib_node x, int64_t times) {
    if (times == 1) return x;
    ib_shape from = ib__node_shape(g, x);
    ib_shape wide = {.rank = 5, .dims = {from.dims[0], from.dims[1], from.dims[2], 1, from.dims[3]}};
    ib_shape many = wide, out = from;
    many.dims[3] = times;
    out.dims[2] *= times;
    return ib__op_reshape(g, ib__op_broadcast_to(g, ib__op_reshape(g, x, &wide), &many), &out);
}

/* The letters of the two products: scores and their combination with the values. */
static void equations(unsigned axes, int rank, char scores[64], char combine[64]) {
    char query[IB_RANK_MAX + 2] = "", key[IB_RANK_MAX + 2] = "", product[2 * IB_RANK_MAX + 2] = "";
    for (int i = 0; i <= rank; i++) {
        query[i] = (char)('a' + i);
        key[i] = axes >> i & 1 ? (char)('n' + i) : query[i];
    }
    for (int i = 0; i < rank; i++)
        if (!(axes >> i & 1)) product[strlen(product)] = query[i];
    for (int i = 0; i < rank; i++)
        if (axes >> i & 1) product[strlen(product)] = query[i];
    for (int i = 0; i < rank; i++)
        if (axes >> i & 1) product[strlen(product)] = key[i];
    (void)snprintf(scores, 64, "%s,%s->%s", query, key, product);
    (void)snprintf(combine, 64, "%s,%s->%s", product, key, query);
}

/* Softmax over the scores that the mask leaves; it gets the axes of the scores. plain: Keras's way without
 * dropout and scores. */
static ib_node masked_softmax(ib_graph *g, ib_node scores, ib_node *mask, int attended_axes, bool plain) {
    ib_shape shape = ib__node_shape(g, scores);
    unsigned last = ((1u << attended_axes) - 1) << (shape.rank - attended_axes);
    if (*mask == IB_NO_NODE) return ib__softmax(g, scores, last);
    *mask = widen_mask(g, *mask, scores, attended_axes);
    ib_node full = ib__op_broadcast_to(g, *mask, &shape);
    float low = plain ? -0.7f * FLT_MAX : -1e9f;
    ib_node y = ib__softmax(g, ib__op_select(g, full, scores, ib__op_constant(g, low)), last);
    return plain ? y : ib__op_select(g, full, y, ib__op_constant(g, 0.0f));
}

/* The scores after softmax and mask. From the product on they are float32, in 16-bit formats too. */
static ib_node distribution(const attention *s, ib_graph *g, ib_node q, ib_node k, const char *equation,
                            ib_node *mask, int attended_axes, bool plain) {
    float scale = (float)(1.0 / sqrt((double)s->key_dim));
    ib_node scores = ib__einsum(g, equation, plain ? q : ib__op_scale(g, q, scale), k);
    ib_format format = ib__graph_set_format(g, IB_FORMAT_F32);
    scores = ib__op_format(g, scores, IB_FORMAT_F32);
    if (plain) scores = ib__op_scale(g, scores, scale);
    ib_node y = masked_softmax(g, scores, mask, attended_axes, plain);
    (void)ib__graph_set_format(g, format);
    return format == IB_FORMAT_F32 ? y : ib__op_format(g, y, format);
}

static void apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const attention *s = layer->settings;
    ib_graph *g = b->g;
    operands o;
    if (!find_operands(args, &o)) return;
    const ib_flow *query = &args->flows[o.query];
    int rank = ib__node_shape(g, query->node).rank, attended_axes = 0;
    unsigned axes = attended(s, rank);
    for (int i = 0; i < rank; i++)
        attended_axes += (axes >> i & 1U) != 0;
    ib_node mask = attention_mask(layer, g, args, &o);
    ib_node q = ib__layer_call_one(part(layer, "_query_dense"), b, query->node);
    ib_node k = ib__layer_call_one(part(layer, "_key_dense"), b, args->flows[o.key].node);
    ib_node v = ib__layer_call_one(part(layer, "_value_dense"), b, args->flows[o.value].node);
    k = repeat_heads(g, k, s->heads / s->key_heads);
    v = repeat_heads(g, v, s->heads / s->key_heads);
    bool scores = ib__args_flag(args, "return_attention_scores");
    bool plain = !(s->dropout > 0) && !scores && rank == 3;
    char product[64], combine[64];
    equations(axes, rank, product, combine);
    ib_node weights = distribution(s, g, q, k, product, &mask, attended_axes, plain), used = weights;
    if (b->training && s->dropout > 0) {
        ib_shape shape = ib__node_shape(g, weights);
        used =
            ib__op_multiply(g, weights, ib__dropout_factor(layer, b, s->seed, "dropout", s->dropout, &shape));
    }
    ib_node y = ib__einsum(g, combine, used, v);
    if (s->use_gate)
        y = ib__op_multiply(g, y, ib__layer_call_one(part(layer, "_gate_dense"), b, query->node));
    out[0].node = ib__layer_call_one(part(layer, "_output_dense"), b, y);
    out[0].mask = query->mask;
    if (scores) out[1] = (ib_flow){.node = weights, .mask = mask};
}

#define ARGUMENTS "query value key attention_mask return_attention_scores use_causal_mask"

const ib_layer_class ib__layer_multi_head_attention = {.name = "MultiHeadAttention",
                                                       .rounds = true,
                                                       .settings = sizeof(attention),
                                                       .arguments = ARGUMENTS,
                                                       .configure = multi_configure,
                                                       .infer = infer,
                                                       .build_call = build,
                                                       .apply = apply,
                                                       .takes_masks = true};

const ib_layer_class ib__layer_group_query_attention = {.name = "GroupQueryAttention",
                                                        .rounds = true,
                                                        .settings = sizeof(attention),
                                                        .arguments = ARGUMENTS,
                                                        .configure = group_configure,
                                                        .infer = infer,
                                                        .build_call = build,
                                                        .apply = apply};
