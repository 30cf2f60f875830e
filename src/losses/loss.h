/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses. A loss is built from a Keras config: a name ("sparse_categorical_crossentropy") or a map
 * {class_name, config} (with or without module); it becomes ops, so its gradient comes with it.
 */
#ifndef IB_LOSSES_LOSS_H
#define IB_LOSSES_LOSS_H

#include "base/value.h"
#include "graph/graph.h"

typedef struct ib_loss ib_loss;

/* *out: release with ib__loss_free. Unknown names: the nearest right one is named. */
ib_status ib__loss_new(ib_loss **out, const ib_value *config, const char *where, ib_error *err);
void ib__loss_free(ib_loss *loss);
const char *ib__loss_name(const ib_loss *loss); /* "sparse_categorical_crossentropy" */
/* As Keras writes it into a compile config: a name as it was given, a class with all of its settings. */
const ib_value *ib__loss_config(const ib_loss *loss);

/* What the target looks like for a prediction of this shape: type IB_TYPE_I32 (class numbers) or F32, and its
 * shape (-1 batch). given: the shape of the target data. */
ib_status ib__loss_target(const ib_loss *loss, const ib_shape *prediction, const ib_shape *given,
                          ib_type *type, ib_shape *shape, ib_error *err);
/* For integer targets: 0 .. classes - 1 is allowed, and nothing else; 0 if that is not so. */
int64_t ib__loss_classes(const ib_loss *loss, const ib_shape *prediction);
/* May a target of this shape hold this number? A class, or the one that is ignored; anything else is no class
 * number. */
bool ib__loss_label(const ib_loss *loss, const ib_shape *prediction, const ib_shape *target, double label);

/* The loss of a batch as a rank-0 node, reduced as Keras does (sum_over_batch_size: sum of the elements times
 * weights, over the batch in lanes, divided by the number of elements); without reduction its elements.
 * weight: sample weights, [samples] or of the elements' shape, or IB_NO_NODE. mask: Keras's mask of y_pred as
 * 0 and 1 (float32), or IB_NO_NODE. */
ib_node ib__loss_call_masked(const ib_loss *loss, ib_graph *g, ib_node y_true, ib_node y_pred, ib_node weight,
                             ib_node mask);
ib_node ib__loss_call(const ib_loss *loss, ib_graph *g, ib_node y_true, ib_node y_pred, ib_node weight);

#endif
