# SPDX-License-Identifier: Apache-2.0
"""Experiments and runs in files: train, verify, audit, diff, and what a run's folder holds."""

import json
import os
from typing import Any, Callable, Optional, Union

from . import _isobit

Path = Union[str, "os.PathLike[str]"]
Progress = Callable[..., Optional[int]]


class Run:
    """The folder of a run (doc/record.md).

    path: str; record: dict, record.json. Raises FileNotFoundError where there is no run, ValueError where record.json
    is none.
    """

    def __init__(self, path: Path):
        self.path = os.fspath(path)
        with open(os.path.join(self.path, "record.json"), encoding="utf-8") as file:
            self.record = json.load(file)

    @property
    def digest(self) -> str:
        """The result digest, "sha256:" and 64 hex digits: a function of the experiment alone."""
        return "sha256:" + self.record["result"]

    @property
    def seed(self) -> int:
        return self.record["seed"]

    @property
    def history(self) -> "dict[str, list[float]]":
        """As Keras's History.history: a list of one number an epoch, for each metric."""
        return self.record["results"]["history"]

    @property
    def test(self) -> "dict[str, float]":
        """Loss and metrics on data.test; empty where the experiment has none."""
        return self.record["results"].get("test") or {}

    @property
    def experiment(self) -> "dict[str, Any]":
        """The experiment with its defaults."""
        return self.record["experiment"]

    @property
    def model_path(self) -> str:
        """The trained model, a .keras file that `keras.saving.load_model` and `isobit.load` read."""
        return os.path.join(self.path, "model.keras")

    def load(self) -> "Any":
        """The trained model as isobit.Model."""
        from .models import load

        return load(self.model_path)

    def show(self) -> str:
        """What the run was and what came out, as `isobit show` prints it."""
        return _isobit.show(self.path)

    def verify(self, vary: Optional[str] = None, goal: Optional[str] = None) -> "Verdict":
        return verify(self, vary=vary, goal=goal)

    def __repr__(self) -> str:
        return f"<isobit run {self.path} {self.digest}>"


class Verdict:
    """What a comparison found. True where all is the same.

    same: bool; text: str, what the command prints; report: dict with the details, or None.
    """

    def __init__(self, same: bool, text: str, report: "Optional[dict[str, Any]]" = None):
        self.same, self.text, self.report = same, text, report

    def __bool__(self) -> bool:
        return self.same

    def __str__(self) -> str:
        return self.text.rstrip("\n")

    def __repr__(self) -> str:
        return f"<isobit verdict: {'same' if self.same else 'differs'}>"


def _path(run) -> str:
    return run.path if isinstance(run, Run) else os.fspath(run)


def train(
    experiment: Path,
    run: Path,
    *,
    resume: bool = False,
    threads: Optional[int] = None,
    isa: Optional[str] = None,
    progress: Optional[Progress] = None,
) -> Run:
    """Trains the experiment in a file (YAML, or JSON when its name ends in .json) and writes the folder run.

    resume: go on from the newest checkpoint of the folder. threads, isa: no bit depends on them. progress: called as
    progress(epoch, epochs, step, steps, seconds, scores, epoch_end) when an epoch begins (step 0), after each step and at
    the end of each epoch; scores is a dict of loss and metrics so far.

    Raises ValueError for what is wrong in the experiment (file, line, field, what was expected, what was found),
    FileNotFoundError and OSError for files, NotImplementedError for what isobit has not. Ctrl-C raises KeyboardInterrupt
    and leaves a checkpoint: train(..., resume=True) goes on to the same bits.
    """
    _isobit.train(os.fspath(experiment), os.fspath(run), resume=resume, threads=threads, isa=isa, progress=progress)
    return Run(run)


def _judged(same, text):
    report = json.loads(text)
    lines = [check["text"] for check in report.get("checks", ())]
    return Verdict(same, "".join(lines) or json.dumps(report, indent=2), report)


def verify(
    run: Union[Run, Path],
    *,
    vary: Optional[str] = None,
    goal: Optional[str] = None,
    threads: Optional[int] = None,
    isa: Optional[str] = None,
) -> Verdict:
    """Trains a recorded run again and compares every digest.

    vary: what to vary, as "threads,isa,resume,compiler". goal: "bitwise", "functional" or "documented"; None: the
    experiment's. Raises ValueError and OSError where the run or its inputs cannot be read.
    """
    return _judged(*_isobit.verify(_path(run), goal, vary, threads=threads, isa=isa, json=True))


def audit(run: Union[Run, Path], *, sample: int = 8, threads: Optional[int] = None) -> Verdict:
    """Recomputes `sample` random steps of a run from its checkpoints and compares them."""
    return _judged(*_isobit.audit(_path(run), sample, threads=threads, json=True))


def diff(a: Union[Run, Path], b: Union[Run, Path], *, threads: Optional[int] = None) -> Verdict:
    """Says where two runs part: settings, data, first step, first tensor and element."""
    return Verdict(*_isobit.diff(_path(a), _path(b), threads=threads))


def summary(file: Union[Run, Path]) -> str:
    """A model's layers, shapes and parameters as Keras prints them. file: a run, a .keras file or an experiment."""
    return _isobit.summary(_path(file))


def env() -> str:
    """This machine, the build, the libraries."""
    return _isobit.env()


def kernels() -> str:
    """The instruction sets, and which of them this CPU can run."""
    return _isobit.kernels()
