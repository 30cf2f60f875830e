#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# isobit record: what is held repeats, what must not be held does not, output, exit codes and signals pass through,
# and however the program ends there is a record that says so. Small scripts without Keras.
set -uo pipefail
build=$1
isobit=$build/isobit
python=${ISOBIT_PYTHON:-$([ -x /usr/bin/python3 ] && echo /usr/bin/python3 || command -v python3)}
[ -n "$python" ] || { echo "no python3 here: please install python3"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checks=0
failures=0
runs=0

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# record WORDS...: into the next run folder; output in $work/out, messages in $work/err, exit code in $code.
record() {
    runs=$((runs + 1))
    run=$work/run$runs
    "$isobit" record -o "$run" "$@" >"$work/out" 2>"$work/err"
    code=$?
}

same() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] || fail "$1: expected \"$3\", found \"$2\""
}

differ() {
    checks=$((checks + 1))
    [ "$2" != "$3" ] || fail "$1: twice \"$2\""
}

# recorded NAME PYTHON-EXPRESSION: over r, the record of the last run.
recorded() {
    checks=$((checks + 1))
    "$python" - "$run/record.json" "$2" <<'PY' || fail "$1: $2 is false in $(head -c 3000 "$run/record.json")"
import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)
PY
}

# repeats NAME WORDS...: two recorded runs print the same; two others do not, so that the check can fail.
repeats() {
    local name=$1 first
    shift
    record -- "$@"
    first=$(cat "$work/out")
    [ $code -eq 0 ] || fail "$name: exit code $code: $(cat "$work/err")"
    record -- "$@"
    same "$name, held" "$(cat "$work/out")" "$first"
    [ -n "$first" ] || fail "$name: prints nothing"
    differ "$name, not held" "$("$@")" "$("$@")"
}

# ---- Entropy in Python
cat >"$work/draws.py" <<'PY'
import os, random, sys
print(random.random(), random.Random().random(), os.urandom(8).hex(), hash("text"))
print(os.getrandom(8).hex(), open("/dev/urandom", "rb").read(8).hex(), list({"a", "b", "c", "d", "e", "f"}))
print(random.SystemRandom().random())
try:
    import numpy
    print(numpy.random.rand(), numpy.random.default_rng().random(), numpy.random.RandomState().rand())
except ImportError:
    pass
PY
repeats "draws" "$python" "$work/draws.py"
recorded "who drew" 'any(e["source"] == "random.Random" and e["by"].endswith("draws.py") and e["held"] for e in r["entropy"])'
held=$(cat "$work/out")
record --seed 7 -- "$python" "$work/draws.py"
differ "another seed" "$(cat "$work/out")" "$held"
record --hold=none -- "$python" "$work/draws.py"
differ "nothing held" "$(cat "$work/out")" "$held"
recorded "nothing held" 'r["hold"]["names"] == []'

# A draw more in one place shifts nothing in another.
cat >"$work/named.py" <<'PY'
import os, random, sys
def extra():
    return os.urandom(8)
if len(sys.argv) > 1:
    extra()
print(random.random(), os.urandom(4).hex())
PY
record -- "$python" "$work/named.py"
held=$(cat "$work/out")
record -- "$python" "$work/named.py" more
same "streams by name" "$(cat "$work/out")" "$held"

# ---- What is never held
cat >"$work/keys.py" <<'PY'
import secrets, tempfile, uuid
print(secrets.token_hex(8))
print(uuid.uuid4())
print(tempfile.mktemp())
try:
    import ssl
    print(ssl.RAND_bytes(8).hex())
    # A whole connection in memory, with a cipher that needs no certificate: the numbers of both greetings (bytes 11 to 43).
    pipes = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = []
    for side, protocol in enumerate((ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)):
        context = ssl.SSLContext(protocol)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AECDH-AES128-SHA:@SECLEVEL=0")
        ends.append(context.wrap_bio(pipes[side], pipes[1 - side], server_side=side == 1))
    greetings, waiting = [], set(ends)
    while waiting:
        for side, end in enumerate(ends):
            try:
                end.do_handshake()
                waiting.discard(end)
            except ssl.SSLWantReadError:
                pass
            sent = pipes[1 - side].read()
            pipes[1 - side].write(sent)
            if len(greetings) == side:
                greetings.append(sent[11:43].hex())
    ends[0].write(b"a secret")
    assert ends[1].read() == b"a secret"
    print(*greetings, sep="\n")
