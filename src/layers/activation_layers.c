/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations as layers: Activation, ReLU, LeakyReLU, PReLU, ELU, Softmax.
 */
#include <math.h>

#include "layers/activation.h"
#include "layers/internal.h"

typedef struct settings {
    ib_activation activation; /* its function; or the layer's own settings */
} settings;

#define AT(member) .offset = offsetof(settings, member)
#define CONFIGURE(name, fields)                                                                              \
    static ib_status name(ib_layer *layer, const ib_value *config, ib_error *err) {                          \
        return ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);              \
    }
#define CLASS(symbol, class_name, prefix, its_shape)                                                         \
    const ib_layer_class ib__layer_##symbol = {.name = class_name,                                           \
                                               .settings = sizeof(settings),                                 \
                                               .configure = prefix##_configure,                              \
                                               .shape = its_shape,                                           \
                                               .call = prefix##_call}

static const ib_field activation_fields[] = {
    IB_LAYER_FIELDS, {.key = "activation", .read = ib__read_activation, AT(activation)}};
static const ib_field relu_fields[] = {IB_LAYER_FIELDS,
                                       {.key = "max_value",
                                        .fallback = "null",
                                        .read = ib__read_optional_real,
                                        AT(activation.limit),
                                        .high = 0x1p100},
                                       {.key = "negative_slope",
                                        .fallback = "0.0",
                                        .read = ib__read_real,
                                        AT(activation.slope),
                                        .high = 0x1p100},
                                       {.key = "threshold",
                                        .fallback = "0.0",
                                        .read = ib__read_real,
                                        AT(activation.threshold),
                                        .high = 0x1p100}};
static const ib_field leaky_relu_fields[] = {IB_LAYER_FIELDS,
                                             {.key = "negative_slope",
                                              .fallback = "0.3",
                                              .read = ib__read_real,
                                              AT(activation.slope),
                                              .high = 0x1p100}};
static const ib_field elu_fields[] = {{.key = "name", .read = ib__read_name},
                                      {.key = "alpha",
                                       .fallback = "1.0",
                                       .read = ib__read_real,
                                       AT(activation.alpha),
                                       .low = -0x1p100,
                                       .high = 0x1p100},
                                      {.key = "trainable", .fallback = "true", .read = ib__read_flag},
                                      {.key = "dtype", .fallback = "\"float32\"", .read = ib__read_dtype}};

CONFIGURE(activation_configure, activation_fields)
CONFIGURE(relu_configure, relu_fields)
CONFIGURE(leaky_relu_configure, leaky_relu_fields)
CONFIGURE(elu_configure, elu_fields)

static ib_status activation_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                                  ib_error *err) {
    const settings *s = layer->settings;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    return status == IB_OK ? ib__activation_shape(&s->activation, layer, out, err) : status;
}

static ib_node activation_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const settings *s = layer->settings;
    return ib__activation_call(&s->activation, b->g, inputs[0]);
}

static ib_node relu_of(const ib_activation *a, ib_graph *g, ib_node x) {
    return ib__general_relu(g, x, a->slope, !isnan(a->limit), a->limit, a->threshold);
}

static ib_node leaky_relu_of(const ib_activation *a, ib_graph *g, ib_node x) {
    return ib__leaky_relu(g, x, a->slope);
}

static ib_node elu_of(const ib_activation *a, ib_graph *g, ib_node x) {
    return ib__elu(g, x, a->alpha);
}

static unsigned softmax_axes(const ib_activation *a, int rank) {
    return ib__axes_mask(a->axes, a->n_axes, rank);
}

static ib_node softmax_of(const ib_activation *a, ib_graph *g, ib_node x) {
    unsigned axes = softmax_axes(a, ib__node_shape(g, x).rank);
    return axes ? ib__softmax(g, x, axes)
                : ib__graph_fail(g, IB_BAD_INPUT,
                                 "layer Softmax as activation: axis is outside of the input's axes");
}

#define CALL_OF(prefix)                                                                                      \
    static ib_node prefix##_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {            \
        (void)n;                                                                                             \
        return prefix##_of(layer->settings, b->g, inputs[0]);                                                \
    }
CALL_OF(relu)
CALL_OF(leaky_relu)
CALL_OF(elu)

bool ib__activation_of_layer(ib_activation *out, const ib_layer *layer) {
    static const struct {
        const ib_layer_class *class;
        ib_node (*of_layer)(const ib_activation *activation, ib_graph *g, ib_node x);
    } known[] = {{&ib__layer_activation, NULL},
                 {&ib__layer_relu, relu_of},
                 {&ib__layer_leaky_relu, leaky_relu_of},
                 {&ib__layer_elu, elu_of},
                 {&ib__layer_softmax, softmax_of}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (layer->class != known[i].class) continue;
        *out = ((const settings *)layer->settings)->activation;
        if (!known[i].of_layer) return true;
        out->name = layer->class->name;
        out->of_layer = known[i].of_layer;
        out->format = layer->compute;
        return true;
    }
    return false;
}

