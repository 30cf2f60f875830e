# SPDX-License-Identifier: Apache-2.0
"""Models of random structure beside real Keras: usage: keras_models_check.py ISOBIT [FIRST] [COUNT]

Nested, shared and wrapped models as people make them: Keras makes and saves them; isobit's summary is Keras's, its predictions
and the weights after three steps agree with Keras in float32.
"""

import contextlib
import difflib
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["COLUMNS"] = "200"  # or the summary is cut off

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

ISOBIT = os.path.abspath(sys.argv[1])
BATCH, STEPS = 4, 3


class Maker:
    """Tensors of shape (steps, width) or (width,), and layers that take them."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.shared = {}
        self.notes = []

    def pick(self, *options):
        return self.r.choice(options)

    def share(self, key, make):
        """A layer, now and then one that was there before."""
        if key in self.shared and self.r.random() < 0.4:
            return self.shared[key]
        self.shared[key] = made = make()
        self.notes.append(type(made).__name__)
        return made

    def model_of(self, shape, kind, depth, outputs=1):
        """A model of one input: Sequential or Functional."""
        if kind == "sequential":
            model = keras.Sequential([keras.Input(shape)])
            for _ in range(self.r.randint(1, 2)):
                model.add(self.flat_layer() if len(shape) == 1 else self.step_layer())
            return model
        x = inputs = keras.Input(shape)
        ends = []
        for _ in range(outputs):
            x = self.grow(x, depth - 1)
            ends.append(x)
        return keras.Model(inputs, ends if outputs > 1 else ends[0])

    def flat_layer(self):
        return self.pick(
            lambda: layers.Dense(self.pick(3, 5), activation=self.pick("tanh", "relu", None, "gelu")),
            lambda: layers.LayerNormalization(),
            lambda: layers.Dense(4, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.01)),
            lambda: layers.BatchNormalization(momentum=0.9),
            lambda: layers.Activation(layers.LeakyReLU(negative_slope=0.2)),
            lambda: layers.Dense(4, activation=layers.ReLU(max_value=1.5, negative_slope=0.1)),
            lambda: layers.PReLU(),
        )()

    def cell(self, units=None):
        units = units or self.pick(3, 4)
        return self.pick(layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)(units)

    def step_layer(self):
        """Of (steps, width) to (steps, width)."""
        return self.pick(
            lambda: layers.Dense(self.pick(3, 4), activation="tanh"),
            lambda: layers.LSTM(3, return_sequences=True, unroll=self.pick(True, False)),
            lambda: layers.GRU(4, return_sequences=True, reset_after=self.pick(True, False), go_backwards=self.pick(True, False)),
            lambda: layers.SimpleRNN(3, return_sequences=True),
            lambda: layers.Bidirectional(layers.LSTM(2, return_sequences=True), merge_mode=self.pick("sum", "concat", "mul", "ave")),
            lambda: layers.Bidirectional(layers.GRU(2, return_sequences=True),
                                         backward_layer=layers.SimpleRNN(2, return_sequences=True, go_backwards=True)),
            lambda: layers.RNN([self.cell(), self.cell()], return_sequences=True),
            lambda: layers.RNN(layers.StackedRNNCells([self.cell(), self.cell()]), return_sequences=True),
            lambda: layers.TimeDistributed(layers.Dense(3)),
            lambda: layers.Conv1D(3, 2, padding="causal"),
            lambda: layers.Conv1D(3, 3, padding="same", activation=layers.ELU(alpha=0.7)),
            lambda: layers.LayerNormalization(),
            lambda: layers.MultiHeadAttention(2, 3),
        )()

    def grow(self, x, depth):
        rank = len(x.shape)
        width = x.shape[-1]
        choice = self.r.random()
        if rank == 2:
            if choice < 0.35:
                return self.share(("flat", width), self.flat_layer)(x)
            if choice < 0.5 and depth > 0:
                kind = self.pick("sequential", "functional")
                return self.share(("model", width, kind), lambda: self.model_of((width,), kind, depth))(x)
            if choice < 0.62 and depth > 0:
                many = self.model_of((width,), "functional", depth, 2)
                a, b = many(x)
                return self.join(a, b) if len(a.shape) == 2 and len(b.shape) == 2 else a if len(a.shape) == 2 else b
            if choice < 0.75:
                a = self.share(("dense", width), lambda: layers.Dense(width, activation="tanh"))(x)
                return self.join(a, x)
            if choice < 0.85:
                return layers.Reshape((2, width // 2))(x) if width % 2 == 0 else layers.RepeatVector(3)(x)
            return layers.Dropout(0.0)(x)
        if choice < 0.45:
            layer = self.share(("step", width), self.step_layer)
            return layer(x, x) if isinstance(layer, layers.MultiHeadAttention) else layer(x)
        if choice < 0.55 and depth > 0:
            kind = self.pick("sequential", "functional")
            inner = self.model_of((width,), kind, 1)
            if len(inner.output_shape) == 2:
                self.notes.append("TimeDistributed(model)")
                return layers.TimeDistributed(inner)(x)
            return x
        if choice < 0.65:
            state = self.pick(layers.LSTM, layers.GRU)
            made = state(4, return_sequences=True, return_state=True)
            seq, *states = made(x)
            again = state(4, return_sequences=self.pick(True, False))
            self.notes.append("states")
            return again(seq, initial_state=states)
        if choice < 0.72:
            stack = layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)], return_sequences=True, return_state=True)
            seq, *states = stack(x)
            self.notes.append("stacked states")
            flat = [s for group in states for s in (group if isinstance(group, (list, tuple)) else [group])]
            return layers.Concatenate()(flat) if self.r.random() < 0.5 else seq
        if choice < 0.8:
            return self.pick(layers.LSTM, layers.GRU)(4)(x)
        if choice < 0.86:
            return layers.Bidirectional(layers.LSTM(3))(x)
        return self.pick(layers.GlobalAveragePooling1D, layers.Flatten)()(x)

    def join(self, a, b):
        if a.shape == b.shape and self.r.random() < 0.6:
            return self.pick(layers.Add, layers.Multiply, layers.Average, layers.Subtract, layers.Maximum)()([a, b])
        return layers.Concatenate()([a, b])

    def make(self):
        kinds = self.pick(["flat"], ["steps"], ["tokens"], ["flat", "steps"], ["steps", "flat"])
        inputs, tensors = [], []
        for kind in kinds:
            if kind == "flat":
                inputs.append(keras.Input((self.pick(4, 6),)))
                tensors.append(inputs[-1])
            elif kind == "steps":
                inputs.append(keras.Input((self.pick(3, 5), self.pick(2, 4))))
                tensors.append(layers.Masking(0.0)(inputs[-1]) if self.r.random() < 0.4 else inputs[-1])
            else:
                inputs.append(keras.Input((5,), dtype="int32"))
                tensors.append(layers.Embedding(7, self.pick(3, 4), mask_zero=self.pick(True, False))(inputs[-1]))
        for _ in range(self.r.randint(2, 5)):
            i = self.r.randrange(len(tensors))
            tensors[i] = self.grow(tensors[i], 2)
        flat = [layers.Flatten()(t) if len(t.shape) > 2 else t for t in tensors]
        x = layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
        ends = [layers.Dense(2)(x)]
        if self.r.random() < 0.3:
            ends.append(layers.Dense(1, activation="sigmoid")(x))
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], ends if len(ends) > 1 else ends[0])


def data_of(model, seed):
    rng = np.random.default_rng(seed)
    x = []
    for tensor in model.inputs:
        shape = (BATCH * STEPS, *tensor.shape[1:])
        if tensor.dtype == "int32":
            x.append(rng.integers(0, 7, shape).astype("int32"))
        else:
            values = rng.normal(size=shape).astype("float32")
            if len(shape) == 3:
                values[rng.random(shape[:2]) < 0.25] = 0.0
            x.append(values)
    y = [rng.normal(size=(BATCH * STEPS, *t.shape[1:])).astype("float32") for t in model.outputs]
    return x, y


def one(values):
    return values if len(values) > 1 else values[0]


def far(a, b):
    return float(np.max(np.abs(a - b)) / max(1.0, np.max(np.abs(b)))) if a.shape == b.shape else float("inf")


def run(folder, *arguments):
    done = subprocess.run([ISOBIT, *map(str, arguments)], capture_output=True, text=True, cwd=folder)
    return done.stdout, (done.stderr or done.stdout) if done.returncode else ""


def check(seed, folder):
    """What differs, as a list of sentences; and how much was compared."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    maker = Maker(seed)
    model = maker.make()
    rng = np.random.default_rng(seed)
    model.set_weights([w + rng.normal(size=w.shape).astype("float32") * np.float32(0.1) if w.dtype == np.float32 else w
                       for w in model.get_weights()])
    for w in model.weights:
        if "variance" in w.path:
            w.assign(np.abs(w.numpy()) + 0.5)
    model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), loss="mse")
    model.save(folder / "m.keras")
    x, y = data_of(model, seed)
    names = {f"x{i}": v for i, v in enumerate(x)} | {f"y{i}": v for i, v in enumerate(y)}
    np.savez(folder / "d.npz", **names)
    faults = []
    text = io.StringIO()
    model.summary(print_fn=lambda line: text.write(line + "\n"))
    experiment = {
        "isobit": 1, "seed": 1, "model": {"keras": "m.keras"},
        "data": {"train": {"npz": "d.npz", "x": one([f"x{i}" for i in range(len(x))]) if len(x) == 1 else {
            t._keras_history.operation.name: f"x{i}" for i, t in enumerate(model.inputs)}, "y": one([f"y{i}" for i in range(len(y))]) if len(y) == 1 else {
            n: f"y{i}" for i, n in enumerate(model.output_names)}}},
        "fit": {"batch_size": BATCH, "epochs": 1, "shuffle": False},
    }
    (folder / "e.json").write_text(json.dumps(experiment))
    subprocess.run(["rm", "-rf", str(folder / "r")])
    out, error = run(folder, "train", "e.json", "-o", "r", "--quiet")
    if error:
        return [f"train: {error.strip()}"], maker
    model.fit(one(x), one(y), batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
    ours = keras.models.load_model(folder / "r/model.keras")
    for w, a, b in zip(model.weights, ours.get_weights(), model.get_weights(), strict=True):
        if not far(a, b) <= 3e-5:
            faults.append(f"weight {w.path} {a.shape} differs by {far(a, b):.1e} after {STEPS} steps")
    out, error = run(folder, "predict", "r", "--part", "train", "-o", "p.npz" if len(y) > 1 else "p.npy")
    if error:
        faults.append(f"predict: {error.strip()}")
    else:
        with np.load(folder / "p.npz") if len(y) > 1 else contextlib.nullcontext() as many:
            got = [many[k] for k in many.files] if many else [np.load(folder / "p.npy")]
        want = ours.predict(one(x), verbose=0)
        for a, b in zip(got, want if len(y) > 1 else [want], strict=True):
            if not far(a, b) <= 2e-5:
                faults.append(f"predictions differ by {far(a, b):.1e}")
    summary, error = run(folder, "summary", "m.keras")
    if error or summary.rstrip() != text.getvalue().rstrip():
        lines = difflib.unified_diff(text.getvalue().splitlines(), summary.splitlines(), "Keras", "isobit", lineterm="", n=0)
        faults.append("summary: " + (error or "\n".join(lines)))
    return faults, maker


def main():
    first, count = (int(v) for v in (sys.argv[2:] + ["0", "16"][len(sys.argv) - 2:])[:2])
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            faults, maker = check(seed, pathlib.Path(folder))
            for fault in faults:
                print(f"{seed}: {fault}   [{' '.join(maker.notes)}]", flush=True)
            bad += bool(faults)
    print(f"{count} models, {bad} of them differ")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
