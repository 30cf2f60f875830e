# SPDX-License-Identifier: Apache-2.0
"""What this Python is: interpreter, packages with the digests of their file lists, the program's own modules, and
backends with the versions of their CUDA parts."""

import os
import sys
import sysconfig


def packages():
    """[{name, version, sha256}]: the digest is of the RECORD file, which lists the digests of all files."""
    from hashlib import sha256
    from importlib import metadata

    found = {}
    for dist in metadata.distributions():
        try:
            name, version = dist.metadata["Name"], dist.version
            record = dist.read_text("RECORD")
        except Exception:  # a broken installation is not ours to judge
            continue
        if name and name not in found:
            found[name] = {
                "name": name,
                "version": version,
                "sha256": sha256(record.encode()).hexdigest() if record else None,
            }
    return [found[name] for name in sorted(found, key=str.lower)]


def _backends():
    out = {}
    keras, tf, torch, jax = (sys.modules.get(n) for n in ("keras", "tensorflow", "torch", "jax"))
    if keras is not None and hasattr(keras, "backend") and hasattr(keras, "__version__"):
        out["keras"] = keras.__version__
        try:
            out["keras_backend"] = keras.backend.backend()
            out["keras_floatx"] = keras.config.floatx()
        except AttributeError:
            pass
    if tf is not None and hasattr(tf, "sysconfig"):
        build = tf.sysconfig.get_build_info()
        for key in ("cuda_version", "cudnn_version"):
            if build.get(key):
                out["tensorflow_" + key] = str(build[key])
    if torch is not None and hasattr(torch, "version"):
        if torch.version.cuda:
            out["torch_cuda_version"] = str(torch.version.cuda)
        if torch.backends.cudnn.is_available():
            out["torch_cudnn_version"] = str(torch.backends.cudnn.version())
    if jax is not None and hasattr(jax, "__version__"):
        out["jax"] = jax.__version__
    return out


def describe():
    return {
        "version": sys.version.split()[0],
        "build": sys.version,
        "implementation": sys.implementation.name,
        "executable": sys.executable,
        "prefix": sys.prefix,
        "backends": _backends(),
        "packages": packages(),
    }


def own_modules():
    """Files of modules that belong to no installation: the program's own sources."""
    paths = sysconfig.get_paths()
    outside = {paths[k] + os.sep for k in ("stdlib", "platstdlib", "purelib", "platlib")}
    outside |= {p + os.sep for p in (sys.prefix, sys.base_prefix) if p not in ("/", "/usr")}
    outside |= {os.path.realpath(p) + os.sep for p in outside} | {"/usr/lib/", "/etc/"}
    outside.add(os.path.dirname(os.path.realpath(__file__)) + os.sep)
    outside = tuple(outside)
    found = set()
    for module in list(sys.modules.values()):
        # Python takes __file__ off the main module before its exit functions run, but not the loader.
        file = getattr(module, "__file__", None) or getattr(getattr(module, "__loader__", None), "path", None)
        if not isinstance(file, str) or file.startswith(outside) or "site-packages" in file or "dist-packages" in file:
            continue
        file = os.path.realpath(file)
        if not file.startswith(outside):
            found.add(file)
    return sorted(found)
