/* SPDX-License-Identifier: Apache-2.0
 *
 * What Sequential and Functional models share that stand inside of a wrapper.
 */
#ifndef IB_LAYERS_MEMBERS_H
#define IB_LAYERS_MEMBERS_H

#include "layers/internal.h"

ib_read_fn ib__read_members; /* the list "layers"; stores nothing */

bool ib__member_is_input(const ib_value *entry);
/* An input layer holds no weights and has no group in files: only its settings are checked. */
ib_status ib__member_check_input(const ib_layer *layer, const ib_value *entry, ib_value **canonical,
                                 ib_error *err);
/* Argument number i of a layer's call, in name; gives name, or NULL: it has not so many. */
const char *ib__member_argument(const ib_layer *layer, size_t i, char name[64]);

#endif
