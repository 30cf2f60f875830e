#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tools of others read what a run writes. $1: the build folder. Makes a Python environment with them from PyPI,
# unless ISOBIT_TOOLS_VENV names one.
set -euo pipefail
isobit=$1/isobit
venv=${ISOBIT_TOOLS_VENV:-$1/tools-venv}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check -r test/long/requirements.txt

cat >"$work/e.yaml" <<YAML
isobit: 1
seed: 4
model:
  sequential:
    - Dense: {units: 8, activation: relu}
    - Dense: {units: 10, activation: softmax}
compile: {optimizer: adam, loss: sparse_categorical_crossentropy, metrics: [accuracy]}
data: {train: {csv: $PWD/examples/digits/digits.csv, label: label, rows: [0, 1000]}}
fit: {batch_size: 32, epochs: 5, validation_split: 0.2}
callbacks: [TensorBoard: {histogram_freq: 1, update_freq: 4}]
YAML
"$isobit" train "$work/e.yaml" -o "$work/run" --quiet
"$isobit" publish "$work/run" -o "$work/bundle"
"$venv/bin/python" test/long/tools_check.py "$work/run" logs "$work/bundle"

