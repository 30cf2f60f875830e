/* SPDX-License-Identifier: Apache-2.0
 *
 * EarlyStopping: ends training when a value has not become better for `patience` epochs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/callbacks.h"
#include "run/state.h"

typedef struct early_stopping {
    double min_delta, baseline;
    int64_t patience, verbose, start_from_epoch;
    int mode;
    bool restore;
    ib_monitor monitor;
    char where[256];
    uint64_t wait, best_epoch, stopped_epoch;
    float *weights; /* of the best epoch, one weight after the other; NULL: none yet */
    size_t n_weights;
} early_stopping;

#define AT(member) .offset = offsetof(early_stopping, member)
static const ib_field fields[] = {
    {.key = "monitor", .fallback = "\"val_loss\"", .read = ib__read_name},
    {.key = "min_delta",
     .fallback = "0.0",
     .read = ib__read_real,
     AT(min_delta),
     .low = -1e300,
     .high = 1e300},
    {.key = "patience", .fallback = "0", .read = ib__read_int, AT(patience), .high = 1e9},
    {.key = "verbose", .fallback = "0", .read = ib__read_int, AT(verbose), .high = 2},
    {.key = "mode", .fallback = "\"auto\"", .read = ib__read_choice, AT(mode), .choices = IB_MONITOR_MODES},
    {.key = "baseline",
     .fallback = "null",
     .read = ib__read_optional_real,
     AT(baseline),
     .low = -1e300,
     .high = 1e300},
    {.key = "restore_best_weights", .fallback = "false", .read = ib__read_bool, AT(restore)},
    {.key = "start_from_epoch", .fallback = "0", .read = ib__read_int, AT(start_from_epoch), .high = 1e9},
};

static ib_status open_it(void *self, const ib_value *config, const char *where, ib_error *err) {
    early_stopping *c = self;
    (void)err;
    snprintf(c->where, sizeof c->where, "%s", where);
    c->monitor = (ib_monitor){.name = ib__value_get(config, "monitor")->string,
                              .mode = c->mode,
                              .min_delta = c->min_delta < 0 ? -c->min_delta : c->min_delta};
    return IB_OK;
}

static ib_status train_begin(void *self, ib_moment *m, ib_error *err) {
    early_stopping *c = self;
    return ib__monitor_begin(&c->monitor, m, c->where, err);
}

/* Copies all weights into one array (out) or back. Gives how many numbers they have. */
static size_t copy_weights(const ib_trainer *t, float *out, const float *in) {
    size_t n = 0;
    for (size_t i = 0; i < t->n_weights; i++) {
        const ib_variable *v = &t->weights[i]->variable;
        size_t count = (size_t)ib__shape_elements(&v->shape);
        if (out != NULL) memcpy(out + n, v->data, count * sizeof(float));
        if (in != NULL) memcpy(v->data, in + n, count * sizeof(float));
        n += count;
    }
    return n;
}

static ib_status remember(early_stopping *c, const ib_trainer *t, ib_error *err) {
    if (c->weights == NULL) {
        c->n_weights = copy_weights(t, NULL, NULL);
        c->weights = calloc(c->n_weights + 1, sizeof *c->weights);
        if (c->weights == NULL) return ib__fail_memory(err);
    }
    copy_weights(t, c->weights, NULL);
    return IB_OK;
}

static ib_status epoch_end(void *self, ib_moment *m, ib_error *err) {
    early_stopping *c = self;
    double current;
    ib_status status = IB_OK;
    if (!ib__logs_get(m->logs, c->monitor.name, &current) || m->epoch < (size_t)c->start_from_epoch)
        return IB_OK;
    if (c->restore && c->weights == NULL) {
        c->best_epoch = m->epoch;
        status = remember(c, m->trainer, err);
    }
    c->wait++;
    if (ib__monitor_update(&c->monitor, current)) {
        c->best_epoch = m->epoch;
        if (status == IB_OK && c->restore) status = remember(c, m->trainer, err);
        bool beats = c->baseline != c->baseline || ib__monitor_improves(&c->monitor, current, c->baseline);
        if (beats) c->wait = 0;
        return status;
    }
    if (c->wait >= (uint64_t)c->patience && m->epoch > 0) {
        c->stopped_epoch = m->epoch;
        m->stop = true;
    }
    return status;
}

static ib_status train_end(void *self, ib_moment *m, ib_error *err) {
    early_stopping *c = self;
    (void)err;
    if (c->stopped_epoch > 0 && c->verbose > 0)
        ib__say(m->options, "Epoch %llu: early stopping\n", (unsigned long long)c->stopped_epoch + 1);
    if (c->weights == NULL) return IB_OK;
    if (c->verbose > 0)
        ib__say(m->options, "Restoring model weights from the end of the best epoch: %llu.\n",
                (unsigned long long)c->best_epoch + 1);
    copy_weights(m->trainer, NULL, c->weights);
    return IB_OK;
}

static void pack(const void *self, ib_buf *out) {
    const early_stopping *c = self;
    ib__monitor_pack(&c->monitor, out);
    ib__pack_u64(out, c->wait);
    ib__pack_u64(out, c->best_epoch);
    ib__pack_u64(out, c->stopped_epoch);
    ib__pack_u64(out, c->weights == NULL ? 0 : c->n_weights);
    if (c->weights != NULL) ib__pack_floats(out, c->weights, c->n_weights);
}

static bool unpack(void *self, ib_unpack *u) {
    early_stopping *c = self;
    ib__monitor_unpack(&c->monitor, u);
    c->wait = ib__unpack_u64(u);
    c->best_epoch = ib__unpack_u64(u);
    c->stopped_epoch = ib__unpack_u64(u);
    c->n_weights = ib__unpack_count(u, (size_t)(u->end - u->at) / 4);
    if (u->failed || c->n_weights == 0) return true;
    c->weights = calloc(c->n_weights, sizeof *c->weights);
    if (c->weights == NULL) return false;
    ib__unpack_floats(u, c->weights, c->n_weights);
    return true;
}

static void close_it(void *self) {
    free(((early_stopping *)self)->weights);
}

const ib_callback_class ib__callback_early_stopping = {.name = "EarlyStopping",
                                                       .fields = fields,
                                                       .n_fields = sizeof fields / sizeof *fields,
                                                       .size = sizeof(early_stopping),
                                                       .open = open_it,
                                                       .train_begin = train_begin,
                                                       .epoch_end = epoch_end,
                                                       .train_end = train_end,
                                                       .pack = pack,
                                                       .unpack = unpack,
                                                       .close = close_it};
