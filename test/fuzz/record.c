/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder of a run as verify, diff and show read it: record.json, steps and tensors, which stand one
 * behind the other in the bytes, a form feed between them; and the recorded experiment.
 */
#include "fuzz.h"

#include "run/record.h"

static char folder[64];

static void remove_folder(void) {
    ib__tree_remove(folder);
}

static void put(const char *name, const uint8_t *bytes, size_t n) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || write(file, bytes, n) != (ssize_t)n) abort();
    close(file);
}

static void parse(const uint8_t *bytes, size_t n) {
    static const char *const names[] = {"record.json", "steps", "tensors"};
    static const char pattern[] = "/tmp/isobit-fuzz-XXXXXX";
    ib_record *r = NULL;
    ib_experiment *e = NULL;
    ib_error err = {0};
    if (folder[0] == '\0') {
        memcpy(folder, pattern, sizeof pattern);
        if (mkdtemp(folder) == NULL || atexit(remove_folder) != 0) abort();
    }
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *end = n > 0 ? memchr(bytes, '\f', n) : NULL;
        size_t length = end != NULL ? (size_t)(end - bytes) : n;
        put(names[i], bytes, length);
        if (end != NULL) length++;
        bytes += length;
        n -= length;
    }
    ib_status status = ib__record_read(&r, folder, &err);
    fuzz_check(status, &err);
    if (status != IB_OK) return;
    err = (ib_error){0};
    status = ib__record_experiment(&e, r, &err);
    fuzz_check(status, &err);
    if (status == IB_OK) ib__experiment_free(e);
    ib__record_free(r);
}

IB_FUZZ("record")
