import os

import keras
import numpy as np

keras.utils.set_random_seed(1)
class_names = os.listdir("audio")  # expect: unsorted-listing
paths, labels = [], []
for label, name in enumerate(class_names):
    for file in sorted(os.listdir(os.path.join("audio", name))):
        paths.append(os.path.join("audio", name, file))
        labels.append(label)
x = np.stack([np.load(path) for path in paths])
model = keras.Sequential([keras.layers.Dense(len(class_names), activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, np.array(labels))
