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
    ib_tensor x = {0}, y = {0};
    ib_error err = {0};
    fuzz_check(ib__csv_parse(&x, &y, (const char *)bytes + 1, n - 1, "t.csv", &o, &err), &err);
    ib__tensor_free(&x);
    ib__tensor_free(&y);
}

IB_FUZZ("csv")
