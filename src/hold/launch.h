/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting a program, waiting for it, and watching what it asks the kernel.
 */
#ifndef IB_HOLD_LAUNCH_H
#define IB_HOLD_LAUNCH_H

#include <sched.h>

#include "hold/plan.h"

/* A request for entropy that passed the hold by: a static program, or a raw system call. */
typedef struct ib_escape {
    char exe[512], by[512]; /* the program, and what in it made the call */
    size_t count;
} ib_escape;

#define IB_ESCAPES 64
typedef struct ib_launched {
    int status; /* as waitpid gives it */
    double seconds;
    int interrupted; /* SIGINT, SIGTERM or SIGHUP came for the program while it ran; 0: none */
    bool watched;    /* the kernel reported such requests */
    ib_escape escapes[IB_ESCAPES];
    size_t n_escapes;
} ib_launched;

typedef struct ib_launch {
    char *const *argv;
    char *const *env;
    const char *cwd;    /* NULL: this one */
    const char *input;  /* a file for standard input; NULL: ours */
    const char *output; /* a file for standard output and error; NULL: ours */
    size_t cpus;        /* the program may use so many of the CPUs; 0: all */
    bool fixed_addresses, watch;
} ib_launch;

/* Starts the program and waits for its end, passing signals on. Standard input, output and error are its own.
 * IB_BAD_INPUT: it could not be started. */
ib_status ib__launch(const ib_launch *launch, ib_launched *out, ib_error *err);

/* ---- The watch (watch.c) ---- */

/* libc's own static tool, which Python starts to find libraries: nothing of what it draws reaches the
 * program. */
bool ib__hold_is_tool(const char *exe);

/* In the child: from now on the kernel reports requests for entropy that are not marked. Gives the descriptor
 * that the reports come from, or -1. */
int ib__watch_install(void);
/* In the parent: takes one report, answers it, and writes it down. */
void ib__watch_report(int watch, ib_launched *out);

#endif
