/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads and processes: each gets a name by the way it was created, and a child that is started with an
 * environment of its own stays held.
 */
#include <alloca.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hold.h"

extern char **environ;

/* ---- Threads ---- */

typedef struct start {
    void *(*run)(void *);
    void *argument;
    uint64_t thread;
} start;

static __thread uint64_t thread_id __attribute__((tls_model("initial-exec"))) = 1;
static __thread uint64_t threads_made __attribute__((tls_model("initial-exec")));

uint64_t ib_thread(void) {
    return thread_id;
}

static void *begin_thread(void *argument) {
    start s = *(start *)argument;
    free(argument);
    thread_id = s.thread;
    return s.run(s.argument);
}

IB_EXPORT int pthread_create(pthread_t *restrict out, const pthread_attr_t *restrict attributes,
                             void *(*run)(void *), void *restrict argument) {
    start *s = ib_state()->on ? malloc(sizeof *s) : NULL;
    if (s == NULL) return REAL(pthread_create)(out, attributes, run, argument);
    *s = (start){run, argument, ib_mix(thread_id * UINT64_C(0x9e3779b97f4a7c15) + ++threads_made)};
    int result = REAL(pthread_create)(out, attributes, begin_thread, s);
    if (result != 0) free(s);
    return result;
}

/* ---- The environment of a new program ---- */

static const char *const carried[] = {"ISOBIT_HOLD_EVENTS", "ISOBIT_HOLD_SEED", "ISOBIT_HOLD_LAYERS",
                                      "ISOBIT_HOLD_SKIP",   "ISOBIT_HOLD_HOOK", "ISOBIT_HOLD_NAMES",
                                      "ISOBIT_HOLD_EVERY",  "PYTHONHASHSEED"};
/* Lists whose first item is ours, and the separator. */
static const char *const lists[] = {"LD_PRELOAD", "PYTHONPATH"};
#define N_CARRIED (sizeof carried / sizeof *carried)
#define N_LISTS (sizeof lists / sizeof *lists)
#define N_ADDED (N_CARRIED + N_LISTS + 2)

