# SPDX-License-Identifier: Apache-2.0
"""The surroundings: variables set too late, threads and packages left open."""

import ast
import re

from . import rule

# Variables that a library reads when it is imported.
_READ_AT_IMPORT = {
    "KERAS_BACKEND": ("keras", "keras_hub", "keras_nlp", "keras_cv"),
    "TF_ENABLE_ONEDNN_OPTS": ("tensorflow",),
    "OPENBLAS_NUM_THREADS": ("numpy",),
}


@rule(
    "env-too-late",
    "warning",
    reason="The library has read the variable when it was imported; setting it afterwards does nothing.",
    mend="set it before the import",
)
def env_too_late(script):
    imported = {}
    writes = {id(node): name for name, _, node in script.environment_writes}
    for step in script.flow.steps:
        if isinstance(step, ast.Import):
            for alias in step.names:
                imported.setdefault(alias.name.split(".")[0], step)
        elif isinstance(step, ast.ImportFrom) and step.level == 0:
            imported.setdefault((step.module or "").split(".")[0], step)
        elif id(step) in writes:
            for library in _READ_AT_IMPORT.get(writes[id(step)], ()):
                if library in imported:
                    yield step, f"{writes[id(step)]} is set after {library} was imported (line {imported[library].lineno})"
                    break


@rule(
    "hashseed-inside",
    "note",
    reason="Python reads PYTHONHASHSEED when it starts; set inside the script it reaches child processes only.",
    mend="start the script as PYTHONHASHSEED=0 python train.py",
)
def hashseed_inside(script):
    for name, _, node in script.environment_writes:
        if name == "PYTHONHASHSEED":
            yield node, "PYTHONHASHSEED has no effect on the process that sets it"


_THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA")


@rule(
    "environment-unpinned",
    "note",
    reason="With op determinism TensorFlow still gives other bits with another number of threads or instruction set.",
    mend="tf.config.threading.set_intra_op_parallelism_threads(n), and record TF_ENABLE_ONEDNN_OPTS and the CPU",
)
def environment_unpinned(script):
    if script.backend != "tensorflow" or not script.training:
        return
    if any(name in _THREADS for name, _, _ in script.environment_writes):
        return
    enabled = None
    for call in script.calls:
        name = script.qualify(call) or ""
        if name.endswith("set_intra_op_parallelism_threads"):
            return
        if name.endswith(".enable_op_determinism"):
            enabled = enabled or call
    if enabled is not None:
        yield enabled, "op determinism is on, but the number of threads is left to the machine"


_PACKAGE = re.compile(r"^[A-Za-z0-9][\w.-]*(\[[\w,.-]+\])?$")


_TAKES_VALUE = {
    "-r",
    "-c",
    "-e",
    "-i",
    "-f",
    "-t",
    "--requirement",
    "--constraint",
    "--index-url",
    "--extra-index-url",
    "-n",
}


def _free(before, word):
    """A package without a release: no option, no option's value, no file."""
    return before not in _TAKES_VALUE and bool(_PACKAGE.match(word)) and not word.endswith((".txt", ".whl", ".gz"))


class _Line:
    """A place that is no node: one line of a notebook."""

    def __init__(self, line):
        self.lineno = self.end_lineno = line
        self.col_offset = 0
        self.end_col_offset = None


@rule(
    "unpinned-install",
    "note",
    reason="The notebook installs whatever release is newest on that day.",
    mend="name the release: !pip install keras==3.15.1",
)
def unpinned_install(script):
    for line, words in script.source.installs:
        free = [word for before, word in zip(("", *words.split()), words.split()) if _free(before, word)]
        if free:
            yield _Line(line), f"no release is named for {', '.join(free[:4])}"
