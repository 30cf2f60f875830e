/* SPDX-License-Identifier: Apache-2.0
 *
 * A Functional model inside of a wrapper, as TimeDistributed has it: of one input and one output, whose
 * layers give one tensor each. (Functional models that stand in a model are taken apart by src/model.)
 *
 * A member's inbound_nodes lists its calls; a tensor in a call's arguments is {"class_name":
 * "__keras_tensor__", "config":
 * {"keras_history": [layer, node, tensor]}}, where node counts that layer's calls.
 */
#include "layers/members.h"

enum { CALLS_MAX = 4096, ARGUMENTS_MAX = 256 };

/* A call of a part. in: 0 is the model's input, k the result of call k - 1. */
typedef struct part_call {
    size_t part, n, *in;
    const char **names; /* of the arguments */
} part_call;

typedef struct functional {
    part_call *calls; /* each behind those whose results it takes */
    size_t n_calls, output;
} functional;

static const ib_field fields[] = {{.key = "name", .read = ib__read_name},
                                  {.key = "trainable", .fallback = "true", .read = ib__read_flag},
                                  {.key = "layers", .read = ib__read_members},
                                  {.key = "input_layers", .read = ib__read_anything},
                                  {.key = "output_layers", .read = ib__read_anything}};

/* ---- Reading the calls ---- */

/* While the config is read: its calls in the order of the file. */
typedef struct reading {
    ib_layer *layer;
    const ib_value *members;
    size_t *first;    /* member -> its first call */
    part_call *calls; /* in: numbers of calls in this order, from 1; 0 the input */
    size_t n_calls;
    ib_error *err;
} reading;

static ib_status bad(const reading *r, const char *what) {
    return ib__fail(r->err, IB_BAD_INPUT, r->layer->place, "%s", what);
}

static const ib_value *nodes_of(const ib_value *member) {
    return ib__value_get(member, "inbound_nodes");
}

/* The number of the call that [layer, node, tensor] means. */
static ib_status find_call(const reading *r, const ib_value *history, size_t *out) {
    const ib_value *name = ib__value_at(history, 0), *node = ib__value_at(history, 1),
                   *tensor = ib__value_at(history, 2);
    if (!ib__value_is(name, IB_STRING) || !ib__value_is(node, IB_INT) || !ib__value_is(tensor, IB_INT))
        return bad(r, "expected [layer, node, tensor]");
    for (size_t i = 0; i < r->members->count; i++) {
        const ib_value *member = r->members->items[i];
        if (!ib__value_is_string(ib__value_get(ib__value_get(member, "config"), "name"), name->string))
            continue;
        bool input = ib__member_is_input(member);
        int64_t count = input ? 1 : (int64_t)nodes_of(member)->count;
        if (node->integer < 0 || node->integer >= count) break;
        if (tensor->integer != 0)
            return ib__fail(r->err, IB_UNSUPPORTED, r->layer->place,
                            "\"%.80s\": a layer with several outputs is not supported inside of a wrapper",
                            name->string);
        *out = input ? 0 : r->first[i] + (size_t)node->integer + 1;
        return IB_OK;
    }
    return ib__fail(r->err, IB_BAD_INPUT, r->layer->place, "there is no call %lld of a layer \"%.80s\"",
                    (long long)node->integer, name->string);
}

static bool is_tensor(const ib_value *value) {
    return ib__value_is_string(ib__value_get(value, "class_name"), "__keras_tensor__");
}

/* Adds the tensors of one argument to a call. */
static ib_status take_argument(reading *r, part_call *c, const char *name, const ib_value *value) {
    if (ib__value_is(value, IB_LIST)) {
        ib_status status = IB_OK;
        for (size_t i = 0; status == IB_OK && i < value->count; i++)
            status = take_argument(r, c, name, value->items[i]);
        return status;
    }
    if (!is_tensor(value))
        return ib__fail(r->err, IB_UNSUPPORTED, r->layer->place,
                        "the argument \"%.60s\" of a call is not supported inside of a wrapper", name);
    if (c->n == ARGUMENTS_MAX) return bad(r, "a call has too many tensors");
    c->names[c->n] = name;
    return find_call(r, ib__value_get(ib__value_get(value, "config"), "keras_history"), &c->in[c->n++]);
}

