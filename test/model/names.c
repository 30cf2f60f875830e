/* SPDX-License-Identifier: Apache-2.0
 *
 * doc/keras-names.md: every name that Keras exports, and what becomes of it here, as the code itself says
 * when it is asked for it, with the golden cases of the name that run and what the others are refused for.
 * The page must be the one that this program makes: `make keras-table` writes it.
 */
#include <glob.h>
#include <stdlib.h>

#include "golden.h"

#include "constraints/constraint.h"
#include "layers/activation.h"
#include "layers/layer.h"
#include "layers/settings.h"
#include "losses/loss.h"
#include "metrics/metric.h"
#include "model/model.h"
#include "optimizers/optimizer.h"
#include "optimizers/schedule.h"

enum { NAMES_MAX = 512, REFUSALS_MAX = 4 };

typedef struct entry {
    const char *name;
    size_t run, refused;             /* golden cases */
    char reasons[REFUSALS_MAX][160]; /* of those refused, each once */
} entry;

/* A namespace of Keras. make: makes what a config describes. */
typedef struct space {
    const char *key, *group; /* "losses"; test/golden/<group>.json, NULL: the layers' models */
    ib_status (*make)(const ib_value *config, ib_error *err);
    entry entries[NAMES_MAX];
    size_t n;
} space;

/* ---- Asking the code ---- */

static ib_status make_layer(const ib_value *config, ib_error *err) {
    const ib_value *name = ib__value_get(config, "class_name");
    const char *class_name = ib__layer_alias(name->string);
    if (ib__layer_class(class_name)) return IB_OK;
    ib_layer *layer;
    return ib__layer_new(&layer, class_name, NULL, "some", "layers[0]", err);
}

static ib_status make_loss(const ib_value *config, ib_error *err) {
    ib_loss *loss;
    ib_status status = ib__loss_new(&loss, config, "loss", err);
    if (status == IB_OK) ib__loss_free(loss);
    return status;
}

static ib_status make_metric(const ib_value *config, ib_error *err) {
    ib_value *complete;
    ib_status status = ib__metric_complete(&complete, config, "metric", err);
    if (status == IB_OK) ib__value_free(complete);
    return status;
}

static ib_status make_optimizer(const ib_value *config, ib_error *err) {
    ib_optimizer *optimizer;
    ib_status status = ib__optimizer_new(&optimizer, config, "optimizer", err);
    if (status == IB_OK) ib__optimizer_free(optimizer);
    return status;
}

static ib_status make_schedule(const ib_value *config, ib_error *err) {
    ib_schedule *schedule;
    ib_status status = ib__schedule_new(&schedule, config, "schedule", err);
    if (status == IB_OK) ib__schedule_free(schedule);
    return status;
}

static ib_status make_initializer(const ib_value *config, ib_error *err) {
    return ib__initializer_check(config, "initializer", err);
}

static ib_status make_regularizer(const ib_value *config, ib_error *err) {
    return ib__regularizer_check(config, "regularizer", err);
}

static ib_status make_constraint(const ib_value *config, ib_error *err) {
    return ib__constraint_check(config, NULL, "constraint", err);
}

static ib_status make_activation(const ib_value *config, ib_error *err) {
    ib_activation activation;
    return ib__activation_find(&activation, config, "activation", NULL, err);
}

/* keras.mixed_precision has the policies and an optimizer. */
static ib_status make_policy(const ib_value *config, ib_error *err) {
    static const ib_field field = {.key = "dtype"};
    ib_value *value = ib__value_copy(config), *complete = NULL, *settings = ib__value_get(value, "config");
    if (ib__value_is(settings, IB_MAP))
        assert_true(ib__value_set(settings, "name", ib__value_string("mixed_float16")));
    ib_status status = ib__read_dtype(&field, value, "dtype", NULL, &complete, err);
    ib__value_free(complete);
    ib__value_free(value);
    return status;
}

static ib_status make_mixed(const ib_value *config, ib_error *err) {
    ib_error other = {0};
    return make_policy(config, &other) == IB_OK ? IB_OK : make_optimizer(config, err);
}

static space spaces[] = {{.key = "layers", .make = make_layer},
                         {.key = "losses", .group = "losses", .make = make_loss},
                         {.key = "metrics", .group = "metrics", .make = make_metric},
                         {.key = "optimizers", .group = "optimizers", .make = make_optimizer},
                         {.key = "optimizers.schedules", .group = "schedules", .make = make_schedule},
                         {.key = "initializers", .group = "initializers", .make = make_initializer},
                         {.key = "regularizers", .group = "regularizers", .make = make_regularizer},
                         {.key = "constraints", .group = "constraints", .make = make_constraint},
                         {.key = "activations", .make = make_activation},
                         {.key = "dtype_policies", .make = make_policy},
                         {.key = "mixed_precision", .make = make_mixed}};
