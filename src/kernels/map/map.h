/* SPDX-License-Identifier: Apache-2.0
 *
 * The elementwise ops. A tile program (src/graph) strings them together over about a thousand elements that
 * stay in L1. d may be the same array as a, b or c, but must not overlap otherwise. Values are 32-bit words:
 * float32, int32, or a predicate (0 or all ones). Unused operands are NULL.
 */
#ifndef IB_KERNELS_MAP_MAP_H
#define IB_KERNELS_MAP_MAP_H

#include <stddef.h>

typedef enum ib_map_op {
#define X(name, operands, meaning) IB_MAP_##name,
#include "kernels/map/map.list"
#undef X
    IB_MAP_COUNT
} ib_map_op;

/* ib_k_map_<name>_f32_<isa> */
typedef void ib_map_fn(float *d, const float *a, const float *b, const float *c, size_t n);

#endif
