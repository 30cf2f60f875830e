# SPDX-License-Identifier: Apache-2.0
"""Scripts and notebooks as text: reads a file, gives Python source whose lines can be traced back.

A notebook's code cells are joined in order. Lines that only IPython understands (%magic, !command) become `pass`
or a comment of one line, so that every other line keeps its place; commands that install packages are kept aside.
"""

import ast
import io
import json
import os
import re
import tokenize
from dataclasses import dataclass, field

LIMIT = 20_000_000  # bytes: no script is larger, and nothing larger is worth waiting for

_PYTHON_MAGICS = {"capture", "time", "timeit", "prun", "memit", "mprun"}
_MAGIC = re.compile(r"^\s*(%[A-Za-z_]|!(?!=)|\?|[\w.]+\?\??\s*$|\w+\s*=\s*(!(?!=)|%[A-Za-z_]))")
_AUTOMAGIC = re.compile(r"^\s*(ls|cd|cat|mkdir|rm|cp|mv|pwd|pip3?|conda|less|man)(\s+[^=\s(.,\[:].*)?$")
_ASSIGNED = re.compile(r"^\s*(\w+)\s*=\s*[!%]")
_TIMED = re.compile(r"^(\s*)%(?:time|timeit|prun|memit)\s+(?=[^-\s])(.*)$")
_INSTALL = re.compile(r"^\s*[!%]?\s*(?:pip3?|uv pip|python3? -m pip|conda|mamba)\s+install\b(.*)$")
_SUPPRESS = re.compile(r"#\s*isobit:\s*ignore(-file)?\b(?:\[([^\]]*)\])?")


class BadSource(Exception):
    """A file that cannot be read as Python: place (path, cell, line) and text."""

    def __init__(self, where, text):
        super().__init__(f"{where}: {text}")
        self.where, self.text = where, text


@dataclass
class Cell:
    """One code cell of a notebook: which cell it is, counted from 1 over all cells, and its first joined line."""

    number: int
    first: int
    index: int  # in the file's list of cells
    lines: int
    indent: int = 0  # columns taken off each line, as IPython does when the first line is indented


@dataclass
class Suppression:
    line: int  # 0: the whole file
    rules: tuple  # empty: every rule
    comment: int  # the line that holds the comment
    used: bool = False


@dataclass
class Source:
    """path as given; text: Python; raw: the file's own text; cells: None for a script."""

    path: str
    text: str
    raw: str
    encoding: str = "utf-8"
    cells: list = None
    notebook: dict = None
    installs: list = field(default_factory=list)  # (line, words after "install")
    suppressions: list = field(default_factory=list)
    raw_lines: dict = field(default_factory=dict)  # joined line -> line of the notebook's file

    @property
    def lines(self):
        return self.text.split("\n")

    def cell_of(self, line):
        """The cell that holds a joined line, or None in a script."""
        found = None
        for cell in self.cells or ():
            if cell.first <= line:
                found = cell
        return found

    def place(self, line, column=None):
        """path:line, or path:cell N:line, as an editor or a reader wants it."""
        cell = self.cell_of(line)
        place = f"{self.path}:{line}" if cell is None else f"{self.path}:cell {cell.number}:{line - cell.first + 1}"
        return place if column is None else f"{place}:{column}"

    def file_line(self, line):
        """The line of the file itself, for tools that know nothing of cells."""
        return self.raw_lines.get(line, 1) if self.cells is not None else line


def load(path):
    """The bytes of a file. Raises BadSource."""
    try:
        if os.path.getsize(path) > LIMIT:
            raise BadSource(path, f"expected a script or notebook of at most {LIMIT // 1_000_000} MB")
        with open(path, "rb") as file:
            return file.read(LIMIT)
    except OSError as error:
        raise BadSource(path, error.strerror or str(error)) from None


def parse_bytes(path, data):
    """Gives (Source, its syntax tree) of a file's bytes. Raises BadSource."""
    source = _notebook(path, data) if path.endswith(".ipynb") else _script(path, data)
    tree = _parse(source)
    source.suppressions = _suppressions(source)
    return source, tree


