/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras's files: archives (.keras) and HDF5 (.h5) as they are; any other bytes are a config.json, so that
 * changes get past the sums of an archive.
 */
#include "model.h"

#include "base/value.h"

static void load(const uint8_t *bytes, size_t n) {
    const char *path = fuzz_file(bytes, n);
    for (int compiled = 0; path != NULL && compiled < 2; compiled++) {
        ib_model *model = NULL;
        ib_error err = {0};
        ib_status status = ib__keras_load(&model, path, compiled == 1, &err);
        fuzz_check(status, &err);
        if (status == IB_OK) ib__model_free(model);
    }
}

static void parse(const uint8_t *bytes, size_t n) {
    ib_value *tree = NULL;
    ib_model *model = NULL;
    ib_error err = {0};
    if (n > 0 && (bytes[0] == 'P' || bytes[0] == 0x89)) {
        load(bytes, n);
        return;
    }
    if (fuzz_is_large(bytes, n, 2)) return;
    ib_status status = ib__json_parse(&tree, (const char *)bytes, n, "config.json", &err);
    if (status == IB_OK) {
        status = ib__model_from_config(&model, tree, "config.json", &err);
        if (status == IB_OK) fuzz_compile(model, ib__value_get(tree, "compile_config"));
    }
    fuzz_check(status, &err);
    ib__value_free(tree);
}

IB_FUZZ("keras")
