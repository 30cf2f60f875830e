/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting a program and waiting for it. Between fork and exec the child does only what is safe after a fork
 * of a process with threads.
 */
#include "hold/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Signals that are for the program. SIGCHLD is for us. */
static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
#define N_PASSED (sizeof passed_on / sizeof *passed_on)

/* How often to look whether the program has ended when another thread took the signal that says so. */
#define LOOK_MS 200

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- In the child ---- */

static int open_as(const char *path, int flags, int as) {
    int file = open(path, flags, 0600);
    if (file < 0) return -1;
    int result = dup2(file, as);
    if (file != as) close(file);
    return result;
}

static int use_files(const ib_launch *l) {
    if (l->input != NULL && open_as(l->input, O_RDONLY, STDIN_FILENO) < 0) return -1;
    if (l->output == NULL) return 0;
    if (open_as(l->output, O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO) < 0) return -1;
    return dup2(STDOUT_FILENO, STDERR_FILENO) < 0 ? -1 : 0;
}

/* The first so many of the CPUs that we may use. Fewer here than there: all of them. */
static void use_cpus(size_t n) {
    cpu_set_t all, some;
    CPU_ZERO(&some);
    if (n == 0 || sched_getaffinity(0, sizeof all, &all) != 0) return;
    for (size_t i = 0; i < CPU_SETSIZE && n > 0; i++) {
        if (!CPU_ISSET(i, &all)) continue;
        CPU_SET(i, &some);
        n--;
    }
    (void)sched_setaffinity(0, sizeof some, &some);
}

/* What the child says before it becomes the program: the watch's descriptor comes along. */
typedef struct greeting {
    int problem; /* errno of what failed; 0: exec comes next */
} greeting;

static void greet(int channel, int problem, int watch) {
    greeting g = {problem};
    struct iovec part = {&g, sizeof g};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    if (watch >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &watch, sizeof watch);
    }
    (void)sendmsg(channel, &message, MSG_NOSIGNAL);
}

static _Noreturn void become(const ib_launch *l, int channel, const sigset_t *mask) {
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    int problem = 0, watch = -1;
    if (l->cwd != NULL && chdir(l->cwd) != 0) problem = errno;
    if (problem == 0 && use_files(l) != 0) problem = errno;
    use_cpus(l->cpus);
    if (l->fixed_addresses) (void)personality(ADDR_NO_RANDOMIZE);
    if (problem == 0 && l->watch) watch = ib__watch_install();
    greet(channel, problem, watch);
    if (watch >= 0) close(watch);
    if (problem == 0) execvpe(l->argv[0], l->argv, l->env);
    if (problem == 0) greet(channel, errno, -1);
    _exit(127);
}

/* ---- In the parent ---- */

/* Reads one greeting; false: the channel is closed, so that the program runs. */
static bool hear(int channel, greeting *out, int *watch) {
    struct iovec part = {out, sizeof *out};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do
        n = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof *out) return false;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head != NULL && head->cmsg_type == SCM_RIGHTS) memcpy(watch, CMSG_DATA(head), sizeof *watch);
    return true;
}

/* A signal from the terminal has reached the program, too; one that was sent to us alone has not. */
static void pass_signal(int signals, pid_t child, ib_launched *out) {
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != (ssize_t)sizeof info) return;
    int number = (int)info.ssi_signo;
    if (number == SIGINT || number == SIGTERM || number == SIGHUP) out->interrupted = number;
    if (number != SIGCHLD && info.ssi_code != SI_KERNEL) kill(child, number);
}

/* exec closes the channel; the watch must be answered meanwhile, because the program's start may ask. */
static int wait_for_end(pid_t child, int channel, int signals, int watch, int *problem, ib_launched *out) {
    int status = 0;
    for (;;) {
        struct pollfd files[] = {{signals, POLLIN, 0}, {watch, POLLIN, 0}, {channel, POLLIN, 0}};
        (void)poll(files, 3, LOOK_MS);
        if (files[0].revents & POLLIN) pass_signal(signals, child, out);
        if (files[1].revents & POLLIN) ib__watch_report(watch, out);
        if (files[1].revents & (POLLHUP | POLLERR)) watch = -1;
        greeting g;
        if (files[2].revents != 0) {
            int none = -1;
            if (hear(channel, &g, &none)) *problem = g.problem;
            channel = -1;
        }
        pid_t done = waitpid(child, &status, WNOHANG);
        if (done == child) return status;
        if (done < 0 && errno != EINTR) return 127 << 8;
    }
}

static ib_status run_child(const ib_launch *l, const int channel[2], const sigset_t *mask, int signals,
                           ib_launched *out, ib_error *err) {
    pid_t child = fork();
    int failed = errno;
    if (child == 0) become(l, channel[1], mask);
    close(channel[1]);
    if (child < 0) return ib__fail(err, IB_IO, l->argv[0], "cannot be started: %s", strerror(failed));
    greeting g = {0};
    int watch = -1, problem = 0;
    if (hear(channel[0], &g, &watch)) problem = g.problem;
    out->watched = watch >= 0;
    out->status = wait_for_end(child, channel[0], signals, watch, &problem, out);
    if (watch >= 0) close(watch);
    if (problem != 0)
        return ib__fail(err, IB_BAD_INPUT, l->argv[0], "cannot be started: %s", strerror(problem));
    return IB_OK;
}

ib_status ib__launch(const ib_launch *l, ib_launched *out, ib_error *err) {
    int channel[2];
    sigset_t ours, mask;
    double begun = now();
    *out = (ib_launched){0};
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    for (size_t i = 0; i < N_PASSED; i++)
        sigaddset(&ours, passed_on[i]);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0)
        return ib__fail(err, IB_IO, l->argv[0], "cannot be started: %s", strerror(errno));
    pthread_sigmask(SIG_BLOCK, &ours, &mask);
    int signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    ib_status status = run_child(l, channel, &mask, signals, out, err);
    close(channel[0]);
    if (signals >= 0) close(signals);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    out->seconds = now() - begun;
    return status;
}
