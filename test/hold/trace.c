/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps and tensors of held programs: printed and read again, damaged in every line; event files of
 * strangers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "hold/events.h"
#include "hold/plan.h"
#include "hold/ulp.h"

static void make(ib_hold_trace *t) {
    for (int64_t i = 0; i < 3; i++) {
        ib_digest digest = ib__sha256(&i, sizeof i);
        assert_true(ib__hold_trace_step(t, i * i, (uint32_t)i));
        for (int64_t k = 0; k < i; k++)
            assert_true(ib__hold_trace_tensor(t, "", k == 0 ? "a/kernel" : "a/bias of all", &digest));
        ib__hold_trace_link(t);
    }
    ib__hold_trace_end(t, "exit 0", NULL);
}

static ib_status read_back(ib_hold_trace *t, const char *steps, const char *tensors) {
    ib_error err = {0};
    ib_status status = ib__hold_trace_parse_steps(t, steps, "steps", &err);
    if (status == IB_OK) status = ib__hold_trace_parse_tensors(t, tensors, "tensors", &err);
    assert_int_equal(status, err.code);
    if (status != IB_OK) assert_true(err.text[0] != '\0' && err.where[0] != '\0');
    return status;
}

static void round_trip(void **state) {
    (void)state;
    ib_hold_trace t = {0}, u = {0};
    ib_buf steps = {0}, tensors = {0};
    make(&t);
    assert_true(ib__hold_trace_print(&t, &steps, &tensors));
    assert_int_equal(read_back(&u, steps.data, tensors.data), IB_OK);
    assert_int_equal(u.n_steps, 3);
    assert_int_equal(u.n_tensors, 3);
    assert_string_equal(u.tensors[u.steps[2].first + 1].path, "a/bias of all");
    assert_int_equal(ib__hold_trace_parts(&t, &u), SIZE_MAX);
    u.steps[1].chain.bytes[7] ^= 1;
    assert_int_equal(ib__hold_trace_parts(&t, &u), 1);
    u.n_steps = 1;
    assert_int_equal(ib__hold_trace_parts(&t, &u), 1);
    ib__hold_trace_free(&t);
    ib__hold_trace_free(&u);
    ib__buf_free(&steps);
    ib__buf_free(&tensors);
}

/* One bit of a tensor, a loss, a name, a number, the end: each moves the result. */
static void covers(void **state) {
    (void)state;
    ib_hold_trace t[6] = {0};
    for (int i = 0; i < 6; i++) {
        ib_digest digest = {{0}};
        digest.bytes[3] = i == 1;
        ib__hold_trace_step(&t[i], i == 2 ? 2 : 1, i == 3);
        ib__hold_trace_tensor(&t[i], "", i == 4 ? "b" : "a", &digest);
        ib__hold_trace_link(&t[i]);
        ib__hold_trace_end(&t[i], i == 5 ? "signal 9" : "exit 0", NULL);
    }
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(&t[i].result, &t[k].result, sizeof t[i].result);
    for (int i = 0; i < 6; i++)
        ib__hold_trace_free(&t[i]);
}

/* Every change of one character ends in an error or in another trace, never in a crash. */
static void damaged(void **state) {
    (void)state;
    static const char changes[] = {'\n', ' ', 'x', '0', '9', '-', '/'};
    ib_hold_trace t = {0};
    ib_buf steps = {0}, tensors = {0};
    size_t refused = 0;
    make(&t);
    ib__hold_trace_print(&t, &steps, &tensors);
    for (int file = 0; file < 2; file++) {
        ib_buf *text = file == 0 ? &steps : &tensors;
        for (size_t i = 0; i < text->length; i++) {
            char before = text->data[i];
            for (size_t k = 0; k <= sizeof changes; k++) {
                ib_hold_trace u = {0};
                text->data[i] = k < sizeof changes ? changes[k] : '\0';
                refused += read_back(&u, steps.data, tensors.data) != IB_OK;
                ib__hold_trace_free(&u);
            }
            text->data[i] = before;
        }
    }
    assert_true(refused > 1000);
    ib__hold_trace_free(&t);
    ib__buf_free(&steps);
    ib__buf_free(&tensors);
}

static void put(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
}

#define HEX "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""

