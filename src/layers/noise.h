/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers of layers: arrays of a layer's named streams, which depend on sample, step and epoch only.
 */
#ifndef IB_LAYERS_NOISE_H
#define IB_LAYERS_NOISE_H

#include "layers/internal.h"
#include "numerics/double.h"

/* Uniform numbers in [0, 1) of the stream (seed, the layer's path, purpose); seed -1: the experiment's.
 * shape[0] counts samples. */
ib_node ib__layer_uniform(const ib_layer *layer, ib_build *b, int64_t seed, const char *purpose,
                          const ib_shape *shape);
/* Standard normal numbers: ib__double_normal_quantile(u + 2^-25) of these, rounded to float32. */
ib_node ib__layer_normal(const ib_layer *layer, ib_build *b, int64_t seed, const char *purpose,
                         const ib_shape *shape);

#endif
