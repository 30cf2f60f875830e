from multiprocessing import Pool

import numpy as np


def features(path):
    return np.load(path).mean(axis=0)


if __name__ == "__main__":
    paths = [f"clip-{i}.npy" for i in range(100)]
    with Pool() as pool:
        rows = list(pool.imap_unordered(features, paths))  # expect: completion-order
    np.save("features.npy", np.stack(rows))
