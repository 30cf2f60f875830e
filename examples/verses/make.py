# Writes verses.csv, from the text of the example genesis, and verses.keras, a model that begins with a TextVectorization
# adapted to it. Needs Keras on TensorFlow: python make.py
import csv
import hashlib
import pathlib

import keras
import tensorflow as tf

HERE = pathlib.Path(__file__).resolve().parent
GENESIS = 1533  # verses
verses = (HERE.parent / "genesis/genesis-exodus.txt").read_text().splitlines()
rows = [(text, int(i >= GENESIS)) for i, text in enumerate(verses)][::3]
rows.sort(key=lambda row: hashlib.sha256(row[0].encode()).digest())
with open(HERE / "verses.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["text", "exodus"])
    writer.writerows(rows)

keras.utils.set_random_seed(812)
words = keras.layers.TextVectorization(max_tokens=1000, output_sequence_length=40)
words.adapt(tf.constant([text for text, _ in rows[:700]]))
model = keras.Sequential([
    keras.Input((1,), dtype="string", name="verse"),
    words,
    keras.layers.Embedding(1000, 16),
    keras.layers.GlobalAveragePooling1D(),
    keras.layers.Dense(1, activation="sigmoid"),
])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy", metrics=["accuracy"])
model.save(HERE / "verses.keras")
