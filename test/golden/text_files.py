#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes text-*.npz and text-*/model.keras in test/golden/files with real Keras (3.15 on TensorFlow): python
test/golden/text_files.py

Models that begin with texts, adapted, so that their vocabularies stand in the assets; in the format of the other files
there, with the inputs in meta's `strings`."""

import json
import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "files")
LEARN = ["The cat sat on the mat.", "A dog, a cat and the bird!", "Grün ist die Katze", "the end", "on a mat"]
ASK = [["the cat and THE dog"], ["nothing known here"], [""], ["Grün, grün; mat!"]]


def models():
    layers = keras.layers
    keras.utils.set_random_seed(812)
    first = layers.TextVectorization(output_sequence_length=6, max_tokens=12)
    first.adapt(tf.constant(LEARN))
    yield "text-sequence", keras.Sequential([
        keras.Input((1,), dtype="string"), first, layers.Embedding(12, 4, mask_zero=True), layers.LSTM(3), layers.Dense(2)])
    first = layers.TextVectorization(output_mode="tf_idf", ngrams=2)
    first.adapt(tf.constant(LEARN))
    x = keras.Input((1,), dtype="string", name="text")
    yield "text-tf-idf", keras.Model(x, layers.Dense(2)(first(x)))


def main():
    for name, model in models():
        folder = os.path.join(FILES, name)
        os.makedirs(folder, exist_ok=True)
        y = np.asarray(model(tf.constant(ASK)))
        model.save(os.path.join(folder, "model.keras"))
        meta = {"format": 1, "name": name, "group": "files", "keras": keras.__version__, "files": ["model.keras"],
                "expect": "load", "strings": ASK, "float32_error": {"y0": 1e-7}}
        np.savez(os.path.join(FILES, name + ".npz"), y0=y,
                 meta=np.frombuffer(json.dumps(meta).encode(), np.uint8))


main()
