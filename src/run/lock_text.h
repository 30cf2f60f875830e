/* SPDX-License-Identifier: Apache-2.0
 *
 * environment.lock and Dockerfile: what rebuilds the environment of a run.
 */
#ifndef IB_RUN_LOCK_TEXT_H
#define IB_RUN_LOCK_TEXT_H

#include "base/value.h"
#include "run/packages.h"

/* The lock of this process as text, one fact a line (doc/record.md). when: "2026-01-31T12:00:00Z". */
ib_status ib__lock_text(ib_buf *out, const ib_packages *packages, const char *when, ib_error *err);
/* A Dockerfile that installs the packages of the lock as of its day, builds isobit and verifies the run
 * beside it.
 */
ib_status ib__lock_dockerfile(ib_buf *out, const ib_packages *packages, const char *when, ib_error *err);
/* Finds the packages for ib__lock_write, which finds them itself otherwise. */
ib_status ib__lock_prepare(ib_error *err);
/* Writes both into the folder. */
ib_status ib__lock_write(const char *folder, const char *when, ib_error *err);

/* A lock that was read. */
typedef struct ib_lock_file {
    ib_packages packages;
    char isobit[64];
    int64_t contract;
    bool complete; /* every library in use belongs to a package that is named */
} ib_lock_file;

/* Reads FOLDER/environment.lock. *out: yours, release its packages. */
ib_status ib__lock_read(ib_lock_file *out, const char *folder, ib_error *err);

#endif
