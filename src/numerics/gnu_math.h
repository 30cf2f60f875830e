/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementary functions with the bits of the GNU C library, for the random numbers of programs that call it:
 * Python, NumPy and TensorFlow take the last bit of a normal number from there. What they give is that of
 * glibc 2.36 on x86-64 with FMA; doc/random.md says which other versions agree. The arithmetic is + - * / fma
 * only, so the bits are the same on every machine. For results of our own see kernels/math and double.h.
 */
#ifndef IB_NUMERICS_GNU_MATH_H
#define IB_NUMERICS_GNU_MATH_H

double ib__gnu_log(double x);   /* 2^-1022 <= x < inf */
double ib__gnu_log1p(double x); /* -1 < x <= 0 */
double ib__gnu_sin(double x);   /* |x| < 10^8 */
double ib__gnu_cos(double x);   /* |x| < 10^8 */

float ib__gnu_logf(float x);   /* 2^-126 <= x < inf */
float ib__gnu_log1pf(float x); /* -1 < x <= 0 */
float ib__gnu_sinf(float x);   /* |x| < 120 */
float ib__gnu_cosf(float x);   /* |x| < 120 */

#endif
