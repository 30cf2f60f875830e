/* SPDX-License-Identifier: Apache-2.0
 *
 * Training with a record.
 */
#include "run/commands.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

void ib__say(const ib_options *options, const char *format, ...) {
    char text[2048];
    if (options->text == NULL) return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    options->text(options->context, text);
}

double ib__bits_value(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static void begin_timing(ib_timing *timing, struct timespec *began) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(timing->started, sizeof timing->started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    clock_gettime(CLOCK_MONOTONIC, began);
}

static double since(const struct timespec *began) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began->tv_sec) + 1e-9 * (double)(now.tv_nsec - began->tv_nsec);
}

static ib_status fit_and_write(ib_task *task, const char *run, const ib_runtime *runtime,
                               const ib_options *options, ib_trace *trace, ib_error *err) {
    ib_timing timing;
    struct timespec began;
    ib_fit_hooks hooks = {.options = options};
    begin_timing(&timing, &began);
    ib_status status = ib__fit(task, runtime, &hooks, trace, err);
    timing.seconds = since(&began);
    if (status == IB_OK) status = ib__record_write(run, task, trace, runtime, &timing, err);
    return status;
}

static void say_test(const ib_trace *trace, const ib_options *options) {
    for (size_t i = 0; i < trace->n_test; i++)
        ib__say(options, "%s%s: %.4f%s", i == 0 ? "Test - " : " - ", trace->test_names[i], trace->test[i],
                i + 1 == trace->n_test ? "\n" : "");
}

ib_status ib__train(const char *path, const char *run, const ib_options *options, char digest[72],
                    ib_error *err) {
    ib_experiment *experiment = NULL;
    ib_task *task = NULL;
    ib_trace trace = {0};
    ib_runtime runtime;
    bool prepared = false, made = false;
    ib_status status = ib__runtime_init(&runtime, options->threads, options->isa, err);
    if (status == IB_OK) status = ib__experiment_read(&experiment, path, err);
    if (status == IB_OK) status = ib__task_open(&task, experiment, err);
    if (status == IB_OK) {
        status = ib__record_prepare(run, &made, err);
        prepared = true;
    }
    if (status == IB_OK && experiment->seed_drawn)
        ib__say(options, "no seed given, drawn: seed: %lld\n", (long long)experiment->seed);
    if (status == IB_OK) status = fit_and_write(task, run, &runtime, options, &trace, err);
    if (status == IB_OK) {
        say_test(&trace, options);
        if (digest != NULL) {
            char hex[65];
            ib__digest_hex(hex, &trace.result);
            snprintf(digest, 72, "sha256:%s", hex);
        }
    } else if (prepared) {
        ib__record_abandon(run, made);
    }
    ib__trace_free(&trace);
    ib__task_free(task);
    ib__experiment_free(experiment);
    return status;
}
