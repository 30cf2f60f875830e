/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread pool. Work is cut into parts by shapes and experiment, never by the number of threads: a part is
 * the same work whoever runs it, so the number of threads is only a matter of speed.
 */
#ifndef IB_BASE_POOL_H
#define IB_BASE_POOL_H

#include "base/error.h"

typedef struct ib_pool ib_pool;

/* Runs part number `part`. worker: 0 .. threads - 1, which scratch memory to use. */
typedef void ib_part_fn(void *context, size_t part, size_t worker);

/* A pool of `threads` workers (the caller is one of them; 0: one for each CPU this process may use).
 * *out: yours, release with ib__pool_free. */
ib_status ib__pool_new(ib_pool **out, size_t threads, ib_error *err);
void ib__pool_free(ib_pool *pool);
size_t ib__pool_cpus(void); /* CPUs that this process may use, 1 or more */
size_t ib__pool_threads(const ib_pool *pool);

/* Runs parts 0 .. parts - 1, each once, in any order, and returns when all are done. Not to be called from
 * within a part, nor from two threads at once. */
void ib__pool_run(ib_pool *pool, size_t parts, ib_part_fn *run, void *context);

/* For tests: parts are handed out in reverse or in a scrambled order (0: ascending). Bits must not change. */
void ib__pool_scramble(ib_pool *pool, unsigned seed);

#endif
