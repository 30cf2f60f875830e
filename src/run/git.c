/* SPDX-License-Identifier: Apache-2.0
 *
 * git's own diff, with everything off by which a repository could run a program of its own.
 */
#include "run/git.h"

#include "base/spawn.h"

#define SECONDS 10.0
#define PATCH_MAX ((size_t)4 << 20)

bool ib__git_diff(ib_buf *out, const char *folder) {
    const char *words[] = {"git",
                           "--no-optional-locks",
                           "-c",
                           "core.fsmonitor=false",
                           "-c",
                           "core.hooksPath=/dev/null",
                           "-C",
                           folder,
                           "diff",
                           "--no-ext-diff",
                           "--no-textconv",
                           "--no-color",
                           "HEAD",
                           "--",
                           NULL};
    return ib__spawn_output(out, PATCH_MAX, words, SECONDS) == 0;
}
