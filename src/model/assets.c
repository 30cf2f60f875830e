/* SPDX-License-Identifier: Apache-2.0
 *
 * Vocabularies that stand beside the config in a .keras file, as assets/layers/integer_lookup/vocabulary.txt:
 * they are put into the config, where Keras reads them as well.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

enum { DEPTH_MAX = 64 };

/* One integer a line, as Keras writes them; empty lines at the end do not count. NULL: no memory, or *bad is
 * the number of the line that is none. */
static ib_value *read_lines(const char *text, size_t length, size_t *bad) {
    ib_value *list = ib__value_list();
    size_t at = 0, line = 0;
    *bad = 0;
    while (length && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    while (list && at < length) {
        char number[32] = "", *end = number;
        size_t n = 0;
        while (at + n < length && text[at + n] != '\n')
            n++;
        size_t digits = n && text[at + n - 1] == '\r' ? n - 1 : n;
        line++;
        if (digits < sizeof number) memcpy(number, text + at, digits);
        errno = 0;
        int64_t value = strtoll(number, &end, 10);
        bool good = end != number && *end == '\0' && errno == 0;
        if (!good) *bad = line;
        if (!good || !ib__value_add(list, ib__value_int(value))) {
            ib__value_free(list);
            return NULL;
        }
        at += n + 1;
    }
    return list;
}

static ib_status put_vocabulary(ib_value *config, const char *path, ib_asset_fn *read, void *context,
                                ib_error *err) {
    ib_buf text = {0};
    bool found = false;
    size_t bad = 0;
    ib_status status = read(context, path, &text, &found, err);
    if (status == IB_OK && found) {
        ib_value *list = read_lines(text.data, text.length, &bad);
        if (bad)
            status = ib__fail(err, IB_BAD_INPUT, path, "line %zu: expected an integer", bad);
        else if (!list || !ib__value_set(config, "vocabulary", list))
            status = ib__fail_memory(err);
    }
    if (status == IB_OK && found && ib__value_is_string(ib__value_get(config, "output_mode"), "tf_idf"))
        status = ib__fail(err, IB_UNSUPPORTED, path, "a vocabulary with tf_idf is not supported yet");
    ib__buf_free(&text);
    return status;
}

static const char *class_of(const ib_value *entry) {
    const ib_value *name = ib__value_get(entry, "class_name");
    return ib__value_is(name, IB_STRING) ? name->string : "";
}

/* The layers of one model; group: its place, "" or "layers/functional/". */
static ib_status walk(ib_value *config, const char *group, int depth, ib_asset_fn *read, void *context,
                      ib_error *err) {
    ib_value *layers = ib__value_get(config, "layers");
    if (!ib__value_is(layers, IB_LIST) || depth > DEPTH_MAX) return IB_OK;
    ib_status status = IB_OK;
    for (size_t i = 0; i < layers->count && status == IB_OK; i++) {
        ib_value *inner = ib__value_get(layers->items[i], "config");
        const char *class_name = class_of(layers->items[i]);
        bool lookup = strcmp(class_name, "IntegerLookup") == 0;
        if (!ib__value_is(inner, IB_MAP) || !(lookup || ib__value_get(inner, "layers"))) continue;
        char snake[128], path[1024], number[32] = "";
        size_t before = 0;
        for (size_t j = 0; j < i; j++)
            before += strcmp(class_of(layers->items[j]), class_name) == 0;
        if (before) snprintf(number, sizeof number, "_%zu", before);
        ib__snake_case(snake, sizeof snake, class_name);
        int n = snprintf(path, sizeof path, "%slayers/%s%s%s", group, snake, number,
                         lookup ? "/vocabulary.txt" : "/");
        if (n >= (int)sizeof path - 16) continue;
        const ib_value *vocabulary = ib__value_get(inner, "vocabulary");
        if (!lookup)
            status = walk(inner, path, depth + 1, read, context, err);
        else if (!vocabulary || vocabulary->kind == IB_NULL)
            status = put_vocabulary(inner, path, read, context, err);
    }
    return status;
}

ib_status ib__assets_read(ib_value *config, ib_asset_fn *read, void *context, ib_error *err) {
    return walk(ib__value_get(config, "config"), "", 0, read, context, err);
}
