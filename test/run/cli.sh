#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command: exit codes and messages for bad input, nothing left behind, and the way from train to predict.
set -uo pipefail
isobit=$1/isobit
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checks=0
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# An experiment on stdin after sed with the given expressions.
experiment() {
    local name=$1
    shift
    sed -e '' "$@" >"$work/$name" <<'YAML'
isobit: 1
seed: 4
model:
  sequential:
    - Dense: {units: 8, activation: relu}
    - Dense: {units: 10, activation: softmax}
compile:
  optimizer: {Adam: {learning_rate: 0.001}}
  loss: sparse_categorical_crossentropy
  metrics: [accuracy]
data:
  train: {csv: digits.csv, label: label, rows: [0, 100]}
  test: {csv: digits.csv, label: label, rows: [100, 150]}
fit: {batch_size: 32, epochs: 2}
YAML
}

# bad NAME PATTERN WORDS...: exit code 2, nothing on standard output, one line on standard error that matches, and
# the folder $work holds the same files as before.
bad() {
    local name=$1 pattern=$2
    shift 2
    checks=$((checks + 1))
    find "$work" | sort >/tmp/before.$$
    "$isobit" "$@" >/tmp/out.$$ 2>/tmp/err.$$
    local code=$?
    find "$work" | sort >/tmp/after.$$
    [ $code -eq 2 ] || fail "$name: exit code $code"
    [ -s /tmp/out.$$ ] && fail "$name: prints $(head -n 1 /tmp/out.$$)"
    [ "$(wc -l </tmp/err.$$)" -eq 1 ] || fail "$name: $(wc -l </tmp/err.$$) lines: $(cat /tmp/err.$$)"
    grep -Eq -- "$pattern" /tmp/err.$$ || fail "$name: $(cat /tmp/err.$$)"
    cmp -s /tmp/before.$$ /tmp/after.$$ || fail "$name: leaves $(diff /tmp/before.$$ /tmp/after.$$ | tail -n 1)"
    rm -f /tmp/before.$$ /tmp/after.$$ /tmp/out.$$ /tmp/err.$$
}

# bad_field NAME PATTERN SED...: training the changed experiment is refused.
bad_field() {
    local name=$1 pattern=$2
    shift 2
    experiment e.yaml "$@"
    bad "$name" "$pattern" train "$work/e.yaml" -o "$work/run"
}

cp "$root/examples/digits/digits.csv" "$work/digits.csv"
cp "$root/examples/mnist/mnist5k.npz" "$work/mnist.npz"
experiment good.yaml

# ---- The experiment file
bad "missing file" "^isobit: $work/none.yaml: cannot be opened: No such file" train "$work/none.yaml" -o "$work/run"
bad_field "misspelt field" "e.yaml:14:[0-9]+ fit.epoch: unknown field, did you mean epochs\?" -e 's/epochs: 2/epoch: 2/'
bad_field "unknown section" "e.yaml:[0-9]+:[0-9]+ modell: unknown field, did you mean model\?" -e 's/^model:/modell:/'
bad_field "missing field" "e.yaml:[0-9]+:[0-9]+ data.train: this field is required, found none" -e '/  train:/d'
bad_field "wrong type" "e.yaml:14:[0-9]+ fit.epochs: expected an integer, found \"two\"" -e 's/epochs: 2/epochs: two/'
bad_field "real for integer" "fit.batch_size: expected an integer, found 32.5" -e 's/batch_size: 32/batch_size: 32.5/'
bad_field "out of range" "fit.epochs: expected an integer from 1 to [0-9]+, found 0" -e 's/epochs: 2/epochs: 0/'
bad_field "negative seed" "e.yaml:2:7 seed: expected an integer from 0" -e 's/seed: 4/seed: -4/'
bad_field "version" "e.yaml:1:9 isobit: expected an integer from 1 to 1, found 2" -e 's/isobit: 1/isobit: 2/'
bad_field "goal" "goal: expected bitwise, functional or documented, found \"bitwize\", did you mean bitwise" \
    -e 's/^seed: 4/goal: bitwize/'
