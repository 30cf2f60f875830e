/* SPDX-License-Identifier: Apache-2.0
 *
 * Initial weights as Keras on TensorFlow draws them: those that a model has after
 * keras.utils.set_random_seed(seed).
 */
#ifndef IB_INITIALIZERS_KERAS_H
#define IB_INITIALIZERS_KERAS_H

#include "layers/layer.h"
#include "numerics/keras_random.h"

/* Fills data as the initializer (Keras's config: a name or a map) does with this seed, whatever seed its
 * config has. Classes that are not random ignore it. */
ib_status ib__keras_fill(float *data, const ib_shape *shape, const ib_value *initializer, int64_t seed,
                         const char *path, ib_error *err);

/* Draws the seeds that Keras draws while it makes the layer, and fills the weights of the layer and of its
 * parts. Layers must come in the order in which Keras makes them. */
ib_status ib__keras_initialize_layer(ib_layer *layer, ib_keras *keras, ib_error *err);

#endif
