/* SPDX-License-Identifier: Apache-2.0
 *
 * ModelCheckpoint: saves the model or its weights at the ends of epochs or each N steps, always or when a
 * value is better than before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/callbacks.h"

typedef struct saver {
    const char *filepath;
    int64_t verbose, frequency; /* 0: epochs */
    int mode;
    bool best_only, weights_only;
    double threshold;
    ib_monitor monitor;
    char where[256];
    uint64_t seen; /* steps since the last file */
} saver;

#define AT(member) .offset = offsetof(saver, member)
static const ib_field fields[] = {
    {.key = "filepath", .fallback = NULL, .read = ib__read_name},
    {.key = "monitor", .fallback = "\"val_loss\"", .read = ib__read_name},
    {.key = "verbose", .fallback = "0", .read = ib__read_int, AT(verbose), .high = 2},
    {.key = "save_best_only", .fallback = "false", .read = ib__read_bool, AT(best_only)},
    {.key = "save_weights_only", .fallback = "false", .read = ib__read_bool, AT(weights_only)},
    {.key = "mode", .fallback = "\"auto\"", .read = ib__read_choice, AT(mode), .choices = IB_MONITOR_MODES},
    {.key = "save_freq", .fallback = "\"epoch\"", .read = ib__read_frequency, AT(frequency)},
    {.key = "initial_value_threshold",
     .fallback = "null",
     .read = ib__read_optional_real,
     AT(threshold),
     .low = -1e300,
     .high = 1e300},
};

static bool ends_in(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static ib_status open_it(void *self, const ib_value *config, const char *where, ib_error *err) {
    saver *c = self;
    c->filepath = ib__value_get(config, "filepath")->string;
    snprintf(c->where, sizeof c->where, "%s", where);
    c->monitor = (ib_monitor){.name = ib__value_get(config, "monitor")->string, .mode = c->mode};
    if (c->threshold == c->threshold) {
        c->monitor.best = c->threshold;
        c->monitor.has_best = true;
    }
    const char *end = c->weights_only ? ".weights.h5" : ".keras";
    if (!ends_in(c->filepath, end))
        return ib__fail(err, IB_BAD_INPUT, where,
                        "filepath: expected a name that ends in %s, found \"%.80s\"", end, c->filepath);
    return ib__callback_path_check(c->filepath, where, err);
}

static ib_status train_begin(void *self, ib_moment *m, ib_error *err) {
    saver *c = self;
    return c->best_only ? ib__monitor_begin(&c->monitor, m, c->where, err) : IB_OK;
}

static ib_status write_file(const saver *c, const ib_moment *m, const ib_logs *values, ib_error *err) {
    char *name = NULL, *path = NULL;
    ib_status status = ib__callback_format(&name, c->filepath, values, c->where, err);
    if (status == IB_OK) status = ib__callback_path_check(name, c->where, err);
    if (status == IB_OK) status = ib__callback_file(&path, m->folder, name, err);
    if (status == IB_OK)
        status = c->weights_only ? ib__weights_save(m->trainer->model, path, err)
                                 : ib__keras_save(m->trainer->model, path, err);
    if (status == IB_OK && c->verbose > 0)
        ib__say(m->options, "Epoch %zu: saving model to %s\n", m->epoch + 1, name);
    free(name);
    free(path);
    return status;
}

/* values: the logs, to which the counts are added (from 1, as Keras does). */
static ib_status save(saver *c, ib_moment *m, const ib_logs *logs, bool batch, ib_error *err) {
    ib_logs values = {0};
    double current = 0;
    bool known = ib__logs_get(logs, c->monitor.name, &current);
    if (c->best_only && known && !ib__monitor_update(&c->monitor, current)) return IB_OK;
    bool good = ib__logs_set(&values, "", "epoch", (double)(m->epoch + 1));
    if (good && batch) good = ib__logs_set(&values, "", "batch", (double)m->step);
    for (size_t i = 0; good && i < logs->n; i++)
        good = ib__logs_set(&values, "", logs->names[i], logs->values[i]);
    ib_status status = good ? write_file(c, m, &values, err) : ib__fail_memory(err);
    ib__logs_free(&values);
    return status;
}

static ib_status step_end(void *self, ib_moment *m, ib_error *err) {
    saver *c = self;
    ib_logs logs = {0};
    if (c->frequency == 0 || ++c->seen < (uint64_t)c->frequency) return IB_OK;
    c->seen = 0;
    bool good = ib__logs_scores(&logs, &m->trainer->train, "");
    ib_status status = good ? save(c, m, &logs, true, err) : ib__fail_memory(err);
    ib__logs_free(&logs);
    return status;
}

static ib_status epoch_end(void *self, ib_moment *m, ib_error *err) {
    saver *c = self;
    return c->frequency == 0 ? save(c, m, m->logs, false, err) : IB_OK;
}

static void pack(const void *self, ib_buf *out) {
    const saver *c = self;
    ib__monitor_pack(&c->monitor, out);
    ib__pack_u64(out, c->seen);
}

static bool unpack(void *self, ib_unpack *u) {
    saver *c = self;
    ib__monitor_unpack(&c->monitor, u);
    c->seen = ib__unpack_u64(u);
    return true;
}

const ib_callback_class ib__callback_model_checkpoint = {.name = "ModelCheckpoint",
                                                         .fields = fields,
                                                         .n_fields = sizeof fields / sizeof *fields,
                                                         .size = sizeof(saver),
                                                         .writes = true,
                                                         .open = open_it,
                                                         .train_begin = train_begin,
                                                         .step_end = step_end,
                                                         .epoch_end = epoch_end,
                                                         .pack = pack,
                                                         .unpack = unpack};