bad_field "split of 1" "fit.validation_split: expected a number below 1" -e 's/epochs: 2/validation_split: 1.0/'
bad_field "split leaves nothing" "validation_split: 100 samples are cut in 0 to train" -e 's/epochs: 2/validation_split: 0.999/'
bad_field "split beside validation" "validation_split: expected 0 beside data.validation" \
    -e 's/epochs: 2/validation_split: 0.1/' -e 's/^  test:/  validation:/'
bad_field "no YAML" "e.yaml" -e 's/^seed: 4/seed: [4/'
bad_field "twice" "e.yaml" -e 's/^seed: 4/isobit: 1/'
bad "a folder" "expected a file" train "$work" -o "$work/run"

# ---- Model and compile
bad_field "unknown layer" "e.yaml.*Dens" -e 's/Dense: {units: 8/Dens: {units: 8/'
bad_field "layer of a foreign library" "e.yaml.*FlaxLayer.*not supported: it runs a Flax module" -e 's/Dense: {units: 8, activation: relu}/FlaxLayer: {units: 8}/'
bad_field "misspelt setting" "e.yaml.*unit" -e 's/units: 8/unit: 8/'
bad_field "setting of wrong type" "e.yaml.*units" -e 's/units: 8/units: eight/'
bad_field "unknown loss" "e.yaml.*sparse_categorical_crossentropy" -e 's/loss: sparse_cat/loss: sparse_kat/'
bad_field "unknown optimizer" "e.yaml.*(Adam|adam)" -e 's/Adam/Adamm/'
bad_field "unknown metric" "e.yaml:10:13 compile.metrics: .*accuracy" -e 's/\[accuracy\]/[acuracy]/'
bad_field "shape that does not fit" "e.yaml.*Conv2D|e.yaml.*conv2d" \
    -e 's/Dense: {units: 8, activation: relu}/Conv2D: {filters: 8, kernel_size: 3}/'
bad_field "labels out of range" "digits.csv.*y\[9\].*expected a class from 0 to 8, found 9" -e 's/units: 10/units: 9/'

# ---- Data
bad_field "missing data" "none.csv.*No such file" -e 's/csv: digits/csv: none/'
bad_field "misspelt data field" "e.yaml:12:[0-9]+ data.train.labell.*label" -e '12s/label: label/labell: label/'
bad_field "unknown column" "lable" -e 's/label: label/label: lable/'
bad_field "rows past the end" "rows" -e 's/100, 150/100, 15000/'
awk -F, 'BEGIN {OFS = ","} NR == 7 {$3 = "nan"} {print}' "$work/digits.csv" >"$work/nan.csv"
bad_field "NaN in a table" "nan.csv:7:[0-9]+" -e 's/digits.csv/nan.csv/'
head -n 1 "$work/digits.csv" >"$work/empty.csv"
bad_field "empty table" "empty.csv" -e 's/digits.csv/empty.csv/' -e 's/, rows: \[[0-9, ]*\]//'
: >"$work/nothing.csv"
bad_field "empty file" "nothing.csv" -e 's/digits.csv/nothing.csv/' -e 's/, rows: \[[0-9, ]*\]//'
npz=(-e 's/{csv: digits.csv, label: label, rows: \[0, 100\]}/{npz: FILE, x: x_train, y: y_train}/' -e '/^  test/d')
bad_field "unknown array" "mnist.npz.*x_train" "${npz[@]}" -e 's/FILE, x: x_train/mnist.npz, x: x_trian/'
bad_field "targets and samples of other numbers" "mnist.npz|data.train" "${npz[@]}" -e 's/FILE/mnist.npz/' -e 's/y_train/y_test/'
head -c 100000 "$work/mnist.npz" >"$work/cut.npz"
bad_field "truncated npz" "cut.npz" "${npz[@]}" -e 's/FILE/cut.npz/'
{ head -c 3000 "$work/mnist.npz"; printf 'xxxxxxxx'; tail -c +3009 "$work/mnist.npz"; } >"$work/bent.npz"
bad_field "corrupt npz" "bent.npz" "${npz[@]}" -e 's/FILE/bent.npz/'
bad_field "no zip at all" "digits.csv" "${npz[@]}" -e 's/FILE/digits.csv/'

