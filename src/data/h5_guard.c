/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds and checks for libhdf5 in a child process.
 */
#include "data/h5_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Sanitizers map terabytes for their own use: a limit on the address space would stop them at once. clang
 * says so by __has_feature, gcc by macros. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IB_SHADOW_MEMORY 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IB_SHADOW_MEMORY 1
#endif
#ifndef IB_SHADOW_MEMORY
#define IB_SHADOW_MEMORY 0
#endif

/* The memory that this process has already, so that the bound on the child counts what it adds. */
static size_t memory_now(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long long pages = 0;
    if (!file) return 0;
    int got = fscanf(file, "%llu", &pages);
    fclose(file);
    return got == 1 ? (size_t)pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static void set_limits(size_t memory, unsigned seconds) {
    struct rlimit none = {0, 0}, cpu = {seconds, seconds};
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_FSIZE, &none);
    if (seconds > 0) setrlimit(RLIMIT_CPU, &cpu);
    size_t now = memory_now();
    if (IB_SHADOW_MEMORY || now == 0) return;
    rlim_t bytes = (rlim_t)(now + memory);
    struct rlimit space = {bytes, bytes};
    setrlimit(RLIMIT_AS, &space);
}

void ib__h5_enter_child(size_t memory, unsigned seconds) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int s = 1; s < 32; s++)
        if (s != SIGKILL && s != SIGSTOP) (void)signal(s, SIG_DFL);
    int null = open("/dev/null", O_WRONLY);
    if (null >= 0) {
        dup2(null, 1);
        dup2(null, 2);
    }
    set_limits(memory, seconds);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
}

void ib__h5_allow(unsigned seconds) {
    struct rusage used;
    struct rlimit cpu;
    if (getrusage(RUSAGE_SELF, &used) != 0 || getrlimit(RLIMIT_CPU, &cpu) != 0) return;
    rlim_t until = (rlim_t)used.ru_utime.tv_sec + (rlim_t)used.ru_stime.tv_sec + seconds;
    cpu.rlim_cur = until < cpu.rlim_max ? until : cpu.rlim_max;
    setrlimit(RLIMIT_CPU, &cpu);
}

ib_h5_state ib__h5_check_links(hid_t file, const char *path, char found[IB_H5_FOUND]) {
    char part[1024];
    size_t length = strlen(path);
    if (length >= sizeof part) return IB_H5_MISSING;
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i]) continue;
        memcpy(part, path, i);
        part[i] = 0;
        H5L_info_t link;
        if (H5Lexists(file, part, H5P_DEFAULT) <= 0) return IB_H5_MISSING;
        if (H5Lget_info(file, part, &link, H5P_DEFAULT) < 0) return IB_H5_MISSING;
        if (link.type != H5L_TYPE_HARD) {
            snprintf(found, IB_H5_FOUND, "a link to another place");
            return IB_H5_REFUSED;
        }
        if (!path[i]) break;
    }
    return IB_H5_READ;
}

bool ib__h5_plain_storage(hid_t set, char found[IB_H5_FOUND]) {
    hid_t list = H5Dget_create_plist(set);
    if (list < 0) return false;
    if (H5Pget_layout(list) == H5D_VIRTUAL || H5Pget_external_count(list) != 0) {
        snprintf(found, IB_H5_FOUND, "data in another file");
        return false;
    }
    int filters = H5Pget_nfilters(list);
    for (int i = 0; i < filters; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t filter = H5Pget_filter2(list, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32) {
            snprintf(found, IB_H5_FOUND, "data behind filter %d", (int)filter);
            return false;
        }
    }
    return true;
}

void ib__h5_clean(char found[IB_H5_FOUND], const char *words) {
    memcpy(found, words, IB_H5_FOUND);
    found[IB_H5_FOUND - 1] = 0;
    for (char *c = found; *c; c++)
        if (*c < ' ' || *c > '~') *c = '?';
}