except ImportError:
    for _ in range(3):
        print(open("/proc/sys/kernel/random/uuid").read().strip())
PY
record -- "$python" "$work/keys.py"
cp "$work/out" "$work/keys"
record -- "$python" "$work/keys.py"
for line in 1 2 3 4 5 6; do
    differ "key $line" "$(sed -n ${line}p "$work/out")" "$(sed -n ${line}p "$work/keys")"
done
recorded "not held is said" 'any(e["by"].endswith("secrets.py") and not e["held"] for e in r["entropy"])'
record --hold=+secrets -- "$python" "$work/keys.py"
held=$(head -n 2 "$work/out")
record --hold=+secrets -- "$python" "$work/keys.py"
same "secrets, when asked for" "$(head -n 2 "$work/out")" "$held"

# ---- Processes
cat >"$work/children.py" <<'PY'
import multiprocessing, os, random, subprocess, sys
def work(i):
    return random.random()
if __name__ == "__main__":
    code = "import random; print(random.random())"
    for env in (None, {}, {"PATH": "/usr/bin"}):
        print(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True).stdout.strip())
    sys.stdout.flush()
    os.system(f"{sys.executable} -c '{code}'")
    for i in range(2):
        if os.fork() == 0:
            print(random.random(), os.getrandom(4).hex(), flush=True)
            os._exit(0)
        os.wait()
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(pool.map(work, range(3)))
PY
repeats "children" "$python" "$work/children.py"
same "children draw different numbers" "$(sort "$work/out" | uniq -d)" ""
recorded "children" 'len(r["processes"]) > 8 and all(p["end"] is not None for p in r["processes"] if p["path"] == "0")'

# ---- Order of folders
mkdir "$work/folder"
for i in 7 3 9 1 5 8 2 6 4 0; do : >"$work/folder/f$i"; done
cat >"$work/list.py" <<'PY'
import os, sys
print(*os.listdir(sys.argv[1]))
print(*(e.name for e in os.scandir(sys.argv[1])))
PY
record -- "$python" "$work/list.py" "$work/folder"
same "sorted" "$(head -n 1 "$work/out")" "f0 f1 f2 f3 f4 f5 f6 f7 f8 f9"
same "sorted scandir" "$(tail -n 1 "$work/out")" "f0 f1 f2 f3 f4 f5 f6 f7 f8 f9"

# ---- Results of workers
cat >"$work/workers.py" <<'PY'
import concurrent.futures, multiprocessing.pool, random, time
def work(i):
    time.sleep(random.SystemRandom().random() / 50)
    return i
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(*(f.result() for f in concurrent.futures.as_completed({pool.submit(work, i) for i in range(8)})))
with multiprocessing.pool.ThreadPool(8) as pool:
    print(*pool.imap_unordered(work, range(8)))
PY
record -- "$python" "$work/workers.py"
same "results of workers" "$(cat "$work/out")" "0 1 2 3 4 5 6 7
0 1 2 3 4 5 6 7"

# ---- The clock
cat >"$work/clock.py" <<'PY'
import datetime, threading, time
begin = time.time()
print(datetime.datetime.now(datetime.timezone.utc).isoformat())
while time.time() - begin < 0.2:
    time.sleep(0.05)
threading.Event().wait(0.05)
print(int(time.time()))
PY
repeats_clock() {
    record --hold=+time -- "$python" "$work/clock.py"
    same "exit code, clock" $code 0
}
repeats_clock
held=$(cat "$work/out")
repeats_clock
same "the clock" "$(cat "$work/out")" "$held"
same "the clock's date" "${held:0:10}" "2023-11-14"

