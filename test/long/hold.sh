#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Unmodified, unseeded Keras scripts under isobit record: each gives one hash where without it each run gives another;
# recording itself changes nothing; what verify --vary finds in them. $1: the build folder. The Python environment is that of
# keras.sh; scripts of PyTorch run when it has PyTorch. ISOBIT_RUNS: how many times each script runs (default: 2).
set -uo pipefail
build=$1
isobit=$build/isobit
venv=${ISOBIT_VENV:-$build/keras-venv}
bench/setup "$venv" || { echo "no Python environment with Keras: nothing was tested"; exit 1; }
python=$venv/bin/python
scripts=$PWD/test/long/scripts
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
times=${ISOBIT_RUNS:-2}
checks=0
failures=0
begun=$SECONDS

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# held BACKEND SCRIPT WORDS...: prints the hash that the recorded script printed.
held() {
    local backend=$1 script=$2
    shift 2
    KERAS_BACKEND=$backend "$isobit" record "$@" -- "$python" "$scripts/$script.py" 2>"$work/err" | tail -n 1
    [ "${PIPESTATUS[0]}" -eq 0 ] || cat "$work/err" >&2
}

# repeats BACKEND SCRIPT STATES: all recordings give one hash and one result; as many states are recorded.
repeats() {
    local first again n i
    first=$(held "$1" "$2" -o "$work/$1-$2")
    n=$(wc -l <"$work/$1-$2/steps")
    checks=$((checks + 1))
    [ "$n" -eq "$3" ] || fail "$1 $2: $n states recorded, expected $3"
    for ((i = 1; i < times; i++)); do
        again=$(held "$1" "$2" -o "$work/again")
        checks=$((checks + 2))
        [ -n "$first" ] && [ "$first" = "$again" ] || fail "$1 $2: $first and $again"
        "$isobit" diff "$work/$1-$2" "$work/again" >"$work/out" 2>&1 || fail "$1 $2: $(cat "$work/out")"
        rm -r "$work/again"
    done
    echo "$1 $2: $first $times times, $n states"
}

# differs BACKEND SCRIPT: without a hold the script has another hash each time, or the check above would show nothing.
differs() {
    local i hashes different
    hashes=$(for ((i = 0; i < times; i++)); do KERAS_BACKEND=$1 "$python" "$scripts/$2.py" 2>/dev/null | tail -n 1; done)
    different=$(sort -u <<<"$hashes" | grep -c .)
    checks=$((checks + 1))
    [ "$different" -eq "$times" ] || fail "$1 $2 without a hold: $different hashes of $times runs"
    echo "$1 $2 without a hold: $different hashes of $times runs"
}

repeats tensorflow dense 6
repeats tensorflow conv 5
repeats tensorflow pydataset 6
repeats tensorflow tf_loop 5
repeats tensorflow tf_generator 5
repeats tensorflow tf_data 6
repeats jax dense 6
repeats jax generators 5
repeats jax pydataset 6
repeats jax jax_loop 4
repeats tensorflow completed 0
differs tensorflow dense
differs tensorflow tf_data
differs jax dense
if "$python" -c 'import torch' 2>/dev/null; then
    repeats torch dense 6
    repeats torch pydataset 6
    repeats torch torch_loader 4
    differs torch dense
else
    echo "PyTorch is not installed: its scripts were not tested"
fi

# Recording changes no bit: the hash is the same with no digests, and with one each step.
plain=$(held tensorflow dense -o "$work/plain" --every 0)
each=$(held tensorflow dense -o "$work/each" --every 1)
checks=$((checks + 2))
[ "$plain" = "$each" ] || fail "recording changes the hash: $plain and $each"
[ "$(wc -l <"$work/each/steps")" -eq 17 ] || fail "$(wc -l <"$work/each/steps") states, expected 17"

# What the script depends on.
"$isobit" verify "$work/each" --vary isa,hashseed >"$work/out" 2>&1
code=$?
cat "$work/out"
checks=$((checks + 3))
[ $code -eq 0 ] || [ $code -eq 1 ] || fail "verify: exit code $code"
grep -q '^as recorded  *same (17 recorded steps)$' "$work/out" || fail "not the same as recorded"
grep -q '^hashseed: another  *same' "$work/out" || fail "the hash seed moves it"

echo "$checks checks, $failures failures, $((SECONDS - begun)) s"
[ $failures -eq 0 ] && [ $checks -ge 38 ]
