#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isobit and real Keras read each other's models and agree on predictions and losses. $1: the build folder. Makes a Python
# environment with Keras and TensorFlow from PyPI, unless ISOBIT_VENV names one.
set -euo pipefail
build=$1
venv=${ISOBIT_VENV:-$build/keras-venv}
bench/setup "$venv"
"$venv/bin/python" test/long/keras_check.py "$build/isobit"
"$venv/bin/python" test/long/keras_names_check.py "$build/isobit"
"$venv/bin/python" -W ignore test/long/keras_models_check.py "$build/isobit"
