/* SPDX-License-Identifier: Apache-2.0
 *
 * Which field of the data goes to which input or output of the model. Fields are called "x" or "x.NAME" (of
 * an input), "y" or "y.NAME" and "sample_weight" or "sample_weight.NAME" (of an output); a number in place of
 * the name counts inputs or outputs from 0.
 */
#ifndef IB_RUN_PORTS_H
#define IB_RUN_PORTS_H

#include "model/model.h"

#define IB_NO_FIELD SIZE_MAX

/* Numbers of fields. */
typedef struct ib_ports {
    size_t *x;          /* one an input */
    size_t *y, *weight; /* one an output, or IB_NO_FIELD */
    bool targets;       /* every output that has a loss has a target */
} ib_ports;

/* Every input must have a field, and every field a place. where: the data's place, for errors. */
ib_status ib__ports_match(ib_ports *out, const ib_model *model, const char *const *fields, size_t n,
                          const char *where, ib_error *err);
void ib__ports_free(ib_ports *ports);

#endif
