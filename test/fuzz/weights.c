/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights for a small model: an HDF5 file; or, when the bytes begin with a brace, the text of a .weights.json
 * that says in which files they are.
 */
#include "model.h"

#include "base/value.h"

static ib_model *make_model(void) {
    static const char entry[] =
        "{sequential: [{Dense: {units: 3, name: first}}, {BatchNormalization: {name: second}}]}";
    static const ib_shape input = {2, {-1, 2}};
    ib_value *map = NULL;
    ib_model *model = NULL;
    ib_error err = {0};
    if (ib__yaml_parse(&map, entry, sizeof entry - 1, "entry", &err) != IB_OK ||
        ib__model_from_experiment(&model, map, &input, NULL, "model", &err) != IB_OK)
        abort();
    ib__value_free(map);
    return model;
}

static void parse(const uint8_t *bytes, size_t n) {
    bool json = n > 0 && bytes[0] == '{';
    const char *path = json ? fuzz_named(bytes, n, ".weights.json") : fuzz_file(bytes, n);
    ib_error err = {0};
    if (path == NULL) return;
    ib_model *model = make_model();
    fuzz_check(ib__weights_load(model, path, &err), &err);
    ib__model_free(model);
    if (json) (void)unlink(path);
}

IB_FUZZ("weights")
