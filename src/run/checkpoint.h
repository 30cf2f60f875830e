/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: files RUN/checkpoint/step-N that hold all that training needs to go on to the same bits, with
 * a SHA-256 at the end (doc/record.md). When they are taken changes no bit.
 */
#ifndef IB_RUN_CHECKPOINT_H
#define IB_RUN_CHECKPOINT_H

#include "run/state.h"
#include "run/trace.h"

/* Training went on at this step, at this time (UTC). */
typedef struct ib_resumption {
    size_t step;
    char when[32];
} ib_resumption;

/* A step that was computed twice with two results: silent corruption of data. A third computation decided. */
typedef struct ib_repair {
    size_t step;
} ib_repair;

/* What a run knows of itself beside its bits. */
typedef struct ib_session {
    char started[32];     /* UTC, "2026-01-31T12:00:00Z" */
    double seconds;       /* of work so far, over all resumptions */
    double epoch_seconds; /* of those in the epoch that is not finished */
    bool stop;            /* a callback ended training */
    ib_resumption *resumed;
    size_t n_resumed, resumed_capacity;
    size_t audited; /* steps that were computed twice */
    ib_repair *repairs;
    size_t n_repairs, repairs_capacity;
} ib_session;

void ib__session_free(ib_session *session);
/* The time now, UTC; and seconds of a clock that only goes forward. */
void ib__utc_now(char out[32]);
double ib__seconds_now(void);

typedef struct ib_checkpoint {
    char *path;
    ib_buf file;
    size_t step;
    int64_t seed;
    bool seed_drawn;
    ib_digest experiment;
    ib_session session;
    const void *state, *trace, *callbacks; /* in file */
    size_t n_state, n_trace, n_callbacks;
} ib_checkpoint;

/* Reads and checks one file. *out: yours, release with ib__checkpoint_free. */
ib_status ib__checkpoint_read(ib_checkpoint **out, const char *path, ib_error *err);
/* The one of a run's step. */
ib_status ib__checkpoint_open(ib_checkpoint **out, const char *run, size_t step, ib_error *err);
void ib__checkpoint_free(ib_checkpoint *checkpoint);
/* The steps that run has checkpoints of, ascending. *steps: yours, free(). */
ib_status ib__checkpoint_steps(size_t **steps, size_t *n, const char *run, ib_error *err);
/* The path of one. NULL: no memory. free(). */
char *ib__checkpoint_path(const char *run, size_t step);
/* The newest one that is whole; *out NULL: there is none. damaged (may be NULL): how many newer ones are not.
 */
ib_status ib__checkpoint_latest(ib_checkpoint **out, const char *run, size_t *damaged, ib_error *err);
/* Does it belong to the task's experiment? */
ib_status ib__checkpoint_check(const ib_checkpoint *checkpoint, const ib_task *task, ib_error *err);
/* Puts trainer and trace (empty before) into the state of the checkpoint, after checking that it belongs to
 * the trainer's experiment. */
ib_status ib__checkpoint_restore(const ib_checkpoint *checkpoint, ib_trainer *trainer, ib_trace *trace,
                                 ib_error *err);

/* ---- Taking them ---- */

typedef struct ib_keeper {
    const char *run;
    size_t every_steps;   /* 0: not by steps */
    double every_seconds; /* 0: by itself, when a checkpoint costs less than a fiftieth of the time */
    size_t keep;          /* how many stay, spread over the run, beside the newest two */
    double last, cost;
} ib_keeper;

/* As the experiment says. run must outlive the keeper. */
ib_keeper ib__keeper(const ib_experiment *experiment, const char *run);
bool ib__keeper_due(const ib_keeper *keeper, size_t step);
/* Writes a checkpoint of the moment, then removes older ones that need not stay. callbacks: their state. */
ib_status ib__keeper_take(ib_keeper *keeper, const ib_trainer *trainer, const ib_trace *trace,
                          const ib_session *session, const ib_buf *callbacks, ib_error *err);
/* The run is complete: only those stay that audit may want. */
ib_status ib__keeper_end(const ib_keeper *keeper, ib_error *err);
/* Removes what interrupted writes left in the run's folders. */
ib_status ib__checkpoint_clean(const char *run, ib_error *err);

#endif
