/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of callbacks: reading it, calling it, its state.
 */
#include "run/callbacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "run/experiment.h"

#define X(name, symbol) extern const ib_callback_class ib__callback_##symbol;
#include "run/callbacks/callbacks.list"
#undef X

static const ib_callback_class *const classes[] = {
#define X(name, symbol) &ib__callback_##symbol,
#include "run/callbacks/callbacks.list"
#undef X
};
enum { CLASSES = sizeof classes / sizeof *classes };

/* Keras's others, refused by name: they run Python, or need a network. */
static const char *const others[] = {"LambdaCallback",  "RemoteMonitor", "SwapEMAWeights",
                                     "OrbaxCheckpoint", "History",       "ProgbarLogger"};
enum { OTHERS = sizeof others / sizeof *others };

typedef struct callback {
    const ib_callback_class *class;
    ib_value *config;
    void *self;
} callback;

struct ib_callbacks {
    callback *all;
    size_t n;
};

static ib_status find_class(const ib_callback_class **out, const char *name, const char *where,
                            ib_error *err) {
    const char *names[CLASSES];
    for (size_t i = 0; i < CLASSES; i++) {
        names[i] = classes[i]->name;
        *out = classes[i];
        if (strcmp(name, names[i]) == 0) return IB_OK;
    }
    for (size_t i = 0; i < OTHERS; i++)
        if (strcmp(name, others[i]) == 0)
            return ib__fail(err, IB_UNSUPPORTED, where, "the callback %s is not supported", name);
    const char *near = ib__nearest(name, names, CLASSES);
    return ib__fail(err, IB_BAD_INPUT, where, "unknown callback \"%.60s\"%s%s", name,
                    near != NULL ? ", did you mean " : "", near != NULL ? near : "");
}

static ib_status open_one(callback *c, const ib_value *entry, size_t index, const char *file, ib_error *err) {
    char where[256], place[64];
    const char *name = "";
    const ib_value *config = NULL;
    snprintf(place, sizeof place, "callbacks[%zu]", index);
    ib__experiment_where(where, file, entry, place);
    ib_status status = ib__serialized_parts(entry, "a callback", where, &name, &config, err);
    if (status == IB_OK) status = find_class(&c->class, name, where, err);
    if (status != IB_OK) return status;
    snprintf(place, sizeof place, "callbacks[%zu] %.40s", index, c->class->name);
    ib__experiment_where(where, file, entry, place);
    c->self = calloc(1, c->class->size);
    if (c->self == NULL) return ib__fail_memory(err);
    status = ib__settings_read(c->self, c->class->fields, c->class->n_fields, config, where, &c->config, err);
    if (status == IB_OK && c->class->open != NULL) status = c->class->open(c->self, c->config, where, err);
    return status;
}

static ib_value *completed_list(const ib_callbacks *c) {
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (size_t i = 0; good && i < c->n; i++) {
        ib_value *entry = ib__value_map();
        good = entry != NULL && ib__value_set(entry, c->all[i].class->name, ib__value_copy(c->all[i].config));
        good = ib__value_add(list, entry) && good;
    }
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

ib_status ib__callbacks_new(ib_callbacks **out, const ib_value *list, const char *name, ib_value **completed,
                            ib_error *err) {
    size_t n = list == NULL ? 0 : list->count;
    ib_callbacks *c = calloc(1, sizeof *c);
    if (c == NULL) return ib__fail_memory(err);
    c->all = calloc(n + 1, sizeof *c->all);
    ib_status status = c->all == NULL ? ib__fail_memory(err) : IB_OK;
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        c->n++;
        status = open_one(&c->all[i], list->items[i], i, name, err);
    }
    if (status == IB_OK && completed != NULL) {
        *completed = completed_list(c);
        if (*completed == NULL) status = ib__fail_memory(err);
    }
    if (status == IB_OK)
        *out = c;
    else
        ib__callbacks_free(c);
    return status;
}

