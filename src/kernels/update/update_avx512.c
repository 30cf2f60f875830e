/* SPDX-License-Identifier: Apache-2.0
 *
 * The optimizer updates for AVX-512.
 */
#include "kernels/update/update_body.h"