# ---- Ends
record -- "$python" -c 'import sys; print("out"); print("err", file=sys.stderr); sys.exit(3)'
same "exit code" $code 3
same "standard output" "$(cat "$work/out")" "out"
same "standard error" "$(head -n 1 "$work/err")" "err"
recorded "exit code" 'r["program"]["end"] == "exit 3" and r["processes"][0]["end"] == "exit"'
record -- "$python" -c 'import os; os._exit(5)'
same "os._exit" $code 5
recorded "os._exit" 'r["program"]["end"] == "exit 5" and r["processes"][0]["end"] == "_exit 5"'
record -- "$python" -c 'raise ValueError("crashed")'
same "crash" $code 1
grep -q "ValueError: crashed" "$work/err" || fail "crash: $(cat "$work/err")"
record -- "$python" -c 'import os, signal; open("'"$work"'/written", "w").write("x"); os.kill(os.getpid(), signal.SIGKILL)'
same "killed" $code 137
recorded "killed" 'r["program"]["end"] == "signal 9" and r["processes"][0]["end"] is None and r["outputs"][0]["bytes"] == 1'
record -- "$python" -c 'import os; os.abort()'
same "aborted" $code 134
echo "one two" >"$work/input"
record -- sh -c '(ulimit -f 0; cat "$0") | cat' "$work/input"
same "files bounded" "$code $(cat "$work/out")" "0 one two"
runs=$((runs + 1))
same "standard input" "$(echo "from a pipe" | "$isobit" record -o "$work/run$runs" -- "$python" -c 'print(input())' 2>/dev/null)" "from a pipe"
record -- "$python" -c 'print(input())' <"$work/input"
same "input from a file" "$(cat "$work/out")" "one two"
recorded "input from a file" 'r["program"]["stdin"].endswith("/input")'
record -- sh -c 'exit 4'
same "no Python at all" $code 4
runs=$((runs + 1))
"$isobit" record -o "$work/run$runs" -- "$python" -c 'import time; print("up", flush=True); time.sleep(60)' >"$work/out" 2>"$work/err" &
pid=$!
for _ in $(seq 200); do
    [ -s "$work/out" ] && break
    sleep 0.05
done
kill -TERM $pid
wait $pid
same "a signal is passed on" $? 143
run=$work/run$runs
recorded "a signal is passed on" 'r["program"]["end"] == "signal 15"'

# ---- Files and credentials
cat >"$work/files.py" <<'PY'
import os
text = open(os.path.join(os.path.dirname(__file__), "input")).read()
with open("part", "w") as out:
    out.write(text)
