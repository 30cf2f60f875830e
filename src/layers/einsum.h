/* SPDX-License-Identifier: Apache-2.0
 *
 * Einstein sums of two operands, as products.
 */
#ifndef IB_LAYERS_EINSUM_H
#define IB_LAYERS_EINSUM_H

#include "layers/internal.h"

/* Letters of "ab,bc->ac"; "..." stands as the digits 0, 1 ... after ib__einsum_parse. */
typedef struct ib_einsum {
    char a[IB_RANK_MAX + 1], b[IB_RANK_MAX + 1], out[IB_RANK_MAX + 1];
} ib_einsum;

/* false: not such an equation, or it does not fit operands with this many axes. Every letter of the result
 * must stand in an operand, and none twice in one. */
bool ib__einsum_parse(ib_einsum *out, const char *equation, int a_rank, int b_rank);
ib_node ib__einsum(ib_graph *g, const char *equation, ib_node a, ib_node b);

#endif
