/* SPDX-License-Identifier: Apache-2.0
 *
 * Einstein sums, and EinsumDense: y = activation(einsum(equation, x, kernel) + bias).
 */
#include "layers/einsum.h"

/* ---- Equations ---- */

/* One operand's letters, "..." replaced by digits for the axes that it stands for; their number in *dots. */
static bool take_letters(const char **text, char end, int rank, int *dots, char out[IB_RANK_MAX + 1]) {
    size_t n = 0, letters = 0;
    bool open = false;
    for (const char *p = *text; *p && *p != end; p++)
        letters += (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
    if (rank >= 0) *dots = rank - (int)letters;
    for (; **text && **text != end; (*text)++) {
        if (strncmp(*text, "...", 3) == 0) {
            if (open || *dots < 0) return false;
            open = true;
            for (int i = 0; i < *dots; i++) {
                if (n == IB_RANK_MAX) return false;
                out[n++] = (char)('0' + i);
            }
            *text += 2;
        } else if ((**text >= 'a' && **text <= 'z') || (**text >= 'A' && **text <= 'Z')) {
            if (n == IB_RANK_MAX || memchr(out, **text, n)) return false;
            out[n++] = **text;
        } else {
            return false;
        }
    }
    out[n] = '\0';
    return rank < 0 || (int)n == rank;
}

bool ib__einsum_parse(ib_einsum *e, const char *equation, int a_rank, int b_rank) {
    int dots = 0, none = 0;
    *e = (ib_einsum){0};
    if (!take_letters(&equation, ',', a_rank, &dots, e->a) || *equation++ != ',') return false;
    if (!take_letters(&equation, '-', b_rank, &none, e->b) || strncmp(equation, "->", 2) != 0) return false;
    equation += 2;
    if (!take_letters(&equation, '\0', -1, &dots, e->out)) return false;
    for (const char *p = e->out; *p; p++)
        if (!strchr(e->a, *p) && !strchr(e->b, *p)) return false;
    return true;
}

/* Sums over the axes whose letters stand nowhere else; letters becomes what is left. */
static ib_node sum_alone(ib_graph *g, ib_node x, char *letters, const char *other, const char *out) {
    unsigned axes = 0;
    size_t n = 0;
    for (size_t i = 0; letters[i]; i++) {
        if (!strchr(other, letters[i]) && !strchr(out, letters[i]))
            axes |= 1u << i;
        else
            letters[n++] = letters[i];
    }
    letters[n] = '\0';
    return ib__op_reduce(g, IB_REDUCE_SUM, x, axes, false);
}

ib_node ib__einsum(ib_graph *g, const char *equation, ib_node a, ib_node b) {
    ib_einsum e;
    if (a == IB_NO_NODE || b == IB_NO_NODE) return IB_NO_NODE;
    if (!ib__einsum_parse(&e, equation, ib__node_shape(g, a).rank, ib__node_shape(g, b).rank))
        return ib__graph_fail(g, IB_BAD_INPUT, "the equation %.60s does not fit its operands", equation);
    a = sum_alone(g, a, e.a, e.b, e.out);
    b = sum_alone(g, b, e.b, e.a, e.out);
    ib_dot_axes axes = {0};
    char made[3 * IB_RANK_MAX + 1];
    size_t n = 0;
    for (int i = 0; e.a[i]; i++) {
        const char *at = strchr(e.b, e.a[i]);
        if (!at) continue;
        bool batch = strchr(e.out, e.a[i]);
        int k = batch ? axes.n_batch++ : axes.n_contract++;
        (batch ? axes.a_batch : axes.a_contract)[k] = i;
        (batch ? axes.b_batch : axes.b_contract)[k] = (int)(at - e.b);
        if (batch) made[n++] = e.a[i];
    }
    for (const char *p = e.a; *p; p++)
        if (!strchr(e.b, *p)) made[n++] = *p;
    for (const char *p = e.b; *p; p++)
        if (!strchr(e.a, *p)) made[n++] = *p;
    made[n] = '\0';
    int permutation[IB_RANK_MAX];
    for (size_t i = 0; i < n && i < IB_RANK_MAX; i++)
        permutation[i] = (int)(strchr(made, e.out[i]) - made);
    return ib__op_transpose(g, ib__op_dot_general(g, a, b, &axes), permutation);
}

/* ---- EinsumDense ---- */

typedef struct einsum_dense {
    const char *equation, *bias_axes; /* in the layer's arena; bias_axes NULL: no bias */
    ib_shape given;                   /* output_shape, -1: unknown */
    ib_activation activation;
} einsum_dense;

static ib_status read_text(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind == IB_STRING || value->kind == IB_NULL) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected text, found %s", ib__kind_name(value->kind));
}

