# SPDX-License-Identifier: Apache-2.0
"""The rules: each is one function with an id, a level, a reason and a mend. Importing this package finds all.

Levels: "error" does not do what it says, "warning" moves bits, "note" only matters between machines or releases
and is shown on request.
"""

import difflib
from dataclasses import dataclass, field

RULES = {}


@dataclass(frozen=True)
class Rule:
    id: str
    level: str
    reason: str  # why it matters, one sentence
    mend: str  # what to write instead
    check: object


@dataclass(frozen=True)
class Edit:
    """Replaces the text from (line, column) to (end_line, end_column); lines from 1, columns in UTF-8 bytes, as ast
    gives them."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass
class Finding:
    """One place where a rule holds. edits: a mend that is safe, or none."""

    rule: Rule
    line: int
    column: int
    text: str
    edits: tuple = field(default_factory=tuple)
    end_line: int = None
    end_column: int = None


def rule(id, level, *, reason, mend):
    """Registers a function check(script) that yields (node, text) or (node, text, edits)."""

    def register(function):
        def check(script):
            for node, text, *edits in function(script):
                yield Finding(
                    RULES[id],
                    node.lineno,
                    node.col_offset,
                    text,
                    tuple(edits[0]) if edits else (),
                    getattr(node, "end_lineno", None),
                    getattr(node, "end_col_offset", None),
                )

        RULES[id] = Rule(id, level, reason, mend, check)
        return function

    return register


def nearest(name):
    """The rule whose id is most like a misspelt one, or None."""
    found = difflib.get_close_matches(name, RULES, n=1)
    return found[0] if found else None


def replace(node, text):
    """The edit that puts text in a node's place."""
    return Edit(node.lineno, node.col_offset, node.end_lineno, node.end_col_offset, text)


def insert_after(node, text):
    """The edit that puts text directly behind a node."""
    return Edit(node.end_lineno, node.end_col_offset, node.end_lineno, node.end_col_offset, text)


def wrap(node, before, after):
    """The edits that put text around a node."""
    return (
        Edit(node.lineno, node.col_offset, node.lineno, node.col_offset, before),
        insert_after(node, after),
    )


from . import (
    data,
    determinism,
    environment,
    files,
    order,
    seeds,
    workers,
)  # noqa: E402,F401  they register themselves
