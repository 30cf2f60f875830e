/* SPDX-License-Identifier: Apache-2.0
 *
 * Experiments: the file, and the model that it describes.
 */
#include "model.h"

#include "run/experiment.h"

static void parse(const uint8_t *bytes, size_t n) {
    static const ib_shape input = {2, {-1, 6}};
    const char *path = fuzz_file(bytes, n);
    ib_experiment *e = NULL;
    ib_model *model = NULL;
    ib_error err = {0};
    if (path == NULL) return;
    ib_status status = ib__experiment_read(&e, path, &err);
    fuzz_check(status, &err);
    if (status != IB_OK) return;
    if (!fuzz_is_large(bytes, n, 2)) {
        const ib_value *entry = ib__value_get(e->tree, "model");
        status = ib__model_from_experiment(&model, entry, &input, e->folder, "model", &err);
        fuzz_check(status, &err);
        if (status == IB_OK) fuzz_compile(model, ib__value_get(e->tree, "compile"));
    }
    ib__experiment_free(e);
}

IB_FUZZ("experiment")
