# SPDX-License-Identifier: Apache-2.0
"""Packs malformed .keras files as differences to a valid one: pack.py FOLDER (with index.json).

Writes _valid.keras and cases.bin beside this script. cases.bin holds, for each case, little-endian: length of
the name (u8), name, expectation (u8: 0 refuse, 1 load or refuse, 2 load for inference and refuse to train),
number of parts (u32) and the parts: offset (u32) and length (u32) of a copy from the valid file with the case's
own bytes so far behind it (which may run into the bytes being copied), or 2**32 - 1, length and bytes.
"""

import json
import pathlib
import struct
import sys

EXPECT = {"refuse": 0, "load or refuse": 1, "load for inference, refuse to train": 2}
BLOCK = 16
NEW = 2**32 - 1


def parts(base, places, data):
    out, at, start = [], 0, 0
    while at < len(data):
        best, best_length = 0, 0
        for place in places.get(data[at : at + BLOCK], ()) if len(data) - at >= BLOCK else ():
            length = BLOCK
            while at + length < len(data) and base[place + length : place + length + 1] == data[at + length : at + length + 1]:
                length += 1
            if length > best_length:
                best, best_length = place, length
        for period in range(1, min(at, 16) + 1):
            length = 0
            while at + length < len(data) and data[at + length] == data[at + length - period]:
                length += 1
            if length > 4 * BLOCK and length > best_length:
                best, best_length = len(base) + at - period, length
        if best_length < BLOCK:
            at += 1
            continue
        if start < at:
            out.append((NEW, data[start:at]))
        out.append((best, best_length))
        at += best_length
        start = at
    if start < len(data):
        out.append((NEW, data[start:]))
    return out


def main():
    source, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
    base = (source / "_valid.keras").read_bytes()
    places = {}
    for i in range(0, len(base) - BLOCK + 1):
        places.setdefault(base[i : i + BLOCK], []).append(i)
    places = {k: v[:4] for k, v in places.items()}
    packed = bytearray()
    for case in json.loads((source / "index.json").read_text())["cases"]:
        data = (source / case["file"]).read_bytes()
        name = case["file"].removesuffix(".keras").encode()
        found = parts(base, places, data)
        packed += struct.pack("<B", len(name)) + name + struct.pack("<BI", EXPECT[case["expect"]], len(found))
        check = bytearray()
        for offset, what in found:
            if offset == NEW:
                packed += struct.pack("<II", NEW, len(what)) + what
                check += what
            else:
                packed += struct.pack("<II", offset, what)
                for i in range(offset, offset + what):
                    check += base[i : i + 1] if i < len(base) else check[i - len(base) : i - len(base) + 1]
        assert check == data, case["file"]
    (here / "_valid.keras").write_bytes(base)
    (here / "cases.bin").write_bytes(packed)


main()
