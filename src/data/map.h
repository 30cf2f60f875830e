/* SPDX-License-Identifier: Apache-2.0
 *
 * map: fields changed by Keras's layers, or by plain functions.
 *
 * Any layers that make one tensor of one tensor and do not mix samples can be used: they are built into a
 * graph as in a model, in training mode, and run for an element (or, behind batch, for a batch). What is
 * random in them is named by the iteration and the number of the element in it.
 */
#ifndef IB_DATA_MAP_H
#define IB_DATA_MAP_H

#include "data/entry.h"
#include "data/stage.h"
#include "model/model.h"

typedef enum ib_change { IB_CHANGE_LAYERS, IB_CHANGE_CAST, IB_CHANGE_ONE_HOT } ib_change;

/* What becomes of a field. dtype, shape: afterwards, as the stage's fields have them. */
typedef struct ib_mapping {
    size_t field;
    ib_change change;
    ib_model *model; /* owned */
    ib_dtype dtype;
    ib_shape shape;
    int64_t classes; /* of one_hot */
    char place[128]; /* for errors */
} ib_mapping;

/* From the argument of map: {FIELD: [LAYER, ...]}, {FIELD: {cast: DTYPE}}, {FIELD: {one_hot: N}}, or a list
 * of layers for the field x. path: names the random streams of the layers ("data.train/map"). *list: yours,
 * release with ib__mappings_free. */
ib_status ib__mappings_read(ib_mapping **list, size_t *n, const ib_entry *q, const ib_stage *from,
                            const char *path);
void ib__mappings_free(ib_mapping *list, size_t n);

/* Takes over from and the list, also on failure. seed: of the experiment, for the layers' streams. */
ib_stage *ib__stage_map(ib_stage *from, ib_mapping *list, size_t n, const ib_kernels *kernels, uint64_t seed);

#endif
