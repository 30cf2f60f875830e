/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress as Keras shows it: a bar on a terminal, a line an epoch otherwise.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "interrupt.h"

#define BAR_WIDTH 20
#define REDRAW_SECONDS 0.05

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

void watch_interrupt(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    action.sa_flags = (int)SA_RESETHAND; /* a second Ctrl-C ends at once */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void print_scores(const ib_progress *p) {
    for (size_t i = 0; i < p->count; i++) {
        double value = p->values[i], size = value < 0 ? -value : value;
        printf(size > 1e-3 ? " - %s: %.4f" : " - %s: %.4e", p->names[i], value);
    }
}

static void print_bar(const ib_progress *p) {
    int digits = snprintf(NULL, 0, "%zu", p->steps);
    size_t full = p->steps > 0 ? BAR_WIDTH * p->step / p->steps : BAR_WIDTH;
    printf("\r\033[K\033[1m%*zu/%zu\033[0m \033[32m", digits, p->step, p->steps);
    for (size_t i = 0; i < full; i++)
        printf("\u2501");
    printf("\033[0m\033[37m");
    for (size_t i = full; i < BAR_WIDTH; i++)
        printf("\u2501");
    printf("\033[0m");
}

static void print_time(const ib_progress *p) {
    double step = p->step > 0 ? p->seconds / (double)p->step : 0;
    if (p->epoch_end) {
        printf(" \033[1m%.0fs\033[0m", p->seconds);
    } else {
        unsigned long left = (unsigned long)(step * (double)(p->steps - p->step));
        if (left > 3600)
            printf(" \033[1m%lu:%02lu:%02lu\033[0m", left / 3600, left % 3600 / 60, left % 60);
        else if (left > 60)
            printf(" \033[1m%lu:%02lu\033[0m", left / 60, left % 60);
        else
            printf(" \033[1m%lus\033[0m", left);
    }
    if (step >= 1 || step == 0)
        printf(" %.0fs/step", step);
    else if (step >= 1e-3)
        printf(" %.0fms/step", step * 1e3);
    else
        printf(" %.0fus/step", step * 1e6);
}

static void show_on_terminal(display *d, const ib_progress *p) {
    if (p->step == 0) {
        printf("Epoch %zu/%zu\n", p->epoch, p->epochs);
        d->drawn = -1;
        return;
    }
    if (!p->epoch_end && d->drawn >= 0 && p->seconds - d->drawn < REDRAW_SECONDS) return;
    d->drawn = p->seconds;
    print_bar(p);
    print_time(p);
    print_scores(p);
    if (p->epoch_end) printf("\n");
    fflush(stdout);
}

/* Names are those of metrics: whatever JSON would not take as it is, is left out of them. Numbers that JSON
 * does not know are null. */
static void print_event(const ib_progress *p) {
    const char *event = p->step == 0 ? "epoch_begin" : p->epoch_end ? "epoch_end" : "step";
    printf("{\"event\": \"%s\", \"epoch\": %zu, \"epochs\": %zu, \"step\": %zu, \"steps\": %zu, \"seconds\": "
           "%.6f",
           event, p->epoch, p->epochs, p->step, p->steps, p->seconds);
    for (size_t i = 0; i < p->count; i++) {
        printf(", \"");
        for (const char *c = p->names[i]; *c != '\0'; c++)
            if (*c != '"' && *c != '\\' && (unsigned char)*c >= ' ') putchar(*c);
        if (p->values[i] - p->values[i] == 0)
            printf("\": %.17g", p->values[i]);
        else
            printf("\": null");
    }
    printf("}\n");
    fflush(stdout);
}

int show_progress(void *context, const ib_progress *p) {
    display *d = context;
    if (d->quiet) return interrupted;
    if (d->lines) {
        print_event(p);
        return interrupted;
    }
    if (d->terminal) {
        show_on_terminal(d, p);
    } else if (p->epoch_end) {
        printf("Epoch %zu/%zu - %.1fs", p->epoch, p->epochs, p->seconds);
        print_scores(p);
        printf("\n");
        fflush(stdout);
    }
    return interrupted;
}

void print_text(void *context, const char *text) {
    (void)context;
    fputs(text, stdout);
    fflush(stdout);
}
