/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementwise ops for AVX2.
 */
#include "kernels/map/map_body.h"
