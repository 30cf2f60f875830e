/* SPDX-License-Identifier: Apache-2.0
 *
 * Muon: the momentum of a matrix, made nearly orthogonal by Newton-Schulz iterations. Variables that are no
 * matrices, embeddings and excluded ones get Adam's update ("plain").
 */
#include <math.h>
#include <string.h>

#include "base/pattern.h"
#include "optimizers/adam.h"

static ib_status read_texts(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    (void)field, (void)out;
    if (value->kind == IB_NULL) {
        *canonical = ib__value_list();
        return *canonical ? IB_OK : ib__fail_memory(err);
    }
    bool good = value->kind == IB_LIST && value->count <= IB_PATTERNS_MAX;
    for (size_t i = 0; good && i < value->count; i++)
        good = value->items[i]->kind == IB_STRING;
    return good ? IB_OK
                : ib__fail(err, IB_BAD_INPUT, where, "expected null or a list of at most %d patterns",
                           IB_PATTERNS_MAX);
}

#define FACTOR(name, value, member) IB_OPTIMIZER_REAL(name, value, member, -0x1p100, 0x1p100)
static const ib_field fields[] = {
    IB_OPTIMIZER_FIELDS("0.001", "0.004"),
    IB_OPTIMIZER_REAL("adam_beta_1", "0.9", beta_1, 0, 1),
    IB_OPTIMIZER_REAL("adam_beta_2", "0.999", beta_2, 0, 1),
    IB_OPTIMIZER_EPSILON("1e-07"),
    {.key = "exclude_layers", .fallback = "null", .read = read_texts},
    FACTOR("muon_a", "3.4445", a),
    FACTOR("muon_b", "-4.775", b),
    FACTOR("muon_c", "2.0315", c),
    FACTOR("adam_lr_ratio", "1", adam_rate_ratio),
    IB_OPTIMIZER_REAL("momentum", "0.95", momentum, 0, 1),
    {.key = "ns_steps", .fallback = "5", .read = ib__read_int, IB_OPTIMIZER_AT(newton_steps), .high = 100},
    IB_OPTIMIZER_FLAG("nesterov", "true", nesterov),
    IB_OPTIMIZER_FLAG("exclude_embeddings", "true", exclude_embeddings),
    IB_OPTIMIZER_OPTIONAL("adam_weight_decay", "0.004", adam_decay),
    IB_OPTIMIZER_OPTIONAL("rms_rate", "0.2", rms_rate)};

/* "embedding" in the path, in small or capital letters. */
static bool is_embedding(const char *path) {
    return strcasestr(path, "embedding") != NULL;
}

static ib_status choose(ib_trained *t, ib_error *err) {
    const ib_optimizer *o = t->optimizer;
    const ib_value *patterns = ib__value_get(ib__value_get(o->config, "config"), "exclude_layers");
    const char *path = t->variable->path;
    t->plain = t->variable->shape.rank != 2 || (o->settings.exclude_embeddings && is_embedding(path));
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && !t->plain && i < patterns->count; i++)
        status = ib__pattern_match(patterns->items[i]->string, path, false, &t->plain,
                                   "optimizer, exclude_layers", err);
    return status;
}

static bool uses_slot(const ib_trained *t, int slot) {
    return slot == 0 || t->plain;
}

static void begin(ib_optimizer *o, double t) {
    const ib_optimizer_settings *s = &o->settings;
    ib__scalar_set(o, IB_SCALAR_ALPHA, ib__adam_alpha(s, o->rate * s->adam_rate_ratio, t));
}

static ib_node transpose(ib_graph *g, ib_node a) {
    static const int order[] = {1, 0};
    return ib__op_transpose(g, a, order);
}

/* a a^T for a: [n, m] */
static ib_node gram(ib_graph *g, ib_node a) {
    ib_dot_axes axes = {.n_contract = 1, .a_contract = {1}, .b_contract = {1}};
    return ib__op_dot_general(g, a, a, &axes);
}

/* x: [n, m], n <= m:  X = x / (|x| + 1e-7);  A = X X^T;  X <- a X + (b A + (c A) A) X, newton_steps times. */
static ib_node orthogonal(const ib_optimizer_settings *s, ib_graph *g, ib_node x) {
    ib_node norm = ib__op_sqrt(g, ib__node_sum(g, ib__op_square(g, x)));
    x = ib__op_divide(g, x, ib__op_offset(g, norm, 1e-7f));
    for (int64_t i = 0; i < s->newton_steps; i++) {
        ib_node a = gram(g, x), square = ib__op_matmul(g, ib__op_scale(g, a, (float)s->c), a);
        ib_node sum = ib__op_add(g, ib__op_scale(g, a, (float)s->b), square);
        x = ib__op_add(g, ib__op_scale(g, x, (float)s->a), ib__op_matmul(g, sum, x));
    }
    return x;
}

static ib_node update(ib_update *u) {
    if (u->t->plain) return ib__adam_update(u);
    const ib_optimizer_settings *s = &u->o->settings;
    ib_graph *g = u->g;
    const ib_shape *shape = &u->t->variable->shape;
    bool tall = shape->dims[0] > shape->dims[1];
    ib_node old = ib__update_slot(u, 0);
    ib_node change = ib__op_add(g, u->gradient, ib__op_scale(g, old, (float)(s->momentum - 1.0)));
    ib_node m = ib__update_set(u, 0, ib__op_add(g, old, change)), x = m;
    if (s->nesterov) x = ib__op_add(g, u->gradient, ib__op_scale(g, m, (float)s->momentum));
    x = orthogonal(s, g, tall ? transpose(g, x) : x);
    if (tall) x = transpose(g, x);
    ib_node step = ib__op_multiply(g, ib__update_scalar(u, IB_SCALAR_RATE), x);
    if (!isnan(s->rms_rate)) {
        double longer = (double)shape->dims[tall ? 0 : 1];
        step = ib__op_scale(g, ib__op_scale(g, step, (float)sqrt(longer)), (float)s->rms_rate);
    }
    return ib__op_subtract(g, u->w, step);
}

const ib_optimizer_class ib__optimizer_muon = {.name = "Muon",
                                               .fields = fields,
                                               .n_fields = sizeof fields / sizeof *fields,
                                               .slot_names = {"momentum", "velocity"},
                                               .uses_slot = uses_slot,
                                               .choose = choose,
                                               .begin = begin,
                                               .update = update};
