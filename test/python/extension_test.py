# SPDX-License-Identifier: Apache-2.0
"""The extension and what needs neither NumPy nor Keras: runs, exceptions, signals, memory that is shared."""

import array
import gc
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import isobit
from isobit import _isobit

EXPERIMENT = {
    "isobit": 1,
    "seed": 3,
    "model": {"sequential": [{"Dense": {"units": 8, "activation": "relu"}}, {"Dense": {"units": 1}}]},
    "compile": {"optimizer": "adam", "loss": "mse", "metrics": ["mae"]},
    "data": {"train": {"csv": os.path.abspath("examples/breast_cancer/breast_cancer.csv"), "label": "benign"}},
    "fit": {"batch_size": 64, "epochs": 2},
}
CONFIG = {
    "module": "keras",
    "class_name": "Sequential",
    "config": {
        "name": "s",
        "layers": [
            {"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, 3]}},
            {"class_name": "Dense", "config": {"name": "d", "units": 2, "activation": "softmax"}},
        ],
    },
    "compile_config": {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
}


def floats(values, *shape):
    return memoryview(array.array("f", values)).cast("B").cast("f", shape)


def integers(values):
    return memoryview(array.array("q", values))


X = floats([(i * 7 % 5) / 5 for i in range(30)], 10, 3)
Y = integers([i % 2 for i in range(10)])
DATA = [("x", X), ("y", Y)]
SETTINGS = json.dumps({"seed": 1, "fit": {"epochs": 2, "batch_size": 4}})


def model():
    return _isobit.from_config(json.dumps(CONFIG), 1)


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def experiment(self, **changes):
        with open(self.path("experiment.json"), "w", encoding="utf-8") as file:
            json.dump({**EXPERIMENT, **changes}, file, indent=1)
        return self.path("experiment.json")


class Runs(Folder):
    def test_train_as_the_command_does(self):
        seen = []
        experiment = self.experiment()
        run = isobit.train(experiment, self.path("a"), threads=1, isa="ref", progress=lambda *told: seen.append(told))
        words = [os.environ["ISOBIT"], "train", experiment, "-o", self.path("b"), "--quiet"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        self.assertIn(run.digest, done.stdout)
        self.assertEqual(sorted(run.history), ["loss", "mae"])
        self.assertEqual(len(run.history["loss"]), 2)
        self.assertEqual(run.seed, 3)
        self.assertIn(run.digest[7:], run.show())
        epochs, steps = [told for told in seen if told[6]], [told for told in seen if told[2] and not told[6]]
        self.assertEqual([told[0] for told in epochs], [1, 2])
        self.assertEqual(epochs[1][5]["loss"], run.history["loss"][1])
        self.assertEqual(len(steps), 2 * steps[0][3])

    def test_judgements(self):
        a = isobit.train(self.experiment(), self.path("a"))
        b = isobit.train(self.experiment(seed=4), self.path("b"))
        same = isobit.verify(a, vary="threads")
        self.assertTrue(same)
        self.assertIn("threads", same.report["levels"])
        self.assertIn("same: ", str(same))
        self.assertTrue(isobit.diff(a, a.path))
        verdict = isobit.diff(a, b)
        self.assertFalse(verdict)
        self.assertIn("seed", str(verdict))
        self.assertTrue(isobit.audit(a, sample=2))
        steps = self.path("a/steps")
        with open(steps, encoding="utf-8") as file:
            lines = file.read().split("\n")
        lines[3] = lines[3][:-1] + ("0" if lines[3][-1] != "0" else "1")
        with open(steps, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        self.assertFalse(isobit.verify(a))

    def test_texts(self):
        self.assertIn("ref", isobit.kernels())
        self.assertIn("cpu", isobit.env().lower())
        self.assertIn("Total params", isobit.summary(self.experiment()))
        self.assertRegex(isobit.__version__, r"^\d+\.\d+\.\d+$")
        self.assertEqual(isobit.CONTRACT_VERSION, 1)
        self.assertIn("train", dir(isobit))
        with self.assertRaises(AttributeError):
            isobit.trian

    def test_exceptions(self):
        with self.assertRaisesRegex(ValueError, r"experiment.json:\d+:\d+ fit.epochs"):
            isobit.train(self.experiment(fit={"epochs": 0}), self.path("a"))
        with self.assertRaisesRegex(FileNotFoundError, "nowhere.yaml"):
            isobit.train("nowhere.yaml", self.path("a"))
        with self.assertRaises(FileNotFoundError):
            isobit.Run(self.path("nothing"))
        with self.assertRaises(OSError):
            isobit.verify(self.path("nothing"))
        with self.assertRaisesRegex(NotImplementedError, "LSTMM"):
            isobit.train(self.experiment(model={"sequential": [{"LSTMM": {}}]}), self.path("a"))
        with self.assertRaisesRegex(ValueError, "isa"):
            isobit.train(self.experiment(), self.path("a"), isa="sse9")
        with self.assertRaises(TypeError):
            isobit.train(self.experiment(), self.path("a"), threads="many")
        with self.assertRaises(OverflowError):
            isobit.train(self.experiment(), self.path("a"), threads=-1)
        self.assertFalse(os.path.exists(self.path("a")))

    def test_interrupt_and_resume(self):
        whole = isobit.train(self.experiment(), self.path("whole"))

        def stop(epoch, epochs, step, *rest):
            if (epoch, step) == (1, 3):
                os.kill(os.getpid(), signal.SIGINT)

        with self.assertRaises(KeyboardInterrupt):
            isobit.train(self.experiment(), self.path("a"), progress=stop)
        self.assertTrue(os.listdir(self.path("a/checkpoint")))
        again = isobit.train(self.experiment(), self.path("a"), resume=True)
        self.assertEqual(again.digest, whole.digest)

    def test_exception_in_progress(self):
        class Odd(Exception):
            pass

        def fail(*told):
            raise Odd("here")

        with self.assertRaisesRegex(Odd, "here"):
            isobit.train(self.experiment(), self.path("a"), progress=fail)
        with self.assertRaises(TypeError):
            isobit.train(self.experiment(), self.path("b"), progress=lambda *told: "text")


class Models(Folder):
    def test_shared_memory(self):
        m = model()
        kernel, bias = m.weights()
        self.assertEqual((kernel.name, kernel.dtype, kernel.shape), ("d/kernel", "float32", (3, 2)))
        view = memoryview(kernel)
        self.assertEqual((view.format, view.shape, view.readonly), ("f", (3, 2), False))
        for i in range(3):
            for k in range(2):
                view[i, k] = 0.0
        (out,) = m.predict([("x", X)], 0)
        self.assertEqual(memoryview(out).tolist(), [[0.5, 0.5]] * 10)
        self.assertTrue(memoryview(out).readonly)
        again = m.weights()[0]
        del m, kernel, bias
        gc.collect()
        self.assertEqual(memoryview(again).tolist(), view.tolist())  # tensors keep the model alive
        del again
        gc.collect()
        self.assertEqual(view.tolist(), [[0.0, 0.0]] * 3)
        del out

    def test_fit(self):
        a, b = model(), model()
        first = a.fit(DATA, DATA, SETTINGS, self.path("run"), threads=2)
        self.assertEqual(b.fit(DATA, DATA, SETTINGS, None, isa="ref"), first)
        self.assertEqual([bytes(w) for w in a.weights()], [bytes(w) for w in b.weights()])
        self.assertTrue(isobit.verify(self.path("run")))
        again = isobit.train(self.path("run/input/experiment.json"), self.path("again"))
        self.assertEqual(again.digest, first)
        iteration = a.state()[0]
        self.assertEqual((iteration.dtype, memoryview(iteration).tolist()), ("int64", 2 * 3))
        scores = {}
        a.evaluate(DATA, 3, progress=lambda *told: scores.update(told[5]))
        self.assertEqual(sorted(scores), ["accuracy", "loss"])
        a.save(self.path("m.keras"))
        b = _isobit.load(self.path("m.keras"))
        self.assertEqual([bytes(w) for w in a.weights()], [bytes(w) for w in b.weights()])
        self.assertIn("Total params", b.summary())

    def test_state(self):
        m = model()
        rate = m.state()[1]
        self.assertIn("learning_rate", rate.name)
        memoryview(rate)[()] = 0.0
        m.state_written()
        before = [bytes(w) for w in m.weights()]
        m.fit(DATA, [], SETTINGS, None)
        self.assertEqual([bytes(w) for w in m.weights()], before)
        memoryview(m.state()[0])[()] = -1
        with self.assertRaises(ValueError):
            m.state_written()
        m.compile(json.dumps({"optimizer": "adam", "loss": "sparse_categorical_crossentropy"}))
        self.assertEqual(len(m.state()), 2 + 2 * 2)

    def test_bad_arrays(self):
        m = model()
        wrong = {
            "text": ([("x", X), ("y", memoryview(b"0123456789").cast("c"))], TypeError),
            "no array": ([("x", [1, 2])], TypeError),
            "no pair": ([X], (TypeError, SystemError)),
            "no list": (3, TypeError),
            "strided": ([("x", memoryview(array.array("f", range(60)))[::2]), ("y", Y)], BufferError),
            "samples": ([("x", X), ("y", integers([0, 1]))], ValueError),
            "class": ([("x", X), ("y", integers([5] * 10))], ValueError),
            "shape": ([("x", floats(range(40), 10, 4)), ("y", Y)], ValueError),
            "name": ([("z", X), ("y", Y)], ValueError),
            "many": ([("x", X)] * 65, ValueError),
            "none": ([], ValueError),
        }
        for name, (data, kind) in wrong.items():
            with self.subTest(name), self.assertRaises(kind):
                m.fit(data, [], SETTINGS, None)
        with self.assertRaisesRegex(ValueError, "epochs"):
            m.fit(DATA, [], json.dumps({"fit": {"epoch": 1}}), None)
        with self.assertRaises(ValueError):
            _isobit.from_config("{", 0)
        with self.assertRaises(FileNotFoundError):
            _isobit.load(self.path("nowhere.keras"))
        with self.assertRaises(TypeError):
            _isobit.Model()

    def test_one_call_at_a_time(self):
        m = model()

        def again(*told):
            m.fit(DATA, [], SETTINGS, None)

        with self.assertRaisesRegex(RuntimeError, "another call"):
            m.fit(DATA, [], SETTINGS, None, progress=again)
        m.fit(DATA, [], SETTINGS, None)

    def test_end(self):
        m = model()
        m.fit(DATA, [], SETTINGS, None, progress=lambda *told: _isobit.END if told[6] else None)
        self.assertEqual(memoryview(m.state()[0]).tolist(), 3)


class Seeds(unittest.TestCase):
    def test_seeds(self):
        import random

        from isobit.seeds import take_seed

        isobit.set_random_seed(812)
        first = random.random()
        self.assertEqual([take_seed(None), take_seed(None), take_seed(5), take_seed(None)], [812, 813, 5, 814])
        isobit.set_random_seed(812)
        self.assertEqual(random.random(), first)
        for seed in (-1, 2**32, 1.5, "1"):
            with self.assertRaises(ValueError):
                isobit.set_random_seed(seed)


if __name__ == "__main__":
    unittest.main()
