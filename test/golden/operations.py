# SPDX-License-Identifier: Apache-2.0
"""Golden cases of keras.ops in Functional models, in the form of the other cases of layers/.

    python test/golden/operations.py [CASE...]        (Keras 3.15 on TensorFlow; writes into layers/ and files/)

Truth is float64: the model is built once more with floatx float64 and the same inputs.
"""
import json
import os
import pathlib
import sys
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
import tensorflow as tf

import keras
from keras import activations, ops

HERE = pathlib.Path(__file__).parent / "layers"

CASES = {
    "Ops-elementary": lambda x, y: [
        ops.log(ops.absolute(x) + 0.5),
        ops.log1p(ops.square(x)),
        ops.expm1(x) - ops.tanh(y),
        ops.sign(x) * ops.floor(y) + ops.ceil(x) + ops.round(x * 3.0),
        ops.reciprocal(ops.square(y) + 1.0),
        ops.rsqrt(ops.square(x) + 0.25) + ops.erf(y),
        ops.clip(x, -0.5, 0.75) * ops.stop_gradient(y) + x,
        ops.rsqrt(ops.square(y) + 0.5),
    ],
    "Ops-power": lambda x, y: [x**2, x**3, ops.power(y, 7), (x * x + 1.0) ** -2, (y * y + 1.0) ** 0.5, (y * y + 0.5) ** -0.5, x**1],
    "Ops-powers": lambda x, y: [
        (x * x + 0.3) ** 1.7,
        ops.power(ops.absolute(y) + 0.2, -2.3),
        ops.power(2.0, x),
        ops.power(x * x + 0.5, y),
        ops.power(ops.round(x), 65.0) * 1e-30,
        ops.power(ops.absolute(x) + 0.5, ops.round(y * 3.0)),
        ops.exp2(x) + ops.log2(y * y + 0.1),
        ops.log10(x * x + 0.1),
    ],
    "Ops-circular": lambda x, y: [
        ops.sin(x * 3.0) + ops.cos(y * 5.0),
        ops.tan(x),
        ops.arcsin(ops.tanh(x)) + ops.arctan(y * 9.0),
        ops.arccos(ops.tanh(y) * 0.9),
        ops.arctan2(x, y),
        ops.sinh(x) + ops.cosh(y) + ops.sinh(y * 1e-4),
        ops.arcsinh(x * 5.0) + ops.arccosh(y * y + 1.1) + ops.arcsinh(x * 1e-4),
        ops.arctanh(ops.tanh(x) * 0.9) + ops.arctanh(y * 1e-4),
    ],
    "Ops-activations": lambda x, y: [
        ops.relu(x) + ops.relu6(y * 9.0),
        ops.sigmoid(x) + ops.softplus(y) + ops.softsign(x),
        ops.silu(x) + ops.selu(y) + ops.log_sigmoid(x),
        ops.hard_sigmoid(3.0 * x) + ops.hard_silu(3.0 * y) + ops.hard_tanh(2.0 * x),
        ops.tanh_shrink(x) + ops.sparse_plus(2.0 * x) + ops.sparse_sigmoid(2.0 * y),
        activations.relu(x, negative_slope=0.1, max_value=1.0, threshold=0.25) + activations.relu(y, negative_slope=0.3),
        ops.softmax(x, axis=-1) + ops.softmax(y, axis=1),
        ops.log_softmax(x, axis=-1),
    ],
    "Ops-activation-arguments": lambda x, y: [
        ops.elu(x, 0.5) + ops.celu(y, 0.7),
        ops.leaky_relu(x, 0.3) + ops.gelu(y, approximate=True),
        ops.gelu(x, approximate=False) + ops.squareplus(y, 2.0),
        ops.hard_shrink(x, 0.3) + ops.soft_shrink(y, 0.4),
        ops.threshold(x, 0.2, -0.25),
        ops.glu(x, axis=1),
        ops.sparsemax(x, axis=-1),
        ops.sparsemax(y, axis=1),
    ],
    "Ops-shapes": lambda x, y: [
        ops.expand_dims(x, -1) * ops.expand_dims(y, axis=(1, 4))[:, 0],
        ops.squeeze(x[:, 1:2], axis=1),
        ops.transpose(x, (0, 2, 1)),
        ops.reshape(x, (-1, 2, 12)),
        ops.swapaxes(ops.reshape(y, (-1, 2, 2, 6)), 1, -1),
        ops.moveaxis(ops.reshape(y, (-1, 2, 2, 6)), 1, 3),
        ops.squeeze(ops.reshape(y, (-1, 1, 4, 1, 6))),
    ],
    "Ops-turning": lambda x, y: [
        ops.flip(x, axis=1),
        ops.flip(x, axis=(1, 2)),
        ops.roll(x, 1, axis=1),
        ops.roll(y, -8, axis=2),
        ops.tile(x, (1, 2, 3)),
        ops.repeat(y, 3, axis=1),
        ops.pad(x, ((0, 0), (1, 2), (0, 3))),
        ops.pad(y, ((0, 0), (0, 1), (1, 0)), constant_values=1.5),
    ],
    "Ops-get-item": lambda x, y: [
        x[:, 1:3],
        x[:, 0],
        x[..., -1],
        x[:, None, 1:, 0],
        x[:, ::2, 1::3],
        y[:, ::-1, -2:0:-2],
        y[:, 5:1],
        y[:, -1, None, 0:2] + x[:, 1, 2:4][:, None],
    ],
    "Ops-joining": lambda x, y: [
        ops.stack([x, y], axis=1),
        ops.stack([x, y, x], axis=-1),
        ops.concatenate([x, y, x], axis=1),
        ops.add(*ops.split(x, 2, axis=1)),
        ops.split(y, [1, 4], axis=-1)[1] * 2.0,
        ops.unstack(x, axis=1)[2],
        ops.take(x, [3, 0, 3, -1], axis=1),
        ops.take(y, 2, axis=2),
    ],
    "Ops-choosing": lambda x, y: [
        ops.where(x > 0.0, x, y),
        ops.where(ops.logical_not(x > y), 2.0, y * y),
        ops.cast(x > 0.25, "float32" if keras.config.floatx() == "float32" else "float64") * y,
        ops.where(ops.isfinite(x / ops.relu(y)), x, 0.0) * 0.5,
        ops.where(ops.isinf(1.0 / ops.relu(y)), 1.0, x),
        ops.where(ops.isnan(ops.relu(x) / ops.relu(x)), y, x),
        ops.cast(x * 10.0, "int32"),
        ops.ones_like(x) * y - ops.zeros_like(x),
    ],
    "Ops-reductions": lambda x, y: [
        ops.var(x, axis=1),
        ops.std(y, axis=-1, keepdims=True),
        ops.logsumexp(x * 20.0, axis=1),
        ops.logsumexp(y, axis=(1, 2), keepdims=True),
        ops.norm(x, axis=-1),
        ops.argmax(x, axis=-1),
        ops.argmin(y, axis=1, keepdims=True),
        ops.count_nonzero(ops.relu(x), axis=2),
    ],
    "Ops-products": lambda x, y: [
        ops.matmul(x, ops.transpose(y, (0, 2, 1))),
        ops.matmul(ops.expand_dims(x, 1), ops.reshape(y, (-1, 2, 6, 2))),
        ops.matmul(x, np.arange(12, dtype=keras.config.floatx()).reshape(6, 2) / 8.0),
        ops.einsum("bij,bkj->bik", x, y),
        ops.einsum("bij,bij->bj", x, y),
        ops.einsum("b...j,bkj->bk...", x, y),
    ],
}


