#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Data that are wrong, cut, damaged, or that shrink while they are read: exit code 2, the file, the place in it,
# what was expected; no folder is left of a run that never began, and a finished run stays as it is.
set -uo pipefail
isobit=$1/isobit
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checks=0
failures=0
cd "$work" || exit 1

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# experiment TRAIN [MORE]: three classes.
experiment() {
    cat >experiment.yaml <<YAML
isobit: 1
seed: 4
model: {sequential: [{Flatten: {}}, {Dense: {units: ${classes:-3}, activation: softmax}}]}
compile: {optimizer: sgd, loss: sparse_categorical_crossentropy}
data: {train: $1}
fit: {epochs: ${epochs:-1}, batch_size: 1000}
${2:-}
YAML
}

state() {
    find finished -type f -print0 | sort -z | xargs -0 sha256sum
}

# refused NAME PATTERN TRAIN: into a new folder, with this message in out.
refused() {
    checks=$((checks + 1))
    experiment "$3"
    "$isobit" train experiment.yaml -o new --quiet >out 2>&1
    local code=$?
    [ $code -eq 2 ] || fail "$1: exit code $code"
    grep -Eq -- "$2" out || fail "$1: expected $2, found $(cat out)"
}

# bad NAME PATTERN TRAIN: training is refused so, also into the folder of a finished run.
bad() {
    refused "$@"
    [ "$(wc -l <out)" -eq 1 ] || fail "$1: expected one line, found $(cat out)"
    [ -e new ] && fail "$1: a folder is left of a run that never began" && rm -r new
    "$isobit" train experiment.yaml -o finished --quiet >out 2>&1
    local code=$?
    [ $code -eq 2 ] || fail "$1: exit code $code where a run stands"
}

# late NAME PATTERN TRAIN: the same, seen when the batch is made: the folder of a stopped run may be there.
late() {
    refused "$@"
    [ -e new/record.json ] && fail "$1: a record is left of a run that failed"
    rm -rf new
}

# Tables: a header and 80,000 rows; line 70,000 is another.
awk 'BEGIN { print "a,b,y"; for (i = 2; i <= 80001; i++) print i % 97 / 8 "," i % 13 "," i % 3 }' >good.csv
table() {
    sed "70000s/.*/$1/" good.csv >bad.csv
}
experiment '{csv: good.csv, label: y}'
"$isobit" train experiment.yaml -o finished --quiet >out 2>&1 || fail "the good table: $(cat out)"
state >before
csv='csv: bad.csv, label: y'
table '1,oops,1'
bad "wrong type" 'bad.csv:70000:3: expected a number, found .oops.' "{$csv}"
table '1,2'
bad "short row" 'bad.csv:70000:1: expected 3 fields, found 2' "{$csv}"
table '1,2,1,1'
bad "long row" 'bad.csv:70000:1: expected 3 fields, found 3 and more' "{$csv}"
table '1,,1'
bad "nothing" 'bad.csv:70000:3: a value is missing' "{$csv}"
table '1,inf,1'
bad "infinite" 'bad.csv:70000:3: expected a finite float32 number, found .inf.' "{$csv}"
table '1,"2,1'
bad "open quote" 'bad.csv:70000:3: the quote does not close' "{$csv}"
table '1,2,1.5'
bad "no integer" 'bad.csv:70000:5: expected an integer label, found .1.5.' "{$csv, labels: int}"
table '1,2,7'
bad "label" 'bad.csv, data.train.y\[69998\]: expected a class from 0 to 2, found 7' "{$csv}"
bad "label in rows" 'bad.csv, row 69998, data.train.y\[9998\]: expected a class from 0 to 2, found 7' "{$csv, rows: [60000, 80000]}"
late "label in a pipeline" \
    'bad.csv, data.train.y\[69998\]: expected a class from 0 to 2, found 7.0 in sample [0-9]+ of a batch, after [0-9]+ steps' \
    "{$csv, pipeline: [shuffle: 5000, batch: 1000]}"
bad "no file" 'nowhere.csv: cannot be opened: No such file' '{csv: nowhere.csv, label: y}'
bad "a folder" 'finished: expected a file, found a folder' '{csv: finished, label: y}'
gzip -c good.csv >good.csv.gz
experiment '{csv: good.csv.gz, label: y}'
checks=$((checks + 1))
"$isobit" data experiment.yaml >out
grep -q 'data.train: 80000 samples' out || fail "a gzipped table is not read"
head -c 30000 good.csv.gz >cut.csv.gz
bad "cut gzip" 'cut.csv.gz: expected gzip data, found its end \(the file is cut\) before offset 30000' '{csv: cut.csv.gz, label: y}'

# Arrays: 100 samples of 2 x 2 bytes and their labels.
byte() {
    # shellcheck disable=SC2059
    printf "$(printf '\\x%02x' "$@")"
}
{
    byte 0 0 8 3 0 0 0 100 0 0 0 2 0 0 0 2
    for i in $(seq 400); do echo $((i * 7 % 256)); done | while read -r x; do byte "$x"; done
} >x.idx
label() {
    byte 0 0 8 1 0 0 0 100
    for i in $(seq 100); do byte $((i == 43 ? $1 : i % 3)); done
}
label 1 >y.idx
label 9 >nine.idx
gzip -nc x.idx >x.gz
head -c 200 x.gz >cut.gz
head -c 300 x.idx >cut.idx
bad "cut IDX" 'cut.idx: expected data of 400 bytes at offset 16, found 284: the file is cut' '{idx: {x: cut.idx, y: y.idx}}'
bad "cut IDX in gzip" 'cut.gz: expected gzip data, found its end \(the file is cut\) before offset 200' '{idx: {x: cut.gz, y: y.idx}}'
bad "label of its own file" 'nine.idx, data.train.y\[42\]: expected a class from 0 to 2, found 9' '{idx: {x: x.idx, y: nine.idx}}'
late "label behind cache" 'nine.idx, row 42, data.train.y\[2\]: expected a class from 0 to 2, found 9.0' \
    '{idx: {x: x.idx, y: nine.idx}, rows: [40, 90], pipeline: [cache, shuffle: 9]}'
