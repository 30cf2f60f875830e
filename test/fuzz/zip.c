/* SPDX-License-Identifier: Apache-2.0
 *
 * Archives, and the first array of one.
 */
#include "fuzz.h"

#include "data/npz.h"
#include "data/zip.h"

static void parse(const uint8_t *bytes, size_t n) {
    const char *path = fuzz_file(bytes, n);
    ib_zip *zip = NULL;
    ib_error err = {0};
    if (path == NULL) return;
    ib_status status = ib__zip_open(&zip, path, &err);
    fuzz_check(status, &err);
    for (size_t i = 0; status == IB_OK && i < ib__zip_count(zip) && i < 4; i++) {
        char name[256];
        ib_buf member = {0};
        ib_tensor x = {0};
        err = (ib_error){0};
        fuzz_check(ib__zip_read(zip, ib__zip_name(zip, i), 1 << 20, &member, &err), &err);
        (void)snprintf(name, sizeof name, "%.200s", ib__zip_name(zip, i));
        char *ending = strstr(name, ".npy");
        if (ending != NULL) *ending = '\0';
        err = (ib_error){0};
        if (ib__zip_size(zip, i) < 1 << 20) fuzz_check(ib__npz_array(&x, zip, path, name, &err), &err);
        ib__tensor_free(&x);
        ib__buf_free(&member);
    }
    ib__zip_close(zip);
}

IB_FUZZ("zip")
