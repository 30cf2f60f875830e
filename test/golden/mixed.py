# SPDX-License-Identifier: Apache-2.0
"""Golden cases of mixed precision: small models and two runs under the policies mixed_bfloat16 and mixed_float16.

    python test/golden/mixed.py [NAME ...]       (Keras 3.15 on TensorFlow; writes into mixed/ and training/)

Truth is what Keras gives under the policy, in the form of the cases of layers/.
"""
import json
import os
import pathlib
import sys
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tensorflow as tf

import keras
from keras import layers as L
from keras import ops

HERE = pathlib.Path(__file__).parent / "mixed"
POLICIES = ("mixed_bfloat16", "mixed_float16")


def attention(x, **settings):
    return L.MultiHeadAttention(2, 3, **settings)(x, x)


# name: (shapes of the inputs; integers: numbers below that, model, does training differ)
CASES = {
    "Dense": ([(5,)], lambda x: L.Dense(4)(x)),
    "Dense-relu": ([(6,)], lambda x: L.Dense(3)(L.Dense(8, activation="relu")(x))),
    "Dense-tanh": ([(5,)], lambda x: L.Dense(4, activation="tanh", use_bias=False)(x)),
    "Dense-softmax": ([(5,)], lambda x: L.Dense(4, activation="softmax")(x)),
    "Dense-3D": ([(3, 5)], lambda x: L.Dense(4, activation="sigmoid")(x)),
    "Dense-float32": ([(5,)], lambda x: L.Dense(3, dtype="float32")(L.Dense(6, activation="relu")(x))),
    "Dense-float32-first": ([(5,)], lambda x: L.Dense(3)(L.Dense(6, activation="relu", dtype="float32")(x))),
    "EinsumDense": ([(3, 4)], lambda x: L.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de")(x)),
    "Conv1D": ([(9, 3)], lambda x: L.Conv1D(4, 3, strides=2, padding="same")(x)),
    "Conv2D": ([(6, 7, 2)], lambda x: L.Conv2D(3, 3, activation="relu")(x)),
    "Conv2D-same": ([(5, 5, 2)], lambda x: L.Conv2D(4, 3, padding="same", use_bias=False)(x)),
    "DepthwiseConv2D": ([(5, 5, 2)], lambda x: L.DepthwiseConv2D(3)(x)),
    "Activations": (
        [(6,)],
        lambda x: [
            L.Activation(a)(x)
            for a in ("relu", "sigmoid", "tanh", "softplus", "elu", "selu", "silu", "gelu", "softsign", "exponential", "hard_sigmoid", "log_softmax")
        ],
    ),
    "Activation-layers": ([(6,)], lambda x: [L.ReLU(0.75)(x), L.LeakyReLU()(x), L.ELU()(x), L.Softmax()(x), L.PReLU()(x)]),
    "BatchNormalization": ([(4, 3)], lambda x: L.BatchNormalization()(x), True),
    "BatchNormalization-after": ([(5, 5, 2)], lambda x: L.BatchNormalization(scale=False)(L.Conv2D(3, 2)(x)), True),
    "LayerNormalization": ([(4, 6)], lambda x: L.LayerNormalization()(L.Dense(6)(x))),
    "LayerNormalization-first": ([(6,)], lambda x: L.LayerNormalization()(x)),
    "GroupNormalization": ([(4, 6)], lambda x: L.GroupNormalization(2)(x)),
    "RMSNormalization": ([(4, 6)], lambda x: L.RMSNormalization()(x)),
    "UnitNormalization": ([(4, 6)], lambda x: L.UnitNormalization()(x)),
    "Pooling": (
        [(6, 6, 2)],
        lambda x: [L.MaxPooling2D()(x), L.AveragePooling2D(3, 2, padding="same")(x), L.GlobalAveragePooling2D()(x), L.GlobalMaxPooling2D()(x)],
    ),
    "Shapes": (
        [(4, 6)],
        lambda x: [L.Flatten()(x), L.Permute((2, 1))(x), L.ZeroPadding1D(1)(x), L.Cropping1D(1)(x), L.UpSampling1D(2)(x), L.Reshape((2, 12))(x)],
    ),
    "Merging": (
        [(4,), (4,), (4,)],
        lambda x, y, z: [L.Add()([x, y, z]), L.Subtract()([x, y]), L.Multiply()([x, y, z]), L.Average()([x, y, z]), L.Maximum()([x, y]), L.Concatenate()([x, y])],
    ),
    "Dot": ([(3, 4), (5, 4)], lambda x, y: [L.Dot(2)([x, y]), L.Dot(2, normalize=True)([x, y])]),
    "Dropout": ([(6,)], lambda x: L.Dense(3)(L.Dropout(0.5)(L.Dense(4)(x)))),
    "Embedding": ([(5, 7)], lambda i: L.Dense(3)(L.Embedding(7, 4)(i))),
    "SimpleRNN": ([(5, 3)], lambda x: L.SimpleRNN(4, return_sequences=True)(x)),
    "LSTM": ([(5, 3)], lambda x: L.LSTM(4)(x)),
    "LSTM-sequences": ([(4, 3)], lambda x: L.LSTM(3, return_sequences=True, return_state=True)(x)),
    "GRU": ([(5, 3)], lambda x: L.GRU(4)(x)),
    "GRU-before": ([(4, 3)], lambda x: L.GRU(4, reset_after=False, return_sequences=True)(x)),
    "Bidirectional": ([(4, 3)], lambda x: L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="sum")(x)),
    "TimeDistributed": ([(4, 3)], lambda x: L.TimeDistributed(L.Dense(5, activation="tanh"))(x)),
    "Masking": ([(5, 3)], lambda x: L.GRU(4)(L.Masking(-9.0)(x))),
    "MultiHeadAttention": ([(5, 6)], lambda x: attention(x)),
    "MultiHeadAttention-causal": ([(5, 6)], lambda x: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)),
    "MultiHeadAttention-dropout": ([(5, 6)], lambda x: attention(x, dropout=0.3)),
    "Attention": ([(4, 6), (5, 6)], lambda q, v: L.Attention()([q, v])),
    "Attention-causal": ([(5, 6)], lambda x: L.Attention(use_scale=True)([x, x], use_causal_mask=True)),
    "Operations": (
        [(4, 6), (4, 6)],
        lambda x, y: [
            ops.mean(L.Dense(5)(x) * 2.0 + 0.1, axis=1),
            ops.matmul(L.Dense(3)(x), ops.transpose(L.Dense(3)(y), (0, 2, 1))),
            ops.exp(L.Dense(2)(x)) + L.Dense(2, dtype="float32")(y),
            ops.softmax(L.Dense(4)(x)),
        ],
    ),
    "Rescaling": ([(6,)], lambda x: L.Dense(3)(L.Rescaling(1 / 255, 0.1)(x))),
    "Penalties": (
        [(5,)],
        lambda x: L.Dense(4, kernel_regularizer="l2", activity_regularizer=keras.regularizers.L2(0.02))(x),
    ),
}