def build(make, floatx):
    keras.config.set_floatx(floatx)
    keras.utils.clear_session()
    x, y = keras.Input((4, 6), name="x"), keras.Input((4, 6), name="y")
    return keras.Model([x, y], make(x, y))


def run(model, inputs, cotangents, dtype):
    x = [tf.constant(v, dtype) for v in inputs]
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x, training=False)
        y = list(y) if isinstance(y, (list, tuple)) else [y]
        if cotangents is None:
            return y, None
        real = [i for i, v in enumerate(y) if v.dtype.is_floating]
        total = sum(tf.reduce_sum(y[i] * tf.constant(cotangents[i], dtype)) for i in real)
    return y, tape.gradient(total, x, unconnected_gradients="zero")


def error(a, b):
    return float(np.max(np.abs(a - b), initial=0) / max(1.0, np.max(np.abs(b), initial=0)))


def save(path, arrays, meta):
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for key, value in arrays.items():
            info = zipfile.ZipInfo(key + ".npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            with z.open(info, "w") as f:
                np.lib.format.write_array(f, np.ascontiguousarray(value), version=(1, 0))


def write(name, make):
    rng = np.random.default_rng([len(name)] + list(name.encode()))
    inputs = [rng.normal(size=(3, 4, 6)).astype(np.float32) for _ in range(2)]
    model = build(make, "float32")
    y32, _ = run(model, inputs, None, tf.float32)
    g = [rng.normal(size=v.shape).astype(np.float32) for v in y32]
    y32, d32 = run(model, inputs, g, tf.float32)
    path = HERE / (name + ".keras")
    model.save(path)
    y, d = run(build(make, "float64"), inputs, g, tf.float64)
    keras.config.set_floatx("float32")
    arrays = {f"x{i}": v.astype(np.float64) for i, v in enumerate(inputs)}
    for i, v in enumerate(y):
        arrays[f"y{i}"] = v.numpy()
        if v.dtype.is_floating:
            arrays[f"g{i}"] = g[i].astype(np.float64)
    for i, v in enumerate(d):
        arrays[f"dx{i}"] = v.numpy()
    meta = {
        "name": name,
        "inputs": [{"shape": list(v.shape)} for v in inputs],
        "layers": [
            {"class_name": f"{type(l).__module__}.{type(l).__name__}", "config": l.get_config()}
            for l in model.operations
            if not isinstance(l, keras.layers.Layer)
        ],
        "weights": [],
        "trainable": [],
        "training_differs": False,
        "random_in_training": False,
        "truth": "float64",
        "float32_error": {
            "y": max(error(a.numpy().astype(float), b.numpy().astype(float)) for a, b in zip(y32, y)),
            "gradients": max(error(a.numpy(), b.numpy()) for a, b in zip(d32, d)),
        },
    }
    print(name, meta["float32_error"])
    save(HERE / (name + ".npz"), arrays, meta)


def file_case():
    """files/operations-as-nodes: three samples. Of four, as many as the model has features, Keras's add (called
    eagerly) takes the sums of the samples for a bias of the features."""
    folder = pathlib.Path(__file__).parent / "files"
    model = keras.models.load_model(folder / "operations-as-nodes" / "model.keras")
    x = np.random.default_rng(5).normal(size=(3, 4)).astype(np.float32)
    arrays = {"x0": x.astype(np.float64)}
    for i, y in enumerate(model(x)):
        arrays[f"y{i}"] = y.numpy().astype(np.float64)
    meta = {"name": "operations-as-nodes", "files": ["model.keras"], "expect": "load", "float32_error": {"y": 2e-7}}
    save(folder / "operations-as-nodes.npz", arrays, meta)


for case, make in CASES.items():
    if len(sys.argv) < 2 or case in sys.argv[1:]:
        write(case, make)
if len(sys.argv) < 2:
    file_case()