static void events(void **state) {
    (void)state;
    char folder[] = "/tmp/isobit-events-XXXXXX";
    ib_hold_seen seen;
    ib_error err = {0};
    assert_non_null(mkdtemp(folder));
    put(folder, "20", "{\"e\":\"process\",\"path\":\"0.10\",\"exe\":\"c\"}\n");
    put(folder, "30",
        "{\"e\":\"process\",\"path\":\"0.9\",\"exe\":\"b\"}\n"
        "{\"e\":\"step\",\"n\":1,\"of\":\"m\",\"tensors\":[[\"w\"," HEX "]]}\n");
    put(folder, "40",
        "{\"e\":\"process\",\"path\":\"0\",\"exe\":\"a\"}\n[1,2\n{\"e\":7}\n{}\nnull\n"
        "{\"e\":\"step\",\"n\":-1,\"tensors\":[]}\n{\"e\":\"step\",\"n\":1,\"tensors\":[[\"w\",\"short\"],7]}"
        "\n"
        "{\"e\":\"step\",\"n\":5,\"of\":\"m\",\"loss\":0.5,\"tensors\":[[\"w\"," HEX "]]}\n"
        "{\"e\":\"epoch\",\"of\":\"m\",\"logs\":{\"loss\":1}}\n{\"e\":\"epoch\",\"of\":\"m\",\"logs\":{"
        "\"val\":2}}\n"
        "{\"e\":\"end\",\"how\":\"_exit\",\"code\":3}\n{\"e\":\"warning\",\"text\":\"cut off in the mid");
    put(folder, "no-number", "{\"e\":\"process\",\"path\":\"7\"}\n");
    assert_int_equal(ib__hold_events_read(&seen, folder, &err), IB_OK);
    assert_int_equal(seen.processes->count, 3);
    static const char *const order[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++)
        assert_true(ib__value_is_string(ib__value_get(seen.processes->items[i], "exe"), order[i]));
    assert_true(ib__value_is_string(ib__value_get(seen.processes->items[0], "end"), "_exit 3"));
    assert_int_equal(seen.damaged, 4); /* no JSON, a number below 0, two tensors */
    assert_int_equal(seen.trace.n_steps, 3);
    assert_int_equal(seen.trace.steps[2].number, 6);
    assert_string_equal(seen.trace.tensors[1].path, "0.9:w");
    assert_int_equal(seen.history->count, 2);
    assert_int_equal(seen.history->items[0]->count, 2);
    assert_true(ib__value_is(ib__value_at(seen.history->items[0], 1), IB_NULL));
    assert_int_equal(seen.warnings->count, 0);
    ib__hold_seen_free(&seen);
    ib__tree_remove(folder);
    assert_false(ib__file_exists(folder));
    assert_int_equal(ib__hold_events_read(&seen, folder, &err), IB_IO);
}

static void secrets(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
        bool secret;
    } cases[] = {{"GITHUB_TOKEN", "x", true},
                 {"AWS_SECRET_ACCESS_KEY", "x", true},
                 {"DB_PASSWORD", "x", true},
                 {"--api-key", "x", true},
                 {"MY_PAT", "x", true},
                 {"ANYTHING", "ghp_0123456789", true},
                 {"DATABASE", "postgres://me:word@host/db", true},
                 {"PATH", "/usr/bin", false},
                 {"LD_LIBRARY_PATH", "/usr/lib", false},
                 {"KERAS_BACKEND", "jax", false},
                 {"PWD", "/home/me", false},
                 {"URL", "https://example.org/@me", false},
                 {"TF_NUM_INTRAOP_THREADS", "2", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(ib__looks_secret(cases[i].name, cases[i].value), cases[i].secret);
}

static void plans(void **state) {
    (void)state;
    ib_hold_plan plan;
    ib_error err = {0};
    assert_int_equal(ib__hold_plan_init(&plan, NULL, &err), IB_OK);
    assert_true(plan.held[IB_HOLD_SEEDS] && !plan.held[IB_HOLD_TIME] && plan.every == 100);
    assert_int_equal(ib__hold_plan_init(&plan, "-seeds,+time", &err), IB_OK);
    assert_true(!plan.held[IB_HOLD_SEEDS] && plan.held[IB_HOLD_TIME] && plan.held[IB_HOLD_HASH]);
    assert_int_equal(ib__hold_plan_init(&plan, "hash,order", &err), IB_OK);
    assert_true(plan.held[IB_HOLD_HASH] && !plan.held[IB_HOLD_SEEDS]);
    assert_int_equal(ib__hold_plan_init(&plan, "all,-watch", &err), IB_OK);
    assert_true(plan.held[IB_HOLD_SECRETS] && !plan.held[IB_HOLD_WATCH]);
    assert_int_equal(ib__hold_plan_init(&plan, "ordre", &err), IB_BAD_INPUT);
    assert_non_null(strstr(err.text, "did you mean order?"));
}

static void distances(void **state) {
    (void)state;
    assert_int_equal(ib__ulp_distance(1.0f, 1.0f), 0);
    assert_int_equal(ib__ulp_distance(1.0f, nextafterf(1.0f, 2.0f)), 1);
    assert_int_equal(ib__ulp_distance(0.0f, -0.0f), 0);
    assert_int_equal(ib__ulp_distance(nextafterf(0.0f, -1.0f), nextafterf(0.0f, 1.0f)), 2);
    assert_int_equal(ib__ulp_distance(1.0f, 2.0f), 1 << 23);
    assert_int_equal(ib__ulp_distance(NAN, -NAN), 0);
    assert_true(ib__ulp_distance(NAN, 1.0f) == UINT32_MAX);
    assert_true(ib__ulp_distance(-INFINITY, INFINITY) == 0xff000000u);
}

static void names(void **state) {
    (void)state;
    assert_true(ib__same_tensor_name("dense/kernel", "dense/kernel"));
    assert_true(ib__same_tensor_name("sequential/dense/kernel", "dense/kernel"));
    assert_true(ib__same_tensor_name("dense/kernel", "model/inner/dense/kernel"));
    assert_true(ib__same_tensor_name("adam/dense_kernel_momentum", "adam/sequential_dense_kernel_momentum"));
    assert_false(ib__same_tensor_name("sequential/dense_1/kernel", "dense/kernel"));
    assert_false(ib__same_tensor_name("mydense/kernel", "dense/kernel"));
    assert_false(ib__same_tensor_name("sgd/dense_kernel_momentum", "adam/sequential_dense_kernel_momentum"));
    assert_false(ib__same_tensor_name("kernel", "bias"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(covers),  cmocka_unit_test(damaged),
        cmocka_unit_test(events),     cmocka_unit_test(secrets), cmocka_unit_test(plans),
        cmocka_unit_test(distances),  cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
