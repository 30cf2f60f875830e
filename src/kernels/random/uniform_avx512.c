/* SPDX-License-Identifier: Apache-2.0
 *
 * Uniform numbers for AVX-512.
 */
#include "kernels/random/uniform_body.h"
