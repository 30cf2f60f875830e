/* SPDX-License-Identifier: Apache-2.0
 *
 * git's own diff, with everything off by which a repository could run a program of its own.
 */
#include "run/git.h"

#define SECONDS 10.0
#define PATCH_MAX ((size_t)4 << 20)

ib_spawned ib__git_diff_begin(const char *folder) {
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
    return ib__spawn_begin(words, SECONDS);
}

bool ib__git_diff_end(const ib_spawned *git, ib_buf *out) {
    return ib__spawn_end(git, out, PATCH_MAX) == 0;
}

bool ib__git_diff(ib_buf *out, const char *folder) {
    ib_spawned git = ib__git_diff_begin(folder);
    return ib__git_diff_end(&git, out);
}
