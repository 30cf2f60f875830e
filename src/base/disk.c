/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls that change the disk, as the system has them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static int create(const char *path) {
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static int make(const char *folder) {
    return mkdir(folder, 0777);
}

/* A folder on a file system that cannot sync folders (some network ones), or that may not be read, is not a
 * failure: nothing more can be done. */
static int sync_folder(const char *folder) {
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) return 0;
    int result = fsync(file), problem = errno;
    close(file);
    if (result == 0 || problem == EINVAL || problem == ENOTSUP || problem == EBADF) return 0;
    errno = problem;
    return -1;
}

ib_disk ib__disk = {.create = create,
                    .write = write,
                    .truncate = ftruncate,
                    .sync = fsync,
                    .rename = rename,
                    .make = make,
                    .remove = unlink,
                    .sync_folder = sync_folder};
