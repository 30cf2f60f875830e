import os
import random
from multiprocessing import Pool


def sample(n):
    random.seed(os.getpid())  # expect: seed-from-entropy
    return [random.random() for _ in range(n)]


if __name__ == "__main__":
    with Pool(4) as pool:
        print(pool.map(sample, [10] * 4))
