/* SPDX-License-Identifier: Apache-2.0
 *
 * Transposition for AVX-512.
 */
#include "kernels/layout/transpose_body.h"
