/* SPDX-License-Identifier: Apache-2.0
 *
 * Functional models: the references between layers in Keras's config, and their expansion into calls.
 *
 * A layer's inbound_nodes lists its calls; the tensors in a call's args are {"class_name":
 * "__keras_tensor__", "config": {"shape", "dtype", "keras_history": [layer, node, tensor]}}, where node
 * counts the calls of that layer. input_layers and output_layers hold [layer, node, tensor] alone, in lists
 * or maps of any depth; there the nodes of nested Functional models count from 1.
 */
#include <stdlib.h>
#include <string.h>

#include "model/config.h"

typedef struct refs {
    ib_reader *r;
    ib_module *module;
    const char *place;
    ib_ref *items; /* grown with realloc */
    size_t n, capacity;
    bool histories; /* [layer, node, tensor] stands alone (input_layers and output_layers) */
    const char *argument;
    size_t at; /* how many values of the argument came before */
} refs;

static ib_status bad(refs *f, const char *what, const ib_value *found) {
    return ib__fail(f->r->err, IB_BAD_INPUT, f->place, "expected %s, found %s", what,
                    found ? ib__kind_name(found->kind) : "nothing");
}

static ib_status add_ref(refs *f, const ib_value *history, ib_value *tensor) {
    const ib_value *name = ib__value_at(history, 0), *node = ib__value_at(history, 1),
                   *index = ib__value_at(history, 2);
    if (!ib__value_is(history, IB_LIST) || history->count != 3 || !ib__value_is(name, IB_STRING) ||
        !ib__value_is(node, IB_INT) || !ib__value_is(index, IB_INT))
        return bad(f, "[layer, node, tensor]", history);
    ib_module *module = f->module;
    size_t member = 0;
    while (member < module->n_members && strcmp(module->members[member]->name, name->string) != 0)
        member++;
    if (member == module->n_members)
        return ib__fail(f->r->err, IB_BAD_INPUT, f->place, "there is no layer \"%.80s\"", name->string);
    const ib_module *m = module->members[member];
    int64_t at = node->integer - (f->histories && !m->layer && m->functional);
    if (at < 0 || index->integer < 0 || at > IB_CALLS_MAX || index->integer > IB_CALLS_MAX)
        return ib__fail(f->r->err, IB_BAD_INPUT, f->place, "layer \"%.80s\" has no call %lld, output %lld",
                        name->string, (long long)node->integer, (long long)index->integer);
    if (!ib__grow(&f->items, &f->capacity, f->n + 1, sizeof *f->items)) return ib__fail_memory(f->r->err);
    f->items[f->n++] = (ib_ref){.member = member,
                                .node = (size_t)at,
                                .tensor = (size_t)index->integer,
                                .config = tensor,
                                .argument = f->argument,
                                .place = f->at++};
    return IB_OK;
}

static ib_status find_refs(refs *f, ib_value *value);

