# SPDX-License-Identifier: Apache-2.0
"""The command: exit codes, formats, notebooks, mends, suppressions, bad input. ISOBIT names the C command, which must
do the same."""

import io
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout

from isobit.lint.command import main
from isobit.lint.source import parse_bytes

HERE = os.path.dirname(os.path.abspath(__file__))
BAD = "import numpy as np\nrng = np.random.default_rng()\n"
LISTING = "import os\nfiles = os.listdir('x')\nfirst = files[0]\n"


def run(*words):
    """Exit code, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(list(words))
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), err.getvalue()


def notebook(*cells, indent=1):
    made = [
        {
            "cell_type": "code" if code else "markdown",
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        for code, text in cells
    ]
    return json.dumps({"cells": made, "nbformat": 4, "nbformat_minor": 5}, indent=indent, ensure_ascii=False) + "\n"


class Command(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, path):
        with open(path, "rb") as file:
            return file.read().decode()

    # ---- Exit codes and bad input ----

    def test_codes(self):
        bad, good = self.path("bad.py", BAD), self.path("good.py", "x = 1\n")
        self.assertEqual(run(good)[0], 0)
        self.assertEqual(run(bad)[0], 1)
        self.assertEqual(run()[0], 2)
        self.assertEqual(run("--nonsense", good)[0], 2)
        self.assertEqual(run("--help")[0], 0)
        self.assertEqual(run(bad, "--ignore", "unseeded-generator")[0], 0)
        self.assertEqual(run(bad, "--select", "no-seed")[0], 0)

    def test_bad_input(self):
        cases = {
            "syntax.py": (b"def f(:\n", "syntax.py:1: not Python 3"),
            "bytes.py": (b"\xff\xfe\x00", "bytes.py: expected Python source"),
            "codec.py": (b"# coding: nonsense\n", "codec.py: expected Python source"),
            "nul.py": (b"x = '\x00'\n", "nul.py"),
            "deep.py": (b"x = " + b"(" * 5000 + b")" * 5000, "deep.py"),
            "chain.py": (b"x = a" + b".b()" * 50000, "chain.py"),
            "book.ipynb": (b"{", "book.ipynb: expected a notebook in JSON"),
            "old.ipynb": (b'{"worksheets": []}', 'a list "cells"'),
            "cell.ipynb": (notebook((1, "x = 1"), (1, "y = (\n")).encode(), "cell.ipynb:cell 2:"),
            "nest.ipynb": (b"[" * 100000, "nest.ipynb: expected a notebook"),
        }
        for name, (data, expected) in cases.items():
            with self.subTest(name):
                path = self.path(name, data)
                code, out, err = run(path, self.path("good.py", "x = 1\n"))
                self.assertEqual(code, 2)
                self.assertIn(expected, err)
                self.assertNotIn("Traceback", out + err)
        code, _, err = run(os.path.join(self.folder, "nowhere.py"))
        self.assertEqual(code, 2)
        self.assertIn("nowhere.py: No such file", err)

    def test_misspelt_rule(self):
        code, _, err = run("--select", "unsorted-listings", self.path("a.py", BAD))
        self.assertEqual(code, 2)
        self.assertIn("the nearest is 'unsorted-listing'", err)

    def test_folders(self):
        self.path("src/a.py", BAD)
        for hidden in ("src/.venv/b.py", "src/venv/c.py", "src/site-packages/d.py", "src/__pycache__/e.py"):
            self.path(hidden, BAD)
        self.path("src/venv/pyvenv.cfg", "")
        self.path("src/f.txt", BAD)
        code, out, _ = run(os.path.join(self.folder, "src"))
        self.assertEqual(code, 1)
        self.assertTrue(out.endswith("1 finding in 1 file\n"))

    # ---- Formats ----

    def test_text(self):
        path = self.path("a.py", "# ü\n" + BAD)
        _, out, _ = run(path)
        first = out.split("\n")[0]
        self.assertEqual(first.split(": ", 2)[:2], [path + ":3:7", "warning[unseeded-generator]"])

    def test_github(self):
        path = self.path("a,b.py", BAD)
        _, out, _ = run(path, "--format", "github")
        self.assertTrue(out.startswith("::warning file=" + path.replace(",", "%2C") + ",line=2,col=7,title="), out)
        self.assertEqual(out.count("\n"), 1)

    def test_json_and_columns(self):
        path = self.path("a.py", "import numpy as np\nname = 'ü'; rng = np.random.default_rng()\n")
        _, out, _ = run(path, "--format", "json")
        (row,) = json.loads(out)
        self.assertEqual((row["line"], row["column"], row["rule"], row["cell"]), (2, 19, "unseeded-generator", None))

    def test_sarif(self):
        target = os.path.join(self.folder, "out.sarif")
        code, out, _ = run(self.path("a b.py", BAD), "--format", "sarif", "--output", target)
        self.assertEqual((code, out), (1, ""))
        log = json.loads(self.read(target))
        (made,) = log["runs"]
        rules = made["tool"]["driver"]["rules"]
        (result,) = made["results"]
        self.assertEqual(log["version"], "2.1.0")
        self.assertEqual(rules[result["ruleIndex"]]["id"], result["ruleId"])
        place = result["locations"][0]["physicalLocation"]
        self.assertTrue(place["artifactLocation"]["uri"].endswith("a%20b.py"))
        self.assertEqual(place["region"], {"startLine": 2, "startColumn": 7, "endLine": 2, "endColumn": 30})

    def test_output_cannot_be_written(self):
        code, _, err = run(self.path("a.py", BAD), "--output", os.path.join(self.folder, "no", "such", "f"))
        self.assertEqual(code, 2)
        self.assertIn("No such file", err)

    # ---- Notebooks ----

    def test_notebook_places(self):
        text = notebook(
            (0, "# Title"),
            (1, "%matplotlib inline\nimport numpy as np\n!ls"),
            (1, "\nrng = np.random.default_rng()"),
        )
        path = self.path("n.ipynb", text)
        _, out, _ = run(path)
        self.assertTrue(out.startswith(path + ":cell 3:2:7: "), out)
        _, out, _ = run(path, "--format", "github")
        line = next(i for i, row in enumerate(text.split("\n"), 1) if "default_rng" in row)
        self.assertIn(f",line={line},title=", out)

    def test_magics(self):
        cell = "%%time\nimport numpy as np\nx = !ls\nfiles = %sql select 1\n%time y = np.zeros(3)\nnp.zeros?\npip install keras\nz = (1\n  % 2)\n"
        source, _ = parse_bytes(
            "n.ipynb", notebook((1, cell), (1, "%%bash\nrm -rf x\n"), (1, "  a = 1\n  b = 2")).encode()
        )
        self.assertEqual(source.installs, [(7, "keras")])
        self.assertEqual(len(source.text.split("\n")), 10 + 3 + 2 + 1)
        self.assertIn("\na = 1\nb = 2", source.text)

    # ---- Mends ----

    def test_fix(self):
        path = self.path("a.py", LISTING.replace("\n", "\r\n"))
        os.chmod(path, 0o640)
        code, out, _ = run(path, "--diff")
        self.assertEqual(code, 1)
        self.assertIn("+files = sorted(os.listdir('x'))", out)
        self.assertEqual(self.read(path), LISTING.replace("\n", "\r\n"))
        code, out, err = run(path, "--fix")
        self.assertEqual((code, err), (0, f"isobit: {path}: 1 mended\n"))
        self.assertEqual(self.read(path), "import os\r\nfiles = sorted(os.listdir('x'))\r\nfirst = files[0]\r\n")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)
        self.assertEqual(run(path, "--fix")[0], 0)

    def test_fix_everything_in_corpus(self):
        """Mended scripts still parse, keep what is not mended, and a second mend changes nothing."""
        mended = 0
        for name in sorted(os.listdir(os.path.join(HERE, "bad"))):
            path = os.path.join(self.folder, name)
            shutil.copy(os.path.join(HERE, "bad", name), path)
            before = self.read(path)
            code, _, err = run(path, "--fix", "--notes")
            after = self.read(path)
            self.assertIn(code, (0, 1), name)
            self.assertEqual("mended" in err, before != after, name)
            mended += before != after
            run(path, "--fix", "--notes")
            self.assertEqual(self.read(path), after, name)
        self.assertGreaterEqual(mended, 9)

    def test_fix_seed(self):
        text = "import keras\nfrom keras import layers\nm = keras.Sequential([layers.Dense(1)])\nm.compile('sgd', 'mse')\nm.fit(x, y)\n"
        path = self.path("a.py", text)
        self.assertEqual(run(path, "--fix")[0], 0)
        self.assertIn("import layers\n\nkeras.utils.set_random_seed(812)\nm = ", self.read(path))
        text = text.replace(
            "import keras\n", "import tensorflow as tf\nfrom tensorflow import keras\ntf.random.set_seed(3)\n"
        )
        path = self.path("b.py", text)
        run(path, "--fix")
        self.assertIn("\ntf.keras.utils.set_random_seed(3)\n", self.read(path))

    def test_fix_notebook(self):
        text = notebook((0, "# Ü"), (1, "%pylab\n" + LISTING), (1, "  files = os.listdir('ü')\n  first = files[1]"))
        path = self.path("n.ipynb", text)
        self.assertEqual(run(path, "--fix")[0], 0)
        self.assertEqual(
            self.read(path),
            text.replace("os.listdir('x')", "sorted(os.listdir('x'))").replace(
                "os.listdir('ü')", "sorted(os.listdir('ü'))"
            ),
        )
        odd = self.path("odd.ipynb", text.replace('"nbformat": 4', '"nbformat":   4'))
        code, _, err = run(odd, "--fix")
        self.assertEqual(code, 2)
        self.assertIn("left as it is", err)

    # ---- Suppressions ----

    def test_suppressions(self):
        line = self.path("a.py", BAD.replace("()", "()  # isobit: ignore[unseeded-generator] on purpose"))
        whole = self.path("b.py", "# isobit: ignore-file[unseeded-generator, no-seed]\n" + BAD)
        every = self.path("c.py", BAD.replace("()", "()  # isobit: ignore"))
        for path in (line, whole, every):
            self.assertEqual(run(path), (0, "0 findings in 1 file\n", ""))
        text = self.path("d.py", BAD + "s = '# isobit: ignore-file'\n")
        self.assertEqual(run(text)[0], 1)
        other = self.path("e.py", BAD.replace("()", "()  # isobit: ignore[no-seed]"))
        self.assertEqual(run(other)[0], 1)

    # ---- The C command ----

    @unittest.skipUnless("ISOBIT" in os.environ, "ISOBIT does not name the command")
    def test_c_command(self):
        bad, good = self.path("bad.py", BAD), self.path("good.py", "x = 1\n")
        for words, code in (([good], 0), ([bad], 1), (["nowhere"], 2), (["--help"], 0), ([], 2)):
            done = subprocess.run(
                [os.environ["ISOBIT"], "lint", *words], capture_output=True, text=True, cwd=self.folder
            )
            self.assertEqual(done.returncode, code, done.stderr)
        done = subprocess.run([os.environ["ISOBIT"], "lint", bad], capture_output=True, text=True)
        self.assertEqual(done.stdout, run(bad)[1])
        done = subprocess.run(
            [os.environ["ISOBIT"], "lint", bad], capture_output=True, text=True, env={"PATH": self.folder}
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("python3", done.stderr)


if __name__ == "__main__":
    unittest.main()