# ---- Where to write
: >"$work/file"
bad "run is a file" "$work/file" train "$work/good.yaml" -o "$work/file"
bad "run below a file" "$work/file/run" train "$work/good.yaml" -o "$work/file/run"
if [ "$(id -u)" -ne 0 ]; then
    mkdir "$work/closed" && chmod 555 "$work/closed"
    bad "unwritable folder" "$work/closed" train "$work/good.yaml" -o "$work/closed"
    bad "unwritable parent" "$work/closed/run" train "$work/good.yaml" -o "$work/closed/run"
else
    bad "unwritable folder" "/proc" train "$work/good.yaml" -o /proc/isobit-run
    bad "unwritable parent" "/proc" train "$work/good.yaml" -o /proc/self/fdinfo/run
fi

# ---- Usage
bad "no command of that name" "unknown command trane" trane
bad "no folder given" "expected -o RUN" train "$work/good.yaml"
bad "unknown option" "unknown option --thread" train "$work/good.yaml" -o "$work/run" --thread 2
bad "no number" "expected a number from 1 on, found many" train "$work/good.yaml" -o "$work/run" --threads many
bad "unknown instruction set" "expected ref, avx2 or avx512, found \"mmx\"" train "$work/good.yaml" -o "$work/run" --isa mmx
bad "one word too many" "one word too many: b" show a b

# ---- A run from end to end
good() {
    local name=$1
    shift
    checks=$((checks + 1))
    "$isobit" "$@" >"$work/out" 2>"$work/err" || fail "$name: exit code $?: $(cat "$work/err")"
    [ -s "$work/err" ] && fail "$name: $(cat "$work/err")"
}

holds() {
    checks=$((checks + 1))
    grep -Eq -- "$2" "$work/out" || fail "$1: expected $2 in: $(cat "$work/out")"
}

good "train" train "$work/good.yaml" -o "$work/run"
holds "an epoch a line" '^Epoch 2/2 - [0-9.]+s - accuracy: [0-9.]+ - loss: [0-9.]+$'
holds "test results" '^Test - accuracy: [0-9.]+ - loss: [0-9.]+$'
[[ $(tail -n 1 "$work/out") =~ ^result\ sha256:[0-9a-f]{64}$ ]] || fail "last line: $(tail -n 1 "$work/out")"
result=$(tail -n 1 "$work/out")
for file in record.json steps tensors history.csv model.keras environment.lock Dockerfile report.html; do
    checks=$((checks + 1))
    [ -s "$work/run/$file" ] || fail "no $file"
done
[ "$(find "$work/run" -type f | wc -l)" -eq 8 ] || fail "files: $(ls "$work/run")"
head -n 1 "$work/run/history.csv" | grep -q $'^epoch,accuracy,loss\r$' || fail "history.csv: $(head -n 1 "$work/run/history.csv")"
bad "a run is not overwritten" "expected a new folder, found a run" train "$work/good.yaml" -o "$work/run"

