/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the metrics: settings and states, what a class of metrics does, and arrays of doubles.
 */
#ifndef IB_METRICS_INTERNAL_H
#define IB_METRICS_INTERNAL_H

#include "layers/settings.h"
#include "metrics/metric.h"

/* An array in doubles. */
typedef struct ib_numbers {
    ib_shape shape;
    double *data;
} ib_numbers;

/* ---- Functions of targets and predictions: one score for each row ---- */

/* n targets and predictions, `stride` apart; of class numbers one target. z: what a softmax or sigmoid made p
 * from, or NULL. */
typedef struct ib_row {
    const double *t, *p, *z;
    size_t n, stride;
    size_t last; /* length of the targets' last axis */
} ib_row;
typedef double ib_row_fn(const ib_metric *m, const ib_row *row);

/* What a row is. */
typedef enum ib_rows {
    IB_ROWS_ELEMENT, /* one target and prediction */
    IB_ROWS_AXIS,    /* along the metric's axis */
    IB_ROWS_CLASS,   /* predictions along the last axis, one class number */
    IB_ROWS_ALL      /* everything: one score for a batch */
} ib_rows;

typedef struct ib_function {
    const char *name; /* Keras's */
    ib_rows rows;
    ib_row_fn *row;
    const ib_field *fields; /* its arguments */
    size_t n_fields;
    bool inner;       /* of classes alone, not a function that Keras exports */
    bool same;        /* targets and predictions must have one shape; else they are broadcast */
    bool entropy;     /* takes logits */
    bool signs;       /* labels that are all 0 or 1 become -1 and 1 */
    bool keep_column; /* scores of class numbers keep a last axis of length 1 */
} ib_function;

/* NULL: none. inner: also those of classes alone. */
const ib_function *ib__metric_function(const char *name, bool inner);
size_t ib__metric_function_names(const char **out, size_t limit);

/* ---- Classes ---- */

typedef struct ib_metric_class {
    const char *name;  /* Keras's class */
    const char *given; /* the name of an instance that was given none; NULL: made of the class's */
    const char *shorts;
    const ib_field *fields;
    size_t n_fields;
    const char *function; /* of the means */
    int counts; /* of the confusion metrics: bits, true positives, false ones, true negatives, false ones */
    ib_status (*prepare)(ib_metric *m, const char *where,
                         ib_error *err); /* after the settings; NULL: nothing */
    /* Do targets and predictions fit? -1: any number. Prediction NULL: values alone. */
    ib_status (*fits)(const ib_metric *m, const ib_shape *target, const ib_shape *prediction, ib_error *err);
    /* Sets n_states, n_values and list. */
    ib_status (*size)(ib_metric *m, const ib_shape *target, const ib_shape *prediction, ib_error *err);
    ib_status (*add)(ib_metric *m, const ib_metric_batch *batch, ib_error *err);
    void (*values)(const ib_metric *m, double *out);
} ib_metric_class;

extern const ib_metric_class ib__metric_classes[];
extern const size_t ib__metric_classes_count;

typedef enum ib_curve { IB_CURVE_ROC, IB_CURVE_PR, IB_CURVE_PRGAIN } ib_curve;
typedef enum ib_summation { IB_SUM_INTERPOLATION, IB_SUM_MAJORING, IB_SUM_MINORING } ib_summation;
typedef enum ib_average {
    IB_AVERAGE_NONE,
    IB_AVERAGE_MICRO,
    IB_AVERAGE_MACRO,
    IB_AVERAGE_WEIGHTED
} ib_average;
typedef enum ib_aggregation { IB_R2_NONE, IB_R2_UNIFORM, IB_R2_VARIANCE } ib_aggregation;

/* Places for a batch's arrays, kept between batches. */
enum {
    IB_ROOM_TARGETS,
    IB_ROOM_PREDICTIONS,
    IB_ROOM_LOGITS,
    IB_ROOM_WEIGHTS,
    IB_ROOM_MASK,
    IB_ROOM_SCORES,
    IB_ROOM_SPREAD_TARGETS,
    IB_ROOM_SPREAD_PREDICTIONS,
    IB_ROOM_SPREAD_WEIGHTS,
    IB_ROOM_SPREAD_MASK,
    IB_ROOM_COUNTS,
    IB_ROOMS
};

