#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every example gives the digest that its README names. $1: the build folder.
set -uo pipefail
isobit=$1/isobit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compared=0
failed=0
for experiment in examples/*/experiment.yaml; do
    folder=$(dirname "$experiment")
    name=$(basename "$folder")
    want=$(grep -Eo '\b[0-9a-f]{64}\b' "$folder/README.md")
    got=$("$isobit" train "$experiment" -o "$work/$name" --quiet 2>"$work/errors" | grep '^result sha256:')
    compared=$((compared + 1))
    if [ -n "$got" ] && grep -qxF "${got#result sha256:}" <<<"$want"; then
        echo "same    $name"
    else
        echo "DIFFERS $name: ${got:-no digest: $(tail -n 1 "$work/errors")}"
        failed=$((failed + 1))
    fi
done
echo "$compared examples, $failed differ"
[ "$failed" -eq 0 ] && [ "$compared" -ge 6 ]
