# SPDX-License-Identifier: Apache-2.0
"""doc/from-tensorflow.md, run: each experiment gives the digest on the page, each script trains under isobit record to
the experiment's accuracy, and both begin with the same weights. Without shuffle and dropout the two end a few units in
the last place apart. ISOBIT names the command."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ISOBIT = os.path.abspath(os.environ["ISOBIT"])
ROOT = pathlib.Path.cwd()
PAGE = (ROOT / "doc/from-tensorflow.md").read_text()
PAIR = re.compile(
    r"## (\d)\. .*?```python\n(.*?)```\n\n```yaml\n(.*?)```"
    r".*?\| Keras, held \| ([0-9.]+) \|.*?\| isobit \| ([0-9.]+) \| `(\w{64})` \|",
    re.S,
)

SAME_ORDER = """
import keras, numpy as np
keras.utils.set_random_seed(2)
with np.load("examples/mnist/mnist5k.npz") as data:
    x, y = data["x_train"].reshape(-1, 784), data["y_train"]
model = keras.Sequential([keras.Input((784,)), keras.layers.Rescaling(1 / 255),
                          keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10, activation="softmax")])
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(x, y, batch_size=64, shuffle=False, verbose=0)
"""
SAME_ORDER_EXPERIMENT = """
isobit: 1
seed: 2
initial_weights: {as: keras-tensorflow}
model:
  sequential:
    - Flatten
    - Rescaling: {scale: 0.00392156862745098}
    - Dense: {units: 64, activation: relu}
    - Dense: {units: 10, activation: softmax}
compile: {optimizer: sgd, loss: sparse_categorical_crossentropy}
data: {train: {npz: examples/mnist/mnist5k.npz, x: x_train, y: y_train}}
fit: {batch_size: 64, shuffle: false}
"""


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "examples").symlink_to(ROOT / "examples")

    def isobit(self, code, *words):
        done = subprocess.run([ISOBIT, *words], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def both(self, script, experiment):
        """The outputs of the two runs, keras and own."""
        (self.folder / "train.py").write_text(script)
        (self.folder / "train.yaml").write_text(experiment)
        printed = self.isobit(0, "record", "-o", "keras", "--", sys.executable, "train.py")
        return printed, self.isobit(0, "train", "train.yaml", "-o", "own")

    def test_pairs(self):
        pairs = PAIR.findall(PAGE)
        self.assertEqual([pair[0] for pair in pairs], list("12345"))
        for number, script, experiment, theirs, ours, digest in pairs:
            with self.subTest(number):
                self.setUp()
                printed, said = self.both(script, experiment)
                self.assertIn(f"result sha256:{digest}", said)
                self.isobit(0, "verify", "own", "--vary", "threads,isa")
                own = float(re.search(r"Test - accuracy: ([0-9.]+)", said).group(1))
                keras = json.loads(printed.strip().splitlines()[-1])[1]
                self.assertAlmostEqual(own, float(ours), places=3)
                self.assertAlmostEqual(keras, float(theirs), delta=0.03)  # other roundings on another machine
                self.assertAlmostEqual(keras, own, delta=0.06)  # two samples of one training
                if number in "35":
                    self.assertIn("the same at step 0", self.isobit(1, "diff", "keras", "own"))

    def test_same_order(self):
        self.both(SAME_ORDER, SAME_ORDER_EXPERIMENT)
        said = self.isobit(1, "diff", "keras", "own")
        self.assertIn("the same at step 0", said)
        distances = [float(d) for d in re.findall(r"at most by \d+ ulp \(([0-9.e-]+)\)", said)]
        self.assertEqual(len(distances), 4, said)
        self.assertLess(max(distances), 1e-5, said)
        self.assertRegex(said, "4 of 4 tensors of one name differ")


if __name__ == "__main__":
    unittest.main()
