# SPDX-License-Identifier: Apache-2.0
"""Every rule on small pieces of code: rules/ID.txt holds blocks "--- bad" and "--- good". In a bad block the rule
finds exactly the lines marked `# <-`, in a good one none; other rules are not asked."""

import json
import os
import re
import unittest

from isobit.lint import RULES, check, lint_text
from isobit.lint.source import parse_bytes

HERE = os.path.dirname(os.path.abspath(__file__))


def blocks(path):
    """(kind, title, text, line of the file) of each block."""
    found = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            head = re.match(r"--- (bad|good)(?:: (.*))?$", line)
            if head:
                found.append([head.group(1), head.group(2) or "", "", number + 1])
            else:
                found[-1][2] += line
    return found


def notebook(text):
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": text.splitlines(keepends=True)}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1).encode()


class Rules(unittest.TestCase):
    def found(self, rule, title, text):
        if title == "notebook":
            report = check(*parse_bytes("block.ipynb", notebook(text)), {rule})
        else:
            report = lint_text(text, select={rule})
        return sorted({finding.line for finding in report.findings})

    def test_every_rule_has_cases(self):
        self.assertEqual(sorted(name[:-4] for name in os.listdir(os.path.join(HERE, "rules"))), sorted(RULES))

    def test_cases(self):
        compared = 0
        for rule in RULES:
            kinds = set()
            for kind, title, text, line in blocks(os.path.join(HERE, "rules", rule + ".txt")):
                kinds.add(kind)
                marked = [number for number, row in enumerate(text.split("\n"), 1) if row.endswith("# <-")]
                if title == "notebook" and kind == "bad":
                    marked = [1]
                with self.subTest(rule=rule, kind=kind, line=line):
                    self.assertEqual(self.found(rule, title, text), marked)
                    self.assertEqual(bool(marked), kind == "bad")
                compared += 1
            self.assertEqual(kinds, {"bad", "good"}, rule)
        self.assertGreater(compared, 2 * len(RULES))

    def test_every_rule_explains_itself(self):
        for rule in RULES.values():
            self.assertRegex(rule.id, r"^[a-z]+(-[a-z]+)*$")
            self.assertIn(rule.level, ("error", "warning", "note"))
            self.assertTrue(rule.reason.endswith("."), rule.id)
            self.assertTrue(rule.mend, rule.id)

    def test_documentation_lists_them(self):
        with open(os.path.join(HERE, "..", "..", "doc", "lint.md"), encoding="utf-8") as file:
            rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (.*) \|$", file.read(), re.MULTILINE)
        self.assertEqual(rows, [(rule.id, rule.level, rule.reason) for rule in RULES.values()])


if __name__ == "__main__":
    unittest.main()
