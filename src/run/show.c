/* SPDX-License-Identifier: Apache-2.0
 *
 * Text about runs, machines and kernels.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/speed/speed.h"
#include "run/chart.h"
#include "run/commands.h"
#include "run/env.h"

/* A value in a few words: text without quotes, everything else as JSON. */
static void say_value(const ib_options *options, const char *key, const ib_value *value) {
    ib_buf text = {0};
    if (value == NULL) return;
    if (value->kind == IB_LIST) {
        for (size_t i = 0; i < value->count; i++) {
            if (i > 0) ib__buf_text(&text, " ");
            if (value->items[i]->kind == IB_STRING)
                ib__buf_text(&text, value->items[i]->string);
            else
                ib__json_write(&text, value->items[i], IB_JSON_CANONICAL);
        }
    } else if (value->kind == IB_STRING) {
        ib__buf_text(&text, value->string);
    } else {
        ib__json_write(&text, value, IB_JSON_CANONICAL);
    }
    ib__say(options, "%-14s %.1500s\n", key, text.failed || text.data == NULL ? "" : text.data);
    ib__buf_free(&text);
}

static void say_map(const ib_options *options, const ib_value *map) {
    for (size_t i = 0; map != NULL && i < map->count; i++)
        say_value(options, map->keys[i], map->items[i]);
}

ib_status ib__env_print(const ib_options *options, ib_error *err) {
    ib_value *env = ib__env();
    if (env == NULL) return ib__fail_memory(err);
    for (size_t i = 0; i < env->count; i++) {
        ib__say(options, "%s%s\n", i > 0 ? "\n" : "", env->keys[i]);
        say_map(options, env->items[i]);
    }
    ib__value_free(env);
    return IB_OK;
}

static void say_product_ways(const ib_options *options, const ib_kernels *kernels, size_t threads) {
    char text[IB_SHAPE_TEXT], way[IB_WAY_TEXT];
    ib__say(options, "\n");
    for (size_t i = 0; i <= ib__product_shapes_count; i++) { /* the heads first */
        const ib_product_shape *s = i > 0 ? &ib__product_shapes[i - 1] : NULL;
        ib__product_text(s, text);
        ib__product_way(kernels, s, threads, way);
        ib__say(options, "%-39s  %s\n", text, way);
    }
}

static ib_status say_conv_ways(const ib_options *options, const ib_kernels *kernels, size_t threads,
                               ib_error *err) {
    char text[IB_SHAPE_TEXT], way[IB_WAY_TEXT];
    ib__conv_text(NULL, IB_CONV_FORWARD, text);
    (void)ib__convolution_way(kernels, NULL, IB_CONV_FORWARD, threads, way);
    ib__say(options, "\n%-52s  %s\n", text, way);
    for (size_t i = 0; i < ib__conv_shapes_count; i++)
        for (int pass = 0; pass < IB_CONV_PASSES; pass++) {
            const ib_conv_shape *s = &ib__conv_shapes[i];
            if (!ib__convolution_way(kernels, s, (ib_conv_pass)pass, threads, way))
                return ib__fail_memory(err);
            ib__conv_text(s, (ib_conv_pass)pass, text);
            ib__say(options, "%-52s  %s\n", text, way);
        }
    return IB_OK;
}

ib_status ib__kernels_print(const ib_options *options, ib_error *err) {
    ib_runtime runtime;
    ib_status status = ib__runtime_init(&runtime, options->threads, options->isa, err);
    if (status != IB_OK) return status;
    for (int i = 0; i < IB_ISA_COUNT; i++)
        ib__say(options, "%-8s %s\n", ib__isa_name((ib_isa)i),
                !ib__isa_available((ib_isa)i) ? "not on this CPU or build"
                : (ib_isa)i == runtime.isa    ? "available, used"
                                              : "available");
    ib__say(options, "\nHow they go about some shapes (threads: %zu); no bit depends on it.\n",
            runtime.threads);
    const ib_kernels *kernels = ib__kernels_for(runtime.isa);
    say_product_ways(options, kernels, runtime.threads);
    return say_conv_ways(options, kernels, runtime.threads, err);
}

static void say_history(const ib_options *options, const ib_value *history) {
    if (history == NULL || history->count == 0) return;
    ib__say(options, "\n%-6s", "epoch");
    for (size_t i = 0; i < history->count; i++)
        ib__say(options, " %14.14s", history->keys[i]);
    ib__say(options, "\n");
    for (size_t k = 0; ib__value_at(history->items[0], k) != NULL; k++) {
        ib__say(options, "%-6zu", k + 1);
        for (size_t i = 0; i < history->count; i++) {
            double value = 0;
            if (ib__value_number(ib__value_at(history->items[i], k), &value))
                ib__say(options, " %14.6g", value);
            else
                ib__say(options, " %14s", "-");
        }
        ib__say(options, "\n");
    }
}

/* A small curve for each column: the first value, the curve, the last. */
static void say_curves(const ib_options *options, const ib_value *history) {
    for (size_t i = 0; history != NULL && i < history->count; i++) {
        const ib_value *column = history->items[i];
        double *y = calloc(column->count + 1, sizeof *y);
        ib_buf curve = {0};
        for (size_t k = 0; y != NULL && k < column->count; k++)
            if (!ib__value_number(column->items[k], &y[k])) y[k] = 0;
        if (y != NULL && column->count > 1) {
            ib__chart_blocks(&curve, y, column->count, 40);
            ib__say(options, "%s%-20.20s %10.5g %s %.5g\n", i == 0 ? "\n" : "", history->keys[i], y[0],
                    curve.data != NULL ? curve.data : "", y[column->count - 1]);
        }
        ib__buf_free(&curve);
        free(y);
    }
}

static void say_test(const ib_options *options, const ib_value *test) {
    for (size_t i = 0; test != NULL && i < test->count; i++) {
        double value = 0;
        if (!ib__value_number(test->items[i], &value)) continue;
        ib__say(options, "%s%s: %.6g%s", i == 0 ? "test   " : " - ", test->keys[i], value,
                i + 1 == test->count ? "\n" : "");
    }
}

ib_status ib__show(const char *run, const ib_options *options, ib_error *err) {
    ib_record *r = NULL;
    ib_status status = ib__record_read(&r, run, err);
    if (status != IB_OK) return status;
    static const char *const first[] = {"file", "experiment_sha256", "seed",
                                        "goal", "contract",          "git_commit"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        say_value(options, i == 1 ? "sha256" : first[i], ib__value_get(r->tree, first[i]));
    const ib_value *inputs = ib__value_get(r->tree, "inputs");
    for (size_t i = 0; i < inputs->count; i++)
        for (size_t k = 0; k < inputs->items[i]->count; k++)
            say_value(options, k == 0 ? "input" : inputs->items[i]->keys[k], inputs->items[i]->items[k]);
    const ib_value *results = ib__value_get(r->tree, "results"), *env = ib__value_get(r->tree, "environment");
    say_map(options, ib__value_get(r->tree, "timing"));
    say_map(options, ib__value_get(env, "used"));
    say_value(options, "cpu", ib__value_get(ib__value_get(env, "cpu"), "model"));
    say_value(options, "parameters", ib__value_get(results, "parameters"));
    say_value(options, "steps", ib__value_get(results, "steps"));
    say_history(options, ib__value_get(results, "history"));
    say_curves(options, ib__value_get(results, "history"));
    say_test(options, ib__value_get(results, "test"));
    ib__say(options, "result sha256:%s\n", ib__value_get(r->tree, "result")->string);
    ib__record_free(r);
    return IB_OK;
}