def _script(path, data):
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise BadSource(path, f"expected Python source in its declared encoding: {error}") from None
    raw = text
    return Source(path, text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", " "), raw, encoding)


def _parse(source):
    try:
        return ast.parse(source.text)
    except SyntaxError as error:
        line = error.lineno or 1
        raise BadSource(source.place(line), f"not Python 3: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise BadSource(source.path, f"cannot be parsed: {error or type(error).__name__}") from None


# ---- Notebooks ----


def _cell_source(cell):
    text = cell.get("source", "")
    if isinstance(text, list):
        text = "".join(line for line in text if isinstance(line, str))
    return text if isinstance(text, str) else ""


def _notebook(path, data):
    try:
        raw = data.decode("utf-8")
        book = json.loads(raw)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadSource(path, f"expected a notebook in JSON: {error}") from None
    cells = book.get("cells") if isinstance(book, dict) else None
    if not isinstance(cells, list):
        raise BadSource(path, 'expected a notebook of format 4, with a list "cells"')
    source = Source(path, "", raw, cells=[], notebook=book)
    text = []
    for index, cell in enumerate(cells):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        lines = _cell_source(cell).split("\n")
        indent = _leading_indent(lines)
        source.cells.append(Cell(index + 1, len(text) + 1, index, len(lines), indent))
        lines = [line[indent:] if line[:indent].isspace() else line for line in lines]
        text.extend(_plain_python(lines, len(text) + 1, source.installs))
    source.text = "\n".join(text) + "\n"
    _locate_lines(source)
    return source


def _leading_indent(lines):
    first = next((line for line in lines if line.strip()), "")
    return len(first) - len(first.lstrip(" "))


def _plain_python(lines, first, installs):
    """The lines of one cell with those that only IPython knows made harmless."""
    top = next((line for line in lines if line.strip()), "")
    skip = top.startswith("%%") and re.match(r"%%(\w*)", top).group(1) not in _PYTHON_MAGICS
    out = []
    in_string = _string_lines(lines)
    continued = False
    for number, line in enumerate(lines):
        install = _INSTALL.match(line)
        if install:
            installs.append((first + number, install.group(1).strip()))
        if skip or line.startswith("%%"):
            out.append("# " + line)
            continue
        timed = _TIMED.match(line)
        if number in in_string:
            out.append(line)
        elif continued:
            out.append("# " + line)
        elif timed:
            out.append(timed.group(1) + timed.group(2))
        elif _MAGIC.match(line) or _AUTOMAGIC.match(line):
            name = _ASSIGNED.match(line)
            indent = line[: len(line) - len(line.lstrip())]
            out.append(indent + (f"{name.group(1)} = []" if name else "pass"))
        else:
            out.append(line)
        continued = number not in in_string and line.rstrip().endswith("\\") and out[-1] != line
    return out


def _string_lines(lines):
    """Numbers of lines that begin inside a triple-quoted string or an open bracket: no magic begins there."""
    text = "\n".join(lines)
    try:
        ast.parse(text)
        return set(range(len(lines)))  # plain Python throughout
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    inside, quote = set(), None
    for number, line in enumerate(lines):
        if quote:
            inside.add(number)
        for match in re.finditer(r'"""|\'\'\'', line):
            if quote is None:
                quote = match.group()
            elif quote == match.group():
                quote = None
    return inside


def _locate_lines(source):
    """Finds the line of the file that holds each line of each cell: the JSON strings stand there in order."""
    offset, line_number = 0, 1
    for cell in source.cells:
        pieces = _cell_source(source.notebook["cells"][cell.index]).split("\n")
        for number, piece in enumerate(pieces):
            at = -1
            for ascii_only in (False, True) if piece.strip() else ():
                at = source.raw.find(json.dumps(piece, ensure_ascii=ascii_only)[1:-1], offset)
                if at >= 0:
                    break
            if at >= 0:
                line_number += source.raw.count("\n", offset, at)
                offset = at
            source.raw_lines[cell.first + number] = line_number


# ---- Comments that suppress ----


def _suppressions(source):
    """From comments `# isobit: ignore[rule, ...]` (its line) and `# isobit: ignore-file[rule, ...]`."""
    found = []
    if "isobit:" not in source.text:
        return found
    try:
        for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
            if token.type != tokenize.COMMENT:
                continue
            match = _SUPPRESS.search(token.string)
            if match:
                rules = tuple(name.strip() for name in (match.group(2) or "").split(",") if name.strip())
                line = token.start[0]
                found.append(Suppression(0 if match.group(1) else line, rules, line))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        pass  # the tree was parsed, so only the very end can be odd
    return found
