/* SPDX-License-Identifier: Apache-2.0
 *
 * Reductions for AVX-512.
 */
#include "kernels/reduce/reduce_body.h"
