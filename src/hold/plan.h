/* SPDX-License-Identifier: Apache-2.0
 *
 * What is held of a program, and the environment that it is started with.
 */
#ifndef IB_HOLD_PLAN_H
#define IB_HOLD_PLAN_H

#include "base/mem.h"
#include "base/value.h"

/* X(name, text, held by default, what it holds) */
#define IB_HOLD_LIST(X)                                                                                      \
    X(SEEDS, "seeds", true, "random, NumPy, TensorFlow, PyTorch and unseeded generators, by name")           \
    X(DETERMINISM, "determinism", true, "op determinism of TensorFlow, deterministic algorithms of PyTorch") \
    X(HASH, "hash", true, "hash() of text in Python, and so the order of sets")                              \
    X(ENTROPY, "entropy", true, "getrandom, /dev/urandom, std::random_device of C and C++ code")             \
    X(ADDRESSES, "addresses", true, "addresses of memory, and so hashes of objects")                         \
    X(ORDER, "order", true, "the order of names in folders")                                                 \
    X(WORKERS, "workers", true, "results of parallel workers, in the order of their start")                  \
    X(THREADS, "threads", true, "numbers of threads, and the CPUs that may be used")                         \
    X(ISA, "isa", true, "oneDNN switched on, its instruction set as it is here")                             \
    X(WATCH, "watch", true, "nothing: sees programs that ask the kernel for entropy past the hold")          \
    X(TIME, "time", false, "the wall clock: it begins at a fixed time and passes with each look and sleep")  \
    X(SECRETS, "secrets", false, "secrets, uuid, tempfile: tokens and names that others can then foresee")

typedef enum ib_held {
#define X(name, text, by_default, what) IB_HOLD_##name,
    IB_HOLD_LIST(X)
#undef X
        IB_HOLD_COUNT
} ib_held;

const char *ib__hold_name(ib_held held);
const char *ib__hold_what(ib_held held);

/* How one execution differs from the recorded one, for verify --vary. */
typedef struct ib_variation {
    size_t threads;  /* 0: as recorded */
    const char *isa; /* NULL: as recorded; "onednn-off", "avx2", "sse41" */
    bool hashseed;   /* another hash seed */
    bool order;      /* folders backwards */
    bool time;       /* the clock a day later */
    bool cwd;        /* in another folder */
    bool addresses;  /* not fixed */
} ib_variation;

typedef struct ib_hold_plan {
    bool held[IB_HOLD_COUNT];
    uint64_t seed;
    size_t every;   /* digests at powers of two and each so many steps; 0: none */
    size_t threads; /* the number that is pinned */
} ib_hold_plan;

/* list: NULL, or names to hold, "none", "all"; names with a + or - before them change the default. */
ib_status ib__hold_plan_init(ib_hold_plan *plan, const char *list, ib_error *err);
/* The held names as a list of text, and back from a record. */
ib_value *ib__hold_plan_names(const ib_hold_plan *plan);

/* ---- Lists of NAME=VALUE ---- */

typedef struct ib_variables {
    ib_arena arena;
    char **entries; /* NULL at the end */
    size_t count, capacity;
    bool failed;
} ib_variables;

void ib__variables_copy(ib_variables *env, char *const *from);
void ib__variables_set(ib_variables *env, const char *name, const char *value); /* NULL: unset */
const char *ib__variables_get(const ib_variables *env, const char *name);
void ib__variables_free(ib_variables *env);

/* Does a variable or argument of this name, or one with this value, look like a credential? */
bool ib__looks_secret(const char *name, const char *value);

/* Where the hook (a folder for PYTHONPATH) and the preload library are. An empty path: it is not installed.
 */
typedef struct ib_hold_files {
    char hook[4096];
    char preload[4096];
} ib_hold_files;
ib_status ib__hold_files(ib_hold_files *out, ib_error *err);

/* Changes env for a held program. events: absolute path of the folder for event files; skip: more folders
 * whose files are not written down ("a:b"). */
ib_status ib__hold_plan_env(const ib_hold_plan *plan, const ib_variation *variation,
                            const ib_hold_files *files, const char *events, const char *skip,
                            ib_variables *env, ib_error *err);
/* Is this variable set by ib__hold_plan_env for the supervisor's own use? Such ones are in no record. */
bool ib__hold_own_variable(const char *name);

#endif