/* An integer, or a list of integers and nulls. */
static ib_status read_partial_shape(const ib_field *field, const ib_value *value, const char *where,
                                    void *out, ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    ib_shape *shape = out;
    bool list = value->kind == IB_LIST, good = !list || value->count < IB_RANK_MAX;
    shape->rank = good && list ? (int)value->count : 1;
    for (int i = 0; good && i < shape->rank; i++) {
        const ib_value *item = list ? value->items[i] : value;
        good = item->kind == IB_NULL ||
               (item->kind == IB_INT && item->integer > 0 && item->integer < INT64_C(1) << 40);
        if (good) shape->dims[i] = item->kind == IB_NULL ? -1 : item->integer;
    }
    return good ? IB_OK : ib__fail(err, IB_BAD_INPUT, where, "expected a size or a list of sizes and nulls");
}

#define AT(member) .offset = offsetof(einsum_dense, member)
static const ib_field fields[] = {
    IB_LAYER_FIELDS,
    {.key = "output_shape", .read = read_partial_shape, AT(given)},
    {.key = "equation", .read = read_text},
    {.key = "activation", .fallback = "null", .read = ib__read_activation, AT(activation)},
    {.key = "bias_axes", .fallback = "null", .read = read_text},
    {.key = "kernel_initializer", .fallback = "\"glorot_uniform\"", .read = ib__read_initializer},
    {.key = "bias_initializer", .fallback = "\"zeros\"", .read = ib__read_initializer},
    {.key = "kernel_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "bias_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "activity_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "kernel_constraint", .fallback = "null", .read = ib__read_constraint},
    {.key = "bias_constraint", .fallback = "null", .read = ib__read_constraint},
    {.key = "quantization_config", .fallback = "null", .read = ib__read_null}};

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    einsum_dense *s = layer->settings;
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status != IB_OK) return status;
    const ib_value *equation = ib__value_get(layer->config, "equation");
    const ib_value *bias = ib__value_get(layer->config, "bias_axes");
    if (equation->kind != IB_STRING || strlen(equation->string) > 60)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "equation: expected a text like \"ab,bc->ac\"");
    s->equation = ib__arena_strdup(&layer->arena, equation->string);
    if (bias->kind == IB_STRING) s->bias_axes = ib__arena_strdup(&layer->arena, bias->string);
    return s->equation && (bias->kind == IB_NULL || s->bias_axes) ? IB_OK : ib__fail_memory(err);
}

/* What the equation says of shapes: the kernel's, the bias's, the output's. The letters of the kernel must
 * stand in the input or in the output. */
typedef struct analysis {
    ib_einsum e;
    ib_shape out, kernel, bias;
    bool in_input[IB_RANK_MAX]; /* the kernel's axes that are contracted, or shared with the input alone */
} analysis;

/* The number of letters of the kernel, before the input's rank is known; -1: no equation. */
static int kernel_rank(const char *equation) {
    const char *comma = strchr(equation, ','), *arrow = strstr(equation, "->");
    return comma && arrow && arrow > comma ? (int)(arrow - comma) - 1 : -1;
}

/* Axis `letter` of the input; -1: it is not there. */
static int64_t input_size(const analysis *a, const ib_shape *x, char letter, bool *found) {
    const char *at = strchr(a->e.a, letter);
    *found = at != NULL;
    return at ? x->dims[at - a->e.a] : -1;
}

/* output_shape gives the axes after the batch; those of "..." are the input's. */
static bool output_sizes(analysis *a, const einsum_dense *s, const ib_shape *x) {
    int next = 0;
    a->out.rank = (int)strlen(a->e.out);
    for (int i = 0; i < a->out.rank; i++) {
        bool shared, elided = a->e.out[i] >= '0' && a->e.out[i] <= '9';
        int64_t size = input_size(a, x, a->e.out[i], &shared), given = -1;
        if (i == 0) {
            a->out.dims[0] = x->dims[0];
            continue;
        }
        if (!elided) {
            if (next == s->given.rank) return false;
            given = s->given.dims[next++];
        }
        if (shared && given >= 0 && size >= 0 && given != size) return false;
        if (!shared && given < 0) return false;
        a->out.dims[i] = shared && size >= 0 ? size : given;
    }
    return next == s->given.rank;
}

