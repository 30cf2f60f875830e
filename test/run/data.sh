#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isobit data; training from pipelines, joined entries and folders of images: the same digest with other threads,
# instruction sets, prefetch, and when stopped; data that go bad in the middle.
set -uo pipefail
isobit=$1/isobit
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checks=0
failures=0
cd "$work" || exit 1
cp "$root/examples/digits/digits.csv" "$root/examples/mnist/mnist5k.npz" .

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# has NAME PATTERN COMMAND...: the command succeeds and says so.
has() {
    local name=$1 pattern=$2
    shift 2
    checks=$((checks + 1))
    "$@" >out 2>&1 || fail "$name: exit code $?: $(tail -n 1 out)"
    grep -Eq -- "$pattern" out || fail "$name: expected $pattern, found $(head -n 3 out)"
}

# bad NAME PATTERN COMMAND...: exit code 2 and such a message.
bad() {
    local name=$1 pattern=$2
    shift 2
    checks=$((checks + 1))
    "$@" >out 2>&1
    local code=$?
    [ $code -eq 2 ] || fail "$name: exit code $code"
    grep -Eq -- "$pattern" out || fail "$name: expected $pattern, found $(tail -n 1 out)"
}

# experiment NAME TRAIN [FIT]: a small classifier of digits.
experiment() {
    cat >"$1.yaml" <<YAML
isobit: 1
seed: 4
model: {sequential: [{Flatten: {}}, {Dense: {units: 10, activation: softmax}}]}
compile: {optimizer: sgd, loss: sparse_categorical_crossentropy, metrics: [accuracy]}
data: {train: $2}
fit: {epochs: 2${3:-, batch_size: 32}}
YAML
}

# digest NAME WORDS...: trains into a new folder and prints the result.
digest() {
    local name=$1
    shift
    rm -rf run
    "$isobit" train "$name.yaml" -o run --quiet "$@" 2>&1 | grep -o 'sha256:.*'
}

# same NAME: one digest with 1, 2 and 8 threads and three instruction sets, and stopped and gone on with.
same() {
    checks=$((checks + 1))
    local first other words
    first=$(digest "$1" --threads 1)
    [ -n "$first" ] || fail "$1: no result: $("$isobit" train "$1.yaml" -o none --quiet 2>&1 | tail -n 1)"
    for words in "--threads 2 --isa ref" "--threads 8 --isa avx2"; do
        "$isobit" kernels | grep -Eq "^${words##* } +available" || continue
        # shellcheck disable=SC2086
        other=$(digest "$1" $words)
        [ "$other" = "$first" ] || fail "$1: another result with $words: $other"
    done
    "$isobit" verify run --vary resume >out 2>&1 || fail "$1: $(tail -n 1 out)"
}

digits='csv: digits.csv, label: label'
experiment plain "{$digits, first: 300}"
experiment array "{$digits, first: 300}" ', batch_size: 32, shuffle: batch'
experiment pipe "{$digits, pipeline: [shuffle: 200, batch: {batch_size: 50, drop_remainder: true}, prefetch: 3]}"
experiment pipe0 "{$digits, pipeline: [shuffle: 200, batch: {batch_size: 50, drop_remainder: true}, prefetch: 0]}"
experiment endless "{$digits, pipeline: [repeat, shuffle: 500]}" ', batch_size: 64, steps_per_epoch: 7'
experiment forever "{$digits, pipeline: [repeat, shuffle: 500]}"
experiment joined "{concatenate: [{$digits, rows: [0, 99]}, {$digits, rows: [500, 700], pipeline: [shuffle: 50]}],
    pipeline: [cache, shuffle: 300, filter: {y: {not_equal: 3}}]}"
experiment npz '{npz: mnist5k.npz, x: x_test, y: y_test, first: 500}'

has overview 'data.train: 300 samples' "$isobit" data plain.yaml
has classes 'samples of 0: 3[0-9], 1: ' "$isobit" data plain.yaml
has batches '^10 batches of 32 in a pass' "$isobit" data plain.yaml
has peek 'x: float32 \(32, 64\), from 0 to 16; ' "$isobit" data plain.yaml --peek 1
has order '^batch 9: ([0-9]+ ){11}[0-9]+$' "$isobit" data plain.yaml --order
has images 'batch 1: 128 images in pictures' "$isobit" data "$root/examples/mnist/experiment.yaml" --peek 2 --save-images pictures
[ "$(find pictures -name '*.png' | wc -l)" -eq 256 ] || fail "256 images were expected"
experiment texts "{texts: $root/test/golden/text_folder, shuffle: false, pipeline: [batch: 2]}"
has texts 'x: string \(2, 1\); "in the beginning was a word and the word[^"]*\.\.\." "the beginning' "$isobit" data texts.yaml --peek 1
has "no line feed" '^  x: .*short "' "$isobit" data texts.yaml --peek 4
bad nothing "expected data.test, found none" "$isobit" data plain.yaml --part test
bad "no images" "expected a field of images" "$isobit" data plain.yaml --save-images pictures
bad "no end" "the data have no end" "$isobit" data endless.yaml --order

