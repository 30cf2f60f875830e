/* SPDX-License-Identifier: Apache-2.0
 *
 * What git knows of the folder of an experiment.
 */
#ifndef IB_RUN_GIT_H
#define IB_RUN_GIT_H

#include "base/spawn.h"

/* The changes of tracked files against the commit that is checked out around the folder, as a patch; empty:
 * none. false: not known (no work tree, no git, or it takes too long). */
bool ib__git_diff(ib_buf *out, const char *folder);
/* The same in two halves: git works beside what comes between them. */
ib_spawned ib__git_diff_begin(const char *folder);
bool ib__git_diff_end(const ib_spawned *git, ib_buf *out);

#endif
