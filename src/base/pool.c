/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread pool. A training step makes some fifty short runs, so a warm run must cost a microsecond or two.
 *
 * Each worker owns a contiguous share of the parts (the same share of the same parts run after run, which
 * keeps its data in its cache) and, when that is empty, takes parts from the others' shares. A share is one
 * atomic number, the parts left in it; whoever lowers it owns a part, and the run cannot end before that part
 * does. That is why the plain fields of a run may be read after a share was lowered, and at no other time.
 */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rounding.h"

enum { MOST_THREADS = 1024, SPIN_NANOSECONDS = 100000, LINE = 64 };

typedef struct share {
    _Alignas(LINE) atomic_size_t left;
    pthread_t thread;
    ib_pool *pool;
    size_t worker;
} share;

struct ib_pool {
    _Alignas(LINE) size_t threads;
    share *shares;
    atomic_uint generation; /* one more for each run */
    unsigned scramble;
    atomic_bool stop;
    bool spin; /* every thread has a CPU, so that waiting a little does not keep another from working */
    atomic_bool caller_sleeps;
    _Alignas(LINE) atomic_size_t pending;  /* parts not yet finished */
    _Alignas(LINE) atomic_size_t sleepers; /* workers in or near a wait on `begin` */

    /* The run, written by the caller between runs. Part number i of the hand-out is (i * step + shift) mod
     * parts. */
    ib_part_fn *run;
    void *context;
    size_t parts, step, shift;

    pthread_mutex_t lock;
    pthread_cond_t begin, end;
};

size_t ib__pool_cpus(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return (size_t)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool run_began(ib_pool *pool, unsigned seen) {
    return atomic_load_explicit(&pool->generation, memory_order_acquire) != seen ||
           atomic_load_explicit(&pool->stop, memory_order_acquire);
}

static bool run_ended(ib_pool *pool, unsigned unused) {
    (void)unused;
    return atomic_load_explicit(&pool->pending, memory_order_acquire) == 0;
}

/* Spins until ready() or until the time for spinning is over; says which. */
static bool spin_until(ib_pool *pool, bool (*ready)(ib_pool *, unsigned), unsigned seen) {
    if (ready(pool, seen)) return true;
    if (!pool->spin) return false;
    int64_t until = now() + SPIN_NANOSECONDS;
    do {
        for (int i = 0; i < 32; i++) {
            if (ready(pool, seen)) return true;
            relax();
        }
    } while (now() < until);
    return false;
}

/* First hand-out number of a worker's share. */
static size_t share_start(const ib_pool *pool, size_t worker) {
    size_t each = pool->parts / pool->threads, more = pool->parts % pool->threads;
    return worker * each + (worker < more ? worker : more);
}

static size_t part_number(const ib_pool *pool, size_t i) {
    return (size_t)(((unsigned __int128)i * pool->step + pool->shift) % pool->parts);
}

/* Does parts until no share has any left: its own share first, then the others'. The finished parts are
 * counted off once, at the end; until then the run cannot end. */
static void work(ib_pool *pool, size_t worker) {
    size_t finished = 0;
    for (size_t i = 0; i < pool->threads; i++) {
        size_t owner = worker + i < pool->threads ? worker + i : worker + i - pool->threads;
        atomic_size_t *left = &pool->shares[owner].left;
        size_t have = atomic_load_explicit(left, memory_order_relaxed);
        while (have) {
            if (!atomic_compare_exchange_weak_explicit(left, &have, have - 1, memory_order_acquire,
                                                       memory_order_relaxed))
                continue;
            pool->run(pool->context, part_number(pool, share_start(pool, owner + 1) - have), worker);
            finished++;
            have = atomic_load_explicit(left, memory_order_relaxed);
        }
    }
    if (!finished || atomic_fetch_sub(&pool->pending, finished) != finished) return;
    if (!atomic_load(&pool->caller_sleeps)) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->end);
    pthread_mutex_unlock(&pool->lock);
}

static void *worker_main(void *argument) {
    share *own = argument;
    ib_pool *pool = own->pool;
    unsigned seen = 0;
    (void)ib__rounding_enter();
    for (;;) {
        if (!spin_until(pool, run_began, seen)) {
            pthread_mutex_lock(&pool->lock);
            atomic_fetch_add(&pool->sleepers, 1);
            while (atomic_load(&pool->generation) == seen && !atomic_load(&pool->stop))
                pthread_cond_wait(&pool->begin, &pool->lock);
            atomic_fetch_sub(&pool->sleepers, 1);
            pthread_mutex_unlock(&pool->lock);
        }
        if (atomic_load(&pool->stop)) return NULL;
        seen = atomic_load(&pool->generation);
        work(pool, own->worker);
    }
}

