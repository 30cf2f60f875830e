/* SPDX-License-Identifier: Apache-2.0
 *
 * The trace of a run: what each step leaves to be compared. A step is recorded as the bits of its loss and a
 * chained digest; at recorded steps (the ends of epochs, the last step, every record_every-th) the digest of
 * every weight and optimizer slot is kept and chained, too.
 */
#ifndef IB_RUN_TRACE_H
#define IB_RUN_TRACE_H

#include "base/pack.h"
#include "run/logs.h"

typedef struct ib_step_record {
    uint32_t loss;  /* its bits, NaN canonical; step 0 (before training): 0 */
    bool state;     /* the state was recorded */
    size_t tensors; /* of a recorded step: index of its first digest */
    ib_digest chain;
} ib_step_record;

/* Two sums over the 32-bit words w[i] of a tensor (NaN canonical), modulo 2^64: of w[i], and of (i + 1) w[i].
 * From those of two tensors that differ in one element follow the element and by how much it differs. Part of
 * no digest. */
typedef struct ib_sums {
    uint64_t plain, weighted;
} ib_sums;
ib_sums ib__tensor_sums(const float *data, size_t n);
/* Which one element of data must be which word so that its sums are `wanted`; false: no single one. Sums can
 * agree by chance: compare the digest, too. */
bool ib__sums_change(const ib_sums *wanted, const float *data, size_t n, size_t *element, uint32_t *word);

/* A line of history: epoch (from 0) and values in the order of names. */
typedef struct ib_trace {
    ib_step_record *steps; /* steps[0]: before training; steps[i]: after step i */
    size_t n_steps, steps_capacity;
    char **paths; /* weights, then optimizer slots, in Keras's order */
    size_t n_paths, n_weights;
    ib_digest *tensors; /* n_paths for each recorded step */
    ib_sums *sums;      /* of each of tensors */
    size_t n_tensors, tensors_capacity, sums_capacity;
    char **names; /* history columns: loss and metrics, then those of validation with val_ before */
    size_t n_names;
    double *history; /* n_names for each epoch */
    size_t n_epochs, history_capacity;
    double *seconds; /* of each epoch; part of no digest */
    size_t seconds_capacity;
    char **test_names; /* results on data.test; none without it */
    double *test;
    size_t n_test;
    ib_matrix confusion; /* on data.test; part of no digest */
    ib_digest result;
} ib_trace;

void ib__trace_free(ib_trace *trace);

/* Adds step number n_steps (0: the start) of the trainer. last: training ends here. */
ib_status ib__trace_step(ib_trace *trace, const ib_trainer *trainer, bool last, ib_error *err);
/* The bits of a float, every NaN as 0x7fc00000. */
uint32_t ib__float_bits(float value);
/* The link that `step` must have: from the one before it (step 0: the experiment's digest), its loss and,
 * where the state was recorded, the digests of the trace with the trainer's optimizer. false: no memory. */
bool ib__trace_link(ib_digest *out, const ib_trace *trace, size_t step, const ib_trainer *trainer);
/* Adds a line of history. seconds: how long the epoch took. */
ib_status ib__trace_epoch(ib_trace *trace, const ib_logs *logs, double seconds, ib_error *err);
ib_status ib__trace_test(ib_trace *trace, const ib_trainer *trainer, ib_error *err);
/* Computes the result: contract version, experiment, chain, history, test results. The last step's chain
 * covers weights and optimizer state; weights that were changed after it (a callback restored others) are
 * added.
 */
ib_status ib__trace_end(ib_trace *trace, const ib_trainer *trainer, ib_error *err);

/* The files `steps` and `tensors`. Lines: "number loss chain [state]" and "step sha256
 * sums path". */
bool ib__trace_print_steps(const ib_trace *trace, ib_buf *out);
bool ib__trace_print_tensors(const ib_trace *trace, ib_buf *out);
/* Reads what print wrote into an empty trace; steps first. name: the file, for errors. */
ib_status ib__trace_parse_steps(ib_trace *trace, const char *text, const char *name, ib_error *err);
ib_status ib__trace_parse_tensors(ib_trace *trace, const char *text, const char *name, ib_error *err);

/* The trace in bytes and back, into an empty trace; test results are not part of it. name: the file, for
 * errors.
 */
void ib__trace_pack(ib_buf *out, const ib_trace *trace);
ib_status ib__trace_unpack(ib_trace *trace, const void *bytes, size_t n, const char *name, ib_error *err);

/* The number of the first step where the two differ, or SIZE_MAX. Chains of different experiments always
 * differ; losses: compare losses and tensors instead. */
size_t ib__trace_first_difference(const ib_trace *a, const ib_trace *b, bool losses);
/* Is step number `step` the same in both: loss, chain, and the state where both recorded it? */
bool ib__trace_same_step(const ib_trace *a, const ib_trace *b, size_t step);
/* The digests of a recorded step; NULL if its state was not recorded. */
const ib_digest *ib__trace_state(const ib_trace *trace, size_t step);
const ib_sums *ib__trace_sums(const ib_trace *trace, size_t step);
/* Room for n digests and sums. */
bool ib__trace_grow_tensors(ib_trace *trace, size_t n);

#endif
