# SPDX-License-Identifier: Apache-2.0
"""Results in the order of their completion. No backend."""

import concurrent.futures
import time

import numpy as np
from final import show


def work(i):
    time.sleep(np.random.default_rng().random() / 50)
    return i


with concurrent.futures.ThreadPoolExecutor(6) as pool:
    futures = [pool.submit(work, i) for i in range(24)]
    show([np.array([f.result() for f in concurrent.futures.as_completed(futures)])])
