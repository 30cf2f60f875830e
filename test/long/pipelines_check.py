# SPDX-License-Identifier: Apache-2.0
"""Random pipelines and what tf.data makes of them: usage: pipelines_check.py FILE SEED COUNT

Without random order. The cases have the form of test/golden/pipelines.json: an entry over A.npy (the numbers 0 to 22),
B.npy (0 to 6) and C.npy (0 to 3), and its batches.
"""

import json
import os
import pathlib
import random
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "golden"))
import tensorflow as tf  # noqa: E402
from pipelines import SOURCES, apply, source  # noqa: E402

LONGEST = 120  # elements of a pipeline without end that are taken


def window(rng):
    given = {"size": rng.randint(1, 4)}
    if rng.random() < 0.7:
        given["shift"] = rng.randint(1, 6)
    if rng.random() < 0.4:
        given["stride"] = rng.randint(1, 3)
    return given


def condition(rng):
    name = rng.choice(["less", "less_equal", "greater", "greater_equal", "not_equal", "is_in"])
    value = sorted(rng.sample(range(23), rng.randint(1, 8))) if name == "is_in" else rng.randint(0, 23)
    return {"x": {name: value}}


def shard(rng):
    n = rng.randint(1, 5)
    return {"num_shards": n, "index": rng.randrange(n)}


VERBS = {
    "take": lambda rng: rng.choice([-1, rng.randint(1, 30)]),
    "skip": lambda rng: rng.randint(0, 8),
    "shard": shard,
    "repeat": lambda rng: rng.choice([-1, rng.randint(1, 4), rng.randint(1, 4)]),
    "filter": condition,
    "window": window,
    "cache": None,
}


class Node:
    """An entry as a tree, and tf.data's data set."""

    def __init__(self, tree, data, endless=False):
        self.tree, self.data, self.endless, self.windows = tree, data, endless, 0

    def add(self, verb, argument):
        self.tree.setdefault("pipeline", []).append(verb if argument is None else {verb: argument})
        self.data = apply(self.data, verb, argument)
        self.endless = (self.endless and (verb != "take" or argument == -1)) or (verb == "repeat" and argument == -1)
        self.windows += verb == "window"

    def add_random(self, rng, verbs):
        verb = rng.choice(verbs)
        argument = VERBS[verb](rng) if VERBS[verb] else None
        # What may look for an element without end, or has no meaning in tf.data.
        if self.endless and verb in ("repeat", "cache", "filter"):
            return
        if (verb == "filter" and self.windows) or (verb == "window" and self.windows == 2):
            return
        if verb == "repeat" and argument == -1 and not any(True for _ in self.data.take(1)):
            return
        self.add(verb, argument)


def leaf(rng):
    name = rng.choice(sorted(SOURCES))
    return Node({"npy": {"x": f"{name}.npy"}}, source(name))


def joined(rng, depth, outermost):
    # What is concatenated or interleaved has the same fields.
    kind = rng.choice(["concatenate", "interleave", "zip"] if outermost else ["concatenate", "interleave"])
    if kind == "zip":
        node, name = part(rng, depth - 1, False), rng.choice(sorted(SOURCES))
        data = tf.data.Dataset.zip(node.data, source(name)).map(lambda x, second: x)
        return Node({kind: [node.tree, {"npy": {"x": {"second": f"{name}.npy"}}}]}, data)
    nodes = [part(rng, depth - 1, kind == "interleave") for _ in range(rng.randint(1, 4))]
    trees = [node.tree for node in nodes]
    if kind == "concatenate":
        data = nodes[0].data
        for node in nodes[1:]:
            data = data.concatenate(node.data)
        return Node({kind: trees}, data, any(node.endless for node in nodes))
    settings = {"cycle_length": rng.randint(1, 4), "block_length": rng.randint(1, 4)}
    values = tf.ragged.constant([[int(x) for x in node.data.as_numpy_iterator()] for node in nodes], tf.int32)
    data = tf.data.Dataset.range(len(nodes)).interleave(
        lambda i: tf.data.Dataset.from_tensor_slices(values[i]), **settings)
    return Node({kind: trees, **settings}, data)


def part(rng, depth, finite, outermost=False):
    node = leaf(rng) if depth == 0 or rng.random() < 0.4 else joined(rng, depth, outermost)
    for _ in range(rng.randint(0, 3)):
        node.add_random(rng, ["take", "skip", "shard", "repeat", "filter", "cache"])
    if finite and node.endless:
        node.add("take", rng.randint(1, 40))
    return node


def case(rng):
    node = part(rng, rng.choice([0, 0, 1, 2]), finite=False, outermost=True)
    for _ in range(rng.randint(0, 3)):
        node.add_random(rng, list(VERBS))
    if node.endless:
        node.add("take", rng.randint(1, LONGEST))
    batch = {"batch_size": rng.randint(1, 9)}
    if rng.random() < 0.3:
        batch["drop_remainder"] = True
    node.add("batch", batch)
    if rng.random() < 0.4:
        verb = rng.choice(["take", "skip", "shard"])
        node.add(verb, VERBS[verb](rng))
    if rng.random() < 0.3:
        node.add("prefetch", rng.randint(1, 4))
    batches = [b.tolist() for b in node.data.as_numpy_iterator()]
    return {"entry": json.dumps(node.tree), "batches": batches}


def main(path, seed, count):
    rng = random.Random(int(seed))
    cases = [case(rng) for _ in range(int(count))]
    pathlib.Path(path).write_text(json.dumps({"made_by": f"tf.data of TensorFlow {tf.__version__}", "cases": cases}))
    print(len(cases), "pipelines,", sum(len(c["batches"]) for c in cases), "batches")


if __name__ == "__main__":
    main(*sys.argv[1:])