static bool kernel_sizes(analysis *a, const ib_shape *x) {
    a->kernel.rank = (int)strlen(a->e.b);
    for (int i = 0; i < a->kernel.rank; i++) {
        const char *at = strchr(a->e.out, a->e.b[i]);
        bool found = true;
        a->in_input[i] = !at;
        a->kernel.dims[i] = at ? a->out.dims[at - a->e.out] : input_size(a, x, a->e.b[i], &found);
        if (!found || a->kernel.dims[i] < 0) return false;
    }
    return a->kernel.rank > 0;
}

/* From the first letter of bias_axes to the end of the output; 1 where the bias does not vary. */
static bool bias_sizes(analysis *a, const einsum_dense *s) {
    if (!s->bias_axes) return true;
    size_t first = strlen(a->e.out);
    for (const char *p = s->bias_axes; *p; p++) {
        const char *at = strchr(a->e.out, *p);
        if (!at) return false;
        if ((size_t)(at - a->e.out) < first) first = (size_t)(at - a->e.out);
    }
    for (size_t i = first; a->e.out[i]; i++) {
        bool varies = strchr(s->bias_axes, a->e.out[i]);
        if (varies && a->out.dims[i] < 0) return false;
        a->bias.dims[a->bias.rank++] = varies ? a->out.dims[i] : 1;
    }
    return a->bias.rank > 0;
}

static ib_status analyse(const ib_layer *layer, const ib_shape *x, analysis *a, ib_error *err) {
    const einsum_dense *s = layer->settings;
    *a = (analysis){0};
    int rank = kernel_rank(s->equation);
    if (rank > 0 && rank <= IB_RANK_MAX && ib__einsum_parse(&a->e, s->equation, x->rank, rank) &&
        a->e.out[0] == a->e.a[0] && output_sizes(a, s, x) && kernel_sizes(a, x) && bias_sizes(a, s))
        return IB_OK;
    char text[128];
    ib__shape_print(text, x);
    return ib__fail(err, IB_BAD_INPUT, layer->place,
                    "the equation \"%.60s\" with output_shape and bias_axes does not fit the input %s",
                    s->equation, text);
}

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    analysis a;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status == IB_OK) status = analyse(layer, &inputs[0], &a, err);
    if (status != IB_OK) return status;
    *out = a.out;
    return ib__activation_shape(&((const einsum_dense *)layer->settings)->activation, layer, out, err);
}

/* The kernel's initializer with the axes that count as inputs and outputs, where it has such settings. */
static ib_status with_axes(ib_layer *layer, const analysis *a, const ib_value **out, ib_error *err) {
    ib_value *copy = ib__value_copy(ib__value_get(layer->config, "kernel_initializer"));
    ib_value *config = ib__value_get(copy, "config"), *in = ib__value_list(), *other = ib__value_list();
    const ib_value *given = ib__value_get(config, "input_axes");
    bool good = copy && in && other, wanted = given && given->kind == IB_NULL;
    for (int i = 0; good && i < a->kernel.rank; i++)
        good = ib__value_add(a->in_input[i] ? in : other, ib__value_int(i));
    if (good && wanted) {
        good = ib__value_set(config, "input_axes", in) && ib__value_set(config, "output_axes", other);
    } else {
        ib__value_free(in);
        ib__value_free(other);
    }
    if (!good) {
        ib__value_free(copy);
        return ib__fail_memory(err);
    }
    *out = ib__layer_keep(layer, copy);
    return *out ? IB_OK : ib__fail_memory(err);
}

static ib_status build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    const einsum_dense *s = layer->settings;
    analysis a;
    const ib_value *initializer = NULL;
    ib_status status = analyse(layer, &inputs[0], &a, err);
    if (status == IB_OK) status = with_axes(layer, &a, &initializer, err);
    if (status == IB_OK)
        status = ib__layer_add_weight(layer, "kernel", &a.kernel, true, initializer,
                                      ib__value_get(layer->config, "kernel_regularizer"),
                                      ib__value_get(layer->config, "kernel_constraint"), NULL, err);
    if (status == IB_OK && s->bias_axes) status = ib__layer_add_configured(layer, "bias", &a.bias, true, err);
    return status;
}

static ib_node call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const einsum_dense *s = layer->settings;
    ib_node y = ib__einsum(b->g, s->equation, inputs[0], ib__layer_weight(layer, b->g, "kernel"));
    if (s->bias_axes) y = ib__op_add(b->g, y, ib__layer_weight(layer, b->g, "bias"));
    return ib__activation_call(&s->activation, b->g, y);
}

const ib_layer_class ib__layer_einsum_dense = {.name = "EinsumDense",
                                               .rounds = true,
                                               .settings = sizeof(einsum_dense),
                                               .configure = configure,
                                               .shape = shape,
                                               .build = build,
                                               .call = call};
