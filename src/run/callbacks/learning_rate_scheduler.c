/* SPDX-License-Identifier: Apache-2.0
 *
 * LearningRateScheduler: sets the learning rate at the beginning of each epoch. In Keras `schedule` is a
 * Python function of the epoch; here it is one of Keras's schedules, whose step is the epoch (from 0). Adds
 * the learning rate to the logs.
 */
#include <stdio.h>

#include "optimizers/schedule.h"
#include "run/callbacks.h"

typedef struct scheduler {
    int64_t verbose;
    ib_schedule *schedule;
    char where[256];
} scheduler;

static const ib_field fields[] = {
    {.key = "schedule", .fallback = NULL, .read = ib__read_anything},
    {.key = "verbose",
     .fallback = "0",
     .read = ib__read_int,
     .offset = offsetof(scheduler, verbose),
     .high = 2},
};

static ib_status open_it(void *self, const ib_value *config, const char *where, ib_error *err) {
    scheduler *c = self;
    const ib_value *schedule = ib__value_get(config, "schedule");
    char place[300];
    snprintf(c->where, sizeof c->where, "%s", where);
    snprintf(place, sizeof place, "%s, schedule", where);
    if (!ib__value_is(schedule, IB_MAP))
        return ib__fail(
            err, IB_BAD_INPUT, place,
            "expected one of Keras's schedules with its settings, as {ExponentialDecay: {...}}; Python "
            "functions are not supported");
    return ib__schedule_new(&c->schedule, schedule, place, err);
}

static ib_status train_begin(void *self, ib_moment *m, ib_error *err) {
    const scheduler *c = self;
    if (ib__optimizer_rate_is_settable(m->trainer->model->optimizer)) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, c->where,
                    "expected an optimizer whose learning_rate is a number, found another");
}

static ib_status epoch_begin(void *self, ib_moment *m, ib_error *err) {
    const scheduler *c = self;
    double rate = ib__schedule_at(c->schedule, (int64_t)m->epoch);
    (void)err;
    ib__optimizer_set_learning_rate(m->trainer->model->optimizer, rate);
    if (c->verbose > 0)
        ib__say(m->options, "Epoch %zu: LearningRateScheduler setting learning rate to %.9g.\n", m->epoch + 1,
                rate);
    return IB_OK;
}

static ib_status epoch_end(void *self, ib_moment *m, ib_error *err) {
    (void)self;
    double rate = ib__optimizer_learning_rate(m->trainer->model->optimizer);
    return ib__logs_set(m->logs, "", "learning_rate", rate) ? IB_OK : ib__fail_memory(err);
}

static void close_it(void *self) {
    ib__schedule_free(((scheduler *)self)->schedule);
}

const ib_callback_class ib__callback_learning_rate_scheduler = {.name = "LearningRateScheduler",
                                                                .fields = fields,
                                                                .n_fields = sizeof fields / sizeof *fields,
                                                                .size = sizeof(scheduler),
                                                                .open = open_it,
                                                                .train_begin = train_begin,
                                                                .epoch_begin = epoch_begin,
                                                                .epoch_end = epoch_end,
                                                                .close = close_it};
