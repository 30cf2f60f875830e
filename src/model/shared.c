/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared objects in Keras's config: an object that stands twice has the same shared_object_id at both places.
 * Keras takes Python's addresses for these numbers, so that no two processes write the same; here they count
 * from 1, in the order of the text. Numbers that say nothing are taken out: those that stand once, and those
 * of dtype policies, which have no state to share.
 */
#include "model/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

typedef struct mark {
    ib_value *map; /* that has the number */
    size_t at;     /* which of its items it is */
    int64_t id;
    size_t order, first; /* in the text; of the first mark with this id */
    bool alone;
} mark;

typedef struct marks {
    mark *list;
    size_t n, capacity;
    bool failed;
} marks;

static void collect(marks *m, ib_value *tree) {
    for (size_t i = 0; (tree->kind == IB_MAP || tree->kind == IB_LIST) && i < tree->count && !m->failed;
         i++) {
        ib_value *item = tree->items[i];
        if (tree->kind == IB_LIST || item->kind != IB_INT || strcmp(tree->keys[i], "shared_object_id") != 0) {
            collect(m, item);
            continue;
        }
        m->failed = !ib__grow(&m->list, &m->capacity, m->n + 1, sizeof *m->list);
        if (m->failed) return;
        m->list[m->n] = (mark){.map = tree, .at = i, .id = item->integer, .order = m->n};
        m->n++;
    }
}

static int by_id(const void *a, const void *b) {
    const mark *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int by_first(const void *a, const void *b) {
    const mark *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void number(const marks *m) {
    int64_t last = 0;
    size_t group = SIZE_MAX;
    for (size_t i = 0; i < m->n; i++) {
        const mark *k = &m->list[i];
        if (k->alone || ib__value_is_string(ib__value_get(k->map, "class_name"), "DTypePolicy")) {
            ib__value_free(ib__value_take(k->map, "shared_object_id"));
            continue;
        }
        if (k->first != group) last++;
        group = k->first;
        k->map->items[k->at]->integer = last;
        k->map->items[k->at]->real = (double)last;
    }
}

ib_status ib__config_number_shared(ib_value *config, ib_error *err) {
    marks m = {0};
    collect(&m, config);
    if (m.n > 0 && !m.failed) {
        qsort(m.list, m.n, sizeof *m.list, by_id);
        for (size_t i = 0; i < m.n; i++) {
            bool before = i > 0 && m.list[i].id == m.list[i - 1].id;
            bool after = i + 1 < m.n && m.list[i].id == m.list[i + 1].id;
            m.list[i].first = before ? m.list[i - 1].first : m.list[i].order;
            m.list[i].alone = !before && !after;
        }
        qsort(m.list, m.n, sizeof *m.list, by_first);
        number(&m);
    }
    free(m.list);
    return m.failed ? ib__fail_memory(err) : IB_OK;
}