void ib__callbacks_free(ib_callbacks *c) {
    if (c == NULL) return;
    for (size_t i = 0; c->all != NULL && i < c->n; i++) {
        if (c->all[i].self != NULL && c->all[i].class->close != NULL) c->all[i].class->close(c->all[i].self);
        free(c->all[i].self);
        ib__value_free(c->all[i].config);
    }
    free(c->all);
    free(c);
}

/* Without those that only write, and without `verbose`, which only speaks. */
ib_value *ib__callbacks_canonical(const ib_value *completed) {
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (size_t i = 0; good && completed != NULL && i < completed->count; i++) {
        const ib_value *entry = completed->items[i];
        const ib_callback_class *class = NULL;
        if (find_class(&class, entry->keys[0], "", NULL) != IB_OK || class->writes) continue;
        ib_value *kept = ib__value_map(), *config = ib__value_map();
        const ib_value *all = entry->items[0];
        good = config != NULL;
        for (size_t k = 0; good && k < all->count; k++)
            if (strcmp(all->keys[k], "verbose") != 0)
                good = ib__value_set(config, all->keys[k], ib__value_copy(all->items[k]));
        good = ib__value_set(kept, entry->keys[0], config) && good;
        good = ib__value_add(list, kept) && good;
    }
    if (good && list->count > 0) return list;
    ib__value_free(list);
    return good ? ib__value_null() : NULL;
}

/* ---- Calls ---- */

#define EACH(function)                                                                                       \
    ib_status status = IB_OK;                                                                                \
    for (size_t i = 0; status == IB_OK && i < c->n; i++) {                                                   \
        const ib_callback_class *class = c->all[i].class;                                                    \
        if (class->function == NULL || (class->writes && m->folder == NULL)) continue;                       \
        status = class->function(c->all[i].self, m, err);                                                    \
    }                                                                                                        \
    return status

ib_status ib__callbacks_train_begin(ib_callbacks *c, ib_moment *m, ib_error *err) {
    EACH(train_begin);
}

ib_status ib__callbacks_epoch_begin(ib_callbacks *c, ib_moment *m, ib_error *err) {
    EACH(epoch_begin);
}

ib_status ib__callbacks_step_end(ib_callbacks *c, ib_moment *m, ib_error *err) {
    EACH(step_end);
}

ib_status ib__callbacks_epoch_end(ib_callbacks *c, ib_moment *m, ib_error *err) {
    EACH(epoch_end);
}

ib_status ib__callbacks_train_end(ib_callbacks *c, ib_moment *m, ib_error *err) {
    EACH(train_end);
}

/* ---- State ---- */

ib_status ib__callbacks_pack(ib_callbacks *c, ib_buf *out, ib_error *err) {
    ib__pack_u64(out, c->n);
    for (size_t i = 0; i < c->n; i++) {
        callback *one = &c->all[i];
        ib_buf state = {0};
        ib_status status = one->class->sync == NULL ? IB_OK : one->class->sync(one->self, err);
        if (status != IB_OK) return status;
        if (one->class->pack != NULL) one->class->pack(one->self, &state);
        ib__pack_text(out, one->class->name);
        ib__pack_bytes(out, state.data, state.length);
        if (state.failed) out->failed = true;
        ib__buf_free(&state);
    }
    return out->failed ? ib__fail_memory(err) : IB_OK;
}

ib_status ib__callbacks_unpack(ib_callbacks *c, const void *bytes, size_t n, const char *name,
                               ib_error *err) {
    ib_unpack u = {bytes, (const unsigned char *)bytes + n, false};
    bool good = ib__unpack_u64(&u) == c->n;
    for (size_t i = 0; good && i < c->n; i++) {
        size_t length;
        callback *one = &c->all[i];
        good = strcmp(ib__unpack_text(&u), one->class->name) == 0;
        const unsigned char *state = ib__unpack_bytes(&u, &length);
        if (!good || one->class->unpack == NULL || state == NULL) continue;
        ib_unpack inner = {state, state + length, false};
        if (!one->class->unpack(one->self, &inner)) return ib__fail_memory(err);
        good = ib__unpack_done(&inner);
    }
    if (good && ib__unpack_done(&u)) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, name,
                    "expected the state of the experiment's callbacks, found another");
}
