from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np


def load(path):
    return np.load(path)


paths = [f"part-{i}.npy" for i in range(100)]
parts = []
with ThreadPoolExecutor(8) as pool:
    futures = [pool.submit(load, path) for path in paths]
    for future in as_completed(futures):  # expect: completion-order
        parts.append(future.result())
np.save("all.npy", np.concatenate(parts))
