/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementary functions with AVX-512 (F, DQ).
 */
#define IB_MATH_ISA avx512
#include "kernels/math/vector.h"
