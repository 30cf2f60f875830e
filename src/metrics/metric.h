/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: accumulated in double on the host from each batch's targets and predictions, in sample order.
 */
#ifndef IB_METRICS_METRIC_H
#define IB_METRICS_METRIC_H

#include "base/value.h"
#include "numerics/tensor.h"

typedef struct ib_metric ib_metric;

/* config: a name or a map, as for losses. "accuracy" becomes binary, categorical or sparse by the shapes, as
 * in Keras. prediction and target shapes carry -1 as batch; prediction NULL: the metric takes values (Mean,
 * Sum).
 */
ib_status ib__metric_new(ib_metric **out, const ib_value *config, const ib_shape *prediction,
                         const ib_shape *target, const char *where, ib_error *err);
void ib__metric_free(ib_metric *metric);
/* The same config as Keras writes it into a compile config: a name as it was given, a class with all of its
 * settings. */
ib_status ib__metric_complete(ib_value **out, const ib_value *config, const char *where, ib_error *err);
const char *ib__metric_name(const ib_metric *metric); /* as in history: "accuracy" */
void ib__metric_reset(ib_metric *metric);

/* A batch. Weights and masks of fewer axes than a metric's elements are those of the first axes. */
typedef struct ib_metric_batch {
    const ib_tensor *y_true, *y_pred; /* the same number of samples; of values: y_true alone */
    const ib_tensor *weight;          /* sample weights; NULL: none */
    const ib_tensor *mask;            /* Keras's mask of y_pred, 0: does not count; NULL: none */
    const ib_tensor *logits;          /* what a softmax or sigmoid made y_pred from, float32; NULL: none */
} ib_metric_batch;
/* Does the metric look at logits? */
bool ib__metric_takes_logits(const ib_metric *metric);
ib_status ib__metric_add(ib_metric *metric, const ib_metric_batch *batch, ib_error *err);

/* The result; of a metric with several values (several thresholds, a value for each class) their mean, which
 * is what Keras's progress line shows. */
double ib__metric_result(const ib_metric *metric);
/* How many values the result has, and whether it is a list in Keras (also one of length 1). */
size_t ib__metric_count(const ib_metric *metric, bool *list);
void ib__metric_values(const ib_metric *metric, double *out); /* ib__metric_count of them */

/* All that was accumulated, for checkpoints: *n numbers to be read, or written. */
double *ib__metric_states(ib_metric *metric, size_t *n);

#endif
