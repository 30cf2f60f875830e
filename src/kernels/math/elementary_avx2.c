/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementary functions with AVX2 and FMA.
 */
#define IB_MATH_ISA avx2
#include "kernels/math/vector.h"
