/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast a data entry gives its batches: bench_data_pass ENTRY THREADS PASSES prints, as JSON, samples,
 * seconds to open, and seconds of each pass. Relative files are relative to the current folder.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/dataset.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static ib_status one_pass(ib_batches *b, uint32_t pass, uint64_t *samples, ib_error *err) {
    const ib_batch *batch;
    *samples = 0;
    ib_status status = ib__batches_begin(b, pass, err);
    while (status == IB_OK) {
        status = ib__batches_next(b, &batch, err);
        if (status != IB_OK || batch == NULL) return status;
        *samples += batch->samples;
    }
    return status;
}

static ib_status run(const char *text, size_t threads, int passes, ib_error *err) {
    ib_value *entry = NULL;
    ib_dataset *d = NULL;
    ib_batches *b = NULL;
    ib_batching how = {.batch_size = 128, .threads = threads};
    uint64_t samples = 0;
    double begun = now();
    ib_status status = ib__yaml_parse(&entry, text, strlen(text), "entry", err);
    if (status == IB_OK) status = ib__dataset_open(&d, entry, "entry", "data", NULL, 812, threads, err);
    if (status == IB_OK) how.count = ib__dataset_count(d);
    if (status == IB_OK) status = ib__dataset_batches(&b, d, &how, err);
    double opened = now() - begun;
    if (status == IB_OK) printf("{\"open\": %.6f, \"passes\": [", opened);
    for (int i = 0; i < passes && status == IB_OK; i++) {
        begun = now();
        status = one_pass(b, (uint32_t)i, &samples, err);
        printf("%s%.6f", i > 0 ? ", " : "", now() - begun);
    }
    if (status == IB_OK) printf("], \"samples\": %" PRIu64 "}\n", samples);
    ib__batches_free(b);
    ib__dataset_free(d);
    ib__value_free(entry);
    return status;
}

int main(int argc, char **argv) {
    ib_error err = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: bench_data_pass ENTRY THREADS PASSES\n");
        return 2;
    }
    if (run(argv[1], (size_t)atoi(argv[2]), atoi(argv[3]), &err) == IB_OK) return 0;
    fprintf(stderr, "bench_data_pass: %s: %s\n", err.where, err.text);
    return 2;
}
