#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One digest of the demo from every instruction set, several thread counts, two compilers, three optimisation levels
# and the sanitizers: the README's, and where a run is slow that of a short training, which is a run's own. $1: the
# release build folder. Prints a row a run; fails on any other digest, or on none.
set -uo pipefail
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
experiment=examples/mnist/experiment.yaml
cp examples/mnist/mnist5k.npz "$work"
sed 's/epochs: [0-9]*/epochs: 2/; s/y: y_[a-z]*/&, first: 300/' "$experiment" >"$work/short.yaml"
want=$(grep -o 'result sha256:[0-9a-f]\{64\}' README.md | head -n 1)
[ -n "$want" ] || { echo "matrix: the README names no digest"; exit 1; }
compared=0
failed=0

# result EXPERIMENT COMMAND [OPTION ...]: the digest of a training.
result() {
    local file=$1 command=$2
    shift 2
    rm -rf "$work/run"
    "$command" train "$file" -o "$work/run" --quiet "$@" 2>"$work/errors" | grep '^result sha256:'
}

# compare DIGEST EXPERIMENT NAME COMMAND [OPTION ...]: trains and compares.
compare() {
    local digest=$1 file=$2 name=$3
    shift 3
    local begun=$SECONDS got
    got=$(result "$file" "$@")
    compared=$((compared + 1))
    if [ "$got" = "$digest" ]; then
        echo "same    $name ($((SECONDS - begun)) s)"
    else
        echo "DIFFERS $name: ${got:-no digest}"
        head -n 20 "$work/errors"
        failed=$((failed + 1))
    fi
}

run() { compare "$want" "$experiment" "$@"; }
run_short() { compare "$want_short" "$work/short.yaml" "$@"; }

# variant NAME OPTION ...: builds the command another way into $work/NAME.
variant() {
    local name=$1
    shift
    if ! { cmake -S . -B "$work/$name" -G Ninja -DBUILD_TESTING=OFF "$@" && ninja -C "$work/$name" isobit; } \
        >"$work/$name.log" 2>&1; then
        echo "DIFFERS $name: does not build"
        tail -n 20 "$work/$name.log"
        failed=$((failed + 1))
        return 1
    fi
}

want_short=$(result "$work/short.yaml" "$build/isobit")
[ -n "$want_short" ] || { echo "matrix: no digest of a short training"; exit 1; }
environment=$("$build/isobit" env)
for isa in avx512 avx2 ref; do
    if ! grep -q "isa.*$isa" <<<"$environment"; then
        echo "absent  $isa: this CPU cannot run it"
        continue
    fi
    train=run
    [ "$isa" = ref ] && train=run_short
    $train "gcc -O2, $isa, 2 threads" "$build/isobit" --isa "$isa" --threads 2
done
for threads in 1 3 7; do
    run "gcc -O2, best isa, $threads threads" "$build/isobit" --threads "$threads"
done
variant gcc-O0 -DCMAKE_C_COMPILER=gcc -DISOBIT_OPT=-O0 && run_short "gcc -O0" "$work/gcc-O0/isobit"
variant gcc-O3 -DCMAKE_C_COMPILER=gcc -DISOBIT_OPT=-O3 && run "gcc -O3" "$work/gcc-O3/isobit"
if command -v clang >/dev/null; then
    variant clang-O2 -DCMAKE_C_COMPILER=clang && run "clang -O2" "$work/clang-O2/isobit" &&
        run "clang -O2, avx2" "$work/clang-O2/isobit" --isa avx2
    variant clang-O0 -DCMAKE_C_COMPILER=clang -DISOBIT_OPT=-O0 && run_short "clang -O0" "$work/clang-O0/isobit"
else
    echo "absent  clang: not installed"
fi
variant sanitize -DCMAKE_C_COMPILER=gcc -DISOBIT_OPT=-O1 -DISOBIT_SANITIZE=address,undefined &&
    run_short "gcc, address and undefined behaviour sanitizers" "$work/sanitize/isobit"

echo "$compared runs compared, $failed differ"
[ "$compared" -gt 6 ] && [ "$failed" -eq 0 ]
