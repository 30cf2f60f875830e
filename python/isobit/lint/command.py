# SPDX-License-Identifier: Apache-2.0
"""The command `isobit lint`. Exit codes: 0 nothing found, 1 findings, 2 bad input or usage."""

import argparse
import difflib
import os
import sys
import textwrap

from . import check, report
from .fix import mend, write
from .rules import RULES, nearest
from .source import BadSource, load, parse_bytes

VERSION = "0.1.0"
_SKIPPED = {"__pycache__", "node_modules", "site-packages", "build", "dist"}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        sys.stderr.write(f"isobit: lint: {message} (isobit lint --help)\n")
        sys.exit(2)


def _arguments(words):
    parser = _Parser(
        prog="isobit lint",
        description="Reads Python scripts and notebooks and says what keeps their training from repeating its bits.",
        epilog="Exit codes: 0 nothing found, 1 findings, 2 bad input. A comment `# isobit: ignore[rule]` on a line "
        "suppresses a rule there, `# isobit: ignore-file[rule]` in the whole file.",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="scripts, notebooks and folders")
    parser.add_argument("--format", choices=("text", "github", "sarif", "json"), default="text")
    parser.add_argument("--output", metavar="FILE", help="write there, not to standard output")
    parser.add_argument("--notes", action="store_true", help="also what only matters between machines and releases")
    parser.add_argument("--select", metavar="IDS", help="only these rules, separated by commas")
    parser.add_argument("--ignore", metavar="IDS", help="all but these rules")
    parser.add_argument("--fix", action="store_true", help="write the mends that are safe into the files")
    parser.add_argument("--diff", action="store_true", help="show the mends of --fix, write nothing")
    parser.add_argument("--rules", action="store_true", help="list the rules")
    return parser.parse_args(words)


def _ids(text, option):
    ids = {word.strip() for word in text.split(",") if word.strip()}
    for id in sorted(ids - RULES.keys()):
        near = nearest(id)
        raise BadSource(f"lint {option}", f"no rule is named {id!r}" + (f"; the nearest is {near!r}" if near else ""))
    return ids


def _selected(options):
    """The ids to run: those selected, else all of warnings and errors, with --notes all."""
    if options.select:
        ids = _ids(options.select, "--select")
    else:
        ids = {rule.id for rule in RULES.values() if options.notes or rule.level != "note"}
    return ids - (_ids(options.ignore, "--ignore") if options.ignore else set())


def files(paths):
    """Scripts and notebooks at the paths given, in order; folders are searched, but not what is hidden, built or
    installed there."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        for folder, inner, names in os.walk(path):
            inner[:] = sorted(
                name
                for name in inner
                if not name.startswith(".")
                and name not in _SKIPPED
                and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
            )
            for name in sorted(names):
                if name.endswith((".py", ".ipynb")) and not name.startswith("."):
                    yield os.path.join(folder, name)


def _rules_text():
    out = []
    for rule in RULES.values():
        out.append(f"{rule.id} ({rule.level})")
        out += textwrap.wrap(f"why: {rule.reason}", 100, initial_indent="    ", subsequent_indent="    ")
        out += textwrap.wrap(f"mend: {rule.mend}", 100, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(out) + "\n"


def _one(path, options, select):
    """Checks, and mends when asked; gives (report, diff)."""

    def again(source, tree):
        return check(source, tree, select)

    data = load(path)
    found = again(*parse_bytes(path, data))
    if not (options.fix or options.diff) or not any(finding.edits for finding in found.findings):
        return found, ""
    new, mended = mend(data, found, again)
    if new == data:
        return found, ""
    if options.diff:
        before, after = (text.decode(found.source.encoding).splitlines(keepends=True) for text in (data, new))
        return found, "".join(difflib.unified_diff(before, after, path, path + " (mended)"))
    write(path, new)
    count = len(found.findings) - len(mended.findings)
    sys.stderr.write(f"isobit: {path}: {count} mended\n")
    return mended, ""


def _formatted(options, reports):
    if options.format == "sarif":
        return report.as_sarif(reports, VERSION)
    return {"text": report.as_text, "github": report.as_github, "json": report.as_json}[options.format](reports)


def _emit(options, text):
    if options.output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        if not os.path.exists(options.output):
            open(options.output, "x").close()
        write(options.output, text.encode())
    except OSError as error:
        raise BadSource(options.output, error.strerror or str(error)) from None


def run(options):
    if options.rules:
        _emit(options, _rules_text())
        return 0
    if not options.paths:
        raise BadSource("lint", "expected: isobit lint PATH...")
    select = _selected(options)
    reports, diffs, bad = [], [], 0
    for path in files(options.paths):
        try:
            found, diff = _one(path, options, select)
            reports.append(found)
            diffs.append(diff)
        except BadSource as error:
            bad += 1
            sys.stderr.write(f"isobit: {error}\n")
    _emit(options, "".join(diffs) if options.diff else _formatted(options, reports))
    count = sum(len(found.findings) for found in reports)
    if options.format == "text" and not options.diff and options.output is None:
        noun = "finding" if count == 1 else "findings"
        print(f"{count} {noun} in {len(reports)} {'file' if len(reports) == 1 else 'files'}")
    return 2 if bad else 1 if count else 0


def main(words):
    """Runs the command with the words that follow `lint`; gives the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        return run(_arguments(words))
    except BadSource as error:
        sys.stderr.write(f"isobit: {error}\n")
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 2
    except KeyboardInterrupt:
        return 130
