/* SPDX-License-Identifier: Apache-2.0
 *
 * Vocabulary files that an experiment names: - TextVectorization: {vocabulary: terms.txt}
 */
#include <stdlib.h>

#include "layers/lookup.h"
#include "model/model.h"
#include "run/task.h"

static ib_status take_file(ib_value *settings, const char *folder, bool texts, ib_error *err) {
    const ib_value *file = ib__value_get(settings, "vocabulary");
    ib_value *terms = NULL;
    if (!ib__value_is(file, IB_STRING)) return IB_OK;
    char *path = ib__path_within(folder, file->string);
    ib_status status = path == NULL ? ib__fail_memory(err) : ib__terms_read(&terms, path, texts, err);
    if (status == IB_OK && !ib__value_set(settings, "vocabulary", terms)) status = ib__fail_memory(err);
    free(path);
    return status;
}

ib_status ib__experiment_take_vocabularies(ib_value *tree, const char *folder, ib_error *err) {
    ib_status status = IB_OK;
    bool texts;
    for (size_t i = 0; i < tree->count && status == IB_OK; i++) {
        ib_value *item = tree->items[i];
        if (tree->kind == IB_MAP && item->kind == IB_MAP && ib__lookup_is(tree->keys[i], &texts))
            status = take_file(item, folder, texts, err);
        if (status == IB_OK) status = ib__experiment_take_vocabularies(item, folder, err);
    }
    return status;
}
