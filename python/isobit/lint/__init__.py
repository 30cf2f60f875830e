# SPDX-License-Identifier: Apache-2.0
"""isobit lint: what keeps a Python training script from repeating its bits, found by reading it.

Standard library only. `lint(path)` gives a Report; the command is `isobit lint` or `python3 -m isobit.lint`.
"""

from dataclasses import dataclass, field

from .rules import RULES, Finding, Rule, nearest
from .script import Script
from .source import BadSource, load, parse_bytes

__all__ = ["RULES", "BadSource", "Finding", "Report", "Rule", "check", "lint", "lint_text", "nearest"]


@dataclass
class Report:
    """What was found in one file, in order of lines."""

    source: object
    findings: list = field(default_factory=list)


def lint(path, select=None):
    """Checks the script or notebook at path (str). select: ids of rules, None: all. Raises BadSource."""
    return check(*parse_bytes(path, load(path)), select)


def lint_text(text, path="text.py", select=None):
    """As lint(), on source given as text."""
    return check(*parse_bytes(path, text.encode()), select)


def check(source, tree, select=None):
    """Runs the rules over a parsed source."""
    findings = []
    try:
        script = Script(source, tree)
        for rule in RULES.values():
            if select is None or rule.id in select:
                findings += rule.check(script)
    except RecursionError:
        raise BadSource(source.path, "cannot be read: expressions or calls are nested too deeply") from None
    findings = [finding for finding in findings if not _suppressed(source, finding)]
    for suppression in source.suppressions:
        findings += _check_suppression(suppression, select)
    findings.sort(key=lambda finding: (finding.line, finding.column, finding.rule.id))
    return Report(source, findings)


def _suppressed(source, finding):
    hit = False
    for suppression in source.suppressions:
        if suppression.rules and finding.rule.id not in suppression.rules:
            continue
        if suppression.line == 0 or finding.line <= suppression.line <= (finding.end_line or finding.line):
            suppression.used = hit = True
    return hit


UNKNOWN = Rule(
    "bad-suppression",
    "warning",
    "A comment that names no rule suppresses nothing.",
    "write the rule's id: isobit lint --rules lists them",
    None,
)
UNUSED = Rule(
    "unused-suppression",
    "note",
    "A comment that suppresses nothing hides what may come.",
    "take the comment out",
    None,
)


def _check_suppression(suppression, select):
    unknown = [name for name in suppression.rules if name not in RULES]
    for name in unknown:
        near = nearest(name)
        text = f"no rule is named {name!r}" + (f"; the nearest is {near!r}" if near else "")
        yield Finding(UNKNOWN, suppression.comment, 0, text)
    if not unknown and not suppression.used and select is None:
        yield Finding(UNUSED, suppression.comment, 0, "this comment suppresses nothing")