# The numbers of an epoch are all there, once, and others come first in the next.
"$isobit" data plain.yaml --order | sed 's/batch [0-9]*://' | tr ' ' '\n' | grep . >one
"$isobit" data plain.yaml --order --epoch 2 | sed 's/batch [0-9]*://' | tr ' ' '\n' | grep . >two
checks=$((checks + 1))
[ "$(sort -n one | uniq | wc -l)" -eq 300 ] || fail "300 samples were expected in an epoch"
cmp -s <(sort one) <(sort two) || fail "both epochs have the same samples"
cmp -s one two && fail "both epochs have the same order"

for name in plain array pipe endless joined npz; do
    same $name
done
checks=$((checks + 1))
[ "$(digest pipe | wc -c)" -gt 70 ] || fail "no result of pipe"
grep -q '"classes": \[' run/record.json || tr -d ' \n' <run/record.json | grep -q '"classes":\[[0-9]' || fail "no classes in the record"
# Prefetch is a setting, so the experiment is another; the steps are not.
cut -d' ' -f1,2 run/steps >steps.3
digest pipe0 >/dev/null
cut -d' ' -f1,2 run/steps | cmp -s - steps.3 || fail "prefetch 0 and 3 give other losses"

# A label out of range: before training where it can be known, else at its batch.
sed '1500s/[0-9]*$/11/' digits.csv >wrong.csv
experiment early '{csv: wrong.csv, label: label}'
experiment late '{csv: wrong.csv, label: label, pipeline: [batch: 32]}'
bad early 'wrong.csv, data.train.y\[1498\]: expected a class from 0 to 9, found 11' "$isobit" train early.yaml -o early
bad late 'wrong.csv, data.train.y\[1498\]: expected a class from 0 to 9, found 11.0 in sample [0-9]+ of a batch, after 46 steps' \
    "$isobit" train late.yaml -o late
[ -e early ] && fail "a folder is left of a run that never began"
bad "no steps" 'the data have no end: expected fit.steps_per_epoch' "$isobit" train forever.yaml -o none

# Layers in the pipeline, and a language model; numbers that its Embedding has no row for.
experiment mapped "{$digits, first: 300, pipeline: [map: {x: [Rescaling: {scale: 0.06}, Dropout: {rate: 0.2}]}, shuffle: 90, batch: 25]}"
same mapped
language() {
    cat >"$1.yaml" <<YAML
isobit: 1
seed: 4
model: {sequential: [{Embedding: {input_dim: $2, output_dim: 4}}, {Dense: {units: 62, activation: softmax}}]}
compile: {optimizer: sgd, loss: sparse_categorical_crossentropy}
data: {train: {text: $root/examples/genesis/genesis-exodus.txt, window: 20, first: 200$3}}
fit: {epochs: 2}
YAML
}
language text 62 ', pipeline: [shuffle: 100, batch: 32]'
same text
language few 60 ''
language few-late 60 ', pipeline: [batch: 50]'
bad few 'genesis-exodus.txt, data.train.x\[[0-9]+\]: expected a row of the Embedding from 0 to 59, found 6[01]' \
    "$isobit" train few.yaml -o few
bad few-late 'genesis-exodus.txt, data.train.x\[[0-9]+\]: expected a row of the Embedding from 0 to 59, found 6[01].* in sample [0-9]+ of a batch, after [0-9]+ steps' \
    "$isobit" train few-late.yaml -o few-late

# Images: pictures of digits in folders of their labels.
mkdir -p digits/{a,b}
i=0
for file in pictures/*.png; do
    cp "$file" digits/$([ $((i % 3)) -eq 0 ] && echo a || echo b)/$i.png
    i=$((i + 1))
done
experiment images '{images: digits, image_size: [12, 12], color_mode: grayscale, validation_split: 0.25, subset: training, seed: 7}'
same images
first=$(digest images)
mkdir other && for file in $(cd digits && find . -name '*.png' | sort -R); do
    mkdir -p "other/$(dirname "$file")" && cp "digits/$file" "other/$file"
done
sed 's/images: digits/images: other/' images.yaml >moved.yaml
[ "$(digest moved)" = "$first" ] || fail "a folder written in another order gives another result"
truncate -s -20 other/b/*.png
bad "a cut image" 'other/b/[0-9]*.png: expected a PNG image: the file is cut' "$isobit" train moved.yaml -o cut
cp other/a/0.png other/a/3.png && for file in digits/b/*; do cp "$file" other/b/; done
"$isobit" verify run >out 2>&1
[ $? -eq 1 ] && grep -q 'data.train.images' out || fail "a changed folder is not named: $(head -n 2 out)"

echo "$checks checks, $failures failures"
[ "$failures" -eq 0 ]
