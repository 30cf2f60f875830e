/* SPDX-License-Identifier: Apache-2.0
 *
 * Constraints: what a weight becomes after each step. config: Keras's (a name or a map).
 */
#ifndef IB_CONSTRAINTS_CONSTRAINT_H
#define IB_CONSTRAINTS_CONSTRAINT_H

#include "base/value.h"
#include "graph/graph.h"

/* shape: of the weight, or NULL when it is not known. */
ib_status ib__constraint_check(const ib_value *config, const ib_shape *shape, const char *where,
                               ib_error *err);
/* The constrained weight. config was checked with the weight's shape. */
ib_node ib__constraint_call(const ib_value *config, ib_graph *g, ib_node w);

#endif
