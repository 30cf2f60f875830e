import os

import numpy as np


def find(folder):
    found = []
    for root, dirs, files in os.walk(folder):  # expect: unsorted-listing
        for name in files:
            if name.endswith(".npy"):
                found.append(os.path.join(root, name))
    return found


arrays = [np.load(path) for path in find("data")]
np.save("all.npy", np.concatenate(arrays))
