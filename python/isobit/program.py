# SPDX-License-Identifier: Apache-2.0
"""The command `isobit` of an installed package: the C program that lies in it; `isobit lint` runs in this Python."""

import os
import sys


def main() -> int:
    words = sys.argv[1:]
    if words[:1] == ["lint"]:
        from .lint.command import main as lint

        return lint(words[1:])
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "isobit")
    try:
        os.execv(program, ["isobit", *words])
    except OSError as error:
        print(f"isobit: {program}: {error.strerror}", file=sys.stderr)
        return 2
