/* SPDX-License-Identifier: Apache-2.0
 *
 * Event lines. Each is one write to a file opened for appending, so that a line is there or not however the
 * program ends, and so that a program that closes all its files does not close ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hold.h"

static void put(ib_line *line, const char *text) {
    size_t n = strlen(text), room = sizeof line->text - 3 - line->n;
    if (n > room) return;
    memcpy(line->text + line->n, text, n);
    line->n += n;
}

/* The length of the UTF-8 sequence at p, 0: none. */
static size_t sequence(const unsigned char *p) {
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : 0;
    if (p[0] >= 0xf0 && p[0] < 0xf5) n = 4;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (n == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0))) return 0;
    if (n == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))) return 0;
    return n;
}

/* A JSON string; a byte that is no UTF-8 becomes the text \xNN; what does not fit is cut. */
static void put_string(ib_line *line, const char *text) {
    put(line, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        char piece[8];
        size_t n = sequence(p);
        if (n == 0)
            snprintf(piece, sizeof piece, "\\\\x%02x", *p);
        else if (*p == '"' || *p == '\\')
            snprintf(piece, sizeof piece, "\\%c", *p);
        else if (*p < 0x20)
            snprintf(piece, sizeof piece, "\\u%04x", *p);
        else
            snprintf(piece, sizeof piece, "%.*s", (int)n, (const char *)p);
        if (line->n + 16 > sizeof line->text) break;
        put(line, piece);
        p += n > 0 ? n : 1;
    }
    put(line, "\"");
}

void ib_line_begin(ib_line *line, const char *event) {
    line->n = 0;
    put(line, "{\"e\":");
    put_string(line, event);
}

void ib_line_text(ib_line *line, const char *key, const char *value) {
    if (line->n + strlen(key) + 32 > sizeof line->text) return;
    put(line, ",");
    put_string(line, key);
    put(line, ":");
    put_string(line, value);
}

void ib_line_int(ib_line *line, const char *key, long long value) {
    char number[32];
    if (line->n + strlen(key) + 48 > sizeof line->text) return;
    snprintf(number, sizeof number, "%lld", value);
    put(line, ",");
    put_string(line, key);
    put(line, ":");
    put(line, number);
}

/* False where the program has bounded the size of files: past the bound a write would end it by SIGXFSZ. */
static bool may_grow(int file, size_t n) {
    struct rlimit limit;
    struct stat st;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return true;
    return fstat(file, &st) == 0 && (rlim_t)st.st_size + n <= limit.rlim_cur;
}

void ib_line_write(ib_line *line) {
    char path[4200];
    int saved = errno;
    const ib_hold *hold = ib_state();
    if (!hold->announced) ib_announce();
    line->text[line->n++] = '}';
    line->text[line->n++] = '\n';
    snprintf(path, sizeof path, "%s/%ld", hold->events, (long)hold->pid);
    int file = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file >= 0) {
        ssize_t done = may_grow(file, line->n) ? write(file, line->text, line->n) : 0;
        (void)done; /* a full disk is seen by the supervisor */
        close(file);
    }
    errno = saved;
}

/* A set of numbers without locks. When it is full everything is new: lines stand twice, which readers allow.
 */
#define SEEN 16384
static _Atomic uint64_t seen[SEEN];

bool ib_first_time(uint64_t number) {
    if (number == 0) number = 1;
    for (size_t i = 0; i < 64; i++) {
        uint64_t found = 0;
        _Atomic uint64_t *slot = &seen[(number + i) % SEEN];
        if (atomic_compare_exchange_strong(slot, &found, number)) return true;
        if (found == number) return false;
    }
    return true;
}
