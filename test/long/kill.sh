#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 200 times kill -9 (test/run/kill.sh). $1: the build folder.
exec bash test/run/kill.sh "$1" 200