/* args by their places, kwargs by their names; null, and what Keras passes to each call anew, is left out. */
static ib_status take_call(reading *r, part_call *c, const ib_value *node) {
    const ib_value *args = ib__value_get(node, "args"), *kwargs = ib__value_get(node, "kwargs");
    const ib_layer *part = r->layer->parts[c->part].layer;
    ib_arena *arena = &r->layer->arena;
    c->in = ib__arena_alloc(arena, ARGUMENTS_MAX * sizeof *c->in);
    c->names = ib__arena_alloc(arena, ARGUMENTS_MAX * sizeof *c->names);
    if (!c->in || !c->names) return ib__fail_memory(r->err);
    if (!ib__value_is(args, IB_LIST) || (kwargs && kwargs->kind != IB_MAP))
        return bad(r, "expected args and kwargs");
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < args->count + (kwargs ? kwargs->count : 0); i++) {
        char word[64];
        bool positional = i < args->count;
        const ib_value *value = positional ? args->items[i] : kwargs->items[i - args->count];
        const char *name = positional ? ib__member_argument(part, i, word) : kwargs->keys[i - args->count];
        if (value->kind == IB_NULL || (name && strcmp(name, "training") == 0)) continue;
        const char *kept = name ? ib__arena_strdup(arena, name) : NULL;
        if (!name) return bad(r, "a call has too many arguments");
        if (!kept) return ib__fail_memory(r->err);
        status = take_argument(r, c, kept, value);
    }
    if (status == IB_OK && c->n == 0) status = bad(r, "a call without tensors");
    return status;
}

/* Puts the calls into an order in which each stands behind those whose results it takes. */
static ib_status order_calls(reading *r, functional *s, size_t output) {
    size_t *place =
        ib__alloc(r->n_calls + 1, sizeof *place); /* number in the file -> number in order, 0: not yet */
    s->calls = ib__arena_alloc(&r->layer->arena, (r->n_calls + 1) * sizeof *s->calls);
    if (!place || !s->calls) {
        ib__free(place);
        return ib__fail_memory(r->err);
    }
    for (size_t before = SIZE_MAX; before != s->n_calls;) {
        before = s->n_calls;
        for (size_t i = 0; i < r->n_calls; i++) {
            part_call *c = &r->calls[i];
            bool ready = !place[i + 1];
            for (size_t k = 0; ready && k < c->n; k++)
                ready = c->in[k] == 0 || place[c->in[k]];
            if (!ready) continue;
            for (size_t k = 0; k < c->n; k++)
                c->in[k] = c->in[k] ? place[c->in[k]] : 0;
            s->calls[s->n_calls++] = *c;
            place[i + 1] = s->n_calls;
        }
    }
    s->output = output ? place[output] : 0;
    bool all = s->n_calls == r->n_calls;
    ib__free(place);
    return all ? IB_OK : bad(r, "the calls of the layers go round in a circle");
}

/* [layer, node, tensor], or a list of one such. */
static const ib_value *only_one(const ib_value *value) {
    const ib_value *first = ib__value_at(value, 0);
    return ib__value_is(first, IB_LIST) && value->count == 1 ? first : value;
}

static ib_status read_calls(reading *r) {
    size_t part = 0;
    for (size_t i = 0; i < r->members->count; i++) {
        r->first[i] = r->n_calls;
        if (!ib__member_is_input(r->members->items[i])) r->n_calls += nodes_of(r->members->items[i])->count;
        if (r->n_calls > CALLS_MAX) return bad(r, "too many calls");
    }
    r->calls = ib__arena_alloc(&r->layer->arena, (r->n_calls + 1) * sizeof *r->calls);
    if (!r->calls) return ib__fail_memory(r->err);
    for (size_t i = 0; i < r->members->count; i++) {
        const ib_value *member = r->members->items[i];
        if (ib__member_is_input(member)) continue;
        for (size_t k = 0; k < nodes_of(member)->count; k++) {
            part_call *c = &r->calls[r->first[i] + k];
            c->part = part;
            ib_status status = take_call(r, c, nodes_of(member)->items[k]);
            if (status != IB_OK) return status;
        }
        part++;
    }
    size_t input, output;
    ib_status status = find_call(r, only_one(ib__value_get(r->layer->config, "input_layers")), &input);
    if (status == IB_OK)
        status = find_call(r, only_one(ib__value_get(r->layer->config, "output_layers")), &output);
    if (status == IB_OK && input != 0) status = bad(r, "input_layers: expected the InputLayer");
    return status == IB_OK ? order_calls(r, r->layer->settings, output) : status;
}

/* ---- Members ---- */