os.rename("part", "whole")
PY
(cd "$work" && SOME_TOKEN=hunter2 URL=https://me:hunter2@example.org "$isobit" record -o "$work/files" -- "$python" files.py --password hunter2 --api-key=hunter2) >"$work/out" 2>"$work/err"
run=$work/files
recorded "inputs" '[i["bytes"] for i in r["inputs"] if i["path"].endswith("/input")] == [8]'
recorded "outputs" '[o["path"].rpartition("/")[2] for o in r["outputs"]] == ["whole"]'
recorded "sources" 'any(s["path"].endswith("files.py") and len(s["sha256"]) == 64 for s in r["program"]["sources"])'
recorded "credentials are named" '"SOME_TOKEN" in r["program"]["env_left_out"] and "URL" in r["program"]["env_left_out"]'
same "credentials are not recorded" "$(cat "$run"/* | grep -c hunter2)" 0
recorded "packages" 'r["environment"]["python"]["version"] and isinstance(r["environment"]["python"]["packages"], list)'

# ---- C programs
program=$build/test_programs/entropy
repeats "a C program" "$program"
same "ways to ask" "$(wc -l <"$work/out")" 7
same "ways give different numbers" "$(cut -d: -f2 "$work/out" | sort | uniq -d)" ""
record -- "$program" raw
[ $code -eq 0 ] || fail "raw: $code"
recorded "raw system calls" 'not r["hold"]["watched"] or any(e["how"] == "raw system call" and e["by"].endswith("entropy") for e in r["escaped"])'
record -- sh -c "$build/test_programs/entropy_static; :"
recorded "static programs" 'any(e["how"] == "static program" for e in r["escaped"]) and "not held" in open("'"$work"'/err").read()'

# ---- Training loops that say what they do
cat >"$work/loop.py" <<'PY'
import array, random, sys
package = sys.modules.get("_isobit_hold")
if package is None:
    print("not recorded")
    sys.exit()
recorder = package.Recorder("loop")
weights = array.array("f", [random.random() for _ in range(4)])
for step in range(20):
    for i in range(4):
        weights[i] += random.random() * 1e-3
    recorder.step({"weights": weights}, loss=weights[0])
recorder.end({"weights": weights})
PY
record --every 5 -- "$python" "$work/loop.py"
same "steps" "$(cut -d' ' -f1 "$run/steps" | tr '\n' ' ')" "1 2 4 5 8 10 15 16 20 "
same "tensors" "$(wc -l <"$run/tensors")" 9
recorded "trained" 'r["results"]["steps"] == 20 and r["results"]["trained"] == [{"name": "loop", "process": "0", "steps": 20}]'
result=$(grep '"result"' "$run/record.json")
record --every 5 -- "$python" "$work/loop.py"
same "result" "$(grep '"result"' "$run/record.json")" "$result"
record --every 5 --seed 1 -- "$python" "$work/loop.py"
differ "result of another seed" "$(grep '"result"' "$run/record.json")" "$result"
record --every 0 -- "$python" "$work/loop.py"
same "no digests" "$(wc -l <"$run/steps")" 0

# ---- Without the preload library (as for a Python that cannot load it) the hook holds Python alone
mkdir "$work/bare"
cp "$isobit" "$work/bare/"
cp -r "$build/hold" "$work/bare/hold"
rm "$work/bare/hold/libisobit_hold.so"
cat >"$work/bare/draws.py" <<'PY'
import os, random
open("written", "w").write(open(__file__).read())
print(random.random(), os.urandom(4).hex(), random.Random().random())
PY
cd "$work/bare" || exit 1
bare() {
    runs=$((runs + 1))
    run=$work/run$runs
    ./isobit record -o "$run" -- "$python" draws.py >"$work/out" 2>"$work/err"
}
bare
held=$(cat "$work/out")
bare
same "the hook alone" "$(cat "$work/out")" "$held"
recorded "the hook alone" 'not r["hold"]["preload"] and [o["path"][-7:] for o in r["outputs"]] == ["written"] and any(i["path"].endswith("draws.py") for i in r["inputs"])'
cd - >/dev/null || exit 1

# ---- A child that trains, and ends by os._exit as those of multiprocessing do
cat >"$work/folds.py" <<'PY'
import array, multiprocessing, random, sys
def fold(i):
    recorder = sys.modules["_isobit_hold"].Recorder(f"fold {i}")
    weights = array.array("f", [random.random()])
    for step in range(3):
        weights[0] += random.random()
        recorder.step({"weights": weights})
if __name__ == "__main__":
    for i in range(2):
        child = multiprocessing.get_context("fork").Process(target=fold, args=(i,))
        child.start()
        child.join()
PY
record -- "$python" "$work/folds.py"
recorded "children that train" '[(t["name"], t["steps"]) for t in r["results"]["trained"]] == [("fold 0", 3), ("fold 1", 3)]'
same "children that train" "$(wc -l <"$run/steps")" 4

# ---- Bad input
bad() {
    local name=$1 pattern=$2
    shift 2
    checks=$((checks + 1))
    find "$work" | sort >"$work.before"
    "$isobit" record "$@" >"$work.out" 2>"$work.err"
    local code=$?
    find "$work" | sort >"$work.after"
    [ $code -eq 2 ] || fail "$name: exit code $code"
    [ -s "$work.out" ] && fail "$name: prints $(head -n 1 "$work.out")"
    grep -Eq -- "$pattern" "$work.err" || fail "$name: $(cat "$work.err")"
    cmp -s "$work.before" "$work.after" || fail "$name: leaves $(diff "$work.before" "$work.after" | tail -n 1)"
    rm -f "$work.before" "$work.after" "$work.out" "$work.err"
}
bad "no program" "expected: isobit record" -o "$work/none"
bad "no such program" "$work/nothing: cannot be started: No such file" -o "$work/none" -- "$work/nothing"
bad "not a program" "cannot be started: Permission denied" -o "$work/none" -- "$work/input"
bad "misspelt hold" "did you mean seeds" -o "$work/none" --hold=seed -- true
bad "a run is not overwritten" "expected a new folder, found a run" -o "$work/files" -- true
bad "no number" "expected a number from 0 on, found x" -o "$work/none" --seed x -- true

echo "$checks checks, $failures failures"
[ $failures -eq 0 ] && [ $checks -gt 65 ]
