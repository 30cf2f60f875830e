/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling for AVX-512.
 */
#include "kernels/pool/pool_body.h"
