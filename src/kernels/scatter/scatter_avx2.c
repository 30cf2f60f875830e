/* SPDX-License-Identifier: Apache-2.0
 *
 * scatter_add for AVX2.
 */
#include "kernels/scatter/scatter_body.h"