good "train quietly, 1 thread, plain loops" train "$work/good.yaml" -o "$work/run2" --quiet --threads 1 --isa ref
[ "$(cat "$work/out")" = "$result" ] || fail "quiet: $(cat "$work/out")"
cat >"$work/good.json" <<'JSON'
{"fit": {"epochs": 2, "batch_size": 32, "shuffle": true}, "isobit": 1, "name": "a name changes nothing", "seed": 4,
 "model": {"sequential": [{"Dense": {"units": 8, "activation": "relu"}}, {"Dense": {"units": 10, "activation": "softmax"}}]},
 "compile": {"optimizer": {"Adam": {"learning_rate": 0.001}}, "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
 "data": {"train": {"csv": "copy.csv", "label": "label", "rows": [0, 100]}, "test": {"csv": "copy.csv", "label": "label", "rows": [100, 150]}}}
JSON
cp "$work/digits.csv" "$work/copy.csv"
good "the same experiment as JSON, its data under another name" train "$work/good.json" -o "$work/run3" --quiet
[ "$(cat "$work/out")" = "$result" ] || fail "JSON: $(cat "$work/out")"
# In a work tree of git a run holds the changes of tracked files.
if command -v git >/dev/null; then
    tree=$work/tree
    mkdir "$tree" && cp "$work/good.yaml" "$work/digits.csv" "$tree"
    git -C "$tree" init -q && git -C "$tree" add . &&
        git -C "$tree" -c user.name=a -c user.email=a@b commit -qm a || fail "no work tree"
    good "a clean work tree" train "$tree/good.yaml" -o "$tree/run" --quiet
    grep -q '"git_dirty": false' "$tree/run/record.json" || fail "a clean work tree is dirty"
    [ -e "$tree/run/git.diff" ] && fail "a patch of no changes"
    echo '# changed' >>"$tree/good.yaml"
    good "a changed work tree" train "$tree/good.yaml" -o "$tree/run2" --quiet
    grep -q '^+# changed$' "$tree/run2/git.diff" || fail "no patch"
    grep -q "\"git_diff_sha256\": \"$(sha256sum <"$tree/run2/git.diff" | cut -c 1-64)\"" "$tree/run2/record.json" ||
        fail "the patch is not the recorded one"
fi
good "verify" verify "$work/run" --vary threads,isa,resume
holds "levels" '^verified: run threads isa resume$'
good "verify for machines" verify "$work/run" --json
python3 -c 'import json, sys; v = json.load(open(sys.argv[1])); assert v["same"] and v["levels"] == ["run"], v' \
    "$work/out" 2>"$work/err" || ! command -v python3 >/dev/null || fail "json: $(cat "$work/err")"
good "curves" show "$work/run"
holds "curves" '^loss .*[▁▂▃▄▅▆▇█]'
grep -q '<svg' "$work/run/report.html" || fail "report.html has no curve"
grep -qE '(src|href)=|<script|https?:' "$work/run/report.html" && fail "report.html asks for something from outside"
good "events" train "$work/good.yaml" -o "$work/events" --json-lines
[ "$(grep -c '^{"event": ".*}$' "$work/out")" -eq "$(wc -l <"$work/out")" ] || fail "events: $(head -n 3 "$work/out")"
holds "result event" '"event": "result", "result": "sha256:'
good "compare" compare "$work/run" "$work/run3" "$work/events"
[ "$(wc -l <"$work/out")" -eq 4 ] || fail "compare: $(cat "$work/out")"
good "publish" publish "$work/run" -o "$work/bundle"
mv "$work/digits.csv" "$work/away.csv"
good "verify a bundle without its inputs' first place" verify "$work/bundle"
holds "statement" '^same: the statement about [0-9]+ files and the result$'
mv "$work/away.csv" "$work/digits.csv"
bad "publish onto something" "bundle: expected a new folder, found one that is there" publish "$work/run" -o "$work/bundle"
printf 'x' >>"$work/bundle/report.html"
"$isobit" verify "$work/bundle" >"$work/out" 2>"$work/err"
[ $? -eq 1 ] || fail "changed bundle: $(cat "$work/out" "$work/err")"
holds "changed bundle" '^differs: report.html is not what the statement says$'
# A folder of images goes with the list of its files.
mkdir "$work/images"
for class in 0 1; do
    mkdir "$work/images/$class"
    cp $(ls "$root"/examples/jpeg_digits/digits/$class/*.jpg | head -n 4) "$work/images/$class"
done
experiment images.yaml -e 's/Dense: {units: 8, activation: relu}/Flatten: {}/' \
    -e 's/train: .*/train: {images: images, image_size: [8, 8], color_mode: grayscale}/' -e '/^  test:/d' \
    -e 's/batch_size: 32, //'
good "train on a folder" train "$work/images.yaml" -o "$work/of_images"
good "diff of runs on a folder" diff "$work/of_images" "$work/of_images"
good "documented with a folder" verify "$work/of_images" --goal documented
holds "clean folder" '^there: execution: in an empty folder with the record and its inputs alone, '
good "publish a folder" publish "$work/of_images" -o "$work/images_bundle"
(cd "$work/images_bundle/inputs" && sha256sum -c --quiet ./*.sha256) || fail "the list of a folder"
[ "$(wc -l <"$work/images_bundle/inputs/data.train.images-images.sha256")" -eq 8 ] || fail "the list is not whole"
mv "$work/images" "$work/images_away"
good "verify a bundle with a folder" verify "$work/images_bundle"
mv "$work/images_away" "$work/images"
printf 'x' >>"$(ls "$work"/images_bundle/inputs/data.train.images-images/1/*.jpg | tail -n 1)"
"$isobit" verify "$work/images_bundle" >"$work/out" 2>"$work/err"
[ $? -eq 1 ] || fail "changed image: $(cat "$work/out" "$work/err")"
holds "changed image" '^differs: inputs/data.train.images-images/1/.*.jpg is not what inputs/.*.sha256 says$'
printf 'x' >>"$(ls "$work"/images/1/*.jpg | tail -n 1)"
bad "publish a changed folder" "data.train.images was changed since the run" publish "$work/of_images" -o "$work/half"
good "documented" verify "$work/run" --goal documented
holds "documented" '^documented$'
# The Dockerfile: FROM first, known instructions, no line that goes on into nothing, a version for each package; and
# what its first step does to the list of archives in Debian's image.
awk '/^#/ { next } { if (!more && !/^(FROM|ARG|RUN|COPY|CMD) /) exit 1; if (!n++ && !/^FROM /) exit 1; more = /\\$/ }
     END { if (more || n < 8) exit 1 }' "$work/run/Dockerfile" || fail "the Dockerfile is not one"
packages=$(sed -n '/apt-get install/,/^COPY/p' "$work/run/Dockerfile" | grep '^        ')
if grep '^FROM debian' "$work/run/Dockerfile" | grep -qv stable; then
    [ "$(grep -c . <<<"$packages")" -eq "$(grep -cE '^ +[a-z0-9.+-]+=[^= ]+( \\)?$' <<<"$packages")" ] ||
        fail "packages without a version: $packages"
    for part in debian debian-security; do
        printf 'Types: deb\n# http://snapshot.debian.org/archive/%s/20250203T000000Z\n' $part
        printf 'URIs: http://deb.debian.org/%s\nSuites: bookworm\n\n' $part
    done >"$work/debian.sources"
    sed -n '/^RUN sed/,/snapshot$/p' "$work/run/Dockerfile" |
        sed "s,^RUN ,,; s,/etc/apt/sources.list.d,$work,; s,/etc/apt/apt.conf.d,$work," >"$work/step"
    SNAPSHOT=20260131T120000Z bash "$work/step" || fail "the step of the archives"
    [ "$(grep -c '^URIs: http://snapshot.debian.org/archive/debian\(-security\)\?/20260131T120000Z$' \
        "$work/debian.sources")" -eq 2 ] || fail "the archives: $(cat "$work/debian.sources")"
    grep -q deb.debian.org "$work/debian.sources" && fail "archives of today are left"
fi
good "environment" env --check "$work/run"
good "lock" env --lock
holds "lock" '^isobit-lock 1$'
# The packages in use are those that dpkg names for the command's libraries.
if command -v dpkg >/dev/null; then
    owners=$(ldd "$isobit" | awk '$3 ~ /^\// { print $3 }' | xargs realpath | sed 'p; s,^/usr,,' |
        xargs dpkg -S 2>/dev/null | sed 's/[:,].*//' | sort -u)
    [ -n "$owners" ] || fail "dpkg knows no library"
    for package in $owners; do
        holds "package $package" "^package ${package//+/\\+} "
    done
fi
sed -i 's/"compiler": "/&old /' "$work/run/record.json"
"$isobit" env --check "$work/run" >"$work/out" 2>"$work/err"
[ $? -eq 1 ] || fail "another compiler: $(cat "$work/out" "$work/err")"
holds "another compiler" '^build.compiler: recorded "old '
sed -i 's/"compiler": "old /"compiler": "/' "$work/run/record.json"
good "audit" audit "$work/run" --sample 3
holds "audited" '^audited: '
good "diff of equal runs" diff "$work/run" "$work/run2"
holds "same" '^same: result sha256:'
good "show" show "$work/run"
holds "show" "^$result\$"
good "summary" summary "$work/run"
holds "summary" 'dense'
good "env" env
holds "env" '^isa +.*ref'
good "evaluate" evaluate "$work/run"
holds "scores" '^accuracy: [0-9.]+ - loss: [0-9.]+$'
good "predict" predict "$work/run" -o "$work/p.npy"
good "predict with other batches" predict "$work/run" -o "$work/q.npy" --batch-size 7 --threads 1
cmp -s "$work/p.npy" "$work/q.npy" || fail "predictions depend on the batch size"
good "predict into CSV" predict "$work/run/model.keras" --experiment "$work/good.yaml" --part train -o "$work/p.csv"
[ "$(wc -l <"$work/p.csv")" -eq 100 ] || fail "predictions: $(wc -l <"$work/p.csv") rows"

# ---- Damaged runs and models
head -c 2000 "$work/run/model.keras" >"$work/cut.keras"
bad "truncated model" "cut.keras" summary "$work/cut.keras"
{ head -c 5000 "$work/run/model.keras"; printf 'xxxxxxxx'; tail -c +5009 "$work/run/model.keras"; } >"$work/bent.keras"
bad "corrupt model" "bent.keras" predict "$work/bent.keras" --experiment "$work/good.yaml" -o "$work/r.npy"
bad "scores without targets" "mnist.npz: no array is named 'y'" evaluate "$work/run" --data "$work/mnist.npz" --x x_test
bad "missing part" "expected data.validation, found none" evaluate "$work/run" --part validation
bad "unknown level" "vary: expected a list of threads, isa, resume and compiler, found \"thread\", did you mean threads" \
    verify "$work/run" --vary thread
bad "unknown goal" "goal: expected bitwise, functional or documented, found \"bits\"" verify "$work/run" --goal bits
bad "no run" "none: expected the folder of a run, found nothing there" show "$work/none"
bad "a file" "digits.csv: expected a run \(record.json\), found something else" verify "$work/digits.csv"
mkdir -p "$work/halted/checkpoint"
cp "$work/good.yaml" "$work/halted/checkpoint/step-000000000003"
bad "a stopped run" "halted: expected a complete run, found one that was stopped at step 3 or still trains; .*--resume" \
    verify "$work/halted"
sed -i 's/"result": "[0-9a-f]*"/"result": "12"/' "$work/run2/record.json"
bad "damaged record" "record.json.*64 hex digits" show "$work/run2"
sed -i '3s/ / x/' "$work/run/steps"
bad "damaged steps" "run/steps: line 3" verify "$work/run"
# changed FILE SED PATTERN: verify of a run with this change in one file says so and ends with 1.
changed() {
    checks=$((checks + 1))
    rm -rf "$work/run4"
    cp -r "$work/run3" "$work/run4"
    sed -i "$2" "$work/run4/$1"
    cmp -s "$work/run3/$1" "$work/run4/$1" && fail "changed $1: $2 changes nothing"
    "$isobit" verify "$work/run4" >"$work/out" 2>"$work/err"
    local code=$?
    [ $code -eq 1 ] || fail "changed $1: exit code $code: $(cat "$work/out" "$work/err")"
    holds "changed $1" "$3"
}

changed steps '4s/^3 [0-9a-f]\{4\}/3 ffff/' '^differs: first at step 3$'
changed steps '4s/[0-9a-f]\{4\}$/ffff/' '^differs: first at step 3$'
changed tensors '$s/ [0-9a-f]\{4\}/ ffff/' '^differs: first at step 8$'
changed tensors '1s/ [0-9a-f]\{4\}/ ffff/' '^differs before the first step$'
changed record.json 's/"result": "[0-9a-f]\{4\}/"result": "ffff/' 'not the result digest'
changed record.json 's/"parameters": [0-9]*/"parameters": 5/' 'record.json .results. does not hold'
changed history.csv '2s/,0/,1/' 'history.csv does not hold'
rm -rf "$work/run4"
cp -r "$work/run3" "$work/run4"
sed 's/seed: 4/seed: 5/' "$work/good.yaml" >"$work/other.yaml"
"$isobit" train "$work/other.yaml" -o "$work/run5" --quiet >/dev/null
cp "$work/run5/model.keras" "$work/run4/"
"$isobit" verify "$work/run4" >"$work/out" 2>"$work/err"
[ $? -eq 1 ] || fail "another model.keras: $(cat "$work/out" "$work/err")"
holds "another model.keras" 'model.keras does not hold'

# ---- Ctrl-C, and going on
experiment long.yaml -e 's/epochs: 2/epochs: 40/'
"$isobit" train "$work/long.yaml" -o "$work/whole" --quiet >"$work/want" || fail "long run"
"$isobit" train "$work/long.yaml" -o "$work/stopped" --quiet >"$work/out" 2>"$work/err" &
pid=$!
for _ in $(seq 3000); do
    [ -e "$work/stopped/lock" ] && break
    sleep 0.001
done
kill -TERM $pid
wait $pid
code=$?
checks=$((checks + 1))
if [ $code -ne 0 ]; then # a fast machine may be done before the signal
    [ $code -eq 2 ] || fail "stopped: exit code $code"
    grep -q 'stopped in epoch .* --resume goes on from there' "$work/err" || fail "stopped: $(cat "$work/err")"
    ls "$work/stopped/checkpoint"/step-* >/dev/null || fail "stopped: no checkpoint"
    bad "a stopped run again" "stopped: expected a new folder, found a run that was stopped at step [0-9]+; --resume goes on" \
        train "$work/long.yaml" -o "$work/stopped"
    bad "another experiment" "checkpoint/step-[0-9]+: expected a checkpoint of the experiment" \
        train "$work/good.yaml" -o "$work/stopped" --resume
fi
good "resume" train "$work/long.yaml" -o "$work/stopped" --resume
holds "resumed" "^$(cat "$work/want")\$"
good "resume when complete" train "$work/long.yaml" -o "$work/stopped" --resume
holds "complete" "^the run is complete$"
holds "complete" "^$(cat "$work/want")\$"
bad "another experiment when complete" "expected a run of .*good.yaml, found one of another experiment" \
    train "$work/good.yaml" -o "$work/stopped" --resume
good "resume without anything" train "$work/good.yaml" -o "$work/fresh" --resume
good "verify what was resumed" verify "$work/stopped"

good "bench" bench peak --isa ref
bad "bench of nothing known" "bench: expected kernels or peak, found 'kernel'; did you mean 'kernels'" bench kernel
bad "kernels of nothing known" 'isa: expected ref, avx2 or avx512, found "sse"' kernels --isa sse
bad "bench of another instruction set" "isa: expected ref, avx2 or avx512, found \"avx9\"" bench peak --isa avx9

echo "$checks checks, $failures failures"
[ $failures -eq 0 ] && [ $checks -gt 70 ]