cp "$root/test/golden/data/arrays.npz" a.npz
head -c 900 a.npz >cut.npz
bad "cut npz" 'cut.npz: expected a zip archive' '{npz: cut.npz, x: f4, y: i8}'
cp a.npz damaged.npz
byte 255 255 255 | dd of=damaged.npz bs=1 seek=1200 conv=notrunc status=none
bad "damaged npz" 'damaged.npz, f4.npy: expected the [0-9]+ bytes that were packed, found damaged ones: ' '{npz: damaged.npz, x: f4, y: f4}'
head -c 3000 "$root/test/golden/data/arrays.h5" >cut.h5
bad "cut HDF5" 'cut.h5: plain/f4: expected a data set, found no HDF5 file' '{hdf5: cut.h5, x: plain/f4}'

# Records of TensorFlow.
cp "$root"/test/golden/tfrecord/*.tfrecord .
records='x: image, y: label, features: {label: {dtype: int64}, image: {decode: image, image_size: [4, 5]}}'
head -c 700 second.tfrecord >cut.tfrecord
bad "cut records" 'cut.tfrecord: expected the data of a record of [0-9]+ bytes at offset [0-9]+, found [0-9]+: the file is cut' \
    "{tfrecord: [first.tfrecord, cut.tfrecord], $records}"
cp second.tfrecord damaged.tfrecord
byte 255 | dd of=damaged.tfrecord bs=1 seek=40 conv=notrunc status=none
bad "damaged record" 'damaged.tfrecord, record 0 at offset 0: the CRC of the data does not hold' \
    "{tfrecord: [first.tfrecord, damaged.tfrecord], $records}"
byte 255 | dd of=damaged.tfrecord bs=1 seek=3 conv=notrunc status=none
bad "damaged length" 'damaged.tfrecord, record 0 at offset 0: expected a TFRecord: the CRC of the length does not hold' \
    "{tfrecord: [damaged.tfrecord], $records}"
classes=2 bad "label of the second file" 'second.tfrecord, row [0-9]+, data.train.y\[[0-9]+\]: expected a class from 0 to 1' \
    "{tfrecord: [first.tfrecord, second.tfrecord], $records, rows: [12, 25]}"
classes=2 late "label of a record" 'first.tfrecord, (row [0-9]+, )?data.train.y\[[0-9]+\]: expected a class from 0 to 1' \
    "{tfrecord: [first.tfrecord, second.tfrecord], $records, pipeline: [batch: 2]}"

# Images.
mkdir -p images/{a,b} empty classless/{a,b}
for i in 0 1 2 3; do
    cp "$(find "$root/examples/jpeg_digits/digits/$i" -name '*.jpg' | sort | head -n 1)" images/a/$i.jpg
    cp "$root/test/fuzz/corpus/image/grey.png" images/b/$i.png
done
sizes='image_size: [8, 8]'
bad "empty folder" 'empty: expected images .*, in a folder for each class, found none' "{images: empty, $sizes}"
bad "empty classes" 'classless: expected images .*, in a folder for each class, found none' "{images: classless, $sizes}"
truncate -s -100 images/a/2.jpg
bad "cut JPEG" 'images/a/2.jpg: expected a JPEG image: Premature end of JPEG file' "{images: images, $sizes}"
cp images/a/1.jpg images/a/2.jpg
truncate -s -40 images/b/1.png
bad "cut PNG" 'images/b/1.png: expected a PNG image: the file is cut' "{images: images, $sizes}"
cp images/b/0.png images/b/1.png
byte 1 2 3 | dd of=images/b/3.png bs=1 seek=60 conv=notrunc status=none
bad "damaged PNG" 'images/b/3.png: expected a PNG image: ' "{images: images, $sizes}"
echo text >images/b/3.png
bad "no image" 'images/b/3.png: expected a JPEG or PNG image, found something else' "{images: images, $sizes}"

state | cmp -s - before || fail "the finished run was changed"

# A file that shrinks while it is read: one of 109 MB, too large for the memory that there is (a quarter of what
# ulimit allows), cut after the first checkpoint.
memory=400000
if (ulimit -v $memory && "$isobit" version) >/dev/null 2>&1; then
    checks=$((checks + 1))
    byte 0 0 8 2 0 26 10 128 0 0 0 64 >large.idx
    truncate -s $((12 + 1706624 * 64)) large.idx
    { byte 0 0 8 1 0 26 10 128 && head -c 1706624 /dev/zero; } >labels.idx
    epochs=50 experiment '{idx: {x: large.idx, y: labels.idx}}' 'checkpoint: {steps: 20}'
    (ulimit -v $memory && exec "$isobit" train experiment.yaml -o shrunk --quiet --threads 1) >out 2>&1 &
    pid=$!
    until compgen -G 'shrunk/checkpoint/step-*' >/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
    truncate -s 20000000 large.idx
    wait $pid
    code=$?
    [ $code -eq 2 ] || fail "a file that shrinks: exit code $code"
    grep -Eq 'large.idx: (expected [0-9]+ bytes at offset [0-9]+, found [0-9]+: the file became shorter|the file was changed) while it was read' out ||
        fail "a file that shrinks: $(cat out)"
    compgen -G 'shrunk/checkpoint/step-*' >/dev/null || fail "a file that shrinks: the checkpoints are gone"
fi

echo "$checks checks, $failures failures"
[ "$failures" -eq 0 ]
