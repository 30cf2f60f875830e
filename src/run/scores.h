/* SPDX-License-Identifier: Apache-2.0
 *
 * Running loss and metrics as Keras logs them: "loss", with several losses "<output>_loss" for each, and the
 * metrics by their names, "<output>_<metric>" when there are several outputs.
 */
#ifndef IB_RUN_SCORES_H
#define IB_RUN_SCORES_H

#include "model/model.h"
#include "run/matrix.h"

/* A metric of an output. */
typedef struct ib_score {
    char *name; /* in logs */
    size_t output;
    bool weighted;          /* counts sample weights */
    const ib_value *config; /* the model's */
    ib_metric *metric;
} ib_score;

/* The mean of an output's loss over the batches, each of which counts the same, as in Keras with TensorFlow
 * (with JAX and PyTorch a batch counts by its size). Index n_outputs: of the total, where a batch counts by
 * its size. */
typedef struct ib_loss_mean {
    char *name; /* in logs; NULL: is not logged */
    double total, count;
} ib_loss_mean;

typedef struct ib_scores {
    ib_loss_mean *losses; /* n_outputs + 1: the total comes last */
    size_t n_outputs;
    ib_score *metrics;
    size_t n_metrics;
    ib_matrix *confusion; /* counts along; NULL: not wanted */
} ib_scores;

/* What a batch gave for an output; data NULL: there is none. */
typedef struct ib_scored {
    ib_tensor target, prediction, weight, mask, logits;
    float loss;
} ib_scored;

/* targets: the shape of each output's target, -1 batch. name: the file of the experiment, for errors. */
ib_status ib__scores_new(ib_scores *s, const ib_model *model, const ib_shape *targets, const char *name,
                         ib_error *err);
void ib__scores_free(ib_scores *s);
void ib__scores_reset(ib_scores *s);
/* Does a metric of this output look at logits? */
bool ib__scores_take_logits(const ib_scores *s, size_t output);
/* Adds a batch: loss is the total, outputs has one for each output. */
ib_status ib__scores_add(ib_scores *s, size_t samples, float loss, const ib_scored *outputs, ib_error *err);
double ib__scores_loss(const ib_scores *s); /* the mean of the total */

/* The logs sorted by name, as Keras sorts them. Gives their number. */
size_t ib__scores_count(const ib_scores *s);
size_t ib__scores_sorted(const ib_scores *scores, const char **names, double *values, size_t limit);

#endif
