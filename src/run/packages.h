/* SPDX-License-Identifier: Apache-2.0
 *
 * The Debian packages that this process and its build are made of, from dpkg's own files.
 */
#ifndef IB_RUN_PACKAGES_H
#define IB_RUN_PACKAGES_H

#include "base/file.h"

typedef struct ib_package {
    char *name, *version, *architecture;
    bool build; /* needed to build, not to run */
} ib_package;

typedef struct ib_packages {
    ib_package *all; /* by name */
    size_t n, capacity;
    char **unknown; /* shared libraries that no package owns */
    size_t n_unknown, unknown_capacity;
    bool dpkg; /* there is a package database */
} ib_packages;

/* Release with ib__packages_free. */
ib_status ib__packages_here(ib_packages *out, ib_error *err);
void ib__packages_free(ib_packages *packages);
/* NULL: it is not there. */
const ib_package *ib__packages_find(const ib_packages *packages, const char *name);
/* Adds the packages of `names` as they are installed here; those that are not have no version. */
ib_status ib__packages_add_versions(ib_packages *packages, const ib_packages *names, ib_error *err);

#endif
