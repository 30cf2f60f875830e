/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the losses: what a loss was configured to, and the functions that give its elements.
 */
#ifndef IB_LOSSES_INTERNAL_H
#define IB_LOSSES_INTERNAL_H

#include "layers/settings.h"
#include "losses/loss.h"

/* In the order of the choices of the field "reduction". */
typedef enum ib_reduction {
    IB_REDUCTION_MEAN, /* sum_over_batch_size, mean */
    IB_REDUCTION_SUM,
    IB_REDUCTION_WEIGHTED_MEAN, /* mean_with_sample_weight */
    IB_REDUCTION_NONE
} ib_reduction;

/* What targets look like beside predictions [n, ..., c]. */
typedef enum ib_target {
    IB_TARGET_LIKE,     /* float32, the predictions' shape */
    IB_TARGET_CLASS,    /* class numbers, [n, ...] */
    IB_TARGET_LABEL,    /* any integer for a sample, [n] */
    IB_TARGET_SEQUENCE, /* class numbers of other length than the predictions: [n, l] beside [n, t, c] */
    IB_TARGET_CHOSEN    /* "crossentropy": by the shapes */
} ib_target;

/* Elements of the loss, from targets and predictions whose ranks were brought together. *mask: set to a
 * float32 node of 0 and 1 if some elements do not count. Gradients at kinks are TensorFlow's. */
typedef ib_node ib_values_fn(const ib_loss *loss, ib_graph *g, ib_node t, ib_node p, ib_node *mask);

typedef struct ib_loss_class {
    const char *name, *function; /* Keras's class and function; name NULL: a function only */
    const char *shorts;          /* other names that Keras takes, with blanks between */
    const char *given;           /* the name of an instance that was given none */
    ib_target target;
    ib_values_fn *values;
    const ib_field *fields;
    size_t n_fields;
} ib_loss_class;

struct ib_loss {
    const ib_loss_class *class;
    ib_value *config; /* as Keras serializes it */
    ib_reduction reduction;
    bool from_logits, balanced, ignores, remove_diagonal;
    double label_smoothing, alpha, beta, gamma, delta, margin, q;
    float *alphas; /* a weight for each class; NULL: alpha */
    size_t n_alphas;
    int64_t axis, ignore_class;
    int64_t axes[IB_RANK_MAX]; /* of Dice and Tversky */
    int n_axes;                /* -1: all */
};

extern const ib_loss_class ib__loss_classes_table[];
extern const size_t ib__loss_classes_count;

/* The class that "crossentropy" means for a prediction and a target; any other class is itself. */
const ib_loss_class *ib__loss_class(const ib_loss *loss, const ib_shape *prediction, const ib_shape *target);
/* An axis of this rank as a number from 0; -1: outside. */
int ib__loss_axis(int64_t axis, int rank);
/* The axes of Dice and Tversky as bits; 0: one is outside or doubled. */
unsigned ib__loss_axes(const ib_loss *loss, int rank);
/* Keras's rule for a pair whose ranks differ by one and whose longer one ends in an axis of length 1: of rank
 * 1 the shorter one grows, else the longer one shrinks. A reshaped node has no logits any more. */
void ib__same_rank(ib_graph *g, ib_node *a, ib_node *b);
/* The same, then the node of fewer axes (not none) gets axes of length 1 at its end: it speaks of the first
 * axes. */
void ib__first_axes(ib_graph *g, ib_node *a, ib_node *b);

/* ---- Ops as TensorFlow has them ---- */
/* maximum and minimum whose gradient goes to a where a and b are equal */
ib_node ib__loss_maximum(ib_graph *g, ib_node a, ib_node b);
ib_node ib__loss_minimum(ib_graph *g, ib_node a, ib_node b);
ib_node ib__loss_clip(ib_graph *g, ib_node a, double low, double high);
ib_node ib__loss_power(ib_graph *g, ib_node a, double exponent);
ib_node ib__loss_constant(ib_graph *g, double value);
ib_node ib__loss_one_minus(ib_graph *g, ib_node a);
ib_node ib__loss_mean_last(ib_graph *g, ib_node a);
ib_node ib__loss_sum_last(ib_graph *g, ib_node a);
/* 1 where the last axis's number is the class, else 0: labels [...] int32 to [..., c] float32. */
ib_node ib__loss_one_hot(ib_graph *g, ib_node labels, int64_t classes);

#define IB_LOSS_VALUES(X)                                                                                    \
    X(squared)                                                                                               \
    X(absolute)                                                                                              \
    X(percentage)                                                                                            \
    X(logarithmic)                                                                                           \
    X(cosine)                                                                                                \
    X(huber)                                                                                                 \
    X(log_cosh)                                                                                              \
    X(hinge)                                                                                                 \
    X(squared_hinge)                                                                                         \
    X(categorical_hinge)                                                                                     \
    X(divergence)                                                                                            \
    X(poisson)                                                                                               \
    X(binary)                                                                                                \
    X(binary_focal)                                                                                          \
    X(categorical)                                                                                           \
    X(categorical_focal)                                                                                     \
    X(generalized)                                                                                           \
    X(sparse)                                                                                                \
    X(dice)                                                                                                  \
    X(tversky)                                                                                               \
    X(circle)                                                                                                \
    X(ctc)
#define X(name) ib_values_fn ib__loss_##name;
IB_LOSS_VALUES(X)
#undef X

#endif
