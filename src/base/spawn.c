/* SPDX-License-Identifier: Apache-2.0
 *
 * Running other programs by posix_spawn.
 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* output: a descriptor, or -1 for the file `log`. */
static bool start(pid_t *child, const char *const *words, const char *log, int output) {
    posix_spawn_file_actions_t a;
    if (posix_spawn_file_actions_init(&a) != 0) return false;
    const char *file = log != NULL ? log : "/dev/null";
    bool good = posix_spawn_file_actions_addopen(&a, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0;
    if (output >= 0)
        good = good && posix_spawn_file_actions_adddup2(&a, output, STDOUT_FILENO) == 0 &&
               posix_spawn_file_actions_addopen(&a, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0;
    else
        good = good &&
               posix_spawn_file_actions_addopen(&a, STDOUT_FILENO, file, O_WRONLY | O_CREAT | O_TRUNC,
                                                0666) == 0 &&
               posix_spawn_file_actions_adddup2(&a, STDOUT_FILENO, STDERR_FILENO) == 0;
    good = good && posix_spawnp(child, words[0], &a, NULL, (char *const *)(uintptr_t)words, environ) == 0;
    posix_spawn_file_actions_destroy(&a);
    return good;
}

static int finish(pid_t child, double until) {
    int how = 0;
    for (;;) {
        pid_t done = waitpid(child, &how, until > 0 ? WNOHANG : 0);
        if (done == child) return WIFEXITED(how) ? WEXITSTATUS(how) : 255;
        if (done < 0 && errno != EINTR) return 255;
        if (until > 0 && now() > until) {
            kill(child, SIGKILL);
            until = 0;
        }
        if (done == 0) nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

int ib__spawn_run(const char *const *words, const char *log, double seconds) {
    pid_t child;
    if (!start(&child, words, log, -1)) return -1;
    return finish(child, seconds > 0 ? now() + seconds : 0);
}

/* Until the end of the output or of the time. */
static void collect(ib_buf *out, size_t limit, int from, double until) {
    for (;;) {
        char block[65536];
        struct pollfd p = {.fd = from, .events = POLLIN};
        double left = until > 0 ? until - now() : 3600;
        if (left <= 0) return;
        int ready = poll(&p, 1, (int)(left * 1000) + 1);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return;
        ssize_t n = read(from, block, sizeof block);
        if (n <= 0) return;
        size_t room = limit > out->length ? limit - out->length : 0;
        ib__buf_add(out, block, (size_t)n < room ? (size_t)n : room);
    }
}

ib_spawned ib__spawn_begin(const char *const *words, double seconds) {
    ib_spawned s = {.child = -1, .output = -1, .until = seconds > 0 ? now() + seconds : 0};
    int ends[2];
    pid_t child;
    if (pipe2(ends, O_CLOEXEC) != 0) return s;
    if (start(&child, words, NULL, ends[1])) {
        s.child = child;
        s.output = ends[0];
    } else {
        close(ends[0]);
    }
    close(ends[1]);
    return s;
}

int ib__spawn_end(const ib_spawned *s, ib_buf *out, size_t limit) {
    if (s->child >= 0) {
        collect(out, limit, s->output, s->until);
        close(s->output);
    }
    ib__buf_text(out, "");
    return s->child >= 0 ? finish((pid_t)s->child, s->until) : -1;
}

int ib__spawn_output(ib_buf *out, size_t limit, const char *const *words, double seconds) {
    ib_spawned s = ib__spawn_begin(words, seconds);
    return ib__spawn_end(&s, out, limit);
}
