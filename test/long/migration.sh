#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# doc/from-tensorflow.md: its scripts and experiments, run. $1: the build folder. The Python environment is that of
# keras.sh.
set -uo pipefail
build=$1
venv=${ISOBIT_VENV:-$build/keras-venv}
bench/setup "$venv" || { echo "no Python environment with Keras: nothing was tested"; exit 1; }
ISOBIT=$build/isobit CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 "$venv/bin/python" test/long/migration_check.py