enum { SPACES = sizeof spaces / sizeof *spaces };

/* Whether the code knows the name: what it says about missing settings is said of known ones only. */
static bool is_known_as(const space *s, ib_value *config) {
    ib_error err = {0};
    assert_non_null(config);
    ib_status status = s->make(config, &err);
    ib__value_free(config);
    return status == IB_OK || (!strstr(err.text, "unknown") && !strstr(err.text, "not supported"));
}

static ib_value *named(const char *class_name, ib_value *config) {
    ib_value *map = ib__value_map();
    assert_true(ib__value_set(map, "class_name", ib__value_string(class_name)));
    assert_true(ib__value_set(map, "config", config));
    return map;
}

/* As a class, by its name, or as a function that Keras serialized. */
static bool is_known(const space *s, const char *name) {
    if (is_known_as(s, named(name, ib__value_map()))) return true;
    if (strcmp(s->key, "layers") == 0) return false;
    return is_known_as(s, ib__value_string(name)) ||
           is_known_as(s, named("function", ib__value_string(name)));
}

/* ---- Golden cases ---- */

static entry *entry_of(space *s, const char *name) {
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->entries[i].name, name) == 0) return &s->entries[i];
    return NULL;
}

static void count(entry *e, bool ran, const char *reason) {
    if (!e) return;
    e->run += ran;
    e->refused += !ran;
    for (size_t i = 0; !ran && i < REFUSALS_MAX; i++) {
        if (strcmp(e->reasons[i], reason) == 0) return;
        if (e->reasons[i][0]) continue;
        (void)snprintf(e->reasons[i], sizeof *e->reasons, "%s", reason);
        return;
    }
}

static void count_group(space *s) {
    golden g;
    golden_open(&g, s->group);
    for (size_t i = 0; i < g.cases->count; i++) {
        const ib_value *c = g.cases->items[i];
        ib_error err = {0};
        const ib_value *class_name = ib__value_get(ib__value_get(c, "config"), "class_name");
        if (!ib__value_is(class_name, IB_STRING)) class_name = ib__value_get(c, "class");
        if (!ib__value_is(class_name, IB_STRING)) continue;
        ib_status status = s->make(ib__value_get(c, "config"), &err);
        count(entry_of(s, class_name->string), status == IB_OK, err.text);
    }
    golden_close(&g);
}

/* The classes of a model's layers, each once: those that ran, or the one that the error speaks of. */
static void count_classes(space *s, const ib_value *tree, const ib_error *err, entry **seen, size_t *n) {
    for (size_t i = 0; i < tree->count; i++)
        count_classes(s, tree->items[i], err, seen, n);
    const ib_value *class_name = ib__value_get(tree, "class_name");
    const ib_value *name = ib__value_get(ib__value_get(tree, "config"), "name");
    if (!ib__value_is(class_name, IB_STRING) || !ib__value_is(name, IB_STRING)) return;
    entry *e = entry_of(s, class_name->string);
    for (size_t i = 0; i < *n; i++)
        if (seen[i] == e) return;
    char place[128];
    (void)snprintf(place, sizeof place, " %.100s", name->string);
    const char *at = strstr(err->where, place);
    if (!e || (err->text[0] && (!at || (at[strlen(place)] && at[strlen(place)] != ',')))) return;
    assert_true(*n < NAMES_MAX);
    seen[(*n)++] = e;
    count(e, !err->text[0], err->text);
}

