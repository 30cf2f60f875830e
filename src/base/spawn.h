/* SPDX-License-Identifier: Apache-2.0
 *
 * Running other programs: no shell, no input, output into a file, a limit of time.
 */
#ifndef IB_BASE_SPAWN_H
#define IB_BASE_SPAWN_H

#include <stdbool.h>

#include "base/buf.h"

/* words: the program and its arguments, NULL last. Output and errors go to the file `log` (NULL: nowhere).
 * After `seconds` (0: no limit) the program is killed. -1: it could not be run; else its exit code, 255 when
 * it was killed.
 */
int ib__spawn_run(const char *const *words, const char *log, double seconds);
/* The same with standard output appended to *out (errors go nowhere); more than limit bytes are cut off. */
int ib__spawn_output(ib_buf *out, size_t limit, const char *const *words, double seconds);

/* A program that runs beside this one. */
typedef struct ib_spawned {
    long child; /* -1: it could not be run */
    int output;
    double until;
} ib_spawned;

/* ib__spawn_output in two halves: what is begun must be ended, which waits. */
ib_spawned ib__spawn_begin(const char *const *words, double seconds);
int ib__spawn_end(const ib_spawned *spawned, ib_buf *out, size_t limit);

#endif
