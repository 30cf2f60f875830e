# SPDX-License-Identifier: Apache-2.0
"""Keras's files and the clock: dates in files, checkpoints that forget, training that stops by time."""

import ast

from ..random_api import DRAWING
from . import rule

_HASHES = {
    "sha256",
    "sha1",
    "md5",
    "sha512",
    "blake2b",
    "blake2s",
    "sha3_256",
    "crc32",
    "adler32",
    "file_digest",
    "cmp",
}


@rule(
    "hash-of-model-file",
    "warning",
    reason="A .keras file holds the date on which it was saved, so no two are the same bytes.",
    mend="hash the weights: for w in model.get_weights(): digest.update(w.tobytes())",
)
def hash_of_model_file(script):
    for call in script.calls:
        name = script.qualify(call) or ""
        module, _, last = name.rpartition(".")
        if module not in ("hashlib", "zlib", "filecmp", "binascii") or last not in _HASHES:
            continue
        if any(_names_model_file(script, argument) for argument in call.args):
            yield call, "a .keras file is compared by its bytes, but it holds the date of saving"


def _names_model_file(script, node, depth=3):
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.endswith(".keras"):
            return True
        if isinstance(part, ast.Name) and depth:
            value = script.names.value(part)
            if value is not None and value is not part and _names_model_file(script, value, depth - 1):
                return True
    return False


@rule(
    "backup-mid-epoch",
    "warning",
    reason="BackupAndRestore with a number as save_freq restores the weights of the middle of an epoch and then trains "
    "that whole epoch again.",
    mend='leave save_freq at "epoch"',
)
def backup_mid_epoch(script):
    for call in script.calls:
        name = script.qualify(call) or ""
        if name.startswith("keras.callbacks.") and name.endswith(".BackupAndRestore"):
            value = script.argument(call, "save_freq", 1)
            if isinstance(value, ast.AST) and isinstance(script.constant(value), int):
                yield call, "after a stop, the epoch begins again on weights that have already seen a part of it"


@rule(
    "resume-forgets",
    "note",
    reason="Keras files hold neither the state of dropout's and augmentation's seeds nor that of callbacks, so a "
    "resumed run is not the run that was not stopped.",
    mend="train in one go where the bits must repeat, or record the run with isobit",
)
def resume_forgets(script):
    random_layers = any(
        (script.qualify(call) or "").startswith("keras.layers.") and script.qualify(call).rpartition(".")[2] in DRAWING
        for call in script.calls
    )
    for call in script.calls:
        if getattr(call.func, "attr", "") != "fit" or not random_layers or not script.uses_keras:
            continue
        value = script.argument(call, "initial_epoch")
        if isinstance(value, ast.AST) and script.constant(value) != 0 and not _continues(script, value):
            yield call, "training is resumed, but the seeds of dropout and augmentation begin anew"


def _continues(script, node):
    """initial_epoch=history.epoch[-1]: a second phase of the same process, nothing was forgotten."""
    return any(isinstance(part, ast.Attribute) and part.attr == "epoch" for part in ast.walk(node))


_CLOCKS = {
    "time.time",
    "time.perf_counter",
    "time.monotonic",
    "time.process_time",
    "datetime.datetime.now",
    "time.time_ns",
}


@rule(
    "stops-by-clock",
    "warning",
    reason="The number of training steps then depends on the speed of the machine.",
    mend="count steps or epochs",
)
def stops_by_clock(script):
    training = [call for call in script.calls if script.is_training(call)]
    for call in training:
        for loop in script.loops(call):
            if isinstance(loop, ast.While) and _asks_clock(script, loop.test):
                yield loop.test, f"training (line {call.lineno}) goes on until a time is over"
                return


def _asks_clock(script, node):
    return any(isinstance(part, ast.Call) and script.qualify(part) in _CLOCKS for part in ast.walk(node))
