/* SPDX-License-Identifier: Apache-2.0
 *
 * Bundles: runs as they are published.
 */
#ifndef IB_RUN_PUBLISH_H
#define IB_RUN_PUBLISH_H

#include "run/record.h"

/* Where a bundle keeps an input: FOLDER/inputs/FIELD-NAME. NULL: no memory. Release with free(). */
char *ib__bundle_input(const char *folder, const char *field, const char *path);
/* If the run's folder holds a statement, every file is what it says. IB_DIFFERS: one is not, which is said.
 */
ib_status ib__bundle_check(const ib_record *record, const ib_options *options, ib_error *err);

#endif
