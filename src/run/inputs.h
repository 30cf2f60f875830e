/* SPDX-License-Identifier: Apache-2.0
 *
 * The inputs of a recorded run: are they still what they were?
 */
#ifndef IB_RUN_INPUTS_H
#define IB_RUN_INPUTS_H

#include "data/class_folder.h"
#include "run/record.h"

bool ib__input_is_folder(const char *path);
/* The files of an input that is a folder. Release with ib__class_folder_free, also on failure. */
ib_status ib__input_files(ib_class_folder *out, const ib_record *record, const char *field, const char *path,
                          ib_error *err);
/* The digest of what lies at path now, as the record has it for this field: of a file, or of a folder's
 * files. */
ib_status ib__input_digest(ib_digest *out, const ib_record *record, const char *field, const char *path,
                           ib_error *err);

#endif
