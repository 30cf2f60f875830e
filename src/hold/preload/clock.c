/* SPDX-License-Identifier: Apache-2.0
 *
 * The wall clock, where asked for. Fixed: it begins at a given time, goes on by a microsecond at each look
 * and by the length of each sleep, so that a loop that waits for a time ends. Shifted: it is wrong by a
 * constant. The monotonic clock is always true; deadlines by the wall clock are brought back to true time.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "hold.h"

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)
#define TICK INT64_C(1000)
/* Deadlines below are by the monotonic clock: nobody's wall clock says 2001 any more. */
#define WALL_CLOCK_SECONDS 1000000000

static _Atomic int64_t passed; /* of the fixed clock */

static ib_clock kind(void) {
    const ib_hold *hold = ib_state();
    return hold->on ? hold->clock : IB_CLOCK_AS_IS;
}

static bool is_wall(clockid_t id) {
    return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI;
}

static int64_t true_ns(void) {
    struct timespec t;
    REAL(clock_gettime)(CLOCK_REALTIME, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static int64_t wall_ns(bool look) {
    const ib_hold *hold = ib_state();
    if (hold->clock == IB_CLOCK_SHIFTED) return true_ns() + hold->clock_ns;
    return hold->clock_ns + (look ? atomic_fetch_add(&passed, TICK) + TICK : atomic_load(&passed));
}

static struct timespec split(int64_t ns) {
    int64_t rest = ns % SECOND;
    if (rest < 0) rest += SECOND;
    return (struct timespec){.tv_sec = (ns - rest) / SECOND, .tv_nsec = rest};
}

IB_EXPORT int clock_gettime(clockid_t id, struct timespec *out) {
    if (kind() == IB_CLOCK_AS_IS || !is_wall(id)) return REAL(clock_gettime)(id, out);
    *out = split(wall_ns(true));
    return 0;
}

IB_EXPORT int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    if (kind() == IB_CLOCK_AS_IS) return REAL(gettimeofday)(out, zone);
    struct timespec t = split(wall_ns(true));
    *out = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return 0;
}

IB_EXPORT time_t time(time_t *out) {
    if (kind() == IB_CLOCK_AS_IS) return REAL(time)(out);
    time_t now = split(wall_ns(true)).tv_sec;
    if (out != NULL) *out = now;
    return now;
}

IB_EXPORT int timespec_get(struct timespec *out, int base) {
    if (kind() == IB_CLOCK_AS_IS || base != TIME_UTC) return REAL(timespec_get)(out, base);
    *out = split(wall_ns(true));
    return base;
}

/* ---- Sleeping ---- */

/* To the millisecond: a program that sleeps until a time by another clock asks for a little less each time.
 */
static void pass(int64_t ns) {
    if (kind() == IB_CLOCK_FIXED && ns > 0)
        atomic_fetch_add(&passed, (ns + MILLISECOND / 2) / MILLISECOND * MILLISECOND);
}

IB_EXPORT int nanosleep(const struct timespec *length, struct timespec *left) {
    if (length != NULL) pass(length->tv_sec * SECOND + length->tv_nsec);
    return REAL(nanosleep)(length, left);
}

/* A deadline by the wall clock as the true clock has it. */
static struct timespec true_deadline(const struct timespec *t) {
    return split(t->tv_sec * SECOND + t->tv_nsec - wall_ns(false) + true_ns());
}

/* How long an absolute sleep is, by the clock it names. */
static int64_t until(clockid_t id, const struct timespec *t) {
    struct timespec now;
    REAL(clock_gettime)(id, &now);
    return (t->tv_sec - now.tv_sec) * SECOND + t->tv_nsec - now.tv_nsec;
}

IB_EXPORT int clock_nanosleep(clockid_t id, int flags, const struct timespec *t, struct timespec *left) {
    if (kind() == IB_CLOCK_AS_IS || t == NULL) return REAL(clock_nanosleep)(id, flags, t, left);
    struct timespec real = *t;
    if ((flags & TIMER_ABSTIME) == 0) {
        pass(t->tv_sec * SECOND + t->tv_nsec);
    } else {
        if (is_wall(id)) real = true_deadline(t);
        pass(until(id, &real));
    }
    return REAL(clock_nanosleep)(id, flags, &real, left);
}

IB_EXPORT int usleep(useconds_t n) {
    pass((int64_t)n * 1000);
    return REAL(usleep)(n);
}

IB_EXPORT unsigned sleep(unsigned n) {
    pass((int64_t)n * SECOND);
    return REAL(sleep)(n);
}

/* ---- Deadlines ---- */

static bool wall_deadline(const struct timespec *t) {
    return kind() != IB_CLOCK_AS_IS && t != NULL && t->tv_sec > WALL_CLOCK_SECONDS;
}

IB_EXPORT int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                                     const struct timespec *restrict t) {
    if (!wall_deadline(t)) return REAL(pthread_cond_timedwait)(condition, mutex, t);
    struct timespec real = true_deadline(t);
    int result = REAL(pthread_cond_timedwait)(condition, mutex, &real);
    if (result == ETIMEDOUT) pass(t->tv_sec * SECOND + t->tv_nsec - wall_ns(false));
    return result;
}

IB_EXPORT int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict t) {
    if (!wall_deadline(t)) return REAL(sem_timedwait)(semaphore, t);
    struct timespec real = true_deadline(t);
    int result = REAL(sem_timedwait)(semaphore, &real);
    if (result != 0 && errno == ETIMEDOUT) pass(t->tv_sec * SECOND + t->tv_nsec - wall_ns(false));
    return result;
}

IB_EXPORT int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict t) {
    if (!wall_deadline(t)) return REAL(pthread_mutex_timedlock)(mutex, t);
    struct timespec real = true_deadline(t);
    return REAL(pthread_mutex_timedlock)(mutex, &real);
}
