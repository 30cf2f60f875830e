/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening files: what the program reads and writes is written down, /dev/urandom and /dev/random give a
 * stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hold.h"

/* The wrappers of the fortified forms __open_2 and so on have no declaration in the headers. */
IB_EXPORT int __open_2(const char *path, int flags);
IB_EXPORT int __open64_2(const char *path, int flags);
IB_EXPORT int __openat_2(int folder, const char *path, int flags);
IB_EXPORT int __openat64_2(int folder, const char *path, int flags);

static bool below_skipped(const char *path) {
    const char *skip = ib_state()->skip;
    for (const char *at = skip; *at != '\0';) {
        size_t n = strcspn(at, ":");
        if (n > 0 && strncmp(path, at, n) == 0 && (path[n] == '/' || path[n] == '\0')) return true;
        at += n + (at[n] == ':');
    }
    static const char *const parts[] = {"/site-packages/", "/dist-packages/", "/__pycache__/", "/lib/python3",
                                        "/pyvenv.cfg"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(path, parts[i]) != NULL) return true;
    return false;
}

/* The absolute path, without looking at links; false: too long. */
static bool absolute(char out[4096], int folder, const char *path) {
    char start[4096] = "";
    if (path[0] == '/') return snprintf(out, 4096, "%s", path) < 4096;
    if (folder == AT_FDCWD) {
        if (getcwd(start, sizeof start) == NULL) return false;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t n = readlink(link, start, sizeof start - 1);
        if (n <= 0) return false;
        start[n] = '\0';
    }
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    return snprintf(out, 4096, "%s/%s", strcmp(start, "/") == 0 ? "" : start, path) < 4096;
}

/* fresh: the file was not there before. */
static void note(const char *event, int folder, const char *path, bool fresh) {
    char full[4096];
    int saved = errno;
    if (ib_state()->on && absolute(full, folder, path) && !below_skipped(full) &&
        ib_first_time(ib_hash(ib_hash((uint64_t)ib_state()->pid, event), full))) {
        ib_line line;
        ib_line_begin(&line, event);
        ib_line_text(&line, "file", full);
        if (fresh) ib_line_int(&line, "new", 1);
        ib_line_write(&line);
    }
    errno = saved;
}

/* Asked before a call that may make the file. */
static bool missing(int folder, const char *path) {
    int saved = errno;
    bool gone = ib_state()->on && faccessat(folder, path, F_OK, 0) != 0;
    errno = saved;
    return gone;
}

/* Only what could be opened counts. */
static int opened(int file, int folder, const char *path, int flags, bool fresh) {
    if (file >= 0 && (flags & O_DIRECTORY) == 0) {
        int mode = flags & O_ACCMODE;
        if (mode == O_RDONLY || mode == O_RDWR) note("read", folder, path, false);
        if (mode == O_WRONLY || mode == O_RDWR) note("write", folder, path, fresh);
    }
    return file;
}

static const char *entropy_source(const char *path) {
    static const char *const names[] = {"/dev/urandom", "/dev/random"};
    for (size_t i = 0; path != NULL && i < sizeof names / sizeof *names; i++)
        if (strcmp(path, names[i]) == 0) return names[i];
    return NULL;
}

/* -1: open it as it is. */
static int open_stream(const char *path, int flags, void *caller) {
    const char *source = entropy_source(path);
    if (source == NULL || !ib_state()->on) return -1;
    int file = ib_stream_file(source, caller);
    if (file >= 0 && (flags & O_CLOEXEC) == 0) (void)fcntl(file, F_SETFD, 0);
    return file;
}

static mode_t mode_of(int flags, va_list list) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(list, mode_t) : 0;
}

