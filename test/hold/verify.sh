#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isobit verify, diff, show, lock and env --check on runs of scripts: each variation moves the script that depends on
# it, and no other; files are as before afterwards. Small scripts without Keras.
set -uo pipefail
build=$1
isobit=$build/isobit
python=${ISOBIT_PYTHON:-$([ -x /usr/bin/python3 ] && echo /usr/bin/python3 || command -v python3)}
[ -n "$python" ] || { echo "no python3 here: please install python3"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checks=0
failures=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

same() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] || fail "$1: expected \"$3\", found \"$2\""
}

holds() {
    checks=$((checks + 1))
    grep -Eq -- "$2" "$work/out" || fail "$1: expected $2 in: $(cat "$work/out" "$work/err")"
}

# run CODE WORDS...: isobit with these words ends with this code.
run() {
    local wanted=$1
    shift
    "$isobit" "$@" >"$work/out" 2>"$work/err"
    local code=$?
    same "exit code of $*" "$code" "$wanted"
    [ $code -eq "$wanted" ] || cat "$work/out" "$work/err"
}

mkdir "$work/place" "$work/place/names"
for i in b d a c; do : >"$work/place/names/$i"; done
# Ten steps of a weight that moves by chance and by what the word says; the weight of step i is i + that.
cat >"$work/place/script.py" <<'PY'
import array, os, random, sys, time
word = sys.argv[1]
moved_by = {
    "nothing": lambda: 0,
    "threads": lambda: int(os.environ["OMP_NUM_THREADS"]),
    "isa": lambda: int(os.environ["TF_ENABLE_ONEDNN_OPTS"]),
    "hashseed": lambda: hash("text") % 1000003,
    "order": lambda: ord(os.listdir("names")[0]),
    "time": lambda: int(time.time() // 86400) % 365 if word == "time" else 0,
    "cwd": lambda: len(os.getcwd()),
    "addresses": lambda: id(object()) // 4096 % 1000003,
    "pair": lambda: len(os.getcwd()) * (hash("text") % 1000003) * 0 + both(),
}
def both():
    names = os.listdir("names")
    return float(names[0] == "d" and time.time() % 172800 >= 0 and os.environ["OMP_NUM_THREADS"] == other)
other = "2" if os.environ.get("RECORDED_THREADS") == "1" else "1"
package = sys.modules["_isobit_hold"]
recorder = package.Recorder(word)
weights = array.array("f", [random.random(), 0.0])
for step in range(10):
    weights[0] += random.random()
    if step == 3:
        weights[1] += moved_by[word]()
    recorder.step({"first": weights[:1], "second": weights[1:]})
PY
cd "$work/place" || exit 1
all=threads,isa,hashseed,order,time,cwd,addresses

# ---- Each variation, alone; time passes between days once in a while, so the day is not looked at twice
for word in threads isa hashseed order cwd addresses; do
    run 0 record -o "$work/$word" -- "$python" script.py $word
    run 1 verify "$work/$word" --vary $word
    holds "$word" "^moved by: $word\$"
    holds "$word: where" "parts at step 4: second \(1 of 2 tensors\)"
    holds "$word: as recorded" "^as recorded +same \(4 recorded steps\)"
done
run 0 record --hold=+time -o "$work/time" -- "$python" script.py time
run 1 verify "$work/time" --vary time
holds "time" '^moved by: time$'
run 0 record -o "$work/nothing" -- "$python" script.py nothing
run 0 verify "$work/nothing" --vary $all
holds "nothing" '^not moved by: threads isa hashseed order time cwd addresses$'
holds "together" '^together +same'
holds "result" '^result sha256:[0-9a-f]{64}$'
threads=$(grep -o '"threads": [0-9]*' "$work/nothing/record.json" | head -n 1 | grep -o '[0-9]*$')
export RECORDED_THREADS=$threads
run 0 record -o "$work/pair" -- "$python" script.py pair
run 1 verify "$work/pair" --vary order,threads
holds "only both together" '^order: backwards +same'
holds "only both together" '^together +parts at step 4'
run 1 verify "$work/threads" --vary threads,order --json
"$python" -c 'import json, sys; r = json.load(open(sys.argv[1])); assert r["moved_by"] == ["threads"] and r["not_moved_by"] == ["order"] and r["same"] is False and r["checks"][0]["same"], r' "$work/out" || fail "JSON: $(cat "$work/out")"

# ---- A script that is not held, and one whose sources or inputs were changed
run 0 record --hold=none -o "$work/loose" -- "$python" script.py nothing
run 1 verify "$work/loose"
holds "not held" '^as recorded +parts at step 1: first'
cp script.py other.py
run 0 record -o "$work/changed" -- "$python" other.py nothing
echo "# a remark" >>other.py
run 1 verify "$work/changed"
holds "changed" "the file .*/other.py was changed"

# ---- Files that the script writes
cat >writes.py <<'PY'
import os, random, sys
os.mkdir("made")
fresh = not os.path.exists("made/model") and not os.path.exists("single")
with open("made/model", "w") as out:
    out.write(f"{fresh} {random.random()}")
open("single", "w").write(open("made/model").read())
with open("log", "a") as out:
    out.write("one more line\n")
PY
echo "begun" >log
run 0 record -o "$work/writes" -- "$python" writes.py
find . -type f | sort | xargs sha256sum >"$work/before"
run 0 verify "$work/writes" --vary cwd
find . -type f | sort | xargs sha256sum >"$work/after"
same "files are as before" "$(diff "$work/before" "$work/after")" ""
rm -r made single
run 0 verify "$work/writes"
same "files that were gone are gone" "$(ls -d made single 2>/dev/null)" ""
sed -i 's/random.random()/random.random() + 1/' writes.py
run 1 verify "$work/writes"
"$python" - "$work/writes/record.json" <<'PY'
import hashlib, json, sys
r = json.load(open(sys.argv[1]))
for list in (r["inputs"], r["program"]["sources"]):
    for item in list:
        item["sha256"] = hashlib.sha256(open(item["path"], "rb").read()).hexdigest()
json.dump(r, open(sys.argv[1], "w"))
PY
run 1 verify "$work/writes"
holds "other bytes" 'writes other bytes into .*/made/model'

# ---- How it ends counts
cat >ends.py <<'PY'
import os, sys
sys.exit(3 if os.listdir("names")[0] == "a" else 4)
PY
"$isobit" record -o "$work/ends" -- "$python" ends.py 2>/dev/null
run 1 verify "$work/ends" --vary order
holds "ends" '^as recorded +same'
holds "ends" 'ends by exit 4, recorded: exit 3'

# ---- diff and show
run 0 record -o "$work/again" -- "$python" script.py nothing
run 0 diff "$work/nothing" "$work/again"
holds "same" '^same: result sha256:'
run 0 record --seed 5 -o "$work/five" -- "$python" script.py nothing
run 1 diff "$work/nothing" "$work/five"
holds "diff" '^seed: 0 against 5$'
holds "diff" '^recorded: they part at step 1: first \(1 of 2 tensors\)'
run 1 diff "$work/nothing" "$work/order"
holds "diff" '^recorded: they part at step 4: second .*the same at step 2'
run 0 show "$work/nothing"
holds "show" '^program .*script.py nothing$'
holds "show" '^trained +nothing, 10 steps$'

# ---- The environment
run 0 env --check "$work/nothing"
holds "environment" '^same: '
sed -E 's/("version": ")([0-9.]+")/\19\2/' "$work/nothing/record.json" >"$work/record.json"
cp -r "$work/nothing" "$work/older"
cp "$work/record.json" "$work/older/record.json"
run 1 env --check "$work/older"
holds "environment" 'python.version: recorded "93'
run 0 verify "$work/nothing" --goal documented
holds "documented" '^documented: '
run 1 verify "$work/older" --goal documented
run 0 lock "$work/nothing" -o "$work/lock" --offline
same "lock" "$(ls "$work/lock" | tr '\n' ' ')" "Dockerfile environment.yml requirements.txt "
grep -q '^FROM python:3\.' "$work/lock/Dockerfile" || fail "Dockerfile: $(cat "$work/lock/Dockerfile")"

# ---- Bad input
bad() {
    local name=$1 pattern=$2
    shift 2
    checks=$((checks + 1))
    "$isobit" "$@" >"$work/out" 2>"$work/err"
    local code=$?
    [ $code -eq 2 ] || fail "$name: exit code $code: $(cat "$work/out" "$work/err")"
    grep -Eq -- "$pattern" "$work/err" || fail "$name: $(cat "$work/err")"
}
bad "misspelt variation" "did you mean hashseed" verify "$work/nothing" --vary hashsed
bad "a goal" "expected bitwise or documented" verify "$work/nothing" --goal functional
bad "no folder" "expected -o FOLDER" lock "$work/nothing"
bad "no run" "expected the folder of a run, found nothing there" lock "$work/none" -o "$work/lock2"
n=0
for change in 's/"argv": \[/"argv": [7, /' 's/"argv": \[/"argh": [/' 's/"sha256": "[0-9a-f]/"sha256": "x/' \
    's/"names": \[/"names": ["nothing", /' 's/"isobit_record": 1/"isobit_record": 2/' 's/"result": "../"result": "/' \
    's/"every": 100/"every": "x"/' 's/^{/[/'; do
    n=$((n + 1))
    rm -rf "$work/bent"
    cp -r "$work/nothing" "$work/bent"
    sed -i "$change" "$work/bent/record.json"
    cmp -s "$work/nothing/record.json" "$work/bent/record.json" && fail "$change changes nothing"
    bad "damaged record $n" "bent" verify "$work/bent"
done
for file in steps tensors; do
    rm -rf "$work/bent"
    cp -r "$work/nothing" "$work/bent"
    sed -i '2s/[0-9a-f]\{9\}/xyz/' "$work/bent/$file"
    bad "damaged $file" "bent/$file: line 2" diff "$work/bent" "$work/nothing"
done
(SECRET=hunter2 run 0 record -o "$work/secret" -- "$python" script.py nothing --token hunter2)
bad "a word that was left out" "word 4 of the command looked like a credential" verify "$work/secret"

echo "$checks checks, $failures failures"
[ $failures -eq 0 ] && [ $checks -gt 80 ]
