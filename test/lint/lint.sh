#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The linter's tests: rules, corpus, command. $1: the build folder, whose command must pass the exit codes through.
set -euo pipefail
export PYTHONPATH=python ISOBIT=$PWD/$1/isobit PYTHONDONTWRITEBYTECODE=1
case $1 in /*) ISOBIT=$1/isobit ;; esac
python3 -m unittest discover -s test/lint -p '*_test.py'
