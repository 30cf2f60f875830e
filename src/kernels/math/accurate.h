/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementary functions, one argument at a time, correctly rounded for every argument. They are the
 * definition that the vector kernels are held to, and what those call where a quick evaluation cannot tell
 * which way to round. Only + - * / fma sqrt and conversions are used, so that bits do not depend on the C
 * library.
 */
#ifndef IB_KERNELS_MATH_ACCURATE_H
#define IB_KERNELS_MATH_ACCURATE_H

typedef float ib_math_fn(float x);

ib_math_fn ib__math_exp, ib__math_expm1, ib__math_log, ib__math_log1p, ib__math_tanh, ib__math_logistic,
    ib__math_softplus, ib__math_erf, ib__math_rsqrt;

#endif
