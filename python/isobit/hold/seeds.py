# SPDX-License-Identifier: Apache-2.0
"""Seeds by name: each library's generators, and each place that makes an unseeded one, get a number of their own,
so that a draw more in one place shifts nothing in another."""

import os

from .imports import after_import
from .session import real_bytes


def hold_entropy(session):
    """os.urandom, and all that Python builds on it."""
    import posix

    def urandom(size, /):
        name = session.ask("os.urandom")
        return session.bytes(name, size) if name is not None else real_bytes(size)

    urandom.__doc__ = posix.urandom.__doc__
    os.urandom = urandom


def _random(session, module):
    original = module.Random.seed

    def seed(self, a=None, version=2):
        if a is None:
            name = session.ask("random.Random")
            a = int.from_bytes(real_bytes(32), "little") if name is None else session.integer(name, 256)
        return original(self, a, version)

    seed.__doc__ = original.__doc__
    module.Random.seed = seed
    # The functions of the module are bound methods of its hidden instance.
    module.seed = module._inst.seed
    module._urandom = os.urandom
    module._inst.seed(session.integer("random", 256))
    if hasattr(os, "register_at_fork"):
        # After the module's own, which knows the original method alone.
        os.register_at_fork(after_in_child=lambda: module._inst.seed(session.integer("random", 256)))


def _numpy(session, module):
    def randbits(n):
        name = session.ask("numpy.random")
        return session.integer(name, n) if name is not None else int.from_bytes(real_bytes((n + 7) // 8), "little")

    module.bit_generator.randbits = randbits  # what SeedSequence() asks
    module.seed(session.integer("numpy.random", 32))


def _tensorflow(session, tf):
    tf.random.set_seed(session.integer("tensorflow", 31))
    generator = tf.random.Generator

    def from_non_deterministic_state(cls, alg=None):
        name = session.ask("tf.random.Generator.from_non_deterministic_state")
        seed = session.integer(name or "tf.random.Generator", 63)
        return cls.from_seed(seed) if alg is None else cls.from_seed(seed, alg=alg)

    generator.from_non_deterministic_state = classmethod(from_non_deterministic_state)


def _tensorflow_determinism(session, tf):
    if not session.holds("seeds"):
        tf.random.set_seed(session.integer("tensorflow", 31))  # without a seed random operations would raise
    tf.config.experimental.enable_op_determinism()


def _torch(session, torch):
    torch.manual_seed(session.integer("torch", 63))

    def seed():
        name = session.ask("torch.seed")
        number = session.integer(name or "torch.seed", 63)
        torch.manual_seed(number)
        return number

    torch.seed = torch.random.seed = seed


def _torch_determinism(session, torch):
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def install(session):
    if session.holds("entropy"):
        hold_entropy(session)
    if session.holds("seeds"):
        after_import("random", lambda module: _random(session, module))
        after_import("numpy.random", lambda module: _numpy(session, module))
        after_import("tensorflow", lambda module: _tensorflow(session, module))
        after_import("torch", lambda module: _torch(session, module))
    if session.holds("determinism"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        after_import("tensorflow", lambda module: _tensorflow_determinism(session, module))
        after_import("torch", lambda module: _torch_determinism(session, module))
