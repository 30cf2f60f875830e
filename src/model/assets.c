/* SPDX-License-Identifier: Apache-2.0
 *
 * Vocabularies that stand beside the config in a .keras file, as assets/layers/integer_lookup/vocabulary.txt:
 * they are put into the config, where Keras reads them as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "layers/lookup.h"
#include "model/config.h"
#include "model/internal.h"
#include "numerics/texts.h"

enum { DEPTH_MAX = 64 };

/* Bytes of the end of a line that stands here, 0: none does. What ends a line for Python's splitlines, which
 * Keras reads them with: also VT, FF, FS, GS, RS, NEL and the separators of lines and paragraphs. */
static size_t line_end(const unsigned char *c, size_t n) {
    if (c[0] == '\r') return n > 1 && c[1] == '\n' ? 2 : 1;
    if ((c[0] >= '\n' && c[0] <= '\f') || (c[0] >= 0x1c && c[0] <= 0x1e)) return 1;
    if (n > 1 && c[0] == 0xc2 && c[1] == 0x85) return 2;
    return n > 2 && c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9) ? 3 : 0;
}

/* A line as a term; NULL: it is none, or there is no memory. */
static ib_value *read_term(const char *line, size_t n, bool texts) {
    if (texts) {
        if (memchr(line, '\0', n) || ib__utf8_check(line, n) != n) return NULL;
        char *copy = calloc(n + 1, 1);
        if (copy) memcpy(copy, line, n);
        ib_value *value = copy ? ib__value_string(copy) : NULL;
        free(copy);
        return value;
    }
    int64_t value;
    return ib__int_parse(line, n, &value) ? ib__value_int(value) : NULL;
}

/* One term a line, as Keras writes them; empty lines at the end do not count. NULL: *bad is the number of the
 * line that is none, or (0) there is no memory. */
static ib_value *read_lines(const char *text, size_t length, bool texts, size_t *bad) {
    ib_value *list = ib__value_list();
    size_t at = 0, lines = 0, filled = 0;
    *bad = 0;
    while (length && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    while (list && at < length) {
        size_t n = 0, end = 0;
        while (at + n < length && !(end = line_end((const unsigned char *)text + at + n, length - at - n)))
            n++;
        ib_value *term = read_term(text + at, n, texts);
        lines++;
        if (!term) *bad = lines;
        if (!ib__value_add(list, term)) {
            ib__value_free(list);
            return NULL;
        }
        if (n) filled = lines;
        at += n + end;
    }
    while (list && list->count > filled)
        ib__value_free(list->items[--list->count]);
    return list;
}

static ib_status fail_line(const char *path, size_t line, bool texts, ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, path, "line %zu: expected %s", line, texts ? "UTF-8" : "an integer");
}

ib_status ib__terms_read(ib_value **out, const char *path, bool texts, ib_error *err) {
    ib_buf text = {0};
    size_t bad = 0;
    ib_status status = ib__file_read(&text, path, 0, err);
    if (status == IB_OK) {
        *out = read_lines(text.data, text.length, texts, &bad);
        if (*out == NULL) status = bad > 0 ? fail_line(path, bad, texts, err) : ib__fail_memory(err);
    }
    ib__buf_free(&text);
    return status;
}

/* Factors that will be read with the weights. */
static ib_value *zeros(size_t n) {
    ib_value *list = ib__value_list();
    for (size_t i = 0; list && i < n; i++)
        if (!ib__value_add(list, ib__value_real(0))) {
            ib__value_free(list);
            return NULL;
        }
    return list;
}

static ib_status put_vocabulary(ib_value *config, const char *path, bool texts, ib_asset_fn *read,
                                void *context, ib_error *err) {
    ib_buf text = {0};
    bool found = false;
    size_t bad = 0, n = 0;
    ib_status status = read(context, path, &text, &found, err);
    if (status == IB_OK && found) {
        ib_value *list = read_lines(text.data, text.length, texts, &bad);
        n = list ? list->count : 0;
        if (bad)
            status = fail_line(path, bad, texts, err);
        else if (!list || !ib__value_set(config, "vocabulary", list))
            status = ib__fail_memory(err);
    }
    if (status == IB_OK && found && ib__value_is_string(ib__value_get(config, "output_mode"), "tf_idf") &&
        !ib__value_set(config, "idf_weights", zeros(n)))
        status = ib__fail_memory(err);
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
        bool texts, lookup = ib__lookup_is(class_name, &texts);
        if (!ib__value_is(inner, IB_MAP) || !(lookup || ib__value_get(inner, "layers"))) continue;
        char own[160], path[1024];
        ib__member_group(own, sizeof own, "layers", layers, i, class_name);
        int n = snprintf(path, sizeof path, "%s%s%s", group, own, lookup ? "/vocabulary.txt" : "/");
        if (n >= (int)sizeof path - 16) continue;
        const ib_value *vocabulary = ib__value_get(inner, "vocabulary");
        if (!lookup)
            status = walk(inner, path, depth + 1, read, context, err);
        else if (!vocabulary || vocabulary->kind == IB_NULL)
            status = put_vocabulary(inner, path, texts, read, context, err);
    }
    return status;
}

ib_status ib__assets_read(ib_value *config, ib_asset_fn *read, void *context, ib_error *err) {
    return walk(ib__value_get(config, "config"), "", 0, read, context, err);
}

/* What came with the weights goes into the config, behind what stands for the tokens, unless it says so. */
static ib_status note_factors(ib_module *module, ib_error *err) {
    ib_layer *layer = module->layer;
    const ib_value *before = ib__value_get(layer->config, "idf_weights");
    const ib_value *size = ib__value_get(layer->config, "vocabulary_size");
    ib_value *list = ib__value_list();
    bool good = list != NULL, known = true;
    size_t first = (size_t)size->integer - before->count;
    for (size_t i = 0; good && i < before->count; i++) {
        double x = 0;
        (void)ib__value_number(before->items[i], &x);
        known = known && (float)x == layer->extra.data[first + i];
        good = ib__value_add(list, ib__value_real((double)layer->extra.data[first + i]));
    }
    if (!good || known) {
        ib__value_free(list);
        return good ? IB_OK : ib__fail_memory(err);
    }
    return ib__value_set(layer->config, "idf_weights", list) &&
                   ib__value_set(module->entry, "config", ib__value_copy(layer->config))
               ? IB_OK
               : ib__fail_memory(err);
}

ib_status ib__assets_weights(ib_module *module, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < module->n_members; i++)
        status = ib__assets_weights(module->members[i], err);
    const ib_layer *layer = module->layer;
    if (status != IB_OK || !layer || !layer->extra.data || strcmp(layer->extra.path, "idf_weights") != 0)
        return status;
    return note_factors(module, err);
}
