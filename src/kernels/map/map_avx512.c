/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementwise ops for AVX-512.
 */
#include "kernels/map/map_body.h"
