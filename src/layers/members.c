/* SPDX-License-Identifier: Apache-2.0
 *
 * The members of models inside of wrappers: input layers, arguments.
 */
#include "layers/members.h"

#include <stdio.h>

enum { MEMBERS_MAX = 1024 };

ib_status ib__read_members(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    if (value->kind == IB_LIST && value->count > 0 && value->count <= MEMBERS_MAX) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected a list of 1 to %d layers", MEMBERS_MAX);
}

bool ib__member_is_input(const ib_value *entry) {
    return ib__value_is_string(ib__value_get(entry, "class_name"), "InputLayer");
}

ib_status ib__member_check_input(const ib_layer *layer, const ib_value *entry, ib_value **canonical,
                                 ib_error *err) {
    ib_layer *input;
    ib_status status =
        ib__layer_new(&input, "InputLayer", ib__value_get(entry, "config"), "input_layer", layer->place, err);
    if (status != IB_OK) return status;
    ib__layer_free(input);
    *canonical = ib__value_copy(entry);
    return *canonical ? IB_OK : ib__fail_memory(err);
}

const char *ib__member_argument(const ib_layer *layer, size_t i, char name[64]) {
    const char *words = layer->class->arguments ? layer->class->arguments : "inputs";
    for (; i > 0 && words[0]; i--) {
        words += strcspn(words, " ");
        words += strspn(words, " ");
    }
    if (!words[0]) return NULL;
    (void)snprintf(name, 64, "%.*s", (int)strcspn(words, " "), words);
    return name;
}
