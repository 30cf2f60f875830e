/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML and JSON, and an experiment's data entry made of what comes out.
 */
#include "fuzz.h"

#include "data/dataset.h"

static void open_entry(const ib_value *map) {
    ib_dataset *d = NULL;
    ib_error err = {0};
    const ib_value *count = ib__value_get(map, "synthetic");
    if (count == NULL || count->kind != IB_INT || count->integer > 1000) return;
    fuzz_check(ib__dataset_open(&d, map, "entry", "data", NULL, 1, 1, &err), &err);
    ib__dataset_free(d);
}

static void parse(const uint8_t *bytes, size_t n) {
    ib_value *tree = NULL;
    ib_error err = {0};
    ib_status status = ib__json_parse(&tree, (const char *)bytes, n, "t.json", &err);
    fuzz_check(status, &err);
    ib__value_free(status == IB_OK ? tree : NULL);
    tree = NULL;
    err = (ib_error){0};
    status = ib__yaml_parse(&tree, (const char *)bytes, n, "t.yaml", &err);
    fuzz_check(status, &err);
    if (status == IB_OK && ib__value_is(tree, IB_MAP)) open_entry(tree);
    ib__value_free(status == IB_OK ? tree : NULL);
}

IB_FUZZ("value")
