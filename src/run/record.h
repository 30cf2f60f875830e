/* SPDX-License-Identifier: Apache-2.0
 *
 * The run directory: record.json, steps, tensors, history.csv, model.keras (doc/record.md).
 */
#ifndef IB_RUN_RECORD_H
#define IB_RUN_RECORD_H

#include "base/file.h"
#include "run/fit.h"

typedef struct ib_record {
    char *folder;
    ib_value *tree; /* record.json */
    ib_trace trace;
} ib_record;

/* Makes the folder if need be and locks it; refuses one that holds a run, one that cannot be written, one
 * that another process has, and, without resume, one with checkpoints. *made: it was not there before. */
ib_status ib__record_prepare(const char *run, bool resume, bool *made, ib_lock **lock, ib_error *err);
/* Lets go of the lock; removes the folder if it was made and holds nothing. */
void ib__record_release(const char *run, bool made, ib_lock *lock);

/* Writes all files, record.json last; on failure none is left. */
ib_status ib__record_write(const char *run, const ib_task *task, const ib_trace *trace,
                           const ib_runtime *runtime, const ib_session *session, ib_error *err);
/* Does the folder hold a complete run? */
bool ib__record_complete(const char *run);

/* The fields `results` and the text of history.csv. NULL, false: no memory. */
ib_value *ib__record_results(const ib_task *task, const ib_trace *trace);
bool ib__record_history(const ib_trace *trace, ib_buf *out);
/* Does the tree hold these fields, "isobit_record" (1) among them? path: the file, for errors. */
typedef struct ib_need {
    const char *key;
    ib_kind kind;
} ib_need;
ib_status ib__record_needs(const ib_value *tree, const char *path, const ib_need *needs, size_t n,
                           ib_error *err);

/* *out: yours, release with ib__record_free. */
ib_status ib__record_read(ib_record **out, const char *run, ib_error *err);
void ib__record_free(ib_record *record);

/* The recorded experiment, its files being those that were read then. A file that is not there any more is an
 * error. */
ib_status ib__record_experiment(ib_experiment **out, const ib_record *record, ib_error *err);
/* After training again: the first of record.json's results, history.csv and model.keras that does not hold
 * what came out; NULL: they all do. */
const char *ib__record_check(const ib_record *record, const ib_task *task, const ib_trace *trace);
/* The recorded SHA-256 of an input ("data.train.npz") as hex; NULL: none. path may be NULL. */
const char *ib__record_input(const ib_record *record, const char *field, const char **path);

#endif
