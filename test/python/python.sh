#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The Python extension, without NumPy and Keras. $1: the build folder. Skipped (77) where it was built without Python's
# headers, and under the thread sanitizer, which Python itself does not pass.
set -euo pipefail
case $1 in /*) build=$1 ;; *) build=$PWD/$1 ;; esac
if [ ! -f "$build/python/isobit/_isobit.abi3.so" ]; then
    echo "the extension was not built: Python 3.11 or newer and its headers (python3-dev) are missing"
    exit 77
fi
sanitize=$(sed -n 's/^ISOBIT_SANITIZE:[A-Z]*=//p' "$build/CMakeCache.txt")
case $sanitize in
*thread*) exit 77 ;;
*address*)
    export ASAN_OPTIONS=detect_leaks=0
    LD_PRELOAD=$("$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")" -print-file-name=libasan.so)
    export LD_PRELOAD
    ;;
esac
export PYTHONPATH=$build/python ISOBIT=$build/isobit PYTHONDONTWRITEBYTECODE=1
"$(sed -n 's/^ISOBIT_PYTHON:[A-Z]*=//p' "$build/CMakeCache.txt")" -m unittest discover -s test/python -p '*_test.py'
