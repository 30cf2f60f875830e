#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 at random moments, most of them while a checkpoint is written, each followed by --resume: the digest at the
# end is that of the run that nothing disturbed. $1: the build folder; $2: how many kills (20).
set -uo pipefail
isobit=$1/isobit
kills=${2:-20}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
RANDOM=${SEED:-$$}

cat >"$work/e.yaml" <<YAML
isobit: 1
seed: 9
model:
  sequential:
    - Dense: {units: 64, activation: relu}
    - Dropout: {rate: 0.2}
    - Dense: {units: 10, activation: softmax}
compile: {optimizer: adam, loss: sparse_categorical_crossentropy, metrics: [accuracy]}
data: {train: {csv: $PWD/examples/digits/digits.csv, label: label, rows: [0, 400]}}
fit: {batch_size: 16, epochs: 4, validation_split: 0.2}
checkpoint: {steps: 1, keep: 2}
YAML

# A kill falls anywhere in the time that a whole run takes here, so that slow builds get on, too.
begun=$(date +%s%N)
want=$("$isobit" train "$work/e.yaml" -o "$work/whole" --quiet) || exit 1
whole=$((($(date +%s%N) - begun) / 1000000))
done_kills=0
runs=0
resumed=0
while [ $done_kills -lt "$kills" ]; do
    rm -rf "$work/run"
    runs=$((runs + 1))
    while :; do
        "$isobit" train "$work/e.yaml" -o "$work/run" --resume --quiet >"$work/out" 2>"$work/err" &
        pid=$!
        delay=$((RANDOM % (whole + 1)))
        sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
        kill -9 $pid 2>/dev/null && killed=1 || killed=0
        wait $pid 2>/dev/null
        code=$?
        [ $killed -eq 1 ] && [ $code -eq 137 ] && done_kills=$((done_kills + 1))
        [ $code -eq 137 ] && continue
        [ $code -eq 0 ] && break
        echo "FAILED after $done_kills kills (exit code $code): $(cat "$work/err")"
        exit 1
    done
    if [ "$(cat "$work/out")" != "$want" ]; then
        echo "FAILED after $done_kills kills: $(cat "$work/out"), not $want"
        exit 1
    fi
    grep -q '"resumed": \[$' "$work/run/record.json" && resumed=$((resumed + 1))
    [ -z "$(find "$work/run" -name '*.[0-9]*.[0-9]*')" ] || { echo "FAILED: leaves $(ls "$work/run")"; exit 1; }
done
echo "$done_kills kills in $runs runs, $resumed of them resumed, all $want"
[ $resumed -gt 0 ]
