/* SPDX-License-Identifier: Apache-2.0
 *
 * Activation functions with settings, for the layers and losses that have them.
 */
#ifndef IB_LAYERS_ACTIVATION_H
#define IB_LAYERS_ACTIVATION_H

#include "layers/internal.h"

/* Takes the settings of a layer that can be an activation; false: it cannot. */
bool ib__activation_of_layer(ib_activation *out, const ib_layer *layer);

ib_node ib__softmax(ib_graph *g, ib_node x, unsigned axes); /* remembers its logits */
ib_node ib__log_softmax(ib_graph *g, ib_node x, unsigned axes);
ib_node ib__leaky_relu(ib_graph *g, ib_node x, double slope);
ib_node ib__elu(ib_graph *g, ib_node x, double alpha);
ib_node ib__celu(ib_graph *g, ib_node x, double alpha);
ib_node ib__gelu(ib_graph *g, ib_node x, bool approximate);
ib_node ib__hard_shrink(ib_graph *g, ib_node x, double threshold);
ib_node ib__soft_shrink(ib_graph *g, ib_node x, double threshold);
ib_node ib__squareplus(ib_graph *g, ib_node x, double b);
ib_node ib__threshold(ib_graph *g, ib_node x, double threshold, double value); /* x above it, else value */
ib_node ib__glu(ib_graph *g, ib_node x,
                int axis); /* first half of the axis times the sigmoid of the second */
/* Along one axis, of at most IB_SPARSEMAX_MAX elements. */
ib_node ib__sparsemax(ib_graph *g, ib_node x, int axis);
enum { IB_SPARSEMAX_MAX = 1024 };
/* Keras's relu with negative_slope, max_value (if limited) and threshold. */
ib_node ib__general_relu(ib_graph *g, ib_node x, double slope, bool limited, double limit, double threshold);

#endif
