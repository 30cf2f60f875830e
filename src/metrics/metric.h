/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: accumulated in double on the host from each batch's targets and predictions, in sample order.
 */
#ifndef IB_METRICS_METRIC_H
#define IB_METRICS_METRIC_H

#include "base/value.h"
#include "numerics/tensor.h"

typedef struct ib_metric ib_metric;

/* config: a name or a map, as for losses. "accuracy" becomes binary, categorical or sparse by the shapes and
 * by the loss, as Keras does: loss_name may be NULL. prediction and target shapes carry -1 as batch. */
ib_status ib__metric_new(ib_metric **out, const ib_value *config, const char *loss_name,
                         const ib_shape *prediction, const ib_shape *target, const char *where,
                         ib_error *err);
void ib__metric_free(ib_metric *metric);
const char *ib__metric_name(const ib_metric *metric); /* as in history: "accuracy" */
void ib__metric_reset(ib_metric *metric);
/* y_true, y_pred: the same number of samples; float32 or int32 targets. weight: NULL, or float32 with one
 * weight a sample or one a row (a row: everything but the last axis of the prediction). */
void ib__metric_update(ib_metric *metric, const ib_tensor *y_true, const ib_tensor *y_pred,
                       const ib_tensor *weight);
double ib__metric_result(const ib_metric *metric);
/* State for checkpoints: total and count. */
void ib__metric_state(const ib_metric *metric, double state[2]);
void ib__metric_set_state(ib_metric *metric, const double state[2]);

#endif
