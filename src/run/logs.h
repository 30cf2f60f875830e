/* SPDX-License-Identifier: Apache-2.0
 *
 * Logs: names and values at the end of an epoch, as Keras hands them to callbacks and to the history.
 */
#ifndef IB_RUN_LOGS_H
#define IB_RUN_LOGS_H

#include "run/trainer.h"

typedef struct ib_logs {
    char **names;
    double *values;
    size_t n, names_capacity, values_capacity;
} ib_logs;

/* Replaces or adds. The order is sorted, with the names of validation (val_) last. false: no memory. */
bool ib__logs_set(ib_logs *logs, const char *prefix, const char *name, double value);
bool ib__logs_get(const ib_logs *logs, const char *name, double *value);
/* Loss and metrics with prefix before their names. */
bool ib__logs_scores(ib_logs *logs, const ib_scores *scores, const char *prefix);
void ib__logs_clear(ib_logs *logs);
void ib__logs_free(ib_logs *logs);

/* A number as Python prints it: nan, inf, -inf, else the shortest text that reads back the same. */
void ib__number_python(char out[32], double value);

#endif
