/* SPDX-License-Identifier: Apache-2.0
 *
 * isobit evaluate, predict, summary, data, env, kernels, bench.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

static ib_data data_of(const words *w) {
    ib_data data = {.experiment = w->experiment,
                    .part = w->part,
                    .file = w->data,
                    .x = w->x,
                    .y = w->y,
                    .batch_size = w->batch_size,
                    .weights = w->weights};
    return data;
}

/* "loss: 0.1234 - accuracy: 0.9700" */
static int print_result(void *context, const ib_progress *p) {
    (void)context;
    for (size_t i = 0; i < p->count; i++)
        printf("%s%s: %.4f", i > 0 ? " - " : "", p->names[i], p->values[i]);
    printf("\n");
    return 0;
}

int run_evaluate(const words *w) {
    ib_error err = {0};
    ib_data data = data_of(w);
    ib_options options = w->options;
    options.progress = print_result;
    return finish(ib_evaluate(w->plain[0], &data, &options, &err), &err);
}

int run_predict(const words *w) {
    ib_error err = {0};
    ib_data data = data_of(w);
    if (w->out == NULL) {
        fprintf(stderr, "isobit: predict: expected -o FILE, .npy or .csv\n");
        return EXIT_BAD;
    }
    return finish(ib_predict(w->plain[0], &data, w->out, &w->options, &err), &err);
}

int run_summary(const words *w) {
    ib_error err = {0};
    return finish(ib_summary(w->plain[0], &w->options, &err), &err);
}

int run_data(const words *w) {
    ib_error err = {0};
    return finish(ib_data_look(w->plain[0], &w->look, &w->options, &err), &err);
}

int run_env(const words *w) {
    ib_error err = {0};
    if (w->check != NULL) return finish(ib_env_check(w->check, &w->options, &err), &err);
    if (w->lock) return finish(ib_env_lock(w->out, &w->options, &err), &err);
    return finish(ib_env(&w->options, &err), &err);
}

int run_kernels(const words *w) {
    ib_error err = {0};
    return finish(ib_kernels_list(&w->options, &err), &err);
}

int run_bench(const words *w) {
    ib_error err = {0};
    return finish(ib_bench(w->plain[0], &w->options, &err), &err);
}