/* The values of a map in the order of its keys, as Keras flattens structures. */
static ib_status find_in_map(refs *f, ib_value *map) {
    const char *last = NULL;
    for (size_t done = 0; done < map->count; done++) {
        size_t best = map->count;
        for (size_t i = 0; i < map->count; i++)
            if ((!last || strcmp(map->keys[i], last) > 0) &&
                (best == map->count || strcmp(map->keys[i], map->keys[best]) < 0))
                best = i;
        if (best == map->count) break;
        last = map->keys[best];
        ib_status status = find_refs(f, map->items[best]);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static ib_status find_refs(refs *f, ib_value *value) {
    if (f->histories && ib__value_is(value, IB_LIST) && value->count == 3 &&
        value->items[0]->kind == IB_STRING)
        return add_ref(f, value, NULL);
    if (!f->histories && ib__value_is_string(ib__value_get(value, "class_name"), "__keras_tensor__")) {
        ib_value *config = ib__value_get(value, "config");
        return add_ref(f, ib__value_get(config, "keras_history"), config);
    }
    if (ib__value_is(value, IB_MAP)) {
        if (value->count > 1000) return bad(f, "at most 1000 tensors", value);
        return find_in_map(f, value);
    }
    if (!ib__value_is(value, IB_LIST)) return bad(f, "tensors", value);
    for (size_t i = 0; i < value->count; i++) {
        ib_status status = find_refs(f, value->items[i]);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* Moves what was found into the arena. */
static ib_status keep_refs(refs *f, ib_ref **out, size_t *n, ib_status status) {
    if (status == IB_OK) {
        *out = ib__arena_alloc(&f->r->model->arena, f->n * sizeof **out + 1);
        if (*out) {
            if (f->n) memcpy(*out, f->items, f->n * sizeof **out);
            *n = f->n;
        } else {
            status = ib__fail_memory(f->r->err);
        }
    }
    free(f->items);
    return status;
}

/* Does a value hold tensors? */
static bool has_tensor(const ib_value *value) {
    if (ib__value_is_string(ib__value_get(value, "class_name"), "__keras_tensor__")) return true;
    if (!ib__value_is(value, IB_LIST) && !ib__value_is(value, IB_MAP)) return false;
    for (size_t i = 0; i < value->count; i++)
        if (has_tensor(value->items[i])) return true;
    return false;
}

/* One argument of a call: its tensors become references, another value a setting. Keras passes training to
 * each call anew, so what a file says of it has no effect. */
static ib_status read_argument(refs *f, const ib_module *member, const char *name, ib_value *value,
                               ib_value *settings) {
    if (value->kind == IB_NULL || strcmp(name, "training") == 0) return IB_OK;
    if (!ib__argument_known(member, name))
        return ib__fail(f->r->err, IB_UNSUPPORTED, f->place,
                        "the argument \"%.60s\" of the layer's call is not supported", name);
    f->argument = ib__arena_strdup(&f->r->model->arena, name);
    f->at = 0;
    if (!f->argument) return ib__fail_memory(f->r->err);
    if (has_tensor(value)) return find_refs(f, value);
    return ib__value_set(settings, name, ib__value_copy(value)) ? IB_OK : ib__fail_memory(f->r->err);
}

static ib_status read_arguments(refs *f, const ib_module *member, ib_value *args, ib_value *kwargs,
                                ib_value *settings) {
    char name[64];
    if (!ib__value_is(args, IB_LIST)) return bad(f, "args to be a list", args);
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < args->count; i++) {
        if (!ib__argument_name(member, i, name))
            return ib__fail(f->r->err, IB_BAD_INPUT, f->place, "expected at most %zu arguments, found %zu", i,
                            args->count);
        status = read_argument(f, member, name, args->items[i], settings);
    }
    if (status != IB_OK || !kwargs || kwargs->kind == IB_NULL) return status;
    if (kwargs->kind != IB_MAP) return bad(f, "kwargs to be a map", kwargs);
    for (size_t i = 0; status == IB_OK && i < kwargs->count; i++)
        status = read_argument(f, member, kwargs->keys[i], kwargs->items[i], settings);
    return status;
}

/* Older files: [[layer, node, tensor, kwargs], ...]. */
static ib_status old_node(refs *f, const ib_module *member, const ib_value *node, ib_value *settings) {
    char name[64];
    (void)ib__argument_name(member, 0, name);
    f->argument = ib__arena_strdup(&f->r->model->arena, name);
    if (!f->argument) return ib__fail_memory(f->r->err);
    const char *first = f->argument;
    for (size_t i = 0; i < node->count; i++) {
        const ib_value *item = node->items[i];
        if (!ib__value_is(item, IB_LIST) || item->count < 3 || item->count > 4)
            return bad(f, "[layer, node, tensor, kwargs]", item);
        ib_value history = *item;
        history.count = 3;
        f->argument = first;
        f->at = i;
        ib_status status = add_ref(f, &history, NULL);
        const ib_value *kwargs = ib__value_at(item, 3);
        if (kwargs && kwargs->kind != IB_NULL && kwargs->kind != IB_MAP)
            return bad(f, "kwargs to be a map", kwargs);
        for (size_t k = 0; status == IB_OK && kwargs && kwargs->kind == IB_MAP && k < kwargs->count; k++)
            status = read_argument(f, member, kwargs->keys[k], kwargs->items[k], settings);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static ib_status read_node(ib_reader *r, ib_module *module, const ib_module *member, const char *place,
                           const ib_value *node, ib_inbound *out) {
    refs f = {.r = r, .module = module, .place = place};
    ib_status status;
    ib_value *settings = ib__value_map();
    if (!settings) return ib__fail_memory(r->err);
    if (ib__value_is(node, IB_LIST))
        status = old_node(&f, member, node, settings);
    else if (ib__value_is(node, IB_MAP))
        status =
            read_arguments(&f, member, ib__value_get(node, "args"), ib__value_get(node, "kwargs"), settings);
    else
        status = bad(&f, "a call as a map", node);
    if (settings->count == 0) {
        ib__value_free(settings);
    } else {
        out->settings = ib__model_keep(r, settings);
        if (!out->settings && status == IB_OK) status = ib__fail_memory(r->err);
    }
    if (status == IB_OK && !f.n) status = bad(&f, "a call with inputs", NULL);
    return keep_refs(&f, &out->refs, &out->n, status);
}

static ib_status read_inbound(ib_reader *r, ib_module *module, ib_module *member, const char *place) {
    const ib_value *nodes = ib__value_get(member->entry, "inbound_nodes");
    if (!ib__value_is(nodes, IB_LIST))
        return ib__fail(r->err, IB_BAD_INPUT, place, "inbound_nodes: expected a list, found %s",
                        nodes ? ib__kind_name(nodes->kind) : "nothing");
    if (ib__module_is_input(member) != !nodes->count)
        return ib__fail(r->err, IB_BAD_INPUT, place, "inbound_nodes: %s",
                        nodes->count ? "an InputLayer is not called" : "the layer is never called");
    member->n_inbound = nodes->count;
    size_t room = nodes->count + 1;
    member->inbound = ib__arena_alloc(&r->model->arena, room * sizeof *member->inbound);
    member->made = ib__arena_alloc(&r->model->arena, room * sizeof *member->made);
    member->n_made = ib__arena_alloc(&r->model->arena, room * sizeof *member->n_made);
    const char *at = ib__arena_printf(&r->model->arena, "%s %s, inbound_nodes", place, member->name);
    if (!member->inbound || !member->made || !member->n_made || !at) return ib__fail_memory(r->err);
    for (size_t i = 0; i < nodes->count; i++) {
        ib_status status = read_node(r, module, member, at, nodes->items[i], &member->inbound[i]);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static ib_status read_ends(ib_reader *r, ib_module *module, const ib_value *config, const char *key,
                           const char *place, ib_ref **out, size_t *n) {
    const char *at = ib__arena_printf(&r->model->arena, "%s%s%s", place, place[0] ? ", " : "", key);
    if (!at) return ib__fail_memory(r->err);
    refs f = {.r = r, .module = module, .place = at, .histories = true};
    ib_status status = find_refs(&f, ib__value_get(config, key));
    if (status == IB_OK && !f.n) status = bad(&f, "tensors", NULL);
    return keep_refs(&f, out, n, status);
}

ib_status ib__functional_read(ib_reader *r, ib_module *module, const ib_value *config, const char *place) {
    for (size_t i = 0; i < module->n_members; i++) {
        const char *at = ib__layer_place(r, module, place, i);
        if (!at) return ib__fail_memory(r->err);
        ib_status status = read_inbound(r, module, module->members[i], at);
        if (status != IB_OK) return status;
    }
    ib_status status =
        read_ends(r, module, config, "input_layers", place, &module->inputs, &module->n_inputs);
    if (status == IB_OK)
        status = read_ends(r, module, config, "output_layers", place, &module->outputs, &module->n_outputs);
    if (status != IB_OK) return status;
    for (size_t i = 0; i < module->n_inputs; i++) {
        const ib_module *input = module->members[module->inputs[i].member];
        if (!ib__module_is_input(input) || module->inputs[i].node || module->inputs[i].tensor)
            return ib__fail(r->err, IB_BAD_INPUT, place, "input_layers: \"%.80s\" is not an InputLayer",
                            input->name);
        for (size_t j = 0; j < i; j++)
            if (module->inputs[j].member == module->inputs[i].member)
                return ib__fail(r->err, IB_BAD_INPUT, place, "input_layers: \"%.80s\" stands twice",
                                input->name);
    }
    return IB_OK;
}

/* ---- Expansion ---- */

/* The tensor that a reference means; false: not made yet. */
static bool find_tensor(const ib_module *module, const ib_ref *ref, size_t *tensor) {
    const ib_module *member = module->members[ref->member];
    size_t nodes = ib__module_is_input(member) ? 1 : member->n_inbound;
    if (ref->node >= nodes || ref->tensor >= member->n_made[ref->node]) return false;
    *tensor = member->made[ref->node][ref->tensor];
    return true;
}

/* A call whose inputs are there is made. *progress: it was. */
static ib_status try_call(ib_reader *r, ib_module *module, ib_module *member, size_t node, bool *progress) {
    ib_inbound *inbound = &member->inbound[node];
    ib_given *given = ib__alloc(inbound->n, sizeof *given);
    if (!given) return ib__fail_memory(r->err);
    *progress = true;
    for (size_t i = 0; *progress && i < inbound->n; i++) {
        given[i] = (ib_given){.argument = inbound->refs[i].argument, .place = inbound->refs[i].place};
        *progress = find_tensor(module, &inbound->refs[i], &given[i].tensor);
    }
    ib_status status = IB_OK;
    inbound->first_call = r->model->n_calls;
    if (*progress)
        status = ib__module_call(r, member, given, inbound->n, inbound->settings, &member->made[node],
                                 &member->n_made[node]);
    inbound->n_calls = r->model->n_calls - inbound->first_call;
    for (size_t i = 0; status == IB_OK && *progress && i < inbound->n; i++) {
        ib_value *config = inbound->refs[i].config;
        const ib_value *shape = ib__value_get(config, "shape");
        if (!config || (shape && shape->kind != IB_NULL)) continue;
        if (!ib__value_set(config, "shape", ib__dims_value(&r->model->tensors[given[i].tensor].shape)))
            status = ib__fail_memory(r->err);
    }
    ib__free(given);
    return status;
}

/* As Keras does: round by round over the layers, each making those of its calls that can be made. */
static ib_status make_calls(ib_reader *r, ib_module *module) {
    size_t *next = ib__alloc(module->n_members + 1, sizeof *next);
    if (!next) return ib__fail_memory(r->err);
    ib_status status = IB_OK;
    const ib_module *stuck = NULL;
    for (bool progress = true; status == IB_OK && progress;) {
        progress = false;
        stuck = NULL;
        for (size_t i = 0; status == IB_OK && i < module->n_members; i++) {
            ib_module *member = module->members[i];
            bool made = true;
            while (status == IB_OK && made && next[i] < member->n_inbound) {
                status = try_call(r, module, member, next[i], &made);
                next[i] += made;
                progress = progress || made;
            }
            if (next[i] < member->n_inbound && !stuck) stuck = member;
        }
        if (!stuck) break;
    }
    ib__free(next);
    if (status == IB_OK && stuck)
        return ib__fail(r->err, IB_BAD_INPUT, stuck->name,
                        "its inputs are never made: a loop, or a call or output that is not there");
    return status;
}

ib_status ib__functional_expand(ib_reader *r, ib_module *module, const ib_given *inputs, size_t n,
                                size_t **outputs, size_t *n_outputs) {
    if (n != module->n_inputs)
        return ib__fail(r->err, IB_BAD_INPUT, module->name, "the model takes %zu inputs, found %zu",
                        module->n_inputs, n);
    for (size_t i = 0; i < module->n_members; i++) {
        ib_module *member = module->members[i];
        memset(member->n_made, 0, (member->n_inbound + 1) * sizeof *member->n_made);
    }
    for (size_t i = 0; i < n; i++) {
        ib_module *input = module->members[module->inputs[i].member];
        if (strcmp(inputs[i].argument, "inputs") != 0)
            return ib__fail(r->err, IB_UNSUPPORTED, module->name,
                            "the argument \"%.60s\" of a nested model's call is not supported",
                            inputs[i].argument);
        ib_status status = ib__input_check(r, input, inputs[i].tensor);
        if (status != IB_OK) return status;
        input->made[0] = ib__arena_alloc(&r->model->arena, sizeof **input->made);
        if (!input->made[0]) return ib__fail_memory(r->err);
        input->made[0][0] = inputs[i].tensor;
        input->n_made[0] = 1;
    }
    size_t first = r->model->n_calls;
    ib_status status = make_calls(r, module);
    if (status != IB_OK) return status;
    *n_outputs = module->n_outputs;
    *outputs = ib__arena_alloc(&r->model->arena, module->n_outputs * sizeof **outputs + 1);
    if (!*outputs) return ib__fail_memory(r->err);
    for (size_t i = 0; i < module->n_outputs; i++)
        if (!find_tensor(module, &module->outputs[i], &(*outputs)[i]))
            return ib__fail(r->err, IB_BAD_INPUT, module->name,
                            "output_layers: layer \"%.80s\" has no call %zu with output %zu",
                            module->members[module->outputs[i].member]->name, module->outputs[i].node,
                            module->outputs[i].tensor);
    return ib__order_calls(r, module, first);
}
