# SPDX-License-Identifier: Apache-2.0
"""isobit.fit beside Keras's own fit: usage: python_check.py ISOBIT (PYTHONPATH names the package)

1. Models trained by isobit.fit and by Keras from the same weights in the same order have the same logs, weights and
   optimizer state, to float32's tolerance; evaluate and predict agree.
2. The digest is that of `isobit train` on the run's own experiment, and `isobit verify` proves it.
3. Callbacks, inputs of all kinds, interruption and errors.
"""

import os
import signal
import subprocess
import tempfile
import unittest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

import isobit  # noqa: E402

ISOBIT = os.environ["ISOBIT"]
RNG = np.random.default_rng(1)


def digits(count):
    with np.load("examples/mnist/mnist5k.npz") as data:
        return data["x_train"][:count].reshape(-1, 28, 28, 1).astype("float32") / 255, data["y_train"][:count]


def mlp():
    model = keras.Sequential(
        [keras.Input((784,)), layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax")]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = digits(600)
    return model, x.reshape(-1, 784), y


def convnet():
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(0.005, momentum=0.9, nesterov=True), loss=loss, metrics=["accuracy"])
    return model, *digits(600)


def two_inputs():
    a, b = keras.Input((6,), name="a"), keras.Input((4,), name="b")
    h = layers.Concatenate()([layers.Dense(16, activation="tanh")(a), b])
    outputs = [layers.Dense(1, name="sum")(h), layers.Dense(1, activation="sigmoid", name="sign")(h)]
    model = keras.Model([a, b], outputs)
    model.compile(optimizer="rmsprop", loss=["mse", "binary_crossentropy"], metrics=[["mae"], ["accuracy"]])
    x = [RNG.normal(size=(192, 6)).astype("float32"), RNG.normal(size=(192, 4)).astype("float32")]
    total = x[0].sum(axis=1, keepdims=True) + x[1].sum(axis=1, keepdims=True)
    return model, x, [total, (total > 0).astype("float32")]


def lstm():
    model = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            layers.Embedding(20, 8),
            layers.LSTM(16),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    # A linear optimizer: on TensorFlow, adaptive ones square an Embedding's gradient token by token (doc/keras.md).
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), loss="binary_crossentropy", metrics=["accuracy"])
    x = RNG.integers(0, 20, size=(192, 12)).astype("int32")
    return model, x, (x[:, -1] > 9).astype("float32")[:, None]


def transformer():
    tokens = keras.Input((12,), dtype="int32", name="tokens")
    h = layers.Embedding(20, 16)(tokens)
    h = layers.LayerNormalization()(layers.Add()([h, layers.MultiHeadAttention(2, 8)(h, h)]))
    wide = layers.Dense(32, activation="gelu")(h)
    h = layers.LayerNormalization()(layers.Add()([h, layers.Dense(16)(wide)]))
    model = keras.Model(tokens, layers.Dense(20, activation="softmax")(layers.GlobalAveragePooling1D()(h)))
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x = RNG.integers(0, 20, size=(192, 12)).astype("int32")
    return model, x, x[:, 3]


MODELS = {"mlp": mlp, "convnet": convnet, "two inputs": two_inputs, "lstm": lstm, "transformer": transformer}