#define DEFINE_OPEN(name)                                                                                    \
    IB_EXPORT int name(const char *path, int flags, ...) {                                                   \
        va_list list;                                                                                        \
        va_start(list, flags);                                                                               \
        mode_t mode = mode_of(flags, list);                                                                  \
        va_end(list);                                                                                        \
        int file = open_stream(path, flags, __builtin_return_address(0));                                    \
        if (file >= 0) return file;                                                                          \
        bool fresh = (flags & O_CREAT) != 0 && missing(AT_FDCWD, path);                                      \
        return opened(REAL(name)(path, flags, mode), AT_FDCWD, path, flags, fresh);                          \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

#define DEFINE_OPENAT(name)                                                                                  \
    IB_EXPORT int name(int folder, const char *path, int flags, ...) {                                       \
        va_list list;                                                                                        \
        va_start(list, flags);                                                                               \
        mode_t mode = mode_of(flags, list);                                                                  \
        va_end(list);                                                                                        \
        int file = open_stream(path, flags, __builtin_return_address(0));                                    \
        if (file >= 0) return file;                                                                          \
        bool fresh = (flags & O_CREAT) != 0 && missing(folder, path);                                        \
        return opened(REAL(name)(folder, path, flags, mode), folder, path, flags, fresh);                    \
    }
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

#define DEFINE_OPEN_2(name)                                                                                  \
    int name(const char *path, int flags) {                                                                  \
        int file = open_stream(path, flags, __builtin_return_address(0));                                    \
        if (file >= 0) return file;                                                                          \
        return opened(REAL(name)(path, flags), AT_FDCWD, path, flags, false);                                \
    }
DEFINE_OPEN_2(__open_2)
DEFINE_OPEN_2(__open64_2)

#define DEFINE_OPENAT_2(name)                                                                                \
    int name(int folder, const char *path, int flags) {                                                      \
        int file = open_stream(path, flags, __builtin_return_address(0));                                    \
        if (file >= 0) return file;                                                                          \
        return opened(REAL(name)(folder, path, flags), folder, path, flags, false);                          \
    }
DEFINE_OPENAT_2(__openat_2)
DEFINE_OPENAT_2(__openat64_2)

#define DEFINE_CREAT(name)                                                                                   \
    IB_EXPORT int name(const char *path, mode_t mode) {                                                      \
        bool fresh = missing(AT_FDCWD, path);                                                                \
        return opened(REAL(name)(path, mode), AT_FDCWD, path, O_WRONLY, fresh);                              \
    }
DEFINE_CREAT(creat)
DEFINE_CREAT(creat64)

#define DEFINE_FOPEN(name)                                                                                   \
    IB_EXPORT FILE *name(const char *restrict path, const char *restrict mode) {                             \
        int file = open_stream(path, O_CLOEXEC, __builtin_return_address(0));                                \
        if (file >= 0) return fdopen(file, "r");                                                             \
        bool fresh = mode[0] != 'r' && missing(AT_FDCWD, path);                                              \
        FILE *stream = REAL(name)(path, mode);                                                               \
        int flags = strchr(mode, '+') != NULL ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;               \
        opened(stream != NULL ? 0 : -1, AT_FDCWD, path, flags, fresh);                                       \
        return stream;                                                                                       \
    }
DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)

/* ---- Names that files get later, and folders ---- */

static int renamed(int result, int folder_a, const char *a, int folder_b, const char *b, bool fresh) {
    char from[4096];
    if (result == 0 && ib_state()->on && absolute(from, folder_a, a) && !below_skipped(from))
        note("write", folder_b, b, fresh);
    return result;
}

IB_EXPORT int rename(const char *a, const char *b) {
    bool fresh = missing(AT_FDCWD, b);
    return renamed(REAL(rename)(a, b), AT_FDCWD, a, AT_FDCWD, b, fresh);
}

IB_EXPORT int renameat(int folder_a, const char *a, int folder_b, const char *b) {
    bool fresh = missing(folder_b, b);
    return renamed(REAL(renameat)(folder_a, a, folder_b, b), folder_a, a, folder_b, b, fresh);
}

IB_EXPORT int renameat2(int folder_a, const char *a, int folder_b, const char *b, unsigned flags) {
    bool fresh = missing(folder_b, b);
    return renamed(REAL(renameat2)(folder_a, a, folder_b, b, flags), folder_a, a, folder_b, b, fresh);
}

IB_EXPORT int mkdir(const char *path, mode_t mode) {
    int result = REAL(mkdir)(path, mode);
    if (result == 0) note("folder", AT_FDCWD, path, true);
    return result;
}

IB_EXPORT int mkdirat(int folder, const char *path, mode_t mode) {
    int result = REAL(mkdirat)(folder, path, mode);
    if (result == 0) note("folder", folder, path, true);
    return result;
}
