/* SPDX-License-Identifier: Apache-2.0
 *
 * Uniform numbers for AVX2.
 */
#include "kernels/random/uniform_body.h"
