/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorBoard's event files: TFRecord records (length, masked CRC, data, masked CRC) of the protocol buffer
 * Event, in the form that TensorFlow 2 writes: a tensor and the name of the plugin that shows it.
 */
#ifndef IB_RUN_EVENTS_H
#define IB_RUN_EVENTS_H

#include "base/file.h"

typedef struct ib_events ib_events;

/* Goes on at `length` bytes; 0: a new file with its version record. *out: yours, release with
 * ib__events_close. */
ib_status ib__events_open(ib_events **out, const char *path, uint64_t length, ib_error *err);
ib_status ib__events_scalar(ib_events *e, const char *tag, int64_t step, double value, ib_error *err);
/* Thirty equal buckets between the least and the greatest value; values that are not finite are left out. */
ib_status ib__events_histogram(ib_events *e, const char *tag, int64_t step, const float *values, size_t n,
                               ib_error *err);
/* Keras's config of a model, as JSON. */
ib_status ib__events_model(ib_events *e, const char *json, ib_error *err);
/* All is on the disk; gives the length. */
ib_status ib__events_sync(ib_events *e, uint64_t *length, ib_error *err);
void ib__events_close(ib_events *e);

#endif
