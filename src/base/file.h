/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: reading whole ones, writing atomically (temporary file beside the target, fsync, rename, fsync of
 * the folder): a reader sees the old file or the new one, never half a file.
 */
#ifndef IB_BASE_FILE_H
#define IB_BASE_FILE_H

#include "base/buf.h"
#include "base/error.h"

/* Appends the file to buf; more than limit bytes is an error (0: 1 GiB). A folder, a device or a pipe is an
 * error. */
ib_status ib__file_read(ib_buf *buf, const char *path, size_t limit, ib_error *err);
ib_status ib__file_write(const char *path, const void *bytes, size_t n, ib_error *err);
bool ib__file_exists(const char *path);

/* Makes the folder and its parents; an existing folder is fine. */
ib_status ib__folder_make(const char *path, ib_error *err);

/* Fails unless the folder exists (or can be made) and a file can be created in it. Leaves nothing behind but
 * the folder. */
ib_status ib__folder_check_writable(const char *path, ib_error *err);

#endif
