#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes test/golden/text_folder.json: what keras.utils.text_dataset_from_directory makes of test/golden/text_folder.

usage: bench/venv/bin/python test/golden/text_folder.py (after bench/setup)

Of each case the pairs of text and label, sorted: Keras shuffles what it gives once more. A character that max_length cuts
is left out.
"""

import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras  # noqa: E402

FOLDER = pathlib.Path(__file__).with_suffix("")
CASES = [
    {},
    {"label_mode": "binary", "validation_split": 0.25, "subset": "training", "seed": 7},
    {"label_mode": "binary", "validation_split": 0.25, "subset": "validation", "seed": 7},
    {"label_mode": "categorical", "class_names": ["second", "first"], "max_length": 10},
    {"validation_split": 0.4, "subset": "validation", "shuffle": False},
]


def main():
    out = []
    for case in CASES:
        data = keras.utils.text_dataset_from_directory(str(FOLDER), batch_size=None, **case)
        pairs = sorted([text.decode(errors="ignore"), label.reshape(-1).tolist()] for text, label in data.as_numpy_iterator())
        out.append({"entry": {"texts": "test/golden/text_folder", **case}, "pairs": pairs})
    lines = ",\n  ".join(json.dumps(case) for case in out)
    path = FOLDER.with_suffix(".json")
    path.write_text(f'{{"made_by": "Keras {keras.__version__}", "cases": [\n  {lines}\n]}}\n')
    print(len(out), "cases")


if __name__ == "__main__":
    main()