struct ib_metric {
    const ib_metric_class *class;
    const ib_function *function;
    const char *name; /* in the history; held by config */
    ib_value *config; /* as Keras serializes it */

    int64_t axis, k, top_k, class_id, num_thresholds, num_labels, num_regressors, num_classes, ignore_class;
    double threshold, beta, alpha, gamma, delta, label_smoothing, value;
    bool from_logits, from_sorted_ids, balanced, ignores, multi_label, sparse_true, sparse_pred, whole,
        listed;
    bool even, beyond; /* thresholds that are 0, 1/n .. 1; the outer ones reach past 0 and 1 */
    int curve, summation, average, aggregation;
    double *thresholds, *label_weights;
    int64_t *target_ids;
    size_t n_thresholds, n_label_weights, n_target_ids;

    double *states, *result;             /* result: room for n_values */
    size_t n_states, n_values, n_labels; /* n_labels: columns of the predictions */
    bool list;
    double *rooms[IB_ROOMS];
    size_t room_sizes[IB_ROOMS];
};

#define X(kind)                                                                                              \
    ib_status ib__##kind##_fits(const ib_metric *m, const ib_shape *target, const ib_shape *prediction,      \
                                ib_error *err);                                                              \
    ib_status ib__##kind##_size(ib_metric *m, const ib_shape *target, const ib_shape *prediction,            \
                                ib_error *err);                                                              \
    ib_status ib__##kind##_add(ib_metric *m, const ib_metric_batch *batch, ib_error *err);
X(mean)
X(values)
X(confusion)
X(fbeta)
X(r2)
X(iou)
#undef X
typedef void ib_result_fn(const ib_metric *m, double *out);
ib_result_fn ib__mean_values, ib__root_mean_values, ib__sum_values;
ib_result_fn ib__counted_values, ib__precision_values, ib__recall_values;
ib_result_fn ib__sensitivity_at_specificity_values, ib__specificity_at_sensitivity_values,
    ib__precision_at_recall_values, ib__recall_at_precision_values;
ib_result_fn ib__auc_values, ib__fbeta_values, ib__r2_values, ib__iou_values;
/* ---- Arrays ---- */

/* n doubles in a room of the metric, valid until it is asked for again. NULL: no memory. */
double *ib__metric_room(ib_metric *m, int room, size_t n);
/* The tensor's elements, rounded to float32. false: no memory. */
bool ib__numbers_load(ib_metric *m, int room, const ib_tensor *tensor, ib_numbers *out);
/* Keras's squeeze_or_expand_to_same_rank. */
void ib__same_rank_shapes(ib_shape *a, ib_shape *b);
/* The same but for unknown numbers. */
bool ib__same_dims(const ib_shape *a, const ib_shape *b);
/* The metric's axis as a number from 0; -1: outside. */
int ib__metric_axis(const ib_metric *m, int rank);
void ib__drop_axis(ib_shape *shape, int axis);
/* NumPy's common shape; -1 fits everything. false: there is none. */
bool ib__common_shape(const ib_shape *a, const ib_shape *b, ib_shape *out);
/* a, aligned at the last axes or, with first, at the first, spread over `shape` into the room. */
ib_status ib__numbers_spread(ib_metric *m, int room, const ib_numbers *a, const ib_shape *shape, bool first,
                             ib_numbers *out, ib_error *err);
/* Weights of a batch for elements of this shape: NULL in *out if there are none. */
ib_status ib__sample_weights_load(ib_metric *m, const ib_metric_batch *batch, const ib_shape *shape,
                                  const double **out, ib_error *err);
/* The first of the largest of n numbers; NaN is none, -0 is less than 0. */
size_t ib__arg_max(const double *p, size_t n, size_t stride);
/* "targets of shape (None, 3) do not fit predictions of shape (None, 4)" */
ib_status ib__metric_misfit(const ib_metric *m, const ib_shape *target, const ib_shape *prediction,
                            ib_error *err);
static inline double ib__divide_no_nan(double a, double b) {
    return b == 0.0 ? 0.0 : a / b;
}

#endif
