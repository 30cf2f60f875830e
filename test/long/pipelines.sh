#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random pipelines beside tf.data: the same batches in the same order. $1: the build folder, $2: a seed, $3: how many. The
# Python environment is that of test/long/keras.sh.
set -euo pipefail
build=$1
venv=${ISOBIT_VENV:-$build/keras-venv}
cases=$(mktemp)
trap 'rm -f "$cases"' EXIT
bench/setup "$venv"
"$venv/bin/python" test/long/pipelines_check.py "$cases" "${2:-1}" "${3:-200}"
"$build/test_data_pipeline" "$cases"
