/* SPDX-License-Identifier: Apache-2.0
 *
 * What each parser's fuzzer is made of: it defines `parse` and ends with IB_FUZZ(name). Built by tools/fuzz
 * it is a libFuzzer target; as a test it parses what lies in test/fuzz/corpus/name, and each of those files
 * with a few hundred changes, always the same ones.
 */
#ifndef IB_TEST_FUZZ_H
#define IB_TEST_FUZZ_H

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

/* For parsers that take a path: one that holds these bytes, until the next call. NULL: none can be made. */
static inline const char *fuzz_file(const void *bytes, size_t n) {
    static int file = -1;
    static char path[40];
    if (file < 0) file = memfd_create("fuzz", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, bytes, n, 0) != (ssize_t)n) return NULL;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return path;
}

/* The same as a file of a folder, for those who want one, until it is removed. NULL: none can be made. */
static inline const char *fuzz_named(const void *bytes, size_t n, const char *ending) {
    static char path[64];
    (void)snprintf(path, sizeof path, "/tmp/isobit-fuzz-%ld%s", (long)getpid(), ending);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = file >= 0 && write(file, bytes, n) == (ssize_t)n;
    if (file >= 0) close(file);
    return good ? path : NULL;
}

/* An error must say what is wrong. */
static inline void fuzz_check(ib_status status, const ib_error *err) {
    if (status != IB_OK && err->text[0] == '\0') abort();
}

#ifdef IB_FUZZER
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
#define IB_FUZZ(name)                                                                                        \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {                                             \
        parse(bytes, n);                                                                                     \
        return 0;                                                                                            \
    }
#else
#include "random.h"

#ifndef FUZZ_CHANGES
#define FUZZ_CHANGES 60
#endif

/* The bytes in memory of their own, so that a step beyond the end is seen. */
static inline void fuzz_exactly(void (*parse)(const uint8_t *, size_t), const char *bytes, size_t n) {
    uint8_t *copy = malloc(n > 0 ? n : 1);
    if (copy == NULL) abort();
    if (n > 0) memcpy(copy, bytes, n);
    parse(copy, n);
    free(copy);
}

static inline void fuzz_changed(void (*parse)(const uint8_t *, size_t), ib_buf *file, uint64_t *random) {
    for (size_t i = 0; i < FUZZ_CHANGES && file->length > 0; i++) {
        (void)random_next(random);
        size_t at = (size_t)(*random >> 20) % file->length;
        char before = file->data[at];
        file->data[at] = (char)(i % 3 == 0 ? *random >> 56 : (uint64_t)before ^ 1u << (*random >> 60) % 8);
        fuzz_exactly(parse, file->data, i % 4 == 0 ? at : file->length);
        file->data[at] = before;
    }
}

static inline int fuzz_corpus(void (*parse)(const uint8_t *, size_t), const char *folder) {
    char path[512];
    uint64_t random = 5;
    size_t files = 0;
    struct dirent **names;
    int n = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        ib_buf file = {0};
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && ib__file_read(&file, path, 0, NULL) == IB_OK) {
            fuzz_exactly(parse, file.data, file.length);
            fuzz_changed(parse, &file, &random);
            files++;
        }
        ib__buf_free(&file);
        free(names[i]);
    }
    if (n > 0) free(names);
    printf("%zu files of %s\n", files, folder);
    return files >= 3 ? 0 : 1;
}

#define IB_FUZZ(name)                                                                                        \
    int main(void) {                                                                                         \
        return fuzz_corpus(parse, "test/fuzz/corpus/" name);                                                 \
    }
#endif

#endif
