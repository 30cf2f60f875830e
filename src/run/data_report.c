/* SPDX-License-Identifier: Apache-2.0
 *
 * Audits as values and as text.
 */
#include "run/data_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "run/say.h"

static ib_value *shape_value(const ib_shape *shape) {
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (int i = 0; good && i < shape->rank; i++)
        good = ib__value_add(list, ib__value_int(shape->dims[i]));
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

static ib_value *classes_value(const ib_field_audit *audit) {
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (size_t i = 0; good && i < audit->n_classes; i++)
        good = ib__value_add(list, ib__value_int((int64_t)audit->classes[i]));
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

static ib_value *field_value(const ib_data_field *field, const ib_field_audit *audit) {
    ib_value *map = ib__value_map();
    bool good = map != NULL && ib__value_set(map, "name", ib__value_string(field->name)) &&
                ib__value_set(map, "dtype", ib__value_string(ib__dtype_name(field->dtype))) &&
                ib__value_set(map, "shape", shape_value(&field->shape));
    if (good && field->dtype == IB_TEXT) return map;
    good = good && ib__value_set(map, "low", ib__value_real(audit->low)) &&
           ib__value_set(map, "high", ib__value_real(audit->high)) &&
           ib__value_set(map, "nan", ib__value_int((int64_t)audit->nans)) &&
           ib__value_set(map, "infinite", ib__value_int((int64_t)audit->infinities));
    if (good && audit->n_classes > 0) good = ib__value_set(map, "classes", classes_value(audit));
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

/* "data.train", "data.train.zip[1]" */
static bool set_place(ib_value *map, const ib_dataset *data, const ib_dataset_source *source) {
    char place[256];
    int n = snprintf(place, sizeof place, "%.60s.%.180s", ib__dataset_place(data), source->prefix);
    place[n - 1] = '\0'; /* the prefix is "" or ends in a dot itself */
    return ib__value_set(map, "place", ib__value_string(place));
}

static ib_value *source_value(const ib_dataset *data, const ib_dataset_source *source) {
    const ib_elements *e = source->part.elements;
    ib_value *map = ib__value_map(), *fields = ib__value_list();
    bool good = map != NULL && fields != NULL && set_place(map, data, source) &&
                ib__value_set(map, "samples", ib__value_int((int64_t)source->part.count));
    for (size_t i = 0; good && i < e->n_fields; i++)
        good = ib__value_add(fields, field_value(&e->fields[i], &source->audit[i]));
    if (map == NULL)
        ib__value_free(fields);
    else
        good = ib__value_set(map, "fields", fields) && good;
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

ib_value *ib__data_report(const ib_task *task) {
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (size_t p = 0; good && p < 3; p++) {
        const ib_dataset *data = task->data[p];
        const ib_dataset_source *source;
        for (size_t i = 0; good && data != NULL && (source = ib__dataset_source(data, i)) != NULL; i++)
            good = ib__value_add(list, source_value(data, source));
    }
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

/* ---- Text ---- */

static void print_field(const ib_data_field *field, const ib_field_audit *audit, const ib_options *options) {
    char shape[128], low[32], high[32];
    ib__shape_print(shape, &field->shape);
    ib__double_print(low, audit->low);
    ib__double_print(high, audit->high);
    ib__say(options, "  %s: %s %s", field->name, ib__dtype_name(field->dtype), shape);
    if (field->dtype != IB_TEXT) ib__say(options, ", from %s to %s", low, high);
    if (audit->nans + audit->infinities > 0)
        ib__say(options, "; %" PRIu64 " NaN, %" PRIu64 " infinite", audit->nans, audit->infinities);
    for (size_t i = 0; i < audit->n_classes; i++)
        ib__say(options, "%s%zu: %" PRIu64 "", i == 0 ? "; samples of " : ", ", i, audit->classes[i]);
    ib__say(options, "\n");
}

void ib__data_print(const ib_dataset *data, const ib_options *options) {
    const ib_dataset_source *source;
    const ib_data_file *file;
    for (size_t i = 0; (source = ib__dataset_source(data, i)) != NULL; i++) {
        ib__say(options, "%s%s%s: %" PRIu64 " samples\n", ib__dataset_place(data),
                source->prefix[0] != '\0' ? "." : "", source->prefix, source->part.count);
        for (size_t k = 0; k < source->part.elements->n_fields; k++)
            print_field(&source->part.elements->fields[k], &source->audit[k], options);
    }
    for (size_t i = 0; (file = ib__dataset_file(data, i)) != NULL; i++) {
        char hex[65];
        ib__digest_hex(hex, &file->digest);
        ib__say(options, "%s: %s sha256:%s\n", file->place, file->path, hex);
    }
}
