/* SPDX-License-Identifier: Apache-2.0
 *
 * Resampling: other numbers of places along an axis, as Keras resizes images.
 */
#ifndef IB_LAYERS_RESAMPLING_H
#define IB_LAYERS_RESAMPLING_H

#include "graph/graph.h"

typedef enum ib_interpolation {
    IB_NEAREST,
    IB_BILINEAR,
    IB_BICUBIC,
    IB_LANCZOS3,
    IB_LANCZOS5
} ib_interpolation;
#define IB_INTERPOLATIONS "nearest bilinear bicubic lanczos3 lanczos5"

/* x with `size` places along an axis behind the first. antialias: kernels grow with the distance of the
 * places that are read; of bilinear, bicubic and lanczos. Each value is one chain of products and sums over
 * the places that it is made of, ascending; each of them is rounded. */
ib_node ib__resample(ib_graph *g, ib_node x, int axis, int64_t size, ib_interpolation interpolation,
                     bool antialias);

#endif
