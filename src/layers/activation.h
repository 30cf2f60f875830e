/* SPDX-License-Identifier: Apache-2.0
 *
 * Activation functions with settings, for the layers and losses that have them.
 */
#ifndef IB_LAYERS_ACTIVATION_H
#define IB_LAYERS_ACTIVATION_H

#include "graph/graph.h"

ib_node ib__softmax(ib_graph *g, ib_node x, unsigned axes); /* remembers its logits */
ib_node ib__log_softmax(ib_graph *g, ib_node x, unsigned axes);
ib_node ib__leaky_relu(ib_graph *g, ib_node x, double slope);
ib_node ib__elu(ib_graph *g, ib_node x, double alpha);
/* Keras's relu with negative_slope, max_value (if limited) and threshold. */
ib_node ib__general_relu(ib_graph *g, ib_node x, double slope, bool limited, double limit, double threshold);

#endif
