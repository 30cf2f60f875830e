/* SPDX-License-Identifier: Apache-2.0
 *
 * What callbacks share: watching a value, paths with values in them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "run/callbacks.h"

/* ---- Watching a value ---- */

/* Keras's metrics for which more is better (their _direction), lower case and without underscores. */
static const char *const upward[] = {"acc",
                                     "accuracy",
                                     "binaryaccuracy",
                                     "categoricalaccuracy",
                                     "sparsecategoricalaccuracy",
                                     "topkcategoricalaccuracy",
                                     "sparsetopkcategoricalaccuracy",
                                     "precision",
                                     "recall",
                                     "auc",
                                     "sensitivityatspecificity",
                                     "specificityatsensitivity",
                                     "precisionatrecall",
                                     "recallatprecision",
                                     "pearsoncorrelation",
                                     "concordancecorrelation",
                                     "f1score",
                                     "fbetascore",
                                     "iou",
                                     "binaryiou",
                                     "meaniou",
                                     "onehotiou",
                                     "onehotmeaniou",
                                     "cosinesimilarity",
                                     "r2score"};
/* Those that say nothing of it. */
static const char *const neutral[] = {"truepositives",  "truenegatives", "falsepositives",
                                      "falsenegatives", "mean",          "sum"};

static bool is_among(const char *name, const char *const *list, size_t n) {
    char plain[128];
    size_t length = 0;
    for (; *name != '\0' && length + 1 < sizeof plain; name++)
        if (*name != '_') plain[length++] = *name;
    plain[length] = '\0';
    for (size_t i = 0; i < n; i++)
        if (ib__same_letters(plain, list[i])) return true;
    return false;
}

static const char *without_val(const char *name) {
    return strncmp(name, "val_", 4) == 0 ? name + 4 : name;
}

/* The direction of a metric by its class. 1: more is better, -1: less, 0: not known. */
static int direction_of(const ib_trainer *t, const char *monitor) {
    const char *name = without_val(monitor);
    if (strcmp(name, "loss") == 0) return -1;
    for (size_t i = 0; i < t->train.n_outputs; i++)
        if (t->train.losses[i].name != NULL && strcmp(t->train.losses[i].name, name) == 0) return -1;
    for (size_t i = 0; i < t->train.n_metrics; i++) {
        const char *class = "";
        const ib_value *config;
        if (strcmp(t->train.metrics[i].name, name) != 0) continue;
        if (ib__serialized_parts(t->train.metrics[i].config, "a metric", "", &class, &config, NULL) != IB_OK)
            return 0;
        if (is_among(class, neutral, sizeof neutral / sizeof *neutral)) return 0;
        return is_among(class, upward, sizeof upward / sizeof *upward) ? 1 : -1;
    }
    return 0;
}

/* All that the logs of an epoch will hold. Those callbacks that add the learning rate add it to all of them.
 */
static ib_status check_name(const ib_moment *m, const char *name, const char *where, ib_error *err) {
    ib_logs logs = {0};
    double value;
    const ib_trainer *t = m->trainer;
    bool good = ib__logs_scores(&logs, &t->train, "") && ib__logs_set(&logs, "", "learning_rate", 0);
    if (good && t->task->validation.data != NULL) good = ib__logs_scores(&logs, &t->held, "val_");
    ib_status status = IB_OK;
    if (!good) {
        status = ib__fail_memory(err);
    } else if (!ib__logs_get(&logs, name, &value)) {
        const char *near = ib__nearest(name, (const char *const *)logs.names, logs.n);
        bool validation = strncmp(name, "val_", 4) == 0 && t->task->validation.data == NULL;
        status = ib__fail(err, IB_BAD_INPUT, where, "monitor: there is no value \"%.60s\"%s%s%s", name,
                          validation     ? ", for there are no data to validate on"
                          : near != NULL ? ", did you mean "
                                         : "",
                          !validation && near != NULL ? near : "", "");
    }
    ib__logs_free(&logs);
    return status;
}

ib_status ib__monitor_begin(ib_monitor *monitor, const ib_moment *m, const char *where, ib_error *err) {
    ib_status status = check_name(m, monitor->name, where, err);
    if (status != IB_OK) return status;
    int direction = monitor->mode == 1   ? -1
                    : monitor->mode == 2 ? 1
                                         : direction_of(m->trainer, monitor->name);
    if (direction == 0)
        return ib__fail(err, IB_BAD_INPUT, where,
                        "mode: for %.60s, auto does not know whether more or less is better; give min or max",
                        monitor->name);
    monitor->down = direction < 0;
    return IB_OK;
}

bool ib__monitor_improves(const ib_monitor *monitor, double value, double reference) {
    if (monitor->down) return (float)(value + monitor->min_delta) < (float)reference;
    return (float)(value - monitor->min_delta) > (float)reference;
}

bool ib__monitor_update(ib_monitor *monitor, double value) {
    if (monitor->has_best && !ib__monitor_improves(monitor, value, monitor->best)) return false;
    monitor->best = value;
    monitor->has_best = true;
    return true;
}

void ib__monitor_pack(const ib_monitor *monitor, ib_buf *out) {
    ib__pack_u64(out, monitor->has_best);
    ib__pack_double(out, monitor->best);
}

