/* SPDX-License-Identifier: Apache-2.0
 *
 * The public calls as a program uses them: NULL options, NULL errors, a stop in the middle, a host with
 * another rounding mode.
 */
#include "run/runs.h"

#include <fenv.h>

static void paths(char experiment[256], char run[256], const char *name) {
    write_experiment("api.yaml", "examples/digits/digits.csv", "null");
    in_base(experiment, "api.yaml");
    in_base(run, name);
}

static void defaults(void **state) {
    char experiment[256], run[256], first[72], second[72], other[256];
    (void)state;
    paths(experiment, run, "a");
    in_base(other, "b");
    assert_int_equal(ib_train(experiment, run, NULL, first, NULL), IB_OK);
    assert_int_equal(strlen(first), 7 + 64);
    ib_options options = {.threads = 1, .isa = "ref"};
    assert_int_equal(ib_train(experiment, other, &options, second, NULL), IB_OK);
    assert_string_equal(first, second);
    assert_int_equal(ib_verify(run, NULL, NULL, NULL), IB_OK);
    assert_int_equal(ib_diff(run, other, NULL, NULL), IB_OK);
    assert_int_equal(ib_show(run, NULL, NULL), IB_OK);
    assert_int_equal(ib_summary(run, NULL, NULL), IB_OK);
    assert_int_equal(ib_evaluate(run, NULL, NULL, NULL), IB_OK);
    assert_int_equal(ib_train("/nowhere.yaml", run, NULL, NULL, NULL), IB_IO);
    assert_int_equal(ib_verify("/nowhere", NULL, NULL, NULL), IB_IO);
    assert_int_equal(ib_env(NULL, NULL), IB_OK);
    assert_int_equal(ib_kernels_list(NULL, NULL), IB_OK);
}

/* A host may round upwards; the result is the same and the host's mode is given back. */
static void rounding(void **state) {
    char experiment[256], run[256], first[72], second[72];
    (void)state;
    paths(experiment, run, "near");
    assert_int_equal(ib_train(experiment, run, NULL, first, NULL), IB_OK);
    in_base(run, "up");
    assert_int_equal(fesetround(FE_UPWARD), 0);
    ib_status status = ib_train(experiment, run, NULL, second, NULL);
    int mode = fegetround();
    fesetround(FE_TONEAREST);
    assert_int_equal(status, IB_OK);
    assert_int_equal(mode, FE_UPWARD);
    assert_string_equal(first, second);
}

typedef struct counted {
    size_t calls, stop_at, ends;
} counted;

static int count(void *context, const ib_progress *p) {
    counted *c = context;
    c->ends += p->epoch_end != 0;
    return ++c->calls == c->stop_at;
}

static void stop(void **state) {
    char experiment[256], run[256];
    ib_error err = {0};
    counted c = {.stop_at = 4};
    ib_options options = {.progress = count, .context = &c};
    (void)state;
    paths(experiment, run, "stopped");
    assert_int_equal(ib_train(experiment, run, &options, NULL, &err), IB_INTERRUPTED);
    assert_int_equal(err.code, IB_INTERRUPTED);
    assert_int_equal(c.calls, 4); /* before the end of the first epoch */
    assert_int_equal(ib_train(experiment, run, &options, NULL, NULL), IB_BAD_INPUT);
    c = (counted){0};
    options.resume = 1;
    char resumed[72], whole[72];
    assert_int_equal(ib_train(experiment, run, &options, resumed, NULL), IB_OK);
    assert_int_equal(c.ends, 2);
    assert_int_equal(c.calls, 1 + (1 + 3 + 1)); /* the end of the first epoch; all of the second */
    c = (counted){0};
    in_base(run, "whole");
    assert_int_equal(ib_train(experiment, run, &options, whole, NULL), IB_OK);
    assert_int_equal(c.ends, 2);
    assert_int_equal(c.calls, 2 * (1 + 3 + 1)); /* beginning, three steps, end */
    assert_string_equal(resumed, whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(defaults), cmocka_unit_test(rounding),
                                       cmocka_unit_test(stop)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
