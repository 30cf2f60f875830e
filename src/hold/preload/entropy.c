/* SPDX-License-Identifier: Apache-2.0
 *
 * Entropy. A request is answered from a stream that is named by the seed, the process, the thread, the
 * library that asks and the function it calls: another library's request shifts nothing. Cryptographic
 * libraries and whoever makes temporary names always get real entropy.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hold.h"

#define FILE_BYTES ((size_t)1 << 20)

/* SplitMix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
uint64_t ib_mix(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* FNV-1a, mixed. */
uint64_t ib_hash(uint64_t start, const char *text) {
    uint64_t h = start ^ UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return ib_mix(h);
}

void ib_stream_bytes(uint64_t key, uint64_t position, void *out, size_t n) {
    unsigned char *bytes = out;
    for (size_t i = 0; i < n; i++) {
        uint64_t at = position + i;
        uint64_t word = ib_mix(key + (at / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15));
        bytes[i] = (unsigned char)(word >> (8 * (at % 8)));
    }
}

/* ---- Who asks ---- */

/* Libraries that make keys or temporary names; the beginning of the file's name. */
static const char *const never[] = {"libcrypto", "libssl",    "libgnutls", "libgcrypt", "libnss",
                                    "libfreebl", "libsodium", "libuuid",   "libmbed",   "libkrb5",
                                    "libk5",     "libssh",    "_rust.",    "cygrpc",    "_ssl.",
                                    "_hashlib.", "ssh",       "gpg",       "openssl",   "libwolfssl",
                                    "libbotan",  "_sodium",   "libapt",    "sudo",      "curl"};

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool may_hold(const char *library) {
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strncmp(library, never[i], strlen(never[i])) == 0) return false;
    return true;
}

/* A place in the program that asks for entropy, and how far its stream has gone. */
typedef struct site {
    uint64_t id; /* 0: free */
    _Atomic uint64_t position;
} site;
#define SITES 4096
static site sites[SITES];
static atomic_flag sites_lock = ATOMIC_FLAG_INIT;

static site *find_site(uint64_t id) {
    site *found = NULL;
    while (atomic_flag_test_and_set(&sites_lock))
        ;
    for (size_t i = 0; i < SITES && found == NULL; i++) {
        site *s = &sites[(id + i) % SITES];
        if (s->id == 0) s->id = id;
        if (s->id == id) found = s;
    }
    atomic_flag_clear(&sites_lock);
    return found != NULL ? found : &sites[0];
}

bool ib_entropy_held(const char *source, void *caller, uint64_t *key) {
    const ib_hold *hold = ib_state();
    Dl_info info = {0};
    if (!hold->on) return false;
    int known = dladdr(caller, &info);
    const char *path = known != 0 && info.dli_fname != NULL ? info.dli_fname : "unknown";
    const char *library = base_name(path);
    bool held = hold->entropy && may_hold(library);
    *key = ib_hash(ib_hash(ib_hash(ib_hash(hold->seed, hold->process), library), source) ^ ib_thread(),
                   "isobit entropy 1");
    const char *symbol = info.dli_sname != NULL ? info.dli_sname : "";
    if (ib_first_time(ib_hash(ib_hash(ib_hash(1, path), symbol), source) ^ (uint64_t)hold->pid)) {
        ib_line line;
        ib_line_begin(&line, "entropy");
        ib_line_text(&line, "source", source);
        ib_line_text(&line, "by", path);
        ib_line_text(&line, "at", symbol);
        ib_line_int(&line, "held", held);
        ib_line_write(&line);
    }
    return held;
}

bool ib_entropy_fill(const char *source, void *caller, void *out, size_t n) {
    uint64_t key;
    if (!ib_entropy_held(source, caller, &key)) return false;
    site *s = find_site(key);
    ib_stream_bytes(key, atomic_fetch_add(&s->position, n), out, n);
    return true;
}

ssize_t ib_real_entropy(void *out, size_t n, unsigned flags) {
    return (ssize_t)REAL(syscall)(SYS_getrandom, out, n, flags, IB_WATCH_MARK);
}

/* ---- The functions that programs call ---- */

IB_EXPORT ssize_t getrandom(void *buf, size_t n, unsigned flags) {
    if (ib_entropy_fill("getrandom", __builtin_return_address(0), buf, n)) return (ssize_t)n;
    return ib_real_entropy(buf, n, flags);
}

