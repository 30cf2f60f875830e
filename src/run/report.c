/* SPDX-License-Identifier: Apache-2.0
 *
 * Reports as text or as JSON.
 */
#include "run/report.h"

#include <string.h>

static void collect(void *context, const char *text) {
    ib_report *r = context;
    ib__buf_text(&r->text, text);
}

void ib__report_begin(ib_report *r, const ib_options *options) {
    *r = (ib_report){.outer = options, .inner = *options, .json = options->json != 0};
    if (!r->json) return;
    r->tree = ib__value_map();
    r->inner.text = collect;
    r->inner.progress = NULL;
    r->inner.context = r;
    r->failed = r->tree == NULL;
}

void ib__report_set(ib_report *r, const char *key, ib_value *value) {
    if (r->tree == NULL)
        ib__value_free(value);
    else if (!ib__value_set(r->tree, key, value))
        r->failed = true;
}

static ib_value *take_text(ib_report *r) {
    ib_value *text = ib__value_string(r->text.data == NULL ? "" : r->text.data);
    if (r->text.failed) r->failed = true;
    ib__buf_free(&r->text);
    return text;
}

void ib__report_check(ib_report *r, const char *name, bool same) {
    if (!r->json || r->failed) return;
    ib_value *list = ib__value_get(r->tree, "checks");
    if (list == NULL) {
        ib__report_set(r, "checks", ib__value_list());
        list = ib__value_get(r->tree, "checks");
    }
    ib_value *check = ib__value_map();
    bool good = check != NULL && list != NULL && ib__value_set(check, "name", ib__value_string(name)) &&
                ib__value_set(check, "same", ib__value_bool(same)) &&
                ib__value_set(check, "text", take_text(r));
    if (list == NULL)
        ib__value_free(check);
    else
        good = ib__value_add(list, check) && good;
    if (!good) r->failed = true;
}

ib_status ib__report_end(ib_report *r, ib_status status, ib_error *err) {
    ib_buf text = {0};
    if (r->json && (status == IB_OK || status == IB_DIFFERS)) {
        ib__report_set(r, "same", ib__value_bool(status == IB_OK));
        if (r->text.length > 0) ib__report_set(r, "text", take_text(r));
        if (r->failed || !ib__json_write(&text, r->tree, IB_JSON_INDENT) || !ib__buf_text(&text, "\n"))
            status = ib__fail_memory(err);
        else if (r->outer->text != NULL)
            r->outer->text(r->outer->context, text.data);
    }
    ib__buf_free(&text);
    ib__buf_free(&r->text);
    ib__value_free(r->tree);
    r->tree = NULL;
    return status;
}
