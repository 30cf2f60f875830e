/* SPDX-License-Identifier: Apache-2.0
 *
 * ReduceLROnPlateau: multiplies the learning rate by `factor` when a value has not become better for
 * `patience` epochs. Adds the learning rate to the logs.
 */
#include <stdio.h>

#include "run/callbacks.h"

typedef struct plateau {
    double factor, min_delta, min_lr;
    int64_t patience, verbose, cooldown;
    int mode;
    ib_monitor monitor;
    char where[256];
    uint64_t wait, cooling;
} plateau;

#define AT(member) .offset = offsetof(plateau, member)
static const ib_field fields[] = {
    {.key = "monitor", .fallback = "\"val_loss\"", .read = ib__read_name},
    {.key = "factor", .fallback = "0.1", .read = ib__read_real, AT(factor), .high = 1},
    {.key = "patience", .fallback = "10", .read = ib__read_int, AT(patience), .high = 1e9},
    {.key = "verbose", .fallback = "0", .read = ib__read_int, AT(verbose), .high = 2},
    {.key = "mode", .fallback = "\"auto\"", .read = ib__read_choice, AT(mode), .choices = IB_MONITOR_MODES},
    {.key = "min_delta",
     .fallback = "0.0001",
     .read = ib__read_real,
     AT(min_delta),
     .low = -1e300,
     .high = 1e300},
    {.key = "cooldown", .fallback = "0", .read = ib__read_int, AT(cooldown), .high = 1e9},
    {.key = "min_lr", .fallback = "0.0", .read = ib__read_real, AT(min_lr), .high = 1e300},
};

static ib_status open_it(void *self, const ib_value *config, const char *where, ib_error *err) {
    plateau *c = self;
    snprintf(c->where, sizeof c->where, "%s", where);
    c->monitor = (ib_monitor){.name = ib__value_get(config, "monitor")->string,
                              .mode = c->mode,
                              .min_delta = c->min_delta < 0 ? -c->min_delta : c->min_delta};
    return c->factor < 1 ? IB_OK : ib__fail(err, IB_BAD_INPUT, where, "factor: expected a number below 1");
}

static ib_status train_begin(void *self, ib_moment *m, ib_error *err) {
    plateau *c = self;
    if (!ib__optimizer_rate_is_settable(m->trainer->model->optimizer))
        return ib__fail(err, IB_BAD_INPUT, c->where,
                        "expected an optimizer whose learning_rate is a number, found another");
    return ib__monitor_begin(&c->monitor, m, c->where, err);
}

/* false: the rate is as low as it may get. */
static bool reduce(const plateau *c, const ib_moment *m) {
    ib_optimizer *optimizer = m->trainer->model->optimizer;
    double rate = ib__optimizer_learning_rate(optimizer);
    if (!(rate > (double)(float)c->min_lr)) return false;
    rate = rate * c->factor;
    if (rate < c->min_lr) rate = c->min_lr;
    ib__optimizer_set_learning_rate(optimizer, rate);
    if (c->verbose > 0)
        ib__say(m->options, "Epoch %zu: ReduceLROnPlateau reducing learning rate to %.9g.\n", m->epoch + 1,
                rate);
    return true;
}

static ib_status epoch_end(void *self, ib_moment *m, ib_error *err) {
    plateau *c = self;
    double current;
    if (!ib__logs_set(m->logs, "", "learning_rate",
                      ib__optimizer_learning_rate(m->trainer->model->optimizer)))
        return ib__fail_memory(err);
    if (!ib__logs_get(m->logs, c->monitor.name, &current)) return IB_OK;
    if (c->cooling > 0) {
        c->cooling--;
        c->wait = 0;
    }
    if (ib__monitor_update(&c->monitor, current)) {
        c->wait = 0;
    } else if (c->cooling == 0 && ++c->wait >= (uint64_t)c->patience && reduce(c, m)) {
        c->cooling = (uint64_t)c->cooldown;
        c->wait = 0;
    }
    return IB_OK;
}

static void pack(const void *self, ib_buf *out) {
    const plateau *c = self;
    ib__monitor_pack(&c->monitor, out);
    ib__pack_u64(out, c->wait);
    ib__pack_u64(out, c->cooling);
}

static bool unpack(void *self, ib_unpack *u) {
    plateau *c = self;
    ib__monitor_unpack(&c->monitor, u);
    c->wait = ib__unpack_u64(u);
    c->cooling = ib__unpack_u64(u);
    return true;
}

const ib_callback_class ib__callback_reduce_lr_on_plateau = {.name = "ReduceLROnPlateau",
                                                             .fields = fields,
                                                             .n_fields = sizeof fields / sizeof *fields,
                                                             .size = sizeof(plateau),
                                                             .open = open_it,
                                                             .train_begin = train_begin,
                                                             .epoch_end = epoch_end,
                                                             .pack = pack,
                                                             .unpack = unpack};
