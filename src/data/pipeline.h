/* SPDX-License-Identifier: Apache-2.0
 *
 * Pipelines as an experiment writes them: a list of tf.data's verbs.
 *
 *   pipeline: [cache, shuffle: {buffer_size: 1000, seed: 7}, repeat: 2, batch: 32]
 */
#ifndef IB_DATA_PIPELINE_H
#define IB_DATA_PIPELINE_H

#include "data/entry.h"
#include "data/stage.h"
#include "kernels/kernels.h"

typedef struct ib_pipeline {
    ib_stage *stage;
    int64_t prefetch;          /* the last prefetch: N; -1: none was given */
    const ib_kernels *kernels; /* that layers of map run on */
} ib_pipeline;

/* Puts the verbs of the list on top of pipeline->stage. q: the entry that the list is a field of. On failure
 * the stage is released. */
ib_status ib__pipeline_build(ib_pipeline *pipeline, const ib_entry *q, const ib_value *list);

#endif