def model_of(case, policy):
    shapes, make = CASES[case][:2]
    keras.utils.clear_session()
    keras.utils.set_random_seed(zlib.crc32(case.encode()))
    keras.config.set_dtype_policy(policy)
    whole = case == "Embedding"
    inputs = [keras.Input(s[:-1] if whole else s, name=f"x{i}", dtype="int32" if whole else "float32") for i, s in enumerate(shapes)]
    outputs = make(*inputs)
    model = keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)
    for w in model.weights:  # nothing may be hidden behind zeros and ones
        if w.name in ("bias", "beta", "gamma", "moving_mean", "moving_variance", "scale", "alpha"):
            w.assign(np.abs(w.numpy() + np.random.normal(0, 0.3, w.shape)) + 0.01 if w.name != "bias" else np.random.normal(0, 0.3, w.shape))
    return model


def inputs_of(case, samples):
    made = []
    for shape in CASES[case][0]:
        if case == "Embedding":
            made.append(np.random.randint(0, shape[-1], (samples,) + shape[:-1]).astype("int32"))
            continue
        x = np.random.normal(0, 1, (samples,) + shape).astype("float32")
        if case == "Masking":
            x[0, 3:] = x[2, 1:] = -9.0
        made.append(x * 200 if case == "Rescaling" else x)
    return made


