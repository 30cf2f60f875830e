/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions for AVX2.
 */
#include "kernels/reduce/reduce_body.h"
