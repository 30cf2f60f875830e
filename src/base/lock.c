/* SPDX-License-Identifier: Apache-2.0
 *
 * A lock between processes: flock on a file, which the system gives up when the process ends, however it
 * ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

struct ib_lock {
    int file;
    char *path;
};

/* "process 812 on host", as the holder wrote it. */
static void read_holder(char out[128], int file) {
    ssize_t n = pread(file, out, 127, 0);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (out[0] == '\0') snprintf(out, 128, "another process");
}

static void write_holder(int file) {
    char host[65] = "", text[128];
    if (gethostname(host, sizeof host - 1) != 0) snprintf(host, sizeof host, "this machine");
    int n = snprintf(text, sizeof text, "process %ld on %s\n", (long)getpid(), host);
    if (ftruncate(file, 0) == 0) (void)!pwrite(file, text, (size_t)n, 0);
}

/* Is the locked file still the one at the path? Its last holder may have removed it. */
static bool still_there(int file, const char *path) {
    struct stat a, b;
    return fstat(file, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

ib_status ib__lock_take(ib_lock **lock, const char *path, const char *what, ib_error *err) {
    for (;;) {
        int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
        if (file < 0) return ib__fail(err, IB_IO, path, "cannot be made: %s", strerror(errno));
        if (flock(file, LOCK_EX | LOCK_NB) != 0) {
            int problem = errno;
            char holder[128];
            read_holder(holder, file);
            close(file);
            if (problem != EWOULDBLOCK)
                return ib__fail(err, IB_IO, path, "cannot be locked: %s", strerror(problem));
            return ib__fail(err, IB_BAD_INPUT, path, "%s is in use by %s", what, holder);
        }
        if (!still_there(file, path)) {
            close(file);
            continue;
        }
        write_holder(file);
        *lock = calloc(1, sizeof **lock);
        char *copy = strdup(path);
        if (*lock == NULL || copy == NULL) {
            free(*lock);
            free(copy);
            close(file);
            return ib__fail_memory(err);
        }
        **lock = (ib_lock){file, copy};
        return IB_OK;
    }
}

void ib__lock_release(ib_lock *lock) {
    if (lock == NULL) return;
    unlink(lock->path);
    close(lock->file);
    free(lock->path);
    free(lock);
}
