/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of images for AVX2.
 */
#include "kernels/pixels/pixels_body.h"
