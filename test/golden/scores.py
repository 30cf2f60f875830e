#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Losses and metrics where Keras's own rules show: shapes, weights, masks, logits, ties and edges.

    python test/golden/scores.py        (Keras 3.15 on TensorFlow; writes beside itself)

Writes scores_losses.{json,npz} and scores_metrics.{json,npz} in the form of losses.* and metrics.*. Truth is
Keras in float32, so that decisions (thresholds, ties, clipping) are those that a user sees.
"""
import json
import os
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tensorflow as tf

import keras
from keras.src.trainers import compile_utils

HERE = os.path.dirname(os.path.abspath(__file__))
F = np.float32
ERROR = 4e-7  # what float32 itself may be off by; the tests allow ten times as much


def draw(name):
    return np.random.default_rng([int.from_bytes(name.encode()[-6:], "little"), len(name)])


def onehot(labels, n):
    return np.eye(n, dtype=F)[labels]


def simplex(x):
    e = np.exp(x)
    return (e / e.sum(-1, keepdims=True)).astype(F)


def write(group, cases, arrays):
    with zipfile.ZipFile(os.path.join(HERE, group + ".npz"), "w", zipfile.ZIP_DEFLATED) as z:
        for key, value in arrays.items():
            info = zipfile.ZipInfo(key + ".npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            with z.open(info, "w") as f:
                np.lib.format.write_array(f, np.asarray(value, order="C"), version=(1, 0))
    with open(os.path.join(HERE, group + ".json"), "w") as f:
        json.dump({"format": 1, "group": group, "keras": keras.__version__, "cases": cases}, f, indent=1)
        f.write("\n")
    print(group, len(cases), "cases")


def named(module, class_name, **config):
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def function(name):
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


# ------------------------------------------------------------------- losses
LOSSES = []


def loss(name, config, t, p, weight=None, mask=None, logits=None, error=ERROR):
    """logits: "sigmoid" or "softmax" makes the prediction from p."""
    LOSSES.append((name, config, np.asarray(t), np.asarray(p, F), weight, mask, logits, error))


def losses():
    L = lambda cls, **kw: named("keras.losses", cls, **kw)
    r = draw("losses")
    n = lambda *s: r.standard_normal(s).astype(F)
    u = lambda *s: r.uniform(0.05, 0.95, s).astype(F)
    b = lambda *s: r.integers(0, 2, s).astype(F)
    k = lambda top, *s: r.integers(0, top, s).astype(np.int32)

    # names
    loss("name-mse", "mse", n(5, 3), n(5, 3))
    loss("name-KLD", "KLD", simplex(n(5, 3)), simplex(n(5, 3)))
    loss("name-class", "Poisson", k(4, 5, 3).astype(F), u(5, 3))
    loss("name-function", function("log_cosh"), n(5, 3), n(5, 3))
    loss("name-crossentropy-binary", "crossentropy", b(6, 1), u(6, 1))
    loss("name-ce-sparse", "CE", k(3, 6), simplex(n(6, 3)))
    loss("name-ce-sparse-column", "ce", k(3, 6, 1), simplex(n(6, 3)))
    loss("name-ce-categorical", "ce", onehot(k(3, 6), 3), simplex(n(6, 3)))

    # ranks
    for cls, t, p in [("MeanSquaredError", n(6), n(6, 1)), ("MeanAbsoluteError", n(6, 1), n(6)),
                      ("Huber", n(4, 3), n(4, 3, 1)), ("LogCosh", n(4, 3, 1), n(4, 3)),
                      ("BinaryCrossentropy", b(6), u(6, 1)), ("BinaryCrossentropy", b(4, 3), u(4, 3, 1)),
                      ("Hinge", b(6), n(6, 1)), ("Dice", b(6), u(6, 1)), ("CosineSimilarity", n(6), n(6, 1)),
                      ("KLDivergence", u(5), u(5))]:
        loss("rank-%s-%d-%d" % (cls, t.ndim, p.ndim), L(cls), t, p)

    # weights and masks with every reduction
    weights = {"vector": r.uniform(0.2, 2, 4).astype(F)[:, None], "full": r.uniform(0.2, 2, (4, 3)).astype(F),
               "zeros": np.zeros((4, 1), F), "none": None}
    masks = {"full": r.random((4, 3)) < 0.5, "column": np.array([[1], [0], [1], [1]], bool), "none": None}
    for reduction in ["sum", "sum_over_batch_size", "mean", "mean_with_sample_weight", "none", None]:
        for w in weights:
            for m in masks:
                if m == "column" and reduction in ("mean", "sum_over_batch_size") and w == "zeros":
                    continue
                loss("reduce-%s-%s-%s" % (reduction, w, m), L("MeanAbsoluteError", reduction=reduction),
                     n(4, 3, 2), n(4, 3, 2), weights[w], masks[m])
    loss("weight-vector-of-vector", L("MeanSquaredError"), n(5, 2), n(5, 2), r.random((5, 1)).astype(F))
    loss("weight-of-scalar", L("Dice"), b(5, 2), u(5, 2), r.random(5).astype(F))
    loss("weight-of-scalar-sum", L("Tversky", reduction="sum"), b(5, 2), u(5, 2), r.random(5).astype(F))

    # logits that a prediction carries, whatever made them
    for made in ("sigmoid", "softmax"):
        for from_logits in (False, True):
            kw = dict(from_logits=from_logits)
            tag = "%s%s" % (made, "-from-logits" if from_logits else "")
            z = (4 * n(5, 3)).astype(F)
            loss("logits-binary-" + tag, L("BinaryCrossentropy", label_smoothing=0.1, **kw), b(5, 3), z, logits=made)
            loss("logits-focal-" + tag, L("BinaryFocalCrossentropy", gamma=1.5, **kw), b(5, 3), z, logits=made)
            hot = onehot(k(3, 5), 3)
            loss("logits-categorical-" + tag, L("CategoricalCrossentropy", **kw), hot, z, logits=made)
            loss("logits-categorical-focal-" + tag, L("CategoricalFocalCrossentropy", **kw), hot, z, logits=made)
            loss("logits-sparse-" + tag, L("SparseCategoricalCrossentropy", **kw), k(3, 5), z, logits=made)
            loss("logits-ignore-" + tag, L("SparseCategoricalCrossentropy", ignore_class=1, **kw), k(3, 5), z,
                 logits=made)
    loss("logits-squeezed", L("BinaryCrossentropy"), b(4, 3), 3 * n(4, 3, 1), logits="sigmoid")
    loss("logits-far", L("BinaryCrossentropy"), b(4, 2), 90 * n(4, 2), logits="sigmoid")

    # ties and edges
    signs = np.array([[1, -1, 1, -1]], F)
    loss("edge-hinge", L("Hinge"), signs, np.array([[1, -1, 0.5, 2]], F))
    loss("edge-squared-hinge", L("SquaredHinge"), signs, np.array([[1, -1, 0.5, 2]], F))
    loss("edge-categorical-hinge", L("CategoricalHinge"), onehot([0, 1], 3), np.array([[1, 0, 0], [0.5, 0.5, 2]], F))
    loss("edge-huber", L("Huber", delta=0.5), np.zeros((1, 4), F), np.array([[0.5, -0.5, 0.4, 3]], F))
    loss("edge-absolute", L("MeanAbsoluteError"), np.zeros((1, 3), F), np.array([[0, -0.0, 1]], F))
    loss("edge-percentage", L("MeanAbsolutePercentageError"), np.array([[2, -1, 0.5]], F), np.array([[2, 1, -1]], F))
    loss("edge-logarithmic", L("MeanSquaredLogarithmicError"), np.array([[-1, 0, 2]], F), np.array([[0.5, -2, 1e-7]], F))
    loss("edge-divergence", L("KLDivergence"), np.array([[0, 1, 0.5]], F), np.array([[1, 1.5, 1e-7]], F))
    loss("edge-poisson", L("Poisson"), np.array([[0, 2, 1]], F), np.array([[0, 1e-3, 2]], F))
    edge = np.array([[0, 1, 1e-7, 0.9999999, 0.5]], F)
    loss("edge-binary", L("BinaryCrossentropy"), np.array([[1, 0, 1, 0, 0.5]], F), edge)
    for gamma in (0.0, 0.5):  # at the edges Keras's gradients of these are not numbers
        loss("binary-focal-%g" % gamma, L("BinaryFocalCrossentropy", gamma=gamma), b(5, 3), u(5, 3))
        loss("categorical-focal-%g" % gamma, L("CategoricalFocalCrossentropy", gamma=gamma),
             onehot(k(3, 5), 3), simplex(n(5, 3)))
    for gamma in (1.0, 1.5, 2.0, 3.0):
        loss("edge-binary-focal-%g" % gamma, L("BinaryFocalCrossentropy", gamma=gamma),
             np.array([[0, 1, 1, 0, 1]], F), edge)
        loss("edge-categorical-focal-%g" % gamma, L("CategoricalFocalCrossentropy", gamma=gamma),
             onehot([0, 1], 3), np.array([[1, 0, 0], [0.2, 0.2, 0.6]], F))
    loss("edge-categorical", L("CategoricalCrossentropy"), onehot([0, 1], 3), np.array([[1, 0, 0], [1, 0, 0]], F))
    loss("edge-sparse", L("SparseCategoricalCrossentropy"), [0, 1], np.array([[1, 0, 0], [1, 0, 0]], F))

    # options
    loss("categorical-smoothing-axis1", L("CategoricalCrossentropy", axis=1, label_smoothing=0.2),
         np.moveaxis(onehot(k(4, 3, 5), 4), -1, 1), np.moveaxis(simplex(n(3, 5, 4)), -1, 1))
    loss("categorical-logits-axis1", L("CategoricalCrossentropy", axis=1, from_logits=True),
         np.moveaxis(onehot(k(4, 3, 5), 4), -1, 1), n(3, 4, 5))
    loss("categorical-focal-axis1", L("CategoricalFocalCrossentropy", axis=1, alpha=[0.5, 1.0, 1.5]),
         np.moveaxis(onehot(k(4, 3, 3), 4), -1, 1), np.moveaxis(simplex(n(3, 3, 4)), -1, 1))
    loss("binary-axis0", L("BinaryCrossentropy", axis=0), b(4, 3), u(4, 3))
    loss("dice-axis0", L("Dice", axis=0), b(4, 3), u(4, 3))
    loss("dice-axis-last", L("Dice", axis=-1), b(4, 3, 2), u(4, 3, 2))
    loss("tversky-axes", L("Tversky", axis=[0, 2], alpha=0.2, beta=1.5), b(4, 3, 2), u(4, 3, 2))
    loss("cosine-axis0", L("CosineSimilarity", axis=0), n(4, 3), n(4, 3))
    loss("generalized-3d", L("CategoricalGeneralizedCrossEntropy", q=0.3), k(3, 4, 2), simplex(n(4, 2, 3)))
    for ignore in (-1, 255):
        t = k(3, 4, 5)
        t[0, :3] = ignore
        loss("ignore-%d" % ignore, L("SparseCategoricalCrossentropy", ignore_class=ignore), t, simplex(n(4, 5, 3)))
        loss("ignore-%d-mask-weight" % ignore, L("SparseCategoricalCrossentropy", ignore_class=ignore,
             reduction="mean_with_sample_weight"), t, simplex(n(4, 5, 3)), r.random((4, 5)).astype(F),
             r.random((4, 5)) < 0.7)

    # circle: no pair, only pairs, weights
    unit = lambda x: (x / np.sqrt((x * x).sum(-1, keepdims=True))).astype(F)
    loss("circle-no-pair", L("Circle"), np.arange(5, dtype=np.int32), unit(n(5, 3)))
    loss("circle-one-class", L("Circle"), np.zeros(5, np.int32), unit(n(5, 3)))
    loss("circle-some", L("Circle", reduction="none"), np.array([7, 7, -2, 3, 3, 9], np.int32), unit(n(6, 3)))
    loss("circle-weight", L("Circle"), np.array([1, 1, 0, 2, 2, 2], np.int32), unit(n(6, 3)), r.random(6).astype(F))
    loss("circle-column", L("Circle", gamma=10.0), np.array([[1], [1], [0], [0]], np.int32), unit(n(4, 3)))

    # ctc: repeated, empty, too long, one step
    loss("ctc-repeated", L("CTC"), np.array([[1, 1, 2], [2, 2, 2]], np.int32), n(2, 7, 3))
    loss("ctc-empty", L("CTC"), np.array([[0, 0], [1, 0]], np.int32), n(2, 4, 3))
    loss("ctc-long", L("CTC"), np.array([[1, 2, 1, 2, 1], [1, 1, 1, 0, 0]], np.int32), n(2, 3, 3),
         error=5e-6)  # float32 logarithms of about -700
    loss("ctc-one-step", L("CTC"), np.array([[1], [0]], np.int32), n(2, 1, 3))
    many = k(4, 3, 6) + 1
    many[1, 3:] = 0
    loss("ctc-many", L("CTC", reduction="sum"), many, 3 * n(3, 40, 5), error=1e-6)
    loss("ctc-softmax", L("CTC"), np.array([[1, 2]], np.int32), n(1, 5, 3), logits="softmax")


def run_losses():
    cases, arrays = [], {}
    for name, config, t, p, weight, mask, made, error in LOSSES:
        source = tf.constant(p)
        with tf.GradientTape() as tape:
            tape.watch(source)
            q = getattr(keras.ops, made)(source) if made else tf.identity(source)
            if mask is not None:
                q._keras_mask = tf.constant(mask)
            given = keras.saving.deserialize_keras_object(config) if isinstance(config, dict) else config
            value = compile_utils.get_loss(given, tf.constant(t), q)(tf.constant(t), q, sample_weight=weight)
            total = tf.reduce_sum(value)
        gradient = tape.gradient(total, source, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        kept = {"y_true": t, "y_pred": p, "loss": value.numpy(), "dy_pred": gradient.numpy()}
        if weight is not None:
            kept["sample_weight"] = weight
        if mask is not None:
            kept["mask"] = mask
        arrays.update({"%s/%s" % (name, key): np.asarray(a) for key, a in kept.items()})
        cases.append({"name": name, "config": config, "kwargs": {}, "logits": made, "arrays": sorted(kept),
                      "float32_error": {"loss": error, "dy_pred": error}})
    write("scores_losses", cases, arrays)


# ------------------------------------------------------------------ metrics
METRICS = []


def metric(name, config, *batches):
    """A batch: (y_true, y_pred) or (values,), then keywords weight, mask, made ("sigmoid" or "softmax")."""
    METRICS.append((name, config, batches))


def batch(*arrays, weight=None, mask=None, made=None):
    return dict(arrays=arrays, weight=weight, mask=mask, made=made)


def metrics():
    M = lambda cls, **kw: named("keras.metrics", cls, **kw)
    r = draw("metrics")
    n = lambda *s: r.standard_normal(s).astype(F)
    u = lambda *s: r.random(s).astype(F)
    b = lambda *s: r.integers(0, 2, s).astype(F)
    k = lambda top, *s: r.integers(0, top, s).astype(np.int32)
    w = lambda *s: r.uniform(0.2, 2, s).astype(F)

    # names
    for text in ("accuracy", "acc", "Accuracy"):
        metric("name-%s-binary" % text, text, batch(b(6, 1), u(6, 1)))
        metric("name-%s-sparse" % text, text, batch(k(3, 6), u(6, 3)))
        metric("name-%s-column" % text, text, batch(k(3, 6, 1), u(6, 3)))
        metric("name-%s-categorical" % text, text, batch(onehot(k(3, 6), 3), u(6, 3)))
    for text in ("mse", "MAPE", "auc", "AUC", "hinge", "log_cosh_error", "f1_score", "r2_score", "BCE"):
        metric("name-" + text, text, batch(b(6, 2), u(6, 2)), batch(b(5, 2), u(5, 2)))
    for text in ("huber", "log_cosh", "cosine_similarity", "binary_accuracy", "mean_squared_error", "dice",
                 "tversky", "binary_focal_crossentropy", "squared_hinge", "poisson", "pearson_correlation"):
        metric("function-" + text, function(text), batch(b(6, 3), u(6, 3)), batch(b(5, 3), u(5, 3)))
    for text in ("categorical_crossentropy", "categorical_focal_crossentropy", "categorical_accuracy",
                 "top_k_categorical_accuracy"):
        metric("function-" + text, function(text), batch(onehot(k(7, 6), 7), simplex(n(6, 7))))
    for text in ("sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy"):
        metric("function-" + text, function(text), batch(k(7, 6), simplex(n(6, 7))))
    metric("wrapper-arguments", M("MeanMetricWrapper", name="w", fn=function("huber"), delta=0.3),
           batch(n(6, 3), n(6, 3)))

    # ranks, weights, masks of means
    for cls, t, p in [("MeanSquaredError", n(6), n(6, 1)), ("Accuracy", k(3, 6), k(3, 6, 1)),
                      ("BinaryAccuracy", b(4, 3), u(4, 3, 1)), ("RootMeanSquaredError", n(6, 1), n(6)),
                      ("CosineSimilarity", n(6), n(6, 1)), ("LogCoshError", n(6), n(6)),
                      ("SparseCategoricalAccuracy", k(3, 4, 1), u(4, 1, 3)),
                      ("SparseTopKCategoricalAccuracy", k(7, 4, 1), u(4, 7)),
                      ("SparseCategoricalCrossentropy", k(3, 4, 1), simplex(n(4, 3))),
                      ("R2Score", n(6), n(6, 1)), ("TruePositives", b(6), u(6, 1)), ("AUC", b(6, 1), u(6))]:
        metric("rank-%s-%d-%d" % (cls, t.ndim, p.ndim), M(cls), batch(t, p), batch(t, p))
    shapes = {"none": None, "column": w(4, 1), "full": w(4, 3)}
    masks = {"none": None, "full": r.random((4, 3)) < 0.5, "off": np.zeros((4, 3), bool)}
    for cls in ("MeanAbsoluteError", "RootMeanSquaredError", "BinaryAccuracy"):
        for a, weight in shapes.items():
            for c, mask in masks.items():
                metric("mean-%s-%s-%s" % (cls, a, c), M(cls), batch(b(4, 3, 2), u(4, 3, 2), weight=weight, mask=mask),
                       batch(b(4, 3, 2), u(4, 3, 2), weight=weight))
    metric("mean-vector-weight-3d", M("MeanAbsoluteError"), batch(n(4, 3, 2), n(4, 3, 2), weight=w(4)))
    metric("mean-4d-weight", M("MeanAbsoluteError"), batch(n(4, 3, 2, 5), n(4, 3, 2, 5), weight=w(4, 3)))
    for cls in ("Mean", "Sum"):
        metric(cls + "-3d", M(cls), batch(n(4, 3, 2)), batch(n(2, 3, 2)))
        metric(cls + "-3d-weight", M(cls), batch(n(4, 3, 2), weight=w(4)), batch(n(4, 3, 2), weight=w(4, 3)))
        metric(cls + "-scalar", M(cls), batch(np.float32(2.5)), batch(np.float32(-1)))

    # logits, ignored classes, edges of probabilities
    for made in ("sigmoid", "softmax"):
        z = (4 * n(5, 3)).astype(F)
        hot = onehot(k(3, 5), 3)
        for from_logits in (False, True):
            tag = "%s-%s" % (made, from_logits)
            metric("logits-binary-" + tag, M("BinaryCrossentropy", from_logits=from_logits), batch(b(5, 3), z, made=made))
            metric("logits-categorical-" + tag, M("CategoricalCrossentropy", from_logits=from_logits),
                   batch(hot, z, made=made))
            metric("logits-sparse-" + tag, M("SparseCategoricalCrossentropy", from_logits=from_logits),
                   batch(k(3, 5), z, made=made))
            metric("logits-ignore-" + tag, M("SparseCategoricalCrossentropy", from_logits=from_logits, ignore_class=1),
                   batch(k(3, 5), z, made=made))
        metric("logits-focal-" + made, function("binary_focal_crossentropy"), batch(b(5, 3), z, made=made))
    for weight in (None, w(4, 5)):
        t = k(3, 4, 5)
        t[0, :3] = -1
        metric("ignore-%s" % (weight is not None), M("SparseCategoricalCrossentropy", ignore_class=-1),
               batch(t, simplex(n(4, 5, 3)), weight=weight, mask=r.random((4, 5)) < 0.7))
    edge = np.array([[0, 1, 1e-7, 0.9999999, 0.5]], F)
    metric("edge-binary", M("BinaryCrossentropy"), batch(np.array([[1, 0, 1, 0, 0.5]], F), edge))
    metric("edge-categorical", M("CategoricalCrossentropy"), batch(onehot([0, 1], 3), np.array([[1, 0, 0]] * 2, F)))
    metric("edge-sparse", M("SparseCategoricalCrossentropy"), batch(np.int32([0, 1]), np.array([[1, 0, 0]] * 2, F)))
    metric("edge-hinge-binary", M("Hinge"), batch(b(5, 3), n(5, 3)), batch(np.full((2, 3), 0.5, F), n(2, 3)))
    metric("categorical-axis1-smoothing", M("CategoricalCrossentropy", axis=1, label_smoothing=0.2),
           batch(np.moveaxis(onehot(k(4, 3, 5), 4), -1, 1), np.moveaxis(simplex(n(3, 5, 4)), -1, 1)))
    metric("cosine-zero", M("CosineSimilarity"), batch(np.array([[0, 0], [1, 0]], F), np.array([[1, 2], [1e-9, 0]], F)))

    # the largest
    tied = np.array([[0.0, -0.0, 0.0], [-0.0, 0.0, 0.0], [1, 1, 0], [-1, -0.0, -2], [np.inf, 1, np.inf],
                     [-np.inf, -np.inf, -np.inf]], F)
    for label in range(3):
        t = np.full(6, label, np.int32)
        metric("largest-sparse-%d" % label, M("SparseCategoricalAccuracy"), batch(t, tied))
        metric("largest-categorical-%d" % label, M("CategoricalAccuracy"), batch(onehot(t, 3), tied))
        for top in (1, 2):
            metric("largest-top-%d-%d" % (label, top), M("SparseTopKCategoricalAccuracy", k=top), batch(t, tied))
            metric("largest-hot-top-%d-%d" % (label, top), M("TopKCategoricalAccuracy", k=top),
                   batch(onehot(t, 3), tied))
    metric("top-sorted", M("SparseTopKCategoricalAccuracy", k=2, from_sorted_ids=True),
           batch(k(4, 6), np.argsort(-u(6, 4), axis=1).astype(F)))
    metric("top-3d", M("SparseTopKCategoricalAccuracy", k=2), batch(k(4, 3, 5), u(3, 5, 4), weight=w(3, 5)))
    metric("top-hot-3d", M("TopKCategoricalAccuracy", k=2), batch(onehot(k(4, 3, 5), 4), u(3, 5, 4)))

    # thresholds: on the grid, at the ends, evenly spaced or not
    grid = (np.arange(200) / F(199)).astype(F)
    ends = np.array([0, 1, 1.5, -0.5, 0.5, 0.25, 0.75, 1e-8], F)
    for thresholds in (None, 0.3, [0.5], [0.0, 0.5, 1.0], [0.0, 0.25, 0.5, 0.75, 1.0], [0.2, 0.3, 0.9], [0.9, 0.1]):
        for cls in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives", "Precision", "Recall"):
            metric("thresholds-%s-%s" % (cls, thresholds), M(cls, thresholds=thresholds),
                   batch(b(8), ends), batch(b(200), grid, weight=w(200)))
    for curve in ("ROC", "PR", "PRGAIN"):
        for method in ("interpolation", "majoring", "minoring"):
            kw = dict(curve=curve, summation_method=method)
            tag = "%s-%s" % (curve, method)
            metric("auc-grid-" + tag, M("AUC", **kw), batch(b(200), grid), batch(b(8), ends, weight=w(8)))
            metric("auc-labels-" + tag, M("AUC", num_thresholds=20, multi_label=True, label_weights=[0.5, 1, 2], **kw),
                   batch(b(20, 3), u(20, 3), weight=w(20)), batch(b(20, 3), u(20, 3)))
            metric("auc-three-" + tag, M("AUC", thresholds=[0.25, 0.5, 0.75], **kw), batch(b(30), u(30)))
            metric("auc-some-" + tag, M("AUC", thresholds=[0.2, 0.7, 0.3], multi_label=True, num_labels=2, **kw),
                   batch(b(30, 2), u(30, 2), weight=w(30)))
            metric("auc-one-class-" + tag, M("AUC", **kw), batch(np.ones(6, F), u(6)))
    near = np.array([0.500002, 0.500006, 0.4999], F)  # 0.500004 counts as 1/2 there
    metric("thresholds-nearly-even", M("TruePositives", thresholds=[0.0, 0.500004, 1.0]), batch(np.ones(3, F), near))
    metric("thresholds-not-even", M("TruePositives", thresholds=[0.0, 0.50001, 1.0]), batch(np.ones(3, F), near))
    metric("auc-column-weights", M("AUC", label_weights=[0.5, 2]), batch(b(20, 2), u(20, 2), weight=w(20)))
    metric("auc-column-weights-some", M("AUC", label_weights=[0.5, 2], thresholds=[0.3]), batch(b(20, 2), u(20, 2)))
    metric("auc-two", M("AUC", num_thresholds=2), batch(b(20), u(20)))
    metric("auc-masked", M("AUC"), batch(b(4, 3), u(4, 3), mask=r.random((4, 3)) < 0.5))
    for cls, key in (("PrecisionAtRecall", "recall"), ("RecallAtPrecision", "precision"),
                     ("SensitivityAtSpecificity", "specificity"), ("SpecificityAtSensitivity", "sensitivity")):
        for count in (1, 2, 7, 200):
            for value in (0.0, 0.6, 1.0):
                metric("%s-%d-%g" % (cls, count, value), M(cls, num_thresholds=count, **{key: value}),
                       batch(b(200), grid), batch(b(8), ends))
        metric("%s-class" % cls, M(cls, class_id=1, **{key: 0.5}), batch(onehot(k(3, 20), 3), simplex(n(20, 3))))
    for cls in ("Precision", "Recall"):
        metric(cls + "-top-ties", M(cls, top_k=2), batch(b(6, 4), (k(3, 6, 4) / F(2)).astype(F), weight=w(6)))
        metric(cls + "-top-threshold", M(cls, top_k=2, thresholds=[0.1, 0.6]), batch(b(6, 4), u(6, 4)))
        metric(cls + "-class-weight", M(cls, class_id=2), batch(b(6, 4), u(6, 4), weight=w(6)))
        metric(cls + "-3d-weight", M(cls), batch(b(4, 3, 2), u(4, 3, 2), weight=w(4, 3)))
        metric(cls + "-3d-top-class", M(cls, top_k=1, class_id=0), batch(b(4, 3, 2), u(4, 3, 2)))

    # f scores, r2, correlation
    for average in (None, "micro", "macro", "weighted"):
        for threshold in (None, 0.5):
            metric("fbeta-%s-%s" % (average, threshold), M("FBetaScore", average=average, beta=0.7, threshold=threshold),
                   batch(onehot(k(3, 8), 3), (k(3, 8, 3) / F(2)).astype(F), weight=w(8)),
                   batch(u(5, 3), np.zeros((5, 3), F)))
    for aggregation in (None, "uniform_average", "variance_weighted_average"):
        for regressors in (0, 2, 50):
            metric("r2-%s-%d" % (aggregation, regressors),
                   M("R2Score", class_aggregation=aggregation, num_regressors=regressors),
                   batch(n(6, 3), n(6, 3), weight=w(6)), batch(n(5, 3), n(5, 3)))
    metric("r2-constant", M("R2Score"), batch(np.ones((4, 2), F), n(4, 2)))
    for cls in ("PearsonCorrelation", "ConcordanceCorrelation"):
        metric(cls + "-axis0", M(cls, axis=0), batch(n(6, 3), n(6, 3)))
        metric(cls + "-weight", M(cls), batch(n(4, 3, 5), n(4, 3, 5), weight=w(4, 3)))

    # intersection over union
    for dtype in (None, "float32"):
        for ignore in (None, 1, -1, 7):
            t, p = k(6, 30) - 1, k(5, 30) - 1
            metric("iou-%s-%s" % (dtype, ignore), M("MeanIoU", num_classes=4, dtype=dtype, ignore_class=ignore),
                   batch(t, p, weight=w(30)), batch(t[:5], p[:5]))
    metric("iou-some", M("IoU", num_classes=3, target_class_ids=[2, 0, 2]), batch(k(3, 4, 6), k(3, 4, 6)))
    metric("iou-2d-weight", M("IoU", num_classes=3, target_class_ids=[1], dtype="float32"),
           batch(k(3, 4, 6), k(3, 4, 6), weight=w(4, 6)))
    metric("iou-scores", M("MeanIoU", num_classes=3, sparse_y_pred=False), batch(k(3, 4, 6), u(4, 6, 3)))
    metric("iou-hot-3d", M("OneHotIoU", num_classes=3, target_class_ids=[0, 2]), batch(onehot(k(3, 4, 6), 3), u(4, 6, 3)))
    metric("iou-hot-sparse", M("OneHotMeanIoU", num_classes=3, sparse_y_pred=True), batch(onehot(k(3, 8), 3), k(3, 8)))
    metric("iou-hot-axis0", M("OneHotMeanIoU", num_classes=3, axis=0), batch(np.moveaxis(onehot(k(3, 4, 6), 3), -1, 0), u(3, 4, 6)))
    metric("iou-binary", M("BinaryIoU", target_class_ids=[1], threshold=0.25, dtype="float32"),
           batch(b(8), ends, weight=w(8)), batch(b(8), ends))
    metric("iou-nothing", M("MeanIoU", num_classes=3), batch(k(2, 5) + 7, k(2, 5)))


def run_metrics():
    cases, arrays = [], {}
    for name, config, batches in METRICS:
        first = batches[0]["arrays"]
        given = keras.saving.deserialize_keras_object(config) if isinstance(config, dict) else config
        m = None
        for i, d in enumerate(batches):
            kept = {}
            if len(d["arrays"]) == 1:
                kept["values"] = np.asarray(d["arrays"][0])
                args = [tf.constant(kept["values"])]
            else:
                kept["y_true"], p = d["arrays"]
                q = tf.constant(p)
                if d["made"]:
                    kept["logits"] = p
                    q = getattr(keras.ops, d["made"])(q)
                kept["y_pred"] = q.numpy()
                if d["mask"] is not None:
                    q._keras_mask = tf.constant(d["mask"])
                    kept["mask"] = d["mask"]
                args = [tf.constant(kept["y_true"]), q]
            if m is None:
                m = given if len(first) == 1 else compile_utils.get_metric(given, args[0], args[1])
            if d["weight"] is not None:
                kept["sample_weight"] = d["weight"]
            m.update_state(*args, sample_weight=d["weight"])
            kept["result"] = np.asarray(keras.ops.convert_to_numpy(m.result()), np.float64)
            arrays.update({"%s/%d/%s" % (name, i, key): np.asarray(a) for key, a in kept.items()})
        cases.append({"name": name, "config": config, "kwargs": {}, "metric": m.name, "updates": len(batches),
                      "float32_error": ERROR})
    write("scores_metrics", cases, arrays)


losses()
run_losses()
metrics()
run_metrics()
