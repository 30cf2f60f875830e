#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of the elementary functions, src/kernels/math/coef_vector.h and coef_accurate.h.

Needs mpmath (PyPI). Every number is computed at 100 digits and rounded once to double (or to a sum of two or
three doubles), so that the output depends on nothing but this file. Run from the root of the source tree:

    python3 tools/gencoef.py            # rewrites both headers, prints the errors of the polynomials
    python3 tools/gencoef.py --check    # exits with 1 if the headers differ from what would be written
"""
import struct
import sys

from mpmath import mp, mpf

mp.dps = 100
LN2 = mp.log(2)
HEAD = "/* SPDX-License-Identifier: Apache-2.0\n *\n * %s\n * Written by tools/gencoef.py: change that, not this.\n */\n"


def double(x):
    """The double nearest to x (mpmath rounds to nearest even at 53 bits)."""
    with mp.workprec(53):
        return float(+x)


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def split(x, n):
    """x as an unevaluated sum of n doubles."""
    parts = []
    for _ in range(n):
        parts.append(double(x))
        x = x - mpf(parts[-1])
    return parts


def interpolate(f, lo, hi, degree):
    """Monomial coefficients, in u = x - 0, of the polynomial through f at the Chebyshev nodes of [lo, hi]. Its
    largest error is within a small factor of that of the best polynomial."""
    mid, half, n = (lo + hi) / 2, (hi - lo) / 2, degree + 1
    nodes = [mid + half * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    table = [f(x) for x in nodes]
    for k in range(1, n):
        for i in range(n - 1, k - 1, -1):
            table[i] = (table[i] - table[i - 1]) / (nodes[i] - nodes[i - k])
    poly = [mpf(0)] * n
    for i in range(n - 1, -1, -1):
        for d in range(n - 1, 0, -1):
            poly[d] = poly[d - 1] - nodes[i] * poly[d]
        poly[0] = table[i] - nodes[i] * poly[0]
    return [double(c) for c in poly]


def evaluate(poly, x):
    y = mpf(0)
    for c in reversed(poly):
        y = y * x + mpf(c)
    return y


def worst(error, lo, hi, points=400):
    """log2 of the largest |error| over a grid that includes the ends, never at 0."""
    e = max(abs(error(lo + (hi - lo) * (2 * i + 1) / (2 * points))) for i in range(points))
    e = max(e, abs(error(lo)), abs(error(hi)))
    return float(mp.log(e, 2))


def array(name, values, comment, columns=4):
    lines = ["/* %s */" % comment, "static const double %s[%d] = {" % (name, len(values))]
    for i in range(0, len(values), columns):
        lines.append("    " + " ".join(v.hex() + "," for v in values[i:i + columns]))
    return "\n".join(lines + ["};", ""])


def table(name, rows, comment):
    """A table of 16 rows of an even number of terms, as vd_lookup_two wants it."""
    terms = len(rows[0])
    lines = ["/* %s */" % comment, "static const vd_table(%s, %d) = {" % (name, terms), "#if VD_BY_COLUMNS"]
    for d in range(terms):
        for j in range(0, 16, 4):
            lines.append("    " + " ".join(rows[k][d].hex() + "," for k in range(j, j + 4)))
    lines.append("#else")
    for row in rows:
        for d in range(0, terms, 4):
            lines.append("    " + " ".join(v.hex() + "," for v in row[d:d + 4]))
    return "\n".join(lines + ["#endif", "};", ""])


def exp_tables(out, log):
    h = LN2 / 32 * mpf("1.0000001")

    def q(r):  # the series, since the closed form cancels near 0
        return mp.nsum(lambda k: r ** k / mp.factorial(k + 2), [0, 30])

    for degree, name in ((3, "exp_poly"), (4, "expm1_poly")):
        poly = interpolate(q, -h, h, degree)
        log("%s: error of e^r relative to 1: 2^%.1f, of e^r - 1 relative to it: 2^%.1f" % (
            name, worst(lambda r: r * r * (evaluate(poly, r) - q(r)), -h, h),
            worst(lambda r: (r * r * (evaluate(poly, r) - q(r))) / mp.expm1(r), -h, h)))
        out(array(name, poly, "(e^r - 1 - r) / r^2 on |r| <= ln 2 / 32, ascending powers"))
    table = [bits(double(mpf(2) ** (mpf(j) / 16))) - (j << 48) for j in range(16)]
    out(array("exp_table", [struct.unpack("<d", struct.pack("<Q", t))[0] for t in table],
              "the bits of 2^(j/16) less j << 48: adding (16 k + j) << 48 gives the bits of 2^(k + j/16)"))


def log_tables(out, log):
    h = mpf(1) / 30

    def q(r):
        return mp.nsum(lambda k: (-1) ** (k + 1) * r ** k / (k + 2), [0, 60])

    poly = interpolate(q, -h, h, 5)
    log("log_poly: error of ln(1 + r) relative to r: 2^%.1f" %
        worst(lambda r: r * (evaluate(poly, r) - q(r)), -h, h))
    out(array("log_poly", poly, "(ln(1 + r) - r) / r^2 on |r| <= 1/30, ascending powers"))
    rows = []
    for j in range(16):
        c = double(1 / (1 + mpf(j) / 16))
        rows.append([c, double(-mp.log(mpf(c))) + 0.0])
    out(table("log_table", rows, "c[j], near 1 / (1 + j/16), and -ln c[j]"))
    rows = []
    for j in range(16):
        c = float(mp.nint(mpf(2) ** 32 / (1 + mpf(j) / 15))) / 2.0 ** 32  # 32 bits, so that c - 1 is exact
        rows.append([c, double(-mp.log(mpf(c))) + 0.0])
    out(table("log_table_15", rows, "c[j], near 1 / (1 + j/15), in 32 bits, and -ln c[j]"))


def erf_tables(out, log):
    degree = 8
    rows, errors = [], []

    def f(x):
        return mp.erf(x) / x

    for j in range(16):
        mid = mpf(2 * j + 1) / 8
        half = mpf(1) / 8
        poly = interpolate(lambda u: f(mid + u), -half, half, degree)
        rows.append(poly)
        errors.append(worst(lambda u: evaluate(poly, u) / f(mid + u) - 1, -half + mpf("1e-30"), half, 60))
    log("erf tables: relative error 2^%.1f" % max(errors))
    rows = [row + [0.0] * (degree % 2 == 0) for row in rows]
    out("enum { ERF_DEGREE = %d };\n" % degree)
    out(table("erf_table", rows, "erf(x) / x on [j/4, (j+1)/4] in powers of u = x - (2j+1)/8, ascending, the rest 0"))


def pairs(name, values, comment):
    lines = ["/* %s */" % comment, "static const ib_dd %s[%d] = {" % (name, len(values))]
    for v in values:
        hi, lo = split(v, 2)
        lines.append("    {%s, %s}," % (hi.hex(), lo.hex()))
    return "\n".join(lines + ["};", ""])


def accurate_tables(out):
    top = mp.floor(LN2 * mpf(2) ** 42) / mpf(2) ** 42
    mid, low = split(LN2 - top, 2)
    out("/* ln 2 in three parts; the first has 42 bits, so that its product with an exponent is exact */")
    out("static const double ln2_part[3] = {%s, %s, %s};\n" % (double(top).hex(), mid.hex(), low.hex()))
    out(pairs("inverse_factorial", [1 / mp.factorial(n) for n in range(24)], "1 / n!"))
    out(pairs("inverse_odd", [1 / mpf(2 * n + 1) for n in range(121)], "1 / (2 n + 1)"))
    hi, lo = split(2 / mp.sqrt(mp.pi), 2)
    out("/* 2 / sqrt(pi) */\nstatic const ib_dd two_over_sqrt_pi = {%s, %s};\n" % (hi.hex(), lo.hex()))


def generate(log):
    vector, accurate = [], []
    vector.append(HEAD % "Polynomials and tables of the vectorised elementary functions."
                  + "#ifndef IB_KERNELS_MATH_COEF_VECTOR_H\n#define IB_KERNELS_MATH_COEF_VECTOR_H\n\n"
                  "#include \"kernels/simd/vd.h\"\n\n/* clang-format off */\n")
    exp_tables(vector.append, log)
    log_tables(vector.append, log)
    erf_tables(vector.append, log)
    vector.append("/* clang-format on */\n#endif\n")
    accurate.append(HEAD % "Constants of the accurate elementary functions, as sums of doubles."
                    + "#ifndef IB_KERNELS_MATH_COEF_ACCURATE_H\n#define IB_KERNELS_MATH_COEF_ACCURATE_H\n\n"
                    "#include \"kernels/math/dd.h\"\n\n/* clang-format off */\n")
    accurate_tables(accurate.append)
    accurate.append("/* clang-format on */\n#endif\n")
    return {"src/kernels/math/coef_vector.h": "\n".join(vector),
            "src/kernels/math/coef_accurate.h": "\n".join(accurate)}


def main():
    check = "--check" in sys.argv[1:]
    for path, text in generate(print).items():
        if check:
            with open(path, encoding="ascii") as f:
                if f.read() != text:
                    print(path + " is not what this script writes")
                    return 1
        else:
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
