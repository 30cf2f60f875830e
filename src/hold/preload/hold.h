/* SPDX-License-Identifier: Apache-2.0
 *
 * The preload library of `isobit record`: it stands before libc in the recorded program and its children,
 * answers requests for entropy from named streams, sorts folders, may set the clock, and writes down what the
 * program asked for. It uses libc alone, allocates nothing after its start, and never ends the program.
 */
#ifndef IB_HOLD_PRELOAD_H
#define IB_HOLD_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IB_EXPORT __attribute__((visibility("default")))

/* The next definition of a function, which is libc's: REAL(getrandom)(buf, n, flags). */
void *ib_next(void **slot, const char *name);
#define REAL(name)                                                                                           \
    ({                                                                                                       \
        static void *slot_;                                                                                  \
        (__typeof__(&name))ib_next(&slot_, #name);                                                           \
    })

typedef enum ib_order { IB_ORDER_AS_IS, IB_ORDER_SORTED, IB_ORDER_REVERSED } ib_order;
typedef enum ib_clock { IB_CLOCK_AS_IS, IB_CLOCK_FIXED, IB_CLOCK_SHIFTED } ib_clock;

typedef struct ib_hold {
    bool on;      /* this process is recorded */
    bool entropy; /* requests for entropy are answered from streams */
    ib_order order;
    ib_clock clock;
    int64_t clock_ns; /* fixed: the first time; shifted: what is added */
    uint64_t seed;
    char process[256]; /* path of process creation, "0.2.1" */
    char events[4096]; /* folder of the event files */
    char skip[8192];   /* "/usr/lib:/proc:..." files below these are not written down */
    pid_t pid;         /* of the process that the above describes */
    bool announced;    /* its first line was written */
} ib_hold;

/* The state, read from the environment at the first call. */
ib_hold *ib_state(void);
/* Writes the line that says which process this is. */
void ib_announce(void);
/* The number of the next child process, counted from 1. */
unsigned ib_next_child(void);
/* A number that names the calling thread by the way threads were created. */
uint64_t ib_thread(void);

/* ---- Events (event.c): lines of JSON in the file EVENTS/PID ---- */

typedef struct ib_line {
    char text[8192];
    size_t n;
} ib_line;
void ib_line_begin(ib_line *line, const char *event); /* {"e":"event" */
void ib_line_text(ib_line *line, const char *key, const char *value);
void ib_line_int(ib_line *line, const char *key, long long value);
void ib_line_write(ib_line *line);
/* True the first time that it is asked for this number in this process. */
bool ib_first_time(uint64_t number);

/* ---- Hashes and streams ---- */

uint64_t ib_mix(uint64_t x);
uint64_t ib_hash(uint64_t start, const char *text);

/* Answers a request from `caller` for n bytes: from the caller's stream, and true; or false, and the caller
 * must get real entropy. Writes the request down. */
bool ib_entropy_fill(const char *source, void *caller, void *out, size_t n);
/* The same question without an answer: will it be held? Writes the request down. */
bool ib_entropy_held(const char *source, void *caller, uint64_t *key);
/* Bytes of a stream from a position on. */
void ib_stream_bytes(uint64_t key, uint64_t position, void *out, size_t n);
/* A file that holds a stream, for a program that opens /dev/urandom; -1: none. */
int ib_stream_file(const char *source, void *caller);

/* The system call getrandom, marked so that the supervisor's watch lets it pass. */
ssize_t ib_real_entropy(void *out, size_t n, unsigned flags);
/* The fourth argument of marked calls; the kernel looks at three. */
#define IB_WATCH_MARK 0x69736f626974L

#endif
