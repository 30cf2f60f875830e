# SPDX-License-Identifier: Apache-2.0
"""Runs the command, as `python3 -m isobit.lint` or by the path of this folder (as the C command does)."""

import os
import sys

if not __package__:
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from isobit.lint.command import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