static void release(ib_pool *pool, size_t started) {
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stop, true);
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 1; i < started; i++)
        pthread_join(pool->shares[i].thread, NULL);
    pthread_cond_destroy(&pool->begin);
    pthread_cond_destroy(&pool->end);
    pthread_mutex_destroy(&pool->lock);
    ib__free(pool->shares);
    ib__free(pool);
}

/* Starts the workers 1 .. threads - 1; returns how many workers there are then, the caller included. Signals
 * stay with the program's own threads. */
static size_t start_workers(ib_pool *pool) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    size_t started = 1;
    while (started < pool->threads) {
        share *own = &pool->shares[started];
        own->pool = pool;
        own->worker = started;
        if (pthread_create(&own->thread, NULL, worker_main, own) != 0) break;
        started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

ib_status ib__pool_new(ib_pool **out, size_t threads, ib_error *err) {
    *out = NULL;
    size_t cpus = ib__pool_cpus();
    if (threads > MOST_THREADS)
        return ib__fail(err, IB_BAD_INPUT, "threads", "expected at most %d, found %zu", MOST_THREADS,
                        threads);
    if (threads == 0) threads = cpus < MOST_THREADS ? cpus : MOST_THREADS;
    ib_pool *pool = ib__alloc(1, sizeof *pool);
    share *shares = ib__alloc(threads, sizeof *shares);
    if (!pool || !shares) {
        ib__free(pool);
        ib__free(shares);
        return ib__fail_memory(err);
    }
    pool->threads = threads;
    pool->spin = threads <= cpus;
    pool->shares = shares;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->begin, NULL);
    pthread_cond_init(&pool->end, NULL);
    size_t started = start_workers(pool);
    if (started < threads) {
        release(pool, started);
        return ib__fail(err, IB_NO_MEMORY, "threads", "expected %zu threads, the system gave %zu", threads,
                        started);
    }
    *out = pool;
    return IB_OK;
}

void ib__pool_free(ib_pool *pool) {
    if (pool) release(pool, pool->threads);
}

size_t ib__pool_threads(const ib_pool *pool) {
    return pool->threads;
}

void ib__pool_scramble(ib_pool *pool, unsigned seed) {
    pool->scramble = seed;
}

static size_t common_divisor(size_t a, size_t b) {
    while (b) {
        size_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* The order of the hand-out: ascending, reverse (scramble 1), or with a step that has no divisor in common
 * with the number of parts, so that each part is met once. */
static void set_order(ib_pool *pool) {
    pool->step = 1;
    pool->shift = 0;
    if (!pool->scramble) return;
    pool->step = pool->shift = pool->parts - 1;
    if (pool->scramble == 1 || pool->parts < 3) return;
    pool->step = 1 + (size_t)pool->scramble * 2654435761u % (pool->parts - 1);
    while (common_divisor(pool->step, pool->parts) != 1)
        pool->step = pool->step % (pool->parts - 1) + 1;
    pool->shift = (size_t)pool->scramble * 40503u % pool->parts;
}

/* Waits until the last part is finished. */
static void wait_for_end(ib_pool *pool) {
    if (spin_until(pool, run_ended, 0)) return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->pending))
        pthread_cond_wait(&pool->end, &pool->lock);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->lock);
}

void ib__pool_run(ib_pool *pool, size_t parts, ib_part_fn *run, void *context) {
    if (parts == 0) return;
    pool->run = run;
    pool->context = context;
    pool->parts = parts;
    set_order(pool);
    if (pool->threads == 1 || parts == 1) {
        for (size_t i = 0; i < parts; i++)
            run(context, part_number(pool, i), 0);
        return;
    }
    atomic_store_explicit(&pool->pending, parts, memory_order_relaxed);
    for (size_t w = 0; w < pool->threads; w++)
        atomic_store_explicit(&pool->shares[w].left, share_start(pool, w + 1) - share_start(pool, w),
                              memory_order_release);
    atomic_fetch_add(&pool->generation, 1);
    size_t asleep = atomic_load(&pool->sleepers);
    if (asleep) {
        pthread_mutex_lock(&pool->lock);
        for (size_t i = 1; i < parts && i <= asleep; i++)
            pthread_cond_signal(&pool->begin);
        pthread_mutex_unlock(&pool->lock);
    }
    work(pool, 0);
    wait_for_end(pool);
}