def flat(y):
    return tf.nest.flatten(y)


def run(model, inputs, cotangents, training):
    x = [tf.constant(v) for v in inputs]
    with tf.GradientTape() as tape:
        tape.watch([v for v in x if v.dtype.is_floating])
        y = flat(model(x if len(x) > 1 else x[0], training=training))
        total = sum(tf.reduce_sum(tf.cast(v, "float32") * c) for v, c in zip(y, cotangents))
    weights = [w.value for w in model.trainable_weights]
    dx, dw = tape.gradient(total, (x, weights), unconnected_gradients="zero")
    return y, dx, dw


def arrays_of(model, inputs, cotangents, training, out):
    t = "t" if training else ""
    y, dx, dw = run(model, inputs, cotangents, training)
    for i, v in enumerate(y):
        out[f"y{t}{i}"] = np.asarray(tf.cast(v, "float32"))
        mask = getattr(v, "_keras_mask", None)
        if mask is not None and not training:
            out[f"m{i}"] = np.asarray(mask)
    for i, v in enumerate(dx):
        if inputs[i].dtype == np.float32:
            out[f"dx{t}{i}"] = np.asarray(v)
    for w, v in zip(model.trainable_weights, dw):
        out[f"dw{t}/{w.path}"] = np.asarray(tf.convert_to_tensor(v))
    return y


def penalties_of(model, inputs, out):
    x = [tf.constant(v) for v in inputs]
    with tf.GradientTape() as tape:
        tape.watch([v for v in x if v.dtype.is_floating])
        model(x if len(x) > 1 else x[0], training=False)
        if not model.losses:
            return
        loss = sum(tf.cast(v, "float32") for v in model.losses)
    weights = [w.value for w in model.trainable_weights]
    dx, dw = tape.gradient(loss, (x[0], weights), unconnected_gradients="zero")
    out["loss"], out["ldx0"] = np.asarray(loss), np.asarray(dx)
    for w, v in zip(model.trainable_weights, dw):
        out[f"ldw/{w.path}"] = np.asarray(v)


def errors_of(case, model, inputs, cotangents, out):
    """How far Keras itself is from float32 in the gradients where that is much: there the terms of a sum cancel."""
    exact = model_of(case, "float32")
    exact.set_weights([out[f"w/{w.path}"] for w in model.weights])
    truth = {}
    for training in (False, True) if "yt0" in out else (False,):
        arrays_of(exact, inputs, cotangents, training, truth)
    errors = {}
    for key, value in truth.items():
        error = float(np.max(np.abs(value - out[key]), initial=0) / max(1.0, np.max(np.abs(value), initial=0)))
        if key.startswith("d") and error > 2.0**-11:
            errors[key] = error
    return errors


def write(case, policy):
    model = model_of(case, policy)
    samples = 4
    inputs = inputs_of(case, samples)
    out = {f"x{i}": v for i, v in enumerate(inputs)}
    for w in model.weights:
        out[f"w/{w.path}"] = w.numpy()
    y = flat(model(inputs if len(inputs) > 1 else inputs[0], training=False))
    cotangents = [np.random.normal(0, 1, v.shape).astype("float32") for v in y]
    out.update({f"g{i}": v for i, v in enumerate(cotangents)})
    differs = len(CASES[case]) > 2
    name = f"{case}.{policy}"
    model.save(HERE / f"{name}.keras")
    arrays_of(model, inputs, cotangents, False, out)
    penalties_of(model, inputs, out)
    if differs:
        before = [w.numpy() for w in model.weights]
        arrays_of(model, inputs, cotangents, True, out)
        for w, old in zip(model.weights, before):
            if np.any(w.numpy() != old):
                out[f"nt/{w.path}"] = w.numpy()
    meta = {"weights": [{"path": w.path} for w in model.weights], "training_differs": differs, "policy": policy, "float32_error": errors_of(case, model, inputs, cotangents, out)}
    out["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez_compressed(HERE / f"{name}.npz", **out)


# ---- Training ----


def convnet():
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            L.Conv2D(4, 3, use_bias=False),
            L.BatchNormalization(),
            L.ReLU(),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dense(8, activation="gelu"),
            L.LayerNormalization(),
            L.Dense(3, dtype="float32"),
            L.Activation("softmax", dtype="float32"),
        ],
        name="convnet",
    )