static int fill_real(void *buf, size_t n) {
    unsigned char *at = buf;
    while (n > 0) {
        ssize_t got = ib_real_entropy(at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return -1;
        at += got;
        n -= (size_t)got;
    }
    return 0;
}

IB_EXPORT int getentropy(void *buf, size_t n) {
    if (n > 256) {
        errno = EIO;
        return -1;
    }
    if (ib_entropy_fill("getentropy", __builtin_return_address(0), buf, n)) return 0;
    return fill_real(buf, n);
}

IB_EXPORT void arc4random_buf(void *buf, size_t n);
IB_EXPORT uint32_t arc4random(void);
IB_EXPORT uint32_t arc4random_uniform(uint32_t limit);

static void arc4random_fill(void *caller, void *buf, size_t n) {
    if (!ib_entropy_fill("arc4random", caller, buf, n) && fill_real(buf, n) != 0) abort();
}

void arc4random_buf(void *buf, size_t n) {
    arc4random_fill(__builtin_return_address(0), buf, n);
}

uint32_t arc4random(void) {
    uint32_t value = 0;
    arc4random_fill(__builtin_return_address(0), &value, sizeof value);
    return value;
}

uint32_t arc4random_uniform(uint32_t limit) {
    uint64_t value = 0;
    arc4random_fill(__builtin_return_address(0), &value, sizeof value);
    return limit > 0 ? (uint32_t)(value % limit) : 0;
}

/* unsigned std::random_device::_M_getval(). Without a hold libstdc++'s own. */
IB_EXPORT unsigned random_device_value(void *self) __asm__("_ZNSt13random_device9_M_getvalEv");
unsigned random_device_value(void *self) {
    static void *slot;
    unsigned value = 0;
    if (ib_entropy_fill("std::random_device", __builtin_return_address(0), &value, sizeof value))
        return value;
    unsigned (*real)(void *) = (unsigned (*)(void *))ib_next(&slot, "_ZNSt13random_device9_M_getvalEv");
    if (real != NULL) return real(self);
    return fill_real(&value, sizeof value) == 0 ? value : 0;
}

/* Whoever asks by syscall() is answered like everyone else; other calls pass through. */
IB_EXPORT long syscall(long number, ...) {
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_getrandom) {
        void *buf = (void *)a[0];
        size_t n = (size_t)a[1];
        if (ib_entropy_fill("syscall(getrandom)", __builtin_return_address(0), buf, n)) return (long)n;
        return ib_real_entropy(buf, n, (unsigned)a[2]);
    }
    return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- /dev/urandom and /dev/random ---- */

/* Our stream files, by inode: read() fills them anew when a program reads past the end. */
typedef struct stream_file {
    _Atomic ino_t inode;
    dev_t device;
    uint64_t key;
    _Atomic uint64_t position;
} stream_file;
#define FILES 64
static stream_file files[FILES];
static atomic_uint n_files;

static bool fill_file(int file, stream_file *f) {
    uint64_t at = atomic_fetch_add(&f->position, FILE_BYTES);
    unsigned char block[4096];
    for (size_t i = 0; i < FILE_BYTES; i += sizeof block) {
        ib_stream_bytes(f->key, at + i, block, sizeof block);
        if (pwrite(file, block, sizeof block, (off_t)i) != (ssize_t)sizeof block) return false;
    }
    return lseek(file, 0, SEEK_SET) == 0;
}

/* Each opening has a stream of its own, so the n-th opening by one caller is always the same one. */
int ib_stream_file(const char *source, void *caller) {
    uint64_t key;
    struct stat st;
    if (!ib_entropy_held(source, caller, &key)) return -1;
    unsigned i = atomic_fetch_add(&n_files, 1);
    stream_file *f = &files[i % FILES];
    int file = memfd_create("isobit-stream", MFD_CLOEXEC);
    if (file < 0 || fstat(file, &st) != 0) return -1;
    f->key = ib_mix(key + atomic_fetch_add(&find_site(key)->position, 1) + 1);
    f->device = st.st_dev;
    atomic_store(&f->position, 0);
    atomic_store(&f->inode, st.st_ino);
    if (fill_file(file, f)) return file;
    close(file);
    return -1;
}

IB_EXPORT ssize_t read(int file, void *buf, size_t n) {
    ssize_t got = REAL(read)(file, buf, n);
    struct stat st;
    if (got != 0 || n == 0 || atomic_load(&n_files) == 0 || fstat(file, &st) != 0) return got;
    for (size_t i = 0; i < FILES; i++) {
        if (atomic_load(&files[i].inode) != st.st_ino || files[i].device != st.st_dev) continue;
        if (fill_file(file, &files[i])) return REAL(read)(file, buf, n);
    }
    return got;
}