def twin(model):
    """The same model with the same weights, compiled alike."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.compile_from_config(model.get_compile_config())
    return copy


class Beside(unittest.TestCase):
    """Largest differences are relative to the largest value, at least 1."""

    def close(self, got, want, tolerance, what):
        got, want = np.asarray(got, "float64"), np.asarray(want, "float64")
        self.assertEqual(got.shape, want.shape, what)
        error = np.max(np.abs(got - want)) / max(1.0, np.max(np.abs(want)))
        self.assertLessEqual(error, tolerance, what)

    def test_models(self):
        for name, make in MODELS.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                keras.utils.set_random_seed(1)
                model, x, y = make()
                other, third = twin(model), twin(model)
                kwargs = dict(batch_size=64, epochs=2, verbose=0)
                mine = isobit.fit(
                    model, x, y, shuffle=False, validation_data=(x, y), seed=3, run=folder + "/r", **kwargs
                )
                keras_own = other.fit(x, y, shuffle=False, validation_data=(x, y), **kwargs)
                self.assertEqual(sorted(mine.history), sorted(keras_own.history))
                for key, values in keras_own.history.items():
                    tolerance = 0.03 if "accuracy" in key else 1e-3  # of 192 samples, a few may lie on the edge
                    self.close(mine.history[key], values, tolerance, f"{name} {key}")
                for a, b in zip(model.weights, other.weights):
                    self.close(a, b, 2e-3, f"{name} {a.path}")
                self.assertEqual(len(model.optimizer.variables), len(other.optimizer.variables))
                for a, b in zip(model.optimizer.variables, other.optimizer.variables):
                    self.close(a, b, 5e-3, f"{name} {a.path}")
                self.use(name, model, x, y)
                self.digests(mine, folder)
                again = isobit.fit(third, x, y, shuffle=False, validation_data=(x, y), seed=3, **kwargs)
                self.assertEqual(again.digest, mine.digest)
                for a, b in zip(model.weights, third.weights):
                    self.assertEqual(np.asarray(a).tobytes(), np.asarray(b).tobytes())

    def use(self, name, model, x, y):
        mine, want = isobit.evaluate(model, x, y), model.evaluate(x, y, verbose=0)
        self.close(mine, want, 1e-4, name + " evaluate")
        by_name = isobit.evaluate(model, x, y, return_dict=True)
        for key, value in model.evaluate(x, y, verbose=0, return_dict=True).items():
            self.close(by_name[key], value, 1e-4, f"{name} evaluate {key}")
        mine, want = isobit.predict(model, x, batch_size=7), model.predict(x, verbose=0)
        if not isinstance(want, list):
            mine, want = [mine], [want]
        for a, b in zip(mine, want):
            self.close(a, b, 1e-5, name + " predict")
            self.assertEqual(a.dtype, np.float32)

    def digests(self, history, folder):
        words = [ISOBIT, "train", folder + "/r/input/experiment.json", "-o", folder + "/again", "--quiet"]
        done = subprocess.run(words, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(history.digest, done.stdout)
        self.assertEqual(history.run.digest, history.digest)
        self.assertTrue(isobit.verify(history.run, vary="threads,isa"))

    def test_goes_on(self):
        """A second fit goes on with the optimizer's state, as Keras's does."""
        model, x, y = mlp()
        other = twin(model)
        for _ in range(2):
            isobit.fit(model, x, y, epochs=1, shuffle=False, verbose=0)
            other.fit(x, y, epochs=1, shuffle=False, verbose=0)
        self.assertEqual(int(np.asarray(model.optimizer.iterations)), int(np.asarray(other.optimizer.iterations)))
        for a, b in zip(model.weights, other.weights):
            self.close(a, b, 2e-3, a.path)
        model.fit(x, y, epochs=1, verbose=0)  # and Keras goes on where isobit was

    def test_weights_of_samples(self):
        model, x, y = mlp()
        other = twin(model)
        weight = RNG.random(len(y)).astype("float32")
        mine = isobit.fit(model, x, y, sample_weight=weight, shuffle=False, verbose=0)
        self.close(
            mine.history["loss"],
            other.fit(x, y, sample_weight=weight, shuffle=False, verbose=0).history["loss"],
            1e-4,
            "loss",
        )
        model, other = twin(model), twin(model)
        mine = isobit.fit(model, x, y, class_weight={i: 0.5 + i for i in range(10)}, shuffle=False, verbose=0)
        want = other.fit(x, y, class_weight={i: 0.5 + i for i in range(10)}, shuffle=False, verbose=0)
        self.close(mine.history["loss"], want.history["loss"], 1e-4, "loss")

    def test_kinds_of_data(self):
        model, x, y = mlp()
        digests = set()
        for kind in ("float32", "float64"):
            digests.add(
                isobit.fit(twin(model), x.astype(kind), y.astype("int32"), seed=1, verbose=0).history["loss"][0]
            )
        lists = isobit.fit(twin(model), x.tolist(), y.tolist(), seed=1, verbose=0)
        strided = isobit.fit(twin(model), np.asfortranarray(x), y[::-1][::-1], seed=1, verbose=0)
        swapped = isobit.fit(twin(model), x.astype(">f4"), y, seed=1, verbose=0)
        tensor = isobit.fit(
            twin(model), keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y), seed=1, verbose=0
        )
        for history in (lists, strided, swapped, tensor):
            digests.add(history.history["loss"][0])
        self.assertEqual(len(digests), 1)
        model, x, y = two_inputs()
        named = dict(zip("ab", x)), dict(zip(("sum", "sign"), y))
        a = isobit.fit(twin(model), x, y, seed=1, verbose=0)
        b = isobit.fit(twin(model), *named, seed=1, verbose=0)
        self.assertEqual(a.history, b.history)
        unbuilt = keras.Sequential([layers.Dense(3)])
        unbuilt.compile("sgd", "mse")
        isobit.fit(unbuilt, x[0], x[0][:, :3], verbose=0)
        self.assertEqual(isobit.predict(unbuilt, x[0]).shape, (192, 3))

    def test_callbacks_of_the_record(self):
        model, x, y = mlp()
        with tempfile.TemporaryDirectory() as folder:
            stop = keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=1, min_delta=10.0, restore_best_weights=True
            )
            slow = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=10.0)
            other = twin(model)
            mine = isobit.fit(
                model,
                x,
                y,
                epochs=6,
                validation_split=0.25,
                callbacks=[stop, slow],
                shuffle=False,
                seed=1,
                verbose=0,
                run=folder + "/r",
            )
            want = other.fit(x, y, epochs=6, validation_split=0.25, callbacks=[stop, slow], shuffle=False, verbose=0)
            self.assertEqual(len(mine.history["loss"]), len(want.history["loss"]))
            self.close(mine.history["learning_rate"], want.history["learning_rate"], 1e-7, "learning_rate")
            for a, b in zip(model.weights, other.weights):
                self.close(a, b, 2e-3, a.path)
            self.assertTrue(isobit.verify(mine.run))
            schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 1, 0.5)
            mine = isobit.fit(
                model,
                x,
                y,
                epochs=2,
                callbacks=[keras.callbacks.LearningRateScheduler(schedule)],
                seed=1,
                verbose=0,
                run=folder + "/s",
            )
            self.close(mine.history["learning_rate"], [0.01, 0.005], 1e-7, "learning_rate")

    def test_callbacks_in_python(self):
        model, x, y = mlp()
        seen = []

        class Watch(keras.callbacks.Callback):
            def on_train_begin(self, logs=None):
                seen.append("begin")

            def on_train_batch_end(self, batch, logs=None):
                seen.append(batch)

            def on_epoch_end(self, epoch, logs=None):
                seen.append((epoch, sorted(logs), float(np.abs(np.asarray(self.model.weights[0])).sum())))

            def on_train_end(self, logs=None):
                seen.append("end")

        digest = isobit.fit(twin(model), x, y, batch_size=200, epochs=2, callbacks=Watch(), seed=1, verbose=0).digest
        self.assertEqual(digest, isobit.fit(twin(model), x, y, batch_size=200, epochs=2, seed=1, verbose=0).digest)
        self.assertEqual([s for s in seen if not isinstance(s, tuple)], ["begin", 0, 1, 2, 0, 1, 2, "end"])
        epochs = [s for s in seen if isinstance(s, tuple)]
        self.assertEqual([e[:2] for e in epochs], [(0, ["accuracy", "loss"]), (1, ["accuracy", "loss"])])
        self.assertNotEqual(epochs[0][2], epochs[1][2])  # it sees the weights of the moment

        class Stop(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                self.model.stop_training = epoch == 1

        mine = isobit.fit(twin(model), x, y, epochs=5, callbacks=[Stop()], verbose=0)
        self.assertEqual((len(mine.history["loss"]), mine.digest), (2, None))
        rate = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.0)
        still = twin(model)
        mine = isobit.fit(still, x, y, callbacks=[rate], verbose=0)
        self.assertIsNone(mine.digest)
        for a, b in zip(still.weights, model.weights):
            self.assertEqual(np.asarray(a).tobytes(), np.asarray(b).tobytes())
        with tempfile.TemporaryDirectory() as folder:
            saver = keras.callbacks.ModelCheckpoint(folder + "/best.keras")
            isobit.fit(model, x, y, callbacks=[saver, keras.callbacks.CSVLogger(folder + "/log.csv")], verbose=0)
            saved = keras.saving.load_model(folder + "/best.keras")
            for a, b in zip(saved.weights, model.weights):
                self.assertEqual(np.asarray(a).tobytes(), np.asarray(b).tobytes())
            with self.assertRaisesRegex(ValueError, "ended training"):
                isobit.fit(model, x, y, epochs=5, callbacks=[Stop()], run=folder + "/r", verbose=0)
            with self.assertRaisesRegex(ValueError, "changed weights or learning rate"):
                isobit.fit(model, x, y, callbacks=[rate], run=folder + "/s", verbose=0)

    def test_interrupt(self):
        model, x, y = mlp()
        before = model.get_weights()

        class Interrupt(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 2:
                    os.kill(os.getpid(), signal.SIGINT)

        with tempfile.TemporaryDirectory() as folder:
            whole = isobit.fit(twin(model), x, y, seed=1, verbose=0).digest
            with self.assertRaises(KeyboardInterrupt):
                isobit.fit(model, x, y, seed=1, callbacks=[Interrupt()], run=folder + "/r", verbose=0)
            self.assertFalse(np.array_equal(before[0], model.get_weights()[0]))
            run = isobit.train(folder + "/r/input/experiment.json", folder + "/r", resume=True)
            self.assertEqual(run.digest, whole)

    def test_model_without_keras(self):
        model, x, y = mlp()
        with tempfile.TemporaryDirectory() as folder:
            keras.saving.save_model(model, folder + "/m.keras")
            mine = isobit.load(folder + "/m.keras")
            view = np.asarray(mine.weights[0])
            self.assertTrue(np.array_equal(view, np.asarray(model.weights[0])))
            digest = mine.fit(x, y, seed=1, batch_size=32)
            self.assertFalse(np.array_equal(view, np.asarray(model.weights[0])))  # no copy
            self.assertEqual(digest, isobit.fit(model, x, y, seed=1, verbose=0).digest)
            self.assertTrue(np.array_equal(view, np.asarray(model.weights[0])))
            self.close(mine.predict(x), isobit.predict(model, x), 0, "predict")
            self.assertEqual(mine.evaluate(x, y), isobit.evaluate(model, x, y, return_dict=True))
            mine.compile("sgd", "sparse_categorical_crossentropy")
            mine.save(folder + "/n.keras")
            keras.saving.load_model(folder + "/n.keras")

    def test_errors(self):
        model, x, y = mlp()
        fresh = keras.Sequential([keras.Input((784,)), layers.Dense(10)])
        odd = keras.Sequential([keras.Input((784,)), layers.Lambda(lambda t: t)])
        odd.compile("sgd", "mse")
        cases = [
            (lambda: isobit.fit(3, x, y), TypeError, "expected a Keras model"),
            (lambda: isobit.fit(fresh, x, y), ValueError, "compiled"),
            (lambda: isobit.fit(odd, x, x), (NotImplementedError, ValueError), "Lambda"),
            (lambda: isobit.fit(model, x, y[:-1]), ValueError, "as many samples"),
            (lambda: isobit.fit(model, x[:, :5], y), ValueError, "(None, 784)"),
            (lambda: isobit.fit(model, x, y + 5), ValueError, "a class from 0 to 9"),
            (lambda: isobit.fit(model, iter(x), y), TypeError, "expected arrays"),
            (lambda: isobit.fit(model, np.array(["a", "b"]), y[:2]), TypeError, "expected numbers"),
            (lambda: isobit.fit(model, x, y, epochs=0), ValueError, "epochs"),
            (lambda: isobit.fit(model, x, y, validation_data=3), TypeError, "validation_data"),
            (lambda: isobit.fit(model, x * np.nan, y), ValueError, "finite"),
            (lambda: isobit.fit(model, {"nonsense": x}, y), ValueError, "nonsense"),
        ]
        before = [w.tobytes() for w in model.get_weights()]
        for i, (act, kind, words) in enumerate(cases):
            with self.subTest(i), self.assertRaises(kind) as caught:
                act()
            self.assertIn(words, str(caught.exception))
        self.assertEqual([w.tobytes() for w in model.get_weights()], before)

    def test_seeds(self):
        model, x, y = mlp()
        isobit.set_random_seed(5)
        first = [isobit.fit(twin(model), x, y, verbose=0).digest for _ in range(2)]
        isobit.set_random_seed(5)
        second = [isobit.fit(twin(model), x, y, verbose=0).digest for _ in range(2)]
        self.assertEqual(first, second)
        self.assertNotEqual(first[0], first[1])


if __name__ == "__main__":
    unittest.main()
