/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread pool: every part runs once, in every order of hand-out, with fewer, as many and more threads
 * than CPUs; run after run without a pause, and after pauses long enough for the workers to fall asleep.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/pool.h"

enum { MOST_PARTS = 300, MOST_WORKERS = 17 };

typedef struct record {
    size_t parts, threads, delay_part;
    unsigned char plain[MOST_PARTS]; /* written without a lock: a data race would be a fault of the pool */
    size_t by_worker[MOST_WORKERS * 16];
    atomic_size_t order;
    size_t sequence[MOST_PARTS];
    atomic_int bad;
} record;

static void pause_microseconds(long us) {
    struct timespec t = {0, us * 1000};
    nanosleep(&t, NULL);
}

static void mark(void *context, size_t part, size_t worker) {
    record *r = context;
    if (part >= r->parts || worker >= r->threads) {
        atomic_store(&r->bad, 1);
        return;
    }
    r->plain[part]++;
    r->by_worker[worker * 16]++;
    r->sequence[atomic_fetch_add(&r->order, 1)] = part;
    if (part == r->delay_part) pause_microseconds(300);
}

static void run_and_check(ib_pool *pool, record *r, size_t parts, size_t delay_part) {
    memset(r, 0, sizeof *r);
    r->parts = parts;
    r->threads = ib__pool_threads(pool);
    r->delay_part = delay_part;
    ib__pool_run(pool, parts, mark, r);
    assert_int_equal(atomic_load(&r->bad), 0);
    size_t sum = 0;
    for (size_t w = 0; w < r->threads; w++)
        sum += r->by_worker[w * 16];
    assert_int_equal(sum, parts);
    for (size_t i = 0; i < MOST_PARTS; i++)
        assert_int_equal(r->plain[i], i < parts);
}

static void every_part_once(void **state) {
    (void)state;
    static record r;
    static const size_t threads[] = {1, 2, 3, 5, 17};
    static const size_t parts[] = {0, 1, 2, 3, 4, 7, 16, 17, 97, 256, 300};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        ib_pool *pool = NULL;
        ib_error err = {0};
        assert_int_equal(ib__pool_new(&pool, threads[t], &err), IB_OK);
        assert_int_equal(ib__pool_threads(pool), threads[t]);
        for (unsigned scramble = 0; scramble < 6; scramble++) {
            ib__pool_scramble(pool, scramble);
            for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
                run_and_check(pool, &r, parts[p], MOST_PARTS);
        }
        ib__pool_free(pool);
    }
}

static void order_of_the_hand_out(void **state) {
    (void)state;
    static record r;
    ib_pool *pool = NULL;
    assert_int_equal(ib__pool_new(&pool, 1, NULL), IB_OK);
    run_and_check(pool, &r, 40, MOST_PARTS);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(r.sequence[i], i);
    ib__pool_scramble(pool, 1);
    run_and_check(pool, &r, 40, MOST_PARTS);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(r.sequence[i], 39 - i);
    size_t moved = 0;
    for (unsigned seed = 2; seed < 12; seed++) {
        ib__pool_scramble(pool, seed);
        run_and_check(pool, &r, 41, MOST_PARTS);
        for (size_t i = 0; i < 41; i++)
            moved += r.sequence[i] != i;
    }
    assert_true(moved > 300);
    ib__pool_free(pool);
}

/* Many short runs, so that late workers meet the next run; some with a slow part, so that the caller sleeps;
 * some after a pause, so that the workers sleep. */
static void run_after_run(void **state) {
    (void)state;
    static record r;
    for (size_t threads = 2; threads <= 6; threads++) {
        ib_pool *pool = NULL;
        assert_int_equal(ib__pool_new(&pool, threads, NULL), IB_OK);
        for (size_t i = 0; i < 1500; i++) {
            size_t parts = 1 + i % 13;
            run_and_check(pool, &r, parts, i % 97 == 5 ? i % parts : MOST_PARTS);
            if (i % 101 == 7) pause_microseconds(200);
        }
        ib__pool_free(pool);
    }
}

typedef struct meeting {
    atomic_size_t here;
    atomic_bool met;
} meeting;

/* Waits until two parts run at the same time, which takes two workers; gives up after about ten seconds. */
static void meet(void *context, size_t part, size_t worker) {
    meeting *m = context;
    (void)part;
    (void)worker;
    atomic_fetch_add(&m->here, 1);
    for (int i = 0; i < 100000 && atomic_load(&m->here) < 2; i++)
        pause_microseconds(100);
    if (atomic_load(&m->here) >= 2) atomic_store(&m->met, true);
}

static void both_workers_take_part(void **state) {
    (void)state;
    ib_pool *pool = NULL;
    assert_int_equal(ib__pool_new(&pool, 2, NULL), IB_OK);
    meeting m = {0};
    ib__pool_run(pool, 2, meet, &m);
    assert_true(atomic_load(&m.met));
    ib__pool_free(pool);
}

static void number_of_threads(void **state) {
    (void)state;
    ib_pool *pool = NULL;
    ib_error err = {0};
    assert_int_equal(ib__pool_new(&pool, 0, &err), IB_OK);
    assert_true(ib__pool_threads(pool) >= 1);
    ib__pool_free(pool);
    assert_int_equal(ib__pool_new(&pool, 100000, &err), IB_BAD_INPUT);
    assert_null(pool);
    assert_string_equal(err.where, "threads");
    ib__pool_free(NULL);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(ib__pool_new(&pool, 4, NULL), IB_OK);
        ib__pool_free(pool);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_once),   cmocka_unit_test(order_of_the_hand_out),
        cmocka_unit_test(run_after_run),     cmocka_unit_test(both_workers_take_part),
        cmocka_unit_test(number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
