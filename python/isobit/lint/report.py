# SPDX-License-Identifier: Apache-2.0
"""Findings as text, GitHub annotations, JSON and SARIF 2.1.0."""

import json
import os
from urllib.parse import quote

from .rules import RULES

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_GITHUB = {"error": "error", "warning": "warning", "note": "notice"}


def _column(source, line, offset):
    """Column in characters, from 1, of ast's offset in bytes."""
    lines = source.lines
    text = lines[line - 1] if line <= len(lines) else ""
    return len(text.encode()[: offset or 0].decode(errors="ignore")) + 1


def as_text(reports):
    """Three lines a finding: place and what was found, why it matters, what to write."""
    out = []
    for report in reports:
        for finding in report.findings:
            place = report.source.place(finding.line, _column(report.source, finding.line, finding.column))
            out.append(f"{place}: {finding.rule.level}[{finding.rule.id}]: {finding.text}")
            out.append(f"    why: {finding.rule.reason}")
            out.append(f"    mend: {finding.rule.mend}")
    return "\n".join(out) + "\n" if out else ""


def as_github(reports):
    """Workflow commands: GitHub shows each beside its line."""
    out = []
    for report in reports:
        for finding in report.findings:
            source = report.source
            place = f"file={_property(source.path)},line={source.file_line(finding.line)}"
            if source.cells is None:
                place += f",col={_column(source, finding.line, finding.column)}"
            title = _property(f"isobit: {finding.rule.id}")
            text = _message(f"{finding.text}. {finding.rule.reason} Mend: {finding.rule.mend}")
            out.append(f"::{_GITHUB[finding.rule.level]} {place},title={title}::{text}")
    return "\n".join(out) + "\n" if out else ""


def _message(text):
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text):
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def as_json(reports):
    """A list of objects, one a finding."""
    rows = []
    for report in reports:
        for finding in report.findings:
            cell = report.source.cell_of(finding.line)
            rows.append(
                {
                    "path": report.source.path,
                    "cell": cell.number if cell else None,
                    "line": finding.line - (cell.first - 1 if cell else 0),
                    "column": _column(report.source, finding.line, finding.column),
                    "rule": finding.rule.id,
                    "level": finding.rule.level,
                    "text": finding.text,
                    "reason": finding.rule.reason,
                    "mend": finding.rule.mend,
                    "fixable": bool(finding.edits),
                }
            )
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def _region(source, finding):
    region = {"startLine": source.file_line(finding.line)}
    if source.cells is None:
        region["startColumn"] = _column(source, finding.line, finding.column)
        if finding.end_line and finding.end_column is not None:
            region["endLine"] = finding.end_line
            region["endColumn"] = _column(source, finding.end_line, finding.end_column)
    return region


def as_sarif(reports, version):
    """SARIF 2.1.0, which code-scanning services read."""
    used = {finding.rule.id: finding.rule for report in reports for finding in report.findings}
    rules = list({**RULES, **used}.values())
    index = {rule.id: number for number, rule in enumerate(rules)}
    results = [
        {
            "ruleId": finding.rule.id,
            "ruleIndex": index[finding.rule.id],
            "level": finding.rule.level,
            "message": {"text": f"{finding.text}. {finding.rule.mend}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(report.source.path.replace(os.sep, "/"))},
                        "region": _region(report.source, finding),
                    }
                }
            ],
        }
        for report in reports
        for finding in report.findings
    ]
    described = [
        {
            "id": rule.id,
            "shortDescription": {"text": rule.reason},
            "help": {"text": rule.mend},
            "defaultConfiguration": {"level": rule.level},
        }
        for rule in rules
    ]
    driver = {"name": "isobit lint", "version": version, "rules": described}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"
