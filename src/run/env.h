/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment: what is recorded beside a result and never hashed into it.
 */
#ifndef IB_RUN_ENV_H
#define IB_RUN_ENV_H

#include "base/value.h"

/* A map of maps: system, cpu, gpu, build, libraries. NULL: no memory. */
ib_value *ib__env(void);

/* The commit that is checked out in the git work tree around folder, read from its files; false: none. */
bool ib__env_commit(char out[65], const char *folder);

/* The rest of the first line that begins with key, past blanks and one of the separators ':' and '=', without
 * quotes; false if there is none. */
bool ib__env_line(char *out, size_t size, const char *path, const char *key);

/* Adds to map `models`, the graphics processors here, and `driver`, or "none". root: "", or where the folders
 * /proc and /sys of another machine lie. */
bool ib__env_gpu(ib_value *map, const char *root);

#endif
