# SPDX-License-Identifier: Apache-2.0
"""A jitted loop of one's own, with a key from the clock's place: os.urandom. JAX; it tells the recorder itself."""

import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
from final import data, show

x, y = data()
key = jax.random.key(int.from_bytes(os.urandom(4), "little"))
weights = jax.random.normal(key, (16,))
package = sys.modules.get("_isobit_hold")  # what `import isobit` gives where the package is installed
recorder = package.Recorder("jax_loop") if package else None


@jax.jit
def step(weights, xb, yb):
    loss, gradient = jax.value_and_grad(lambda w: jnp.mean((xb @ w - yb) ** 2))(weights)
    return weights - 0.1 * gradient, loss


for i in range(0, len(x), 32):
    weights, loss = step(weights, x[i : i + 32], y[i : i + 32])
    if recorder:
        recorder.step({"weights": weights}, loss=loss)
show([np.asarray(weights)])
