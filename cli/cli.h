/* SPDX-License-Identifier: Apache-2.0
 *
 * The command `isobit`: one function a command, on top of the public header alone.
 */
#ifndef IB_CLI_H
#define IB_CLI_H

#include <stdbool.h>

#include "isobit.h"

#define EXIT_SAME 0
#define EXIT_DIFFERS 1
#define EXIT_BAD 2

#define WORDS_MAX 256

/* What the words of a command line gave. */
typedef struct words {
    const char *plain[WORDS_MAX]; /* words that are no options, in order */
    int count;
    const char *out, *part, *data, *x, *y, *experiment, *weights;
    size_t batch_size, sample;
    char **program; /* a program to run and its words, NULL at the end */
    ib_script record;
    bool quiet, lock, offline, lines, simple;
    const char *check;
    ib_judgement judgement;
    ib_look look;
    ib_options options;
} words;

/* Commands get their parsed words; they give the exit code. */
typedef int command_fn(const words *w);
command_fn run_train, run_evaluate, run_predict, run_summary, run_env, run_kernels, run_bench, run_show,
    run_verify, run_audit, run_diff, run_publish, run_compare, run_record, run_lock, run_data;

/* isobit lint has options of its own: its words go to the linter as they are. */
int run_lint(int n, char **words);

/* Prints an error, if there is one, and gives the exit code of a status. */
int finish(ib_status status, const ib_error *err);

/* ---- Progress (progress.c) ---- */

/* How to show progress on standard output. */
typedef struct display {
    bool terminal, quiet;
    bool lines;   /* an event a line, as JSON */
    double drawn; /* seconds since the epoch began, when the bar was drawn last */
} display;
ib_progress_fn show_progress;
/* " - accuracy: 0.9100 - loss: 0.3011" as Keras prints it. */
void print_scores(const ib_progress *p);

/* Prints to standard output. */
ib_text_fn print_text;

#endif
