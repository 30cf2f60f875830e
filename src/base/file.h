/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: reading whole ones, writing atomically (temporary file beside the target, fsync, rename, fsync of
 * the folder): a reader sees the old file or the new one, never half a file.
 */
#ifndef IB_BASE_FILE_H
#define IB_BASE_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Appends the file to buf; more than limit bytes is an error (0: 1 GiB). A folder, a device or a pipe is an
 * error. */
ib_status ib__file_read(ib_buf *buf, const char *path, size_t limit, ib_error *err);
ib_status ib__file_write(const char *path, const void *bytes, size_t n, ib_error *err);
bool ib__file_exists(const char *path);

/* Removes a file; one that is not there is fine. */
ib_status ib__file_remove(const char *path, ib_error *err);

/* A file that grows while work goes on. open keeps its first `length` bytes and cuts off the rest; a file
 * that is shorter is an error, one that is not there is made when length is 0. sync: what was added is on the
 * disk. close may get NULL. *out: yours. */
typedef struct ib_growing ib_growing;
ib_status ib__growing_open(ib_growing **out, const char *path, uint64_t length, ib_error *err);
ib_status ib__growing_add(ib_growing *file, const void *bytes, size_t n, ib_error *err);
ib_status ib__growing_sync(ib_growing *file, ib_error *err);
uint64_t ib__growing_length(const ib_growing *file);
void ib__growing_close(ib_growing *file);

/* Names in the folder but "." and "..", sorted bytewise. *names: yours, release with ib__names_free. A folder
 * that is not there has none. */
ib_status ib__folder_names(char ***names, size_t *n, const char *path, ib_error *err);
void ib__names_free(char **names, size_t n);

/* A new folder for a while, where the variable TMPDIR says, or in /tmp. *out: yours; discard removes it with
 * all that is in it, and its name (NULL is fine). */
ib_status ib__folder_temporary(char **out, ib_error *err);
void ib__folder_discard(char *folder);
/* Removes a file, or a folder with all that is in it; links are not followed. */
void ib__tree_remove(const char *path);

/* "a" and "b" make "a/b". NULL: no memory. Release with free(). */
char *ib__path_join(const char *folder, const char *name);

/* Is `name` what an interrupted write of `target` left ("target.PID.N")? */
bool ib__file_is_leftover(const char *name, const char *target);

/* Takes the lock for as long as the process lives or until it is released; another process gets an error that
 * names the holder. The file stays while the lock is held. *lock: yours. */
typedef struct ib_lock ib_lock;
ib_status ib__lock_take(ib_lock **lock, const char *path, const char *what, ib_error *err);
void ib__lock_release(ib_lock *lock); /* removes the file; NULL is fine */

/* Makes the folder and its parents; an existing folder is fine. */
ib_status ib__folder_make(const char *path, ib_error *err);

/* Fails unless the folder exists (or can be made) and a file can be created in it. Leaves nothing behind but
 * the folder. */
ib_status ib__folder_check_writable(const char *path, ib_error *err);

/* The calls by which all of this changes the disk. Tests put others here, which fail or which note what a
 * loss of power would forget; nothing else may. */
typedef struct ib_disk {
    int (*create)(const char *path); /* a new file, -1 if it is there */
    ssize_t (*write)(int file, const void *bytes, size_t n);
    int (*truncate)(int file, off_t length);
    int (*sync)(int file);
    int (*rename)(const char *from, const char *to);
    int (*make)(const char *folder);
    int (*remove)(const char *path);
    int (*sync_folder)(const char *folder);
} ib_disk;
extern ib_disk ib__disk;

#endif
