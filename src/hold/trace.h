/* SPDX-License-Identifier: Apache-2.0
 *
 * What a held program did: recorded steps with digests of its tensors, chained, and how it ended.
 */
#ifndef IB_HOLD_TRACE_H
#define IB_HOLD_TRACE_H

#include "base/mem.h"
#include "base/sha256.h"
#include "base/value.h"

typedef struct ib_hold_tensor {
    const char *path;
    ib_digest digest;
} ib_hold_tensor;

typedef struct ib_hold_step {
    int64_t number;      /* training steps so far, over all models and processes; never falls */
    uint32_t loss;       /* bits of the mean loss that was logged; 0: none was */
    size_t first, count; /* its tensors */
    ib_digest chain;
} ib_hold_step;

/* Zero-initialise; release with ib__hold_trace_free. */
typedef struct ib_hold_trace {
    ib_arena arena; /* of the paths */
    ib_hold_step *steps;
    size_t n_steps, steps_capacity;
    ib_hold_tensor *tensors;
    size_t n_tensors, tensors_capacity;
    ib_digest result;
} ib_hold_trace;

void ib__hold_trace_free(ib_hold_trace *trace);

/* Adds a step; its tensors follow by ib__hold_trace_tensor, then ib__hold_trace_link chains it. */
bool ib__hold_trace_step(ib_hold_trace *trace, int64_t number, uint32_t loss);
bool ib__hold_trace_tensor(ib_hold_trace *trace, const char *prefix, const char *path,
                           const ib_digest *digest);
void ib__hold_trace_link(ib_hold_trace *trace);
/* Computes the result from the last link, the end ("exit 0", "signal 9") and, without any step, from the
 * outputs (a list of maps with path and sha256). */
void ib__hold_trace_end(ib_hold_trace *trace, const char *end, const ib_value *outputs);

/* The files `steps` and `tensors`, as doc/record.md has them; only recorded steps have lines. */
bool ib__hold_trace_print(const ib_hold_trace *trace, ib_buf *steps, ib_buf *tensors);
ib_status ib__hold_trace_parse_steps(ib_hold_trace *trace, const char *text, const char *name, ib_error *err);
ib_status ib__hold_trace_parse_tensors(ib_hold_trace *trace, const char *text, const char *name,
                                       ib_error *err);

/* Where two traces part: index of the first step that differs; SIZE_MAX: nowhere. */
size_t ib__hold_trace_parts(const ib_hold_trace *a, const ib_hold_trace *b);

#endif
