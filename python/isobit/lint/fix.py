# SPDX-License-Identifier: Apache-2.0
"""Mends: applies the edits of findings to a script or notebook, and writes it back whole or not at all."""

import json
import os
import tempfile

from .source import BadSource, parse_bytes

ROUNDS = 5  # a mend may uncover another finding; edits that overlap wait for the next round


def mend(data, report, check):
    """Gives (bytes of the mended file, its report). check(source, tree) makes a Report of new text."""
    for _ in range(ROUNDS):
        edits = [edit for finding in report.findings for edit in finding.edits]
        if not edits:
            break
        new = _mended(report.source, edits)
        try:
            again = check(*parse_bytes(report.source.path, new))
        except BadSource:
            raise BadSource(report.source.path, "left as it is: its mends do not fit together") from None
        if len(again.findings) >= len(report.findings):
            break
        data, report = new, again
    return data, report


def apply(text, edits):
    """Text with edits applied; of two that overlap, the later one is left out."""
    lines = text.split("\n")
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line) + 1

    def offset(line, column):
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode(errors="ignore"))

    spans = sorted((offset(e.line, e.column), offset(e.end_line, e.end_column), e.text) for e in dict.fromkeys(edits))
    out, last = [], 0
    for start, end, new in spans:
        if start >= last:
            out += [text[last:start], new]
            last = end
    return "".join(out + [text[last:]])


def _mended(source, edits):
    return _mended_script(source, edits) if source.cells is None else _mended_notebook(source, edits)


def _mended_script(source, edits):
    raw = source.raw
    returns = raw.count("\r\n")
    if raw.count("\r") != returns or returns not in (0, raw.count("\n")):
        raise BadSource(source.path, "left as it is: its lines end in different ways")
    text = apply(raw.replace("\r\n", "\n"), edits)
    return (text.replace("\n", "\r\n") if returns else text).encode(source.encoding)


def _mended_notebook(source, edits):
    """Edits of joined lines, applied to the cells; the rest of the JSON must come out byte by byte."""
    indent = next((len(line) - len(line.lstrip(" ")) for line in source.raw.split("\n")[1:2]), None)
    end = "\n" if source.raw.endswith("\n") else ""
    book = source.notebook
    if json.dumps(book, indent=indent, ensure_ascii=False) + end != source.raw:
        raise BadSource(source.path, "left as it is: the notebook is not written as Jupyter writes it")
    for cell in source.cells:
        own = [_moved(e, cell) for e in edits if cell.first <= e.line < cell.first + cell.lines]
        if own:
            lines = apply("".join(book["cells"][cell.index]["source"]), own).splitlines(keepends=True)
            book["cells"][cell.index]["source"] = lines
    return (json.dumps(book, indent=indent, ensure_ascii=False) + end).encode()


def _moved(edit, cell):
    up, right = cell.first - 1, cell.indent
    return type(edit)(edit.line - up, edit.column + right, edit.end_line - up, edit.end_column + right, edit.text)


def write(path, data):
    """Replaces the file at path, keeping its permissions."""
    folder = os.path.dirname(os.path.abspath(path))
    mode = os.stat(path).st_mode & 0o7777
    handle, temporary = tempfile.mkstemp(prefix=".isobit-lint-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