/* Cases that load are compared by test_model_layers, which fails if one of them differs from Keras. */
static void count_models(space *s) {
    glob_t found;
    static entry *seen[NAMES_MAX];
    assert_int_equal(glob("test/golden/layers/*.keras", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        ib_zip *zip;
        ib_buf text = {0};
        ib_value *config;
        ib_model *model = NULL;
        ib_error err = {0};
        size_t n = 0;
        assert_int_equal(ib__zip_open(&zip, found.gl_pathv[i], NULL), IB_OK);
        assert_int_equal(ib__zip_read(zip, "config.json", 0, &text, NULL), IB_OK);
        ib__zip_close(zip);
        assert_int_equal(ib__json_parse(&config, text.data, text.length, "config.json", NULL), IB_OK);
        (void)ib__model_from_config(&model, config, "config.json", &err);
        ib__model_free(model);
        count_classes(s, config, &err, seen, &n);
        ib__value_free(config);
        ib__buf_free(&text);
    }
    globfree(&found);
}

/* ---- The page ---- */

typedef struct totals {
    size_t supported, missing;
} totals;

static void put(ib_buf *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(ib_buf *page, const char *format, ...) {
    char line[1024];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    assert_true(n >= 0 && (size_t)n < sizeof line && ib__buf_add(page, line, (size_t)n));
}

static void put_row(ib_buf *page, space *s, const char *name, const char *kind, totals *all) {
    bool layers = strcmp(s->key, "layers") == 0;
    const char *why = layers ? ib__layer_refusal(name) : NULL;
    const entry *e = entry_of(s, name);
    bool base = strcmp(kind, "base") == 0, alias = kind[0] && !base && strcmp(kind, "code") != 0;
    put(page, "| `%s` | ", name);
    if (base) {
        put(page, "computes nothing | |\n");
        return;
    }
    if (why) {
        put(page, "refused: %s | |\n", why);
        return;
    }
    assert_true(strcmp(kind, "code") != 0);
    bool known = is_known(s, alias ? kind : name);
    all->supported += known;
    all->missing += !known;
    put(page, "%s", known ? "supported" : "missing");
    if (alias) put(page, ", as `%s`", kind);
    for (size_t i = 0; known && i < REFUSALS_MAX && e->reasons[i][0]; i++)
        put(page, "%s %s", i ? ";" : "; but", e->reasons[i]);
    put(page, " | ");
    if (e->run + e->refused) put(page, e->refused ? "%zu of %zu" : "%zu", e->run, e->run + e->refused);
    put(page, " |\n");
}

static void put_operations(ib_buf *page) {
    static const char *const names[] = {
#define X(symbol, name) #name,
#include "layers/layers.list"
#undef X
    };
    put(page, "\n## keras.ops in Functional models\n\n| supported |\n|---|\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(names[i], "keras.src.ops.", 14) == 0) put(page, "| `%s` |\n", names[i] + 14);
}

static const char *const head = "# Every name of Keras\n\n"
                                "Written by `make keras-table` from what the code says when it is asked for "
                                "each name, and checked by a test.\n"
                                "The last column counts the golden cases (computed by real Keras) of a name "
                                "that run, all of which agree; of\n"
                                "the others, the second column says what they are refused for. What is "
                                "missing or refused ends in an error that\n"
                                "names it and its place.\n\n";

/* The percentage is rounded down to a multiple of 5, so that it seldom changes. */
static void make_page(ib_buf *page, const ib_value *names, totals *all) {
    ib_buf tables = {0};
    for (size_t k = 0; k < SPACES; k++) {
        space *s = &spaces[k];
        const ib_value *list = ib__value_get(names, s->key);
        assert_true(ib__value_is(list, IB_MAP) && list->count > 4 && list->count <= NAMES_MAX);
        for (size_t i = 0; i < list->count; i++)
            s->entries[s->n++].name = list->keys[i];
        if (s->group) count_group(s);
        if (k == 0) count_models(s);
        put(&tables, "\n## keras.%s\n\n| name | | golden cases |\n|---|---|---|\n", s->key);
        for (size_t i = 0; i < list->count; i++)
            put_row(&tables, s, list->keys[i], list->items[i]->string, all);
    }
    put_operations(&tables);
    size_t percent = all->supported * 100 / (all->supported + all->missing);
    put(page, "%s%zu %% of the names that arithmetic defines are supported, or more.\n", head,
        percent / 5 * 5);
    assert_true(ib__buf_add(page, tables.data, tables.length));
    ib__buf_free(&tables);
}

static void test_page(void **state) {
    (void)state;
    static const char *const path = "doc/keras-names.md";
    ib_buf text = {0}, page = {0}, there = {0};
    ib_value *names;
    ib_error err = {0};
    totals all = {0};
    assert_int_equal(ib__file_read(&text, "test/golden/keras_names.json", 0, NULL), IB_OK);
    assert_int_equal(ib__json_parse(&names, text.data, text.length, "names", NULL), IB_OK);
    make_page(&page, names, &all);
    print_message("%zu of %zu names that arithmetic defines are supported: %.1f %%\n", all.supported,
                  all.supported + all.missing,
                  100.0 * (double)all.supported / (double)(all.supported + all.missing));
    if (getenv("ISOBIT_WRITE_KERAS_TABLE")) {
        assert_int_equal(ib__file_write(path, page.data, page.length, &err), IB_OK);
    } else {
        assert_int_equal(ib__file_read(&there, path, 0, &err), IB_OK);
        if (page.length != there.length || memcmp(page.data, there.data, page.length) != 0)
            fail_msg("%s is not what the code says: run `make keras-table`", path);
    }
    ib__buf_free(&text);
    ib__buf_free(&page);
    ib__buf_free(&there);
    ib__value_free(names);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_page)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
