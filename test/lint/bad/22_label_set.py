import numpy as np

names = np.loadtxt("labels.txt", dtype=str)
classes = list(set(names))  # expect: set-order
index = {name: number for number, name in enumerate(classes)}
y = np.array([index[name] for name in names])
np.save("y.npy", y)
