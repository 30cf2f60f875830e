# SPDX-License-Identifier: Apache-2.0
"""Whole scripts. bad/: what each line's comment `# expect: rule, ...` says is found, and nothing else. clean/: nothing
is found, notes included. Scripts whose names begin with notes_ are read with notes."""

import os
import re
import unittest

from isobit.lint import RULES, lint

HERE = os.path.dirname(os.path.abspath(__file__))
WARNINGS = {rule.id for rule in RULES.values() if rule.level != "note"}


def scripts(folder):
    return sorted(os.path.join(HERE, folder, name) for name in os.listdir(os.path.join(HERE, folder)))


class Corpus(unittest.TestCase):
    def test_bad(self):
        compared = 0
        for path in scripts("bad"):
            notes = os.path.basename(path).startswith("notes_")
            with self.subTest(os.path.basename(path)), open(path, encoding="utf-8") as file:
                expected = []
                for number, line in enumerate(file, 1):
                    mark = re.search(r"expect: (.*)$", line)
                    expected += [(number, rule) for rule in sorted(mark.group(1).split(", "))] if mark else []
                found = [(f.line, f.rule.id) for f in lint(path, None if notes else WARNINGS).findings]
                self.assertEqual(sorted(found), expected)
                self.assertTrue(expected)
                compared += 1
        self.assertGreaterEqual(compared, 40)

    def test_clean(self):
        compared = 0
        for path in scripts("clean"):
            with self.subTest(os.path.basename(path)):
                report = lint(path)
                self.assertEqual([(f.line, f.rule.id, f.text) for f in report.findings], [])
                compared += 1
        self.assertGreaterEqual(compared, 20)


if __name__ == "__main__":
    unittest.main()
