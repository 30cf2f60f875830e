/* SPDX-License-Identifier: Apache-2.0
 *
 * isobit record, lock.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

/* Standard output is the program's. */
static void print_error_text(void *context, const char *text) {
    (void)context;
    fputs(text, stderr);
}

/* Ends as the program ended: by the same signal (without a second core file), or with the same code. */
static int end_as(int status) {
    if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
    struct rlimit none = {0, 0};
    sigset_t set;
    int number = WTERMSIG(status);
    setrlimit(RLIMIT_CORE, &none);
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    return 128 + number;
}

/* A record that cannot be written must not hide that the program failed. */
int run_record(const words *w) {
    ib_error err = {0};
    int status = 0;
    ib_options options = w->options;
    ib_script program = w->record;
    program.run = w->out;
    options.text = w->quiet ? NULL : print_error_text;
    ib_status result = ib_script_record(w->program, &program, &options, &status, &err);
    int code = finish(result, &err);
    return result == IB_OK || status != 0 ? end_as(status) : code;
}

int run_lock(const words *w) {
    ib_error err = {0};
    if (w->out == NULL) {
        fprintf(stderr, "isobit: lock: expected -o FOLDER, where to write\n");
        return EXIT_BAD;
    }
    return finish(ib_script_lock(w->plain[0], w->out, w->offline, &w->options, &err), &err);
}
