/* SPDX-License-Identifier: Apache-2.0
 *
 * The watch: a seccomp filter that reports each getrandom call which the preload library did not mark. The
 * call is always let through: the watch sees, it does not hold.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hold/launch.h"
#include "hold/preload/hold.h"

bool ib__hold_is_tool(const char *exe) {
    const char *slash = strrchr(exe, '/');
    return strcmp(slash != NULL ? slash + 1 : exe, "ldconfig") == 0;
}

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(field))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, skip)
#define GIVE(action) BPF_STMT(BPF_RET | BPF_K, action)
#define MARK_AT offsetof(struct seccomp_data, args[3])

int ib__watch_install(void) {
    struct sock_filter code[] = {
        LOAD(offsetof(struct seccomp_data, arch)),
        UNLESS(ARCHITECTURE, 7),
        LOAD(offsetof(struct seccomp_data, nr)),
        UNLESS(SYS_getrandom, 5),
        LOAD(MARK_AT),
        UNLESS(IB_WATCH_MARK & 0xffffffff, 2),
        LOAD(MARK_AT + 4),
        UNLESS(IB_WATCH_MARK >> 32, 0) /* decides below */,
        GIVE(SECCOMP_RET_ALLOW),
        GIVE(SECCOMP_RET_USER_NOTIF),
    };
    /* Places of the two ends: 8 allows, 9 reports. */
    code[1].jf = 8 - 1 - 1;
    code[3].jf = 8 - 3 - 1;
    code[5].jf = 9 - 5 - 1;
    code[7].jf = 9 - 7 - 1;
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    long watch = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (watch < 0 && errno == EACCES) { /* only root may do it without giving up set-user-ID programs */
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
        watch = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    }
    return (int)watch;
}

/* The file that holds the address in the process; "" when that cannot be known any more. */
static void file_at(char *out, size_t size, unsigned pid, uint64_t address) {
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%u/maps", pid);
    FILE *maps = fopen(path, "re");
    out[0] = '\0';
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        uint64_t first = 0, last = 0;
        int name = 0;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %n", &first, &last, &name) < 2) continue;
        if (address < first || address >= last) continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, size, "%s", name > 0 && line[name] != '\0' ? line + name : "memory of no file");
        break;
    }
    if (maps != NULL) fclose(maps);
}

/* libc asks for itself too: for names of temporary files and for its allocator. */
static bool is_libc(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    return strncmp(name, "libc.so", 7) == 0 || strncmp(name, "libc-2", 6) == 0 ||
           strncmp(name, "ld-", 3) == 0;
}

static void note(ib_launched *out, unsigned pid, uint64_t address) {
    ib_escape found = {.count = 1};
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/exe", pid);
    ssize_t n = readlink(path, found.exe, sizeof found.exe - 1);
    found.exe[n > 0 ? n : 0] = '\0';
    file_at(found.by, sizeof found.by, pid, address);
    if (is_libc(found.by) || ib__hold_is_tool(found.exe)) return;
    for (size_t i = 0; i < out->n_escapes; i++) {
        ib_escape *e = &out->escapes[i];
        if (strcmp(e->exe, found.exe) != 0 || strcmp(e->by, found.by) != 0) continue;
        e->count++;
        return;
    }
    if (out->n_escapes < IB_ESCAPES) out->escapes[out->n_escapes++] = found;
}

void ib__watch_report(int watch, ib_launched *out) {
    struct seccomp_notif request;
    struct seccomp_notif_resp answer;
    memset(&request, 0, sizeof request);
    if (ioctl(watch, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) return;
    note(out, request.pid, request.data.instruction_pointer);
    answer = (struct seccomp_notif_resp){.id = request.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    (void)ioctl(watch, SECCOMP_IOCTL_NOTIF_SEND, &answer); /* the process may have ended meanwhile */
}

#else

int ib__watch_install(void) {
    errno = ENOSYS;
    return -1;
}

void ib__watch_report(int watch, ib_launched *out) {
    (void)watch;
    (void)out;
}

#endif
