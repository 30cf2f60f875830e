/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the model room: Keras's older .h5 files.
 */
#ifndef IB_MODEL_OLD_FILE_H
#define IB_MODEL_OLD_FILE_H

#include "model/internal.h"

bool ib__old_file_is(const char *path); /* an HDF5 file, not a zip archive */
ib_status ib__old_file_load(ib_model **out, const char *path, bool compiled, ib_error *err);

#endif