static ib_status add_member(ib_layer *layer, const ib_value *layers, size_t i, ib_value **canonical,
                            ib_error *err) {
    const ib_value *entry = layers->items[i];
    char group[160];
    if (!ib__value_is(ib__value_get(entry, "class_name"), IB_STRING) ||
        !ib__value_is(nodes_of(entry), IB_LIST) ||
        !ib__value_is(ib__value_get(ib__value_get(entry, "config"), "name"), IB_STRING))
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "layers[%zu]: expected a serialized layer with a name and inbound_nodes", i);
    if (ib__member_is_input(entry)) return ib__member_check_input(layer, entry, canonical, err);
    ib__member_group(group, sizeof group, "layers", layers, i, ib__value_get(entry, "class_name")->string);
    ib_status status = ib__layer_add_part(layer, group, entry, "layer", NULL, canonical, err);
    if (status != IB_OK) return status;
    const ib_value *name = ib__value_get(ib__value_get(entry, "config"), "name");
    return ib__value_set(*canonical, "name", ib__value_copy(name)) &&
                   ib__value_set(*canonical, "inbound_nodes", ib__value_copy(nodes_of(entry)))
               ? IB_OK
               : ib__fail_memory(err);
}

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status != IB_OK) return status;
    ib_value *layers = ib__value_get(layer->config, "layers"), *made = ib__value_list();
    size_t inputs = 0;
    if (!made) return ib__fail_memory(err);
    for (size_t i = 0; status == IB_OK && i < layers->count; i++) {
        ib_value *canonical = NULL;
        status = add_member(layer, layers, i, &canonical, err);
        inputs += status == IB_OK && ib__member_is_input(layers->items[i]);
        if (status != IB_OK)
            ib__value_free(canonical);
        else if (!ib__value_add(made, canonical))
            status = ib__fail_memory(err);
    }
    if (status == IB_OK && inputs != 1)
        status = ib__fail(err, IB_UNSUPPORTED, layer->place,
                          "a model inside of a wrapper has one input, found %zu", inputs);
    if (status != IB_OK) {
        ib__value_free(made);
        return status;
    }
    if (!ib__value_set(layer->config, "layers", made)) return ib__fail_memory(err);
    reading r = {.layer = layer, .members = made, .err = err};
    r.first = ib__arena_alloc(&layer->arena, made->count * sizeof *r.first);
    return r.first ? read_calls(&r) : ib__fail_memory(err);
}

/* ---- Calling ---- */

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                       ib_error *err) {
    const functional *s = layer->settings;
    if (args->n != 1) return ib__fail(err, IB_BAD_INPUT, layer->place, "expected one input");
    ib_spec *values = ib__alloc(s->n_calls + 1 + ARGUMENTS_MAX, sizeof *values),
            *given = values + s->n_calls + 1;
    if (!values) return ib__fail_memory(err);
    values[0] = args->specs[0];
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < s->n_calls; i++) {
        const part_call *c = &s->calls[i];
        for (size_t k = 0; k < c->n; k++)
            given[k] = values[c->in[k]];
        ib_args one = {.n = c->n, .names = c->names, .specs = given};
        status = ib__layer_infer(layer->parts[c->part].layer, &one, out, n, err);
        if (status == IB_OK) values[i + 1] = out[0];
    }
    if (status == IB_OK) out[0] = values[s->output];
    *n = 1;
    ib__free(values);
    return status;
}

static void apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    const functional *s = layer->settings;
    ib_flow *values = ib__alloc(s->n_calls + 1 + ARGUMENTS_MAX, sizeof *values),
            *given = values + s->n_calls + 1;
    if (!values) {
        (void)ib__graph_fail(b->g, IB_NO_MEMORY, "out of memory");
        return;
    }
    values[0] = args->flows[0];
    bool good = true;
    for (size_t i = 0; good && i < s->n_calls; i++) {
        const part_call *c = &s->calls[i];
        ib_flow made[IB_OUTPUTS_MAX];
        for (size_t k = 0; k < c->n; k++)
            given[k] = values[c->in[k]];
        ib_args one = {.n = c->n, .names = c->names, .flows = given};
        good = ib__layer_call(layer->parts[c->part].layer, b, &one, made) != 0;
        if (good) values[i + 1] = made[0];
    }
    if (good) out[0] = values[s->output];
    ib__free(values);
}

const ib_layer_class ib__layer_functional = {.name = "Functional",
                                             .passes = true,
                                             .settings = sizeof(functional),
                                             .configure = configure,
                                             .infer = infer,
                                             .apply = apply};
