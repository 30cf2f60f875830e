/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables: the first byte chooses the settings.
 */
#include "fuzz.h"

#include "data/csv.h"

static void parse(const uint8_t *bytes, size_t n) {
    static const char separators[] = ",;\t|";
    if (n == 0) return;
    ib_csv_options o = {.header = bytes[0] % 3 == 0   ? IB_CSV_HEADER_AUTO
                                  : bytes[0] % 3 == 1 ? IB_CSV_HEADER_NONE
                                                      : IB_CSV_HEADER,
                        .separator = separators[bytes[0] / 4 % 4],
                        .label = bytes[0] & 64 ? (bytes[0] & 32 ? "1" : "y") : NULL};
    ib_csv_table t = {0};
    ib_error err = {0};
    const char *text = (const char *)bytes + 1;
    fuzz_check(ib__csv_parse(&t, text, n - 1, "t.csv", &o, n % 2 == 0 ? 0 : 1 << 20, &err), &err);
    ib__csv_free(&t);
    const char *path = fuzz_file(text, n - 1);
    ib_digest digest;
    err = (ib_error){0};
    if (path != NULL) fuzz_check(ib__csv_read(&t, path, &o, 1 << 20, &digest, &err), &err);
    ib__csv_free(&t);
}

IB_FUZZ("csv")
