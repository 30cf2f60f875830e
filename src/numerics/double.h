/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementary functions of doubles for scalars computed on the host: learning rates, bias corrections,
 * windows, the normal distribution. Made of + - * / and fma only, so the bits are the same on every machine
 * and with every C library. Errors: log and exp below 2 units in the last place; pow(x, y) has the relative
 * error of exp plus |y ln x| * 4e-16.
 */
#ifndef IB_NUMERICS_DOUBLE_H
#define IB_NUMERICS_DOUBLE_H

double ib__double_log(double x); /* log(0) = -inf, log(negative) = NaN */
/* log with an error below 0.51 units in the last place, as good C libraries give it: for what a floor follows
 */
double ib__double_log_close(double x);
double ib__double_exp(double x);           /* from 709.79 on +inf; below -745.2 0 */
double ib__double_pow(double x, double y); /* x >= 0: exp(y log x); pow(x, 0) = 1, pow(0, y > 0) = 0 */
/* Absolute error below 4e-16 for |x| <= 2^19; NaN for infinities. */
double ib__double_cos(double x);
double ib__double_sin(double x);
/* The angle of the point (x, y), -pi to pi; relative error below 1e-15. Signed zeros and infinities as in C.
 */
double ib__double_atan2(double y, double x);
/* The number below which a standard normal variable lies with probability p, 0 < p < 1; relative error about
 * 1e-15. */
double ib__double_normal_quantile(double p);

/* ln Gamma(x), x > 0; error about 1e-15, absolute or relative. */
double ib__double_log_gamma(double x);
/* Student's t with nu > 0 degrees of freedom: the probability to lie below t, and the number below which it
 * lies with probability p, 0 < p < 1. Errors about 1e-13. */
double ib__double_student(double t, double nu);
double ib__double_student_quantile(double p, double nu);
/* The number below which a variable of the beta distribution lies with probability p; a, b > 0. Absolute
 * error about 1e-15. */
double ib__double_beta_quantile(double p, double a, double b);

#endif
