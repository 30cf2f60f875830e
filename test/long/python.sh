#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isobit.fit beside Keras's own fit, on TensorFlow and on JAX. $1: the build folder. Makes a Python environment with
# Keras from PyPI, unless ISOBIT_VENV names one.
set -euo pipefail
build=$1
venv=${ISOBIT_VENV:-$build/keras-venv}
if [ ! -f "$build/python/isobit/_isobit.abi3.so" ]; then
    echo "the extension was not built: Python 3.11 or newer and its headers (python3-dev) are missing"
    exit 77
fi
bench/setup "$venv"
export PYTHONPATH=$build/python ISOBIT=$build/isobit PYTHONDONTWRITEBYTECODE=1
KERAS_BACKEND=tensorflow "$venv/bin/python" test/long/python_check.py
KERAS_BACKEND=jax "$venv/bin/python" test/long/python_check.py Beside.test_models Beside.test_callbacks_in_python