static const char *entry_of(char *const *env, const char *name) {
    size_t n = strlen(name);
    for (; env != NULL && *env != NULL; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=') return *env;
    return NULL;
}

static size_t count_of(char *const *env) {
    size_t n = 0;
    while (env != NULL && env[n] != NULL)
        n++;
    return n;
}

static bool is_named(const char *entry, const char *name) {
    size_t n = strlen(name);
    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

/* Bytes for the texts that put_environment writes. */
static size_t environment_bytes(char *const *env) {
    size_t n = sizeof ib_state()->process + 128;
    for (size_t i = 0; i < N_LISTS; i++) {
        const char *theirs = entry_of(env, lists[i]), *ours = entry_of(environ, lists[i]);
        n += (theirs != NULL ? strlen(theirs) : 0) + (ours != NULL ? strlen(ours) : 0) + 2;
    }
    return n;
}

/* The first item of our own list before theirs, unless it is there: "NAME=ours:theirs". */
static char *merge_list(char **text, const char *name, const char *theirs, const char *ours) {
    size_t n = strlen(name) + 1, first = strcspn(ours + n, ":");
    const char *value = theirs != NULL ? theirs + n : "";
    char *out = *text;
    if (strncmp(value, ours + n, first) == 0)
        *text += sprintf(out, "%s=%s", name, value) + 1;
    else
        *text +=
            sprintf(out, "%s=%.*s%s%s", name, (int)first, ours + n, *value != '\0' ? ":" : "", value) + 1;
    return out;
}

/* Fills out (count + N_ADDED + 1 entries) with env as a held child needs it. owner: the process that the path
 * belongs to; 0: whoever reads it first. Called between fork and exec, too: no allocation, no lock. */
static void put_environment(char **out, char *text, char *const *env, const char *process, long owner) {
    size_t n = 0;
    for (char *const *at = env; *at != NULL; at++) {
        bool ours = is_named(*at, "ISOBIT_HOLD_PROCESS") || is_named(*at, "ISOBIT_HOLD_OWNER");
        for (size_t i = 0; i < N_LISTS; i++)
            if (entry_of(environ, lists[i]) != NULL) ours = ours || is_named(*at, lists[i]);
        for (size_t i = 0; i < N_CARRIED && !ours; i++)
            ours = is_named(*at, carried[i]) && entry_of(environ, carried[i]) != NULL;
        if (!ours) out[n++] = *at;
    }
    for (size_t i = 0; i < N_CARRIED; i++) {
        const char *entry = entry_of(environ, carried[i]);
        if (entry != NULL) out[n++] = (char *)entry;
    }
    out[n++] = text;
    text += sprintf(text, "ISOBIT_HOLD_PROCESS=%s", process) + 1;
    out[n++] = text;
    text += sprintf(text, "ISOBIT_HOLD_OWNER=%ld", owner) + 1;
    for (size_t i = 0; i < N_LISTS; i++) {
        const char *ours = entry_of(environ, lists[i]);
        if (ours != NULL) out[n++] = merge_list(&text, lists[i], entry_of(env, lists[i]), ours);
    }
    out[n] = NULL;
}

/* ---- exec ---- */

/* A program without an interpreter segment is static: the preload library is not in it. */
static void note_static(const char *path) {
    unsigned char head[4096];
    int file = REAL(open)(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = file >= 0 ? REAL(read)(file, head, sizeof head) : 0;
    if (file >= 0) close(file);
    Elf64_Ehdr elf;
    if (n < (ssize_t)sizeof elf || memcmp(head, ELFMAG, SELFMAG) != 0 || head[EI_CLASS] != ELFCLASS64) return;
    memcpy(&elf, head, sizeof elf);
    for (size_t i = 0; i < elf.e_phnum; i++) {
        Elf64_Phdr part;
        size_t at = elf.e_phoff + i * sizeof part;
        if (at + sizeof part > (size_t)n) return;
        memcpy(&part, head + at, sizeof part);
        if (part.p_type == PT_INTERP) return;
    }
    ib_line line;
    ib_line_begin(&line, "static");
    ib_line_text(&line, "exe", path);
    ib_line_write(&line);
}

/* The path for the program that this process becomes: after vfork the child's number is given here, because
 * the child runs in its parent's memory, once, however many places it tries to find the program in; a program
 * that replaces itself gets an x. */
static void path_for_exec(char out[300]) {
    static _Atomic pid_t child;
    static _Atomic unsigned number;
    const ib_hold *hold = ib_state();
    pid_t self = getpid();
    if (self == hold->pid) {
        snprintf(out, 300, "%sx", hold->process);
        return;
    }
    if (child != self) {
        child = self;
        number = ib_next_child();
    }
    snprintf(out, 300, "%s.%u", hold->process, number);
}

#define WITH_HELD_ENVIRONMENT(call)                                                                          \
    do {                                                                                                     \
        char process[300];                                                                                   \
        path_for_exec(process);                                                                              \
        char **held = alloca((count_of(env) + N_ADDED + 1) * sizeof(char *));                                \
        char *text = alloca(environment_bytes(env));                                                         \
        put_environment(held, text, env, process, (long)getpid());                                           \
        return (call);                                                                                       \
    } while (0)

static char *const none[] = {NULL};

IB_EXPORT int execve(const char *path, char *const argv[], char *const env[]) {
    if (env == NULL) env = none;
    if (!ib_state()->on) return REAL(execve)(path, argv, env);
    note_static(path);
    WITH_HELD_ENVIRONMENT(REAL(execve)(path, argv, held));
}

IB_EXPORT int execvpe(const char *file, char *const argv[], char *const env[]) {
    if (env == NULL) env = none;
    if (!ib_state()->on) return REAL(execvpe)(file, argv, env);
    if (strchr(file, '/') != NULL) note_static(file);
    WITH_HELD_ENVIRONMENT(REAL(execvpe)(file, argv, held));
}

IB_EXPORT int fexecve(int file, char *const argv[], char *const env[]) {
    if (env == NULL) env = none;
    if (!ib_state()->on) return REAL(fexecve)(file, argv, env);
    WITH_HELD_ENVIRONMENT(REAL(fexecve)(file, argv, held));
}

IB_EXPORT int execv(const char *path, char *const argv[]) {
    return execve(path, argv, environ);
}

IB_EXPORT int execvp(const char *file, char *const argv[]) {
    return execvpe(file, argv, environ);
}

/* The words of execl and its kin up to NULL; with_env: the environment follows. */
#define COLLECT_WORDS(first)                                                                                 \
    va_list list;                                                                                            \
    size_t n = 1;                                                                                            \
    va_start(list, first);                                                                                   \
    while (va_arg(list, char *) != NULL)                                                                     \
        n++;                                                                                                 \
    va_end(list);                                                                                            \
    char **argv = alloca((n + 1) * sizeof(char *));                                                          \
    argv[0] = (char *)(first);                                                                               \
    va_start(list, first);                                                                                   \
    for (size_t i = 1; i <= n; i++)                                                                          \
        argv[i] = va_arg(list, char *);

IB_EXPORT int execl(const char *path, const char *first, ...) {
    COLLECT_WORDS(first)
    va_end(list);
    return execve(path, argv, environ);
}

IB_EXPORT int execlp(const char *file, const char *first, ...) {
    COLLECT_WORDS(first)
    va_end(list);
    return execvpe(file, argv, environ);
}

IB_EXPORT int execle(const char *path, const char *first, ...) {
    COLLECT_WORDS(first)
    char *const *env = va_arg(list, char *const *);
    va_end(list);
    return execve(path, argv, env);
}

/* ---- posix_spawn: the parent numbers its child ---- */

#define DEFINE_SPAWN(name)                                                                                   \
    IB_EXPORT int name(pid_t *restrict pid, const char *restrict path,                                       \
                       const posix_spawn_file_actions_t *restrict actions,                                   \
                       const posix_spawnattr_t *restrict attributes, char *const argv[restrict],             \
                       char *const env[restrict]) {                                                          \
        char *const *given = env != NULL ? env : none;                                                       \
        if (!ib_state()->on) return REAL(name)(pid, path, actions, attributes, argv, env);                   \
        if (strchr(path, '/') != NULL) note_static(path);                                                    \
        char process[300];                                                                                   \
        snprintf(process, sizeof process, "%s.%u", ib_state()->process, ib_next_child());                    \
        char **held = alloca((count_of(given) + N_ADDED + 1) * sizeof(char *));                              \
        char *text = alloca(environment_bytes(given));                                                       \
        put_environment(held, text, given, process, 0);                                                      \
        return REAL(name)(pid, path, actions, attributes, argv, held);                                       \
    }
DEFINE_SPAWN(posix_spawn)
DEFINE_SPAWN(posix_spawnp)

/* ---- Ends ---- */

static void note_end(const char *how, int code) {
    if (!ib_state()->on || getpid() != ib_state()->pid) return;
    ib_line line;
    ib_line_begin(&line, "end");
    ib_line_text(&line, "how", how);
    if (code >= 0) ib_line_int(&line, "code", code);
    ib_line_write(&line);
}

__attribute__((destructor)) static void end(void) {
    note_end("exit", -1);
}

IB_EXPORT _Noreturn void _exit(int code) {
    note_end("_exit", code & 255);
    ((void (*)(int))REAL(_exit))(code);
    __builtin_unreachable();
}

IB_EXPORT _Noreturn void _Exit(int code) {
    _exit(code);
}
