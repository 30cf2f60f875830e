/* SPDX-License-Identifier: Apache-2.0
 *
 * isobit train, verify, audit, diff, publish, compare, show.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"

int run_train(const words *w) {
    ib_error err = {0};
    char digest[72];
    display d = {.terminal = isatty(STDOUT_FILENO) && !w->simple, .quiet = w->quiet, .lines = w->lines};
    if (w->out == NULL) {
        fprintf(stderr, "isobit: train: expected -o RUN, the folder to write\n");
        return EXIT_BAD;
    }
    ib_options options = w->options;
    options.progress = show_progress;
    options.context = &d;
    if (w->quiet || w->lines) options.text = NULL;
    watch_interrupt();
    ib_status status = ib_train(w->plain[0], w->out, &options, digest, &err);
    if (status == IB_OK && w->lines)
        printf("{\"event\": \"result\", \"result\": \"%s\"}\n", digest);
    else if (status == IB_OK)
        printf("result %s\n", digest);
    return finish(status, &err);
}

int run_verify(const words *w) {
    ib_error err = {0};
    return finish(ib_verify(w->plain[0], &w->judgement, &w->options, &err), &err);
}

int run_audit(const words *w) {
    ib_error err = {0};
    return finish(ib_audit(w->plain[0], w->sample, &w->options, &err), &err);
}

int run_publish(const words *w) {
    ib_error err = {0};
    if (w->out == NULL) {
        fprintf(stderr, "isobit: publish: expected -o FOLDER, the folder to write\n");
        return EXIT_BAD;
    }
    return finish(ib_publish(w->plain[0], w->out, &w->options, &err), &err);
}

int run_compare(const words *w) {
    ib_error err = {0};
    return finish(ib_compare(w->plain, (size_t)w->count, &w->options, &err), &err);
}

int run_diff(const words *w) {
    ib_error err = {0};
    return finish(ib_diff(w->plain[0], w->plain[1], &w->options, &err), &err);
}

int run_show(const words *w) {
    ib_error err = {0};
    return finish(ib_show(w->plain[0], &w->options, &err), &err);
}
