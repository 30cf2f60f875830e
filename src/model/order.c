/* SPDX-License-Identifier: Apache-2.0
 *
 * The order in which a Functional model makes its calls. It shows where calls of one layer change a state, as
 * those of a shared BatchNormalization do, so it is Keras's: by depth, which is the longest way to an output,
 * deepest first. A call is at least as deep as the calls of its layer that were looked at before it, and
 * calls of one depth stand in the order in which the walk from the outputs meets them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/config.h"

#define UNSEEN SIZE_MAX

/* A call of a member. An InputLayer has one, which makes nothing. */
typedef struct node {
    const ib_inbound *inbound; /* NULL: of an input */
    size_t member, depth;      /* depth: UNSEEN until it has one */
    size_t next;               /* of its inputs, while the walk is there */
    bool begun;                /* the walk from the outputs has met it */
} node;

typedef struct order {
    const ib_module *module;
    size_t *first; /* the first node of each member */
    node *nodes;
    size_t n_nodes;
    size_t *finished, n_finished; /* each node after all that it needs */
    size_t *stack, n_stack;
    size_t *met, n_met; /* in the order in which nodes get a depth */
    size_t *deepest;    /* call of each member, so far */
} order;

static size_t calls_of(const ib_module *member) {
    return ib__module_is_input(member) ? 1 : member->n_inbound;
}

static void free_order(order *o) {
    ib__free(o->first);
    ib__free(o->nodes);
    ib__free(o->finished);
    ib__free(o->deepest);
}

static ib_status new_order(order *o, const ib_module *module, ib_error *err) {
    *o = (order){.module = module, .first = ib__alloc(module->n_members + 1, sizeof *o->first)};
    if (o->first == NULL) return ib__fail_memory(err);
    for (size_t i = 0; i < module->n_members; i++) {
        o->first[i] = o->n_nodes;
        o->n_nodes += calls_of(module->members[i]);
    }
    o->nodes = ib__alloc(o->n_nodes + 1, sizeof *o->nodes);
    o->finished = ib__alloc(3 * o->n_nodes + 1, sizeof *o->finished);
    o->deepest = ib__alloc(module->n_members + 1, sizeof *o->deepest);
    if (o->nodes == NULL || o->finished == NULL || o->deepest == NULL) return ib__fail_memory(err);
    o->stack = o->finished + o->n_nodes;
    o->met = o->stack + o->n_nodes;
    for (size_t i = 0; i < module->n_members; i++) {
        o->deepest[i] = 0;
        for (size_t k = 0; k < calls_of(module->members[i]); k++) {
            const ib_inbound *inbound =
                ib__module_is_input(module->members[i]) ? NULL : &module->members[i]->inbound[k];
            o->nodes[o->first[i] + k] = (node){.inbound = inbound, .member = i, .depth = UNSEEN};
        }
    }
    return IB_OK;
}

static size_t node_of(const order *o, const ib_ref *ref) {
    return o->first[ref->member] + ref->node;
}

/* Depth first from one output; a node is finished after its inputs. All that it meets was made, so there is
 * no loop. */
static void walk(order *o, size_t start) {
    if (o->nodes[start].begun) return;
    o->nodes[start].begun = true;
    o->stack[o->n_stack++] = start;
    while (o->n_stack > 0) {
        node *at = &o->nodes[o->stack[o->n_stack - 1]];
        if (at->inbound != NULL && at->next < at->inbound->n) {
            size_t to = node_of(o, &at->inbound->refs[at->next++]);
            if (o->nodes[to].begun) continue;
            o->nodes[to].begun = true;
            o->stack[o->n_stack++] = to;
        } else {
            o->finished[o->n_finished++] = o->stack[--o->n_stack];
        }
    }
}

/* The node is at least this deep. */
static void deepen(order *o, size_t i, size_t depth) {
    if (o->nodes[i].depth == UNSEEN) {
        o->met[o->n_met++] = i;
        o->nodes[i].depth = depth;
    } else if (o->nodes[i].depth < depth) {
        o->nodes[i].depth = depth;
    }
}

static void find_depths(order *o) {
    for (size_t k = o->n_finished; k-- > 0;) {
        node *at = &o->nodes[o->finished[k]];
        deepen(o, o->finished[k], o->deepest[at->member]);
        o->deepest[at->member] = at->depth;
        for (size_t i = 0; at->inbound != NULL && i < at->inbound->n; i++)
            deepen(o, node_of(o, &at->inbound->refs[i]), at->depth + 1);
    }
}

/* A node among those met, for sorting. */
typedef struct place {
    size_t depth, met, node;
} place;

static int by_depth(const void *x, const void *y) {
    const place *a = x, *b = y;
    if (a->depth != b->depth) return a->depth > b->depth ? -1 : 1;
    return a->met < b->met ? -1 : a->met > b->met;
}

/* Adds the calls that a node made to `sorted`, of which there are n; gives how many there are then. */
static size_t append(ib_call *sorted, size_t n, const ib_call *calls, const node *from) {
    if (from->inbound == NULL) return n;
    memcpy(sorted + n, calls + from->inbound->first_call, from->inbound->n_calls * sizeof *sorted);
    return n + from->inbound->n_calls;
}

/* Sorts the model's calls from number `first` on; those that no output needs go last. */
static ib_status sort_calls(const order *o, ib_model *model, size_t first, ib_error *err) {
    size_t n = 0;
    place *places = ib__alloc(o->n_met + 1, sizeof *places);
    ib_call *sorted = ib__alloc(model->n_calls - first + 1, sizeof *sorted);
    bool room = places != NULL && sorted != NULL;
    if (room) {
        for (size_t i = 0; i < o->n_met; i++)
            places[i] = (place){o->nodes[o->met[i]].depth, i, o->met[i]};
        qsort(places, o->n_met, sizeof *places, by_depth);
        for (size_t i = 0; i < o->n_met; i++)
            n = append(sorted, n, model->calls, &o->nodes[places[i].node]);
        for (size_t i = 0; i < o->n_nodes; i++)
            if (!o->nodes[i].begun) n = append(sorted, n, model->calls, &o->nodes[i]);
        memcpy(model->calls + first, sorted, n * sizeof *sorted);
    }
    ib__free(places);
    ib__free(sorted);
    return room ? IB_OK : ib__fail_memory(err);
}

ib_status ib__order_calls(ib_reader *r, const ib_module *module, size_t first) {
    order o;
    ib_status status = new_order(&o, module, r->err);
    for (size_t i = 0; status == IB_OK && i < module->n_outputs; i++)
        walk(&o, node_of(&o, &module->outputs[i]));
    if (status == IB_OK) {
        find_depths(&o);
        status = sort_calls(&o, r->model, first, r->err);
    }
    free_order(&o);
    return status;
}
