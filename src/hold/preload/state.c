/* SPDX-License-Identifier: Apache-2.0
 *
 * What is held in this process, from the variables that the supervisor set:
 *
 *     ISOBIT_HOLD_EVENTS   folder of the event files; without it the library does nothing
 *     ISOBIT_HOLD_SEED     decimal
 *     ISOBIT_HOLD_LAYERS   "entropy,order:sorted,clock:fixed=NANOSECONDS": what this library holds
 *     ISOBIT_HOLD_PROCESS  path of process creation; ISOBIT_HOLD_OWNER the process that has it (0: the
 * reader) ISOBIT_HOLD_SKIP     folders whose files are not written down
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hold.h"

static ib_hold state;
static atomic_int ready; /* 0: not read, 1: being read, 2: read */
static atomic_uint children;

void *ib_next(void **slot, const char *name) {
    void *found = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (found == NULL) {
        found = dlsym(RTLD_NEXT, name);
        __atomic_store_n(slot, found, __ATOMIC_RELEASE);
    }
    return found;
}

static void copy(char *out, size_t size, const char *text) {
    size_t n = text != NULL ? strnlen(text, size - 1) : 0;
    if (n > 0) memcpy(out, text, n);
    out[n] = '\0';
}

static bool word_is(const char *word, size_t n, const char *text) {
    return strlen(text) == n && memcmp(word, text, n) == 0;
}

static void read_layers(const char *layers) {
    for (const char *at = layers; at != NULL && *at != '\0';) {
        size_t n = strcspn(at, ",");
        if (word_is(at, n, "entropy")) state.entropy = true;
        if (word_is(at, n, "order:sorted")) state.order = IB_ORDER_SORTED;
        if (word_is(at, n, "order:reversed")) state.order = IB_ORDER_REVERSED;
        if (strncmp(at, "clock:fixed=", 12) == 0) {
            state.clock = IB_CLOCK_FIXED;
            state.clock_ns = strtoll(at + 12, NULL, 10);
        } else if (strncmp(at, "clock:shifted=", 14) == 0) {
            state.clock = IB_CLOCK_SHIFTED;
            state.clock_ns = strtoll(at + 14, NULL, 10);
        }
        at += n + (at[n] == ',');
    }
}

/* A process that nobody gave a path (system(), a clone that no wrapper saw) takes the next free one below the
 * path that it inherited: who makes the file "PATH.sN" first has it. */
static void claim_path(const char *inherited) {
    for (unsigned i = 1; i < 10000; i++) {
        char file[4600];
        snprintf(state.process, sizeof state.process, "%.200s.s%u", inherited, i);
        snprintf(file, sizeof file, "%s/claim-%s", state.events, state.process);
        if (mkdir(file, 0700) == 0) return;
    }
}

void ib_announce(void) {
    char exe[4096];
    state.announced = true;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    ib_line line;
    ib_line_begin(&line, "process");
    ib_line_text(&line, "path", state.process);
    ib_line_int(&line, "pid", state.pid);
    ib_line_int(&line, "parent", getppid());
    ib_line_text(&line, "exe", exe);
    ib_line_write(&line);
}

static void read_state(void) {
    const char *events = getenv("ISOBIT_HOLD_EVENTS"), *process = getenv("ISOBIT_HOLD_PROCESS");
    const char *owner = getenv("ISOBIT_HOLD_OWNER"), *seed = getenv("ISOBIT_HOLD_SEED");
    if (events == NULL || *events == '\0' || process == NULL || strlen(events) > 4000) return;
    copy(state.events, sizeof state.events, events);
    copy(state.skip, sizeof state.skip, getenv("ISOBIT_HOLD_SKIP"));
    state.seed = seed != NULL ? strtoull(seed, NULL, 10) : 0;
    state.pid = getpid();
    read_layers(getenv("ISOBIT_HOLD_LAYERS"));
    long owned = owner != NULL ? strtol(owner, NULL, 10) : 0;
    if (owned == 0 || owned == state.pid)
        copy(state.process, sizeof state.process, process);
    else
        claim_path(process);
}

ib_hold *ib_state(void) {
    int expected = 0;
    if (atomic_load(&ready) == 2) return &state;
    if (atomic_compare_exchange_strong(&ready, &expected, 1)) {
        read_state();
        state.on = state.events[0] != '\0';
        atomic_store(&ready, 2);
        if (state.on) ib_announce();
    }
    return &state;
}

unsigned ib_next_child(void) {
    return atomic_fetch_add(&children, 1) + 1;
}

/* ---- fork: the child's path is known to the parent before it forks ---- */

static pthread_mutex_t forking = PTHREAD_MUTEX_INITIALIZER;
static unsigned child_number;

static void before_fork(void) {
    pthread_mutex_lock(&forking);
    child_number = ib_next_child();
}

static void after_fork_parent(void) {
    pthread_mutex_unlock(&forking);
}

static void after_fork_child(void) {
    size_t n = strlen(state.process);
    pthread_mutex_unlock(&forking);
    snprintf(state.process + n, sizeof state.process - n, ".%u", child_number);
    state.pid = getpid();
    state.announced = false;
    atomic_store(&children, 0);
}

/* Children that no wrapper sees inherit these two. Nobody else runs yet. */
__attribute__((constructor)) static void begin(void) {
    char number[32];
    if (!ib_state()->on) return;
    snprintf(number, sizeof number, "%ld", (long)state.pid);
    setenv("ISOBIT_HOLD_PROCESS", state.process, 1);
    setenv("ISOBIT_HOLD_OWNER", number, 1);
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* For the start-up hook: names its streams and lines by the same path. */
IB_EXPORT const char *isobit_hold_process(void);
const char *isobit_hold_process(void) {
    return ib_state()->process;
}
