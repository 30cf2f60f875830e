/* SPDX-License-Identifier: Apache-2.0
 *
 * libhdf5 is not written to withstand hostile files, so it runs in child processes with bounds. What those
 * have in common.
 */
#ifndef IB_DATA_H5_GUARD_H
#define IB_DATA_H5_GUARD_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum ib_h5_state { IB_H5_NOT_READ, IB_H5_READ, IB_H5_MISSING, IB_H5_REFUSED } ib_h5_state;

#define IB_H5_FOUND 120 /* bytes for words about what was found */

/* In the child: signal handlers of the host go, nothing is printed, no file grows, no plugin is loaded; it
 * may take `memory` more bytes than it has and so many seconds of processor time (0: any). It ends with its
 * parent.
 */
void ib__h5_enter_child(size_t memory, unsigned seconds);

/* In the child: it ends if it takes more than so many seconds of processor time from now on. For work in
 * pieces, of which a file may make any an endless loop. */
void ib__h5_allow(unsigned seconds);

/* Every step of the path must be a hard link: soft and external links lead elsewhere. */
ib_h5_state ib__h5_check_links(hid_t file, const char *path, char found[IB_H5_FOUND]);
/* The data lie in this file, plainly or behind deflate, shuffle and Fletcher32. */
bool ib__h5_plain_storage(hid_t set, char found[IB_H5_FOUND]);

/* In the parent: words from a child, made printable. */
void ib__h5_clean(char found[IB_H5_FOUND], const char *words);

#endif