CLASS(activation, "Activation", activation, activation_shape);
CLASS(relu, "ReLU", relu, ib__layer_same_shape);
CLASS(leaky_relu, "LeakyReLU", leaky_relu, ib__layer_same_shape);
CLASS(elu, "ELU", elu, ib__layer_same_shape);

/* ---- Softmax: over one axis or several together ---- */

static const ib_field softmax_fields[] = {
    IB_LAYER_FIELDS, {.key = "axis", .fallback = "-1", .read = ib__read_axes, AT(activation.axes)}};

static ib_status softmax_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_activation *s = layer->settings;
    ib_status status = ib__layer_configure(layer, softmax_fields,
                                           sizeof softmax_fields / sizeof *softmax_fields, config, err);
    if (status == IB_OK) s->n_axes = ib__axes_count(ib__value_get(layer->config, "axis"));
    return status;
}

static ib_status softmax_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                               ib_error *err) {
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status == IB_OK && !softmax_axes(layer->settings, out->rank))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "axis is outside of the input's %d axes", out->rank);
    return status;
}

/* Masked places are set to -1e9 before and to 0 after: where all are masked, the result is 0. */
static void softmax_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow *out) {
    ib_graph *g = b->g;
    ib_node x = args->flows[0].node, mask = args->flows[0].mask;
    unsigned axes = softmax_axes(layer->settings, ib__node_shape(g, x).rank);
    if (mask != IB_NO_NODE) x = ib__op_select(g, mask, x, ib__op_constant(g, -1e9f));
    out->node = ib__softmax(g, x, axes);
    out->mask = mask;
    if (mask != IB_NO_NODE) out->node = ib__op_select(g, mask, out->node, ib__op_constant(g, 0.0f));
}

const ib_layer_class ib__layer_softmax = {.name = "Softmax",
                                          .settings = sizeof(settings),
                                          .configure = softmax_configure,
                                          .shape = softmax_shape,
                                          .apply = softmax_apply};

/* ---- PReLU: relu(x) - alpha * relu(-x); alpha has the input's shape, 1 along the shared axes ---- */

/* null or a list of axes, as Keras writes them. */
static ib_status read_shared(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    return value->kind == IB_NULL ? IB_OK : ib__read_axes(field, value, where, out, canonical, err);
}

static const ib_field prelu_fields[] = {
    IB_LAYER_FIELDS,
    {.key = "alpha_initializer", .fallback = "\"zeros\"", .read = ib__read_initializer},
    {.key = "alpha_regularizer", .fallback = "null", .read = ib__read_regularizer},
    {.key = "alpha_constraint", .fallback = "null", .read = ib__read_constraint},
    {.key = "shared_axes", .fallback = "null", .read = read_shared, AT(activation.axes), .choices = "list"}};

static ib_status prelu_configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_activation *s = layer->settings;
    ib_status status =
        ib__layer_configure(layer, prelu_fields, sizeof prelu_fields / sizeof *prelu_fields, config, err);
    if (status != IB_OK) return status;
    const ib_value *shared = ib__value_get(layer->config, "shared_axes");
    s->n_axes = shared->kind == IB_LIST ? ib__axes_count(shared) : 0;
    return IB_OK;
}

static ib_status prelu_shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                             ib_error *err) {
    const ib_activation *s = layer->settings;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status != IB_OK) return status;
    unsigned shared = ib__axes_mask(s->axes, s->n_axes, out->rank);
    bool good = out->rank > 1 && (s->n_axes == 0 || shared);
    for (int i = 1; good && i < out->rank; i++)
        good = out->dims[i] >= 0 || (shared >> i & 1);
    if (good) return IB_OK;
    char text[128];
    ib__shape_print(text, out);
    return ib__fail(err, IB_BAD_INPUT, layer->place, "shared_axes do not fit the input %s", text);
}

static ib_status prelu_build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)n;
    const ib_activation *s = layer->settings;
    unsigned shared = ib__axes_mask(s->axes, s->n_axes, inputs[0].rank);
    ib_shape alpha = {.rank = inputs[0].rank - 1};
    for (int i = 0; i < alpha.rank; i++)
        alpha.dims[i] = shared >> (i + 1) & 1 ? 1 : inputs[0].dims[i + 1];
    return ib__layer_add_configured(layer, "alpha", &alpha, true, err);
}

static ib_node prelu_call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    ib_node below = ib__op_relu(b->g, ib__op_negate(b->g, inputs[0]));
    ib_node part = ib__op_multiply(b->g, ib__layer_weight(layer, b->g, "alpha"), below);
    return ib__op_subtract(b->g, ib__op_relu(b->g, inputs[0]), part);
}

const ib_layer_class ib__layer_prelu = {.name = "PReLU",
                                        .rounds = true,
                                        .settings = sizeof(settings),
                                        .configure = prelu_configure,
                                        .shape = prelu_shape,
                                        .build = prelu_build,
                                        .call = prelu_call,
                                        .mask = ib__mask_first};