def regression():
    return keras.Sequential(
        [keras.Input((5,)), L.Dense(16, activation="relu"), L.Dense(12, activation="tanh"), L.Dense(1)], name="regression"
    )


def images(samples):
    x = np.random.normal(0, 1, (samples, 6, 6, 1)).astype("float32")
    return x, (x[:, :3].mean((1, 2, 3)) > 0.05).astype("int32") + (x[:, 3:].mean((1, 2, 3)) > 0.05)


def numbers(samples):
    x = np.random.normal(0, 4, (samples, 5)).astype("float32")
    return x, (x @ np.array([2.0, -1, 0.5, 1, 3])[:, None]).astype("float32")


# name: (policy, model, data, compile, epochs). The first gradients of mixed-float16, times 2^15, are infinite.
RUNS = {
    "mixed-bfloat16": ("mixed_bfloat16", convnet, images, lambda: {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9), "loss": "sparse_categorical_crossentropy"}, 4),
    "mixed-float16": ("mixed_float16", regression, numbers, lambda: {"optimizer": keras.optimizers.SGD(0.003, momentum=0.5), "loss": "mse"}, 4),
}


def train(name, policy, batch=16, samples=72):
    make, data, settings, epochs = RUNS[name][1:]
    keras.utils.clear_session()
    keras.utils.set_random_seed(zlib.crc32(name.encode()))
    keras.config.set_dtype_policy(policy)
    x, y = data(samples)
    model = make()
    model.compile(**settings(), jit_compile=False)
    if policy != "float32":
        model.save(HERE.parent / "training" / f"{name}.keras")
    out, losses, scales = {"x0": x, "y0": y}, [], []
    for _ in range(epochs):
        for first in range(0, samples, batch):
            model.reset_metrics()
            losses.append(model.train_on_batch(x[first : first + batch], y[first : first + batch]))
            scales.append(float(getattr(model.optimizer, "dynamic_scale", 0)))
    out["batch_loss"] = np.array(losses, "float64").reshape(-1)
    for w in model.weights:
        out[f"final/{w.path}"] = w.numpy()
    for i, v in enumerate(model.optimizer.variables):
        out[f"optimizer/{i}"] = np.asarray(v.numpy())
    return model, out, scales


def distance(a, b):
    return float(np.max(np.abs(a - b), initial=0) / max(1.0, np.max(np.abs(b), initial=0)))


def path_of(variable, model):
    """The path without the scopes of the moment: the model's name, an optimizer around the variable's own."""
    return variable.path.replace(f"/{model.name}_", "/").replace("loss_scale_optimizer/sgd", "sgd")


def write_run(name):
    """Allowed is 20 times float32_gap: twice Keras's own distance from a run in float32, not more than 2 %."""
    exact = train(name, "float32")[1]
    model, out, scales = train(name, RUNS[name][0])
    gap = {k: min(2 * distance(exact[k], v), 0.02) / 20 for k, v in out.items() if k.startswith(("batch_loss", "final/"))}
    meta = {
        "batch_size": 16,
        "epochs_run": RUNS[name][4],
        "steps": len(scales),
        "class_weight": None,
        "callbacks": [],
        "weights": [{"path": w.path, "float32_gap": gap[f"final/{w.path}"]} for w in model.weights],
        "optimizer_variables": [{"path": path_of(v, model)} for v in model.optimizer.variables],
        "float32_gap": {"loss": gap["batch_loss"], "final_weights": max(gap.values())},
        "scales": scales,
    }
    print(name, gap, scales, out["batch_loss"])
    out["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez_compressed(HERE.parent / "training" / f"{name}.npz", **out)


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    wanted = sys.argv[1:]
    for case in CASES:
        for policy in POLICIES if not wanted or case in wanted else ():
            write(case, policy)
    for name in RUNS:
        if not wanted or name in wanted:
            write_run(name)