void ib__monitor_unpack(ib_monitor *monitor, ib_unpack *u) {
    monitor->has_best = ib__unpack_u64(u) != 0;
    monitor->best = ib__unpack_double(u);
}

/* ---- Paths ---- */

ib_status ib__callback_path_check(const char *path, const char *where, ib_error *err) {
    bool inside = path[0] != '/' && path[0] != '\0';
    for (const char *part = path; inside && part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        inside = !(part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0'));
    }
    if (inside) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected a path within the run's folder, found \"%.80s\"",
                    path);
}

/* "02d", ".3f", "e", "" ...: flags that printf and Python share. */
static bool parse_spec(const char *spec, size_t n, char kinds[8], int *width, int *precision, bool *zero) {
    size_t i = 0;
    *zero = n > 0 && spec[0] == '0';
    *width = 0;
    *precision = -1;
    for (; i < n && spec[i] >= '0' && spec[i] <= '9' && *width < 100; i++)
        *width = *width * 10 + spec[i] - '0';
    if (i < n && spec[i] == '.') {
        *precision = 0;
        for (i++; i < n && spec[i] >= '0' && spec[i] <= '9' && *precision < 100; i++)
            *precision = *precision * 10 + spec[i] - '0';
    }
    kinds[0] = i < n ? spec[i++] : '\0';
    return i == n && *width < 100 && *precision < 100 &&
           (kinds[0] == '\0' || strchr("defg", kinds[0]) != NULL);
}

static bool put_value(ib_buf *out, double value, bool whole, const char *spec, size_t n) {
    char kinds[8];
    int width, precision;
    bool zero;
    if (!parse_spec(spec, n, kinds, &width, &precision, &zero)) return false;
    if (whole && (kinds[0] == '\0' || kinds[0] == 'd')) {
        if (precision >= 0) return false;
        ib__buf_printf(out, zero ? "%0*lld" : "%*lld", width, (long long)value);
        return true;
    }
    char number[32];
    ib__number_python(number, value);
    if (n == 0) return ib__buf_text(out, number);
    if (precision < 0) precision = 6;
    if (kinds[0] == 'e')
        ib__buf_printf(out, zero ? "%0*.*e" : "%*.*e", width, precision, value);
    else if (kinds[0] == 'f')
        ib__buf_printf(out, zero ? "%0*.*f" : "%*.*f", width, precision, value);
    else if (kinds[0] == 'g')
        ib__buf_printf(out, zero ? "%0*.*g" : "%*.*g", width, precision, value);
    else
        return false;
    return true;
}

static bool is_count(const char *name) {
    return strcmp(name, "epoch") == 0 || strcmp(name, "batch") == 0;
}

/* The field that begins at `at`, after its "{"; gives where it ends, NULL: it is not understood. */
static const char *put_field(ib_buf *out, const char *at, const ib_logs *values) {
    char name[128];
    const char *end = strchr(at, '}');
    if (end == NULL) return NULL;
    size_t n = strcspn(at, ":}");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), at);
    const char *spec = at[n] == ':' ? at + n + 1 : end;
    double value;
    if (!ib__logs_get(values, name, &value)) return NULL;
    return put_value(out, value, is_count(name), spec, (size_t)(end - spec)) ? end + 1 : NULL;
}

ib_status ib__callback_format(char **out, const char *pattern, const ib_logs *values, const char *where,
                              ib_error *err) {
    ib_buf text = {0};
    const char *at = pattern;
    while (at != NULL && *at != '\0') {
        const char *brace = strpbrk(at, "{}");
        if (brace == NULL) brace = at + strlen(at);
        ib__buf_add(&text, at, (size_t)(brace - at));
        if (*brace == '\0') break;
        if (brace[0] == brace[1]) {
            ib__buf_add(&text, brace, 1);
            at = brace + 2;
        } else {
            at = *brace == '{' ? put_field(&text, brace + 1, values) : NULL;
        }
    }
    ib__buf_text(&text, "");
    if (at != NULL && !text.failed) {
        *out = text.data;
        return IB_OK;
    }
    bool failed = text.failed;
    ib__buf_free(&text);
    if (failed) return ib__fail_memory(err);
    return ib__fail(
        err, IB_BAD_INPUT, where,
        "\"%.80s\" cannot be formatted: expected fields such as {epoch:02d} or {loss:.2f} of values that "
        "there are",
        pattern);
}

ib_status ib__callback_file(char **out, const char *folder, const char *path, ib_error *err) {
    char *whole = ib__path_join(folder, path);
    if (whole == NULL) return ib__fail_memory(err);
    char *slash = strrchr(whole, '/');
    *slash = '\0';
    ib_status status = ib__folder_make(whole, err);
    *slash = '/';
    if (status == IB_OK)
        *out = whole;
    else
        free(whole);
    return status;
}

ib_status ib__read_frequency(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    (void)canonical;
    bool batch = ib__value_is_string(value, "batch");
    if (ib__value_is_string(value, "epoch") || batch) {
        *(int64_t *)out = batch;
        if (!batch || field->low < 1) return IB_OK;
    } else if (value->kind == IB_INT && value->integer > 0) {
        *(int64_t *)out = value->integer;
        return IB_OK;
    }
    char found[64];
    ib__value_describe(found, value);
    return ib__fail(err, IB_BAD_INPUT, where, "expected \"epoch\" or a number of steps, found %s", found);
}
