/* SPDX-License-Identifier: Apache-2.0
 *
 * Adam's update, for Adam and Muon: moments in the slots 0 and 1, the largest second moment in slot 2 if
 * there is one.
 */
#ifndef IB_OPTIMIZERS_ADAM_H
#define IB_OPTIMIZERS_ADAM_H

#include "optimizers/internal.h"

enum { IB_SCALAR_ALPHA = IB_SCALAR_OWN };

double ib__adam_alpha(const ib_optimizer_settings *s, double rate, double t);
ib_node ib__adam_update(ib_update *u);

#endif
