/* SPDX-License-Identifier: Apache-2.0
 *
 * The goal `functional`: quantiles of Student's t, error rates of the tests by repetition, and real
 * trainings: other optimizers are told apart, other seeds are not.
 */
#include "run/runs.h"

#include <math.h>

#include "numerics/double.h"
#include "run/equivalence.h"

/* Tables of Student's t (one-sided), to the digits that they give. */
static void quantiles(void **state) {
    static const double table[][3] = {{0.95, 1, 6.313752},   {0.95, 4, 2.131847},    {0.95, 10, 1.812461},
                                      {0.95, 30, 1.697261},  {0.975, 1, 12.706205},  {0.975, 2, 4.302653},
                                      {0.975, 10, 2.228139}, {0.975, 120, 1.979930}, {0.99, 5, 3.364930},
                                      {0.995, 20, 2.845340}, {0.9, 3, 1.637744},     {0.75, 8, 0.706387}};
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        double found = ib__double_student_quantile(table[i][0], table[i][1]);
        if (fabs(found - table[i][2]) > 1e-6) fail_msg("t(%g, %g) is %.9g", table[i][0], table[i][1], found);
        assert_true(fabs(ib__double_student_quantile(1 - table[i][0], table[i][1]) + found) < 1e-9);
        assert_true(fabs(ib__double_student(found, table[i][1]) - table[i][0]) < 1e-13);
    }
    /* One and two degrees of freedom have closed forms. */
    for (double t = -20; t <= 20; t += 0.37) {
        assert_true(fabs(ib__double_student(t, 1) - (0.5 + atan(t) / 3.14159265358979323846)) < 1e-13);
        assert_true(fabs(ib__double_student(t, 2) - (0.5 + t / (2 * sqrt(2 + t * t)))) < 1e-13);
    }
    for (double x = 0.5; x < 60; x += 0.73)
        assert_true(fabs(ib__double_log_gamma(x) - lgamma(x)) < 1e-13 * fmax(1, fabs(lgamma(x))));
}

/* Samples with the given difference of means, each deviation 1; the share that is called equivalent. */
static double share(double difference, double margin, size_t n, size_t trials, ib_verdict wanted) {
    ib_stream s = ib__stream(1, "functional", "trials");
    uint64_t at = 0;
    size_t count = 0;
    for (size_t trial = 0; trial < trials; trial++) {
        double a[32], b[32];
        for (size_t i = 0; i < n; i++) {
            a[i] = ib__stream_normal(&s, at++, 0, 0);
            b[i] = ib__stream_normal(&s, at++, 0, 0) + difference;
        }
        count += ib__equivalence(a, n, b, n, margin, 0.05).verdict == wanted;
    }
    return (double)count / (double)trials;
}

/* A difference as large as the margin is called equivalent in 5 % at most; no difference nearly always, when
 * the margin is wide; and the chance that an equal pair is called different is small. */
static void error_rates(void **state) {
    (void)state;
    double wrong = share(2, 2, 8, 4000, IB_EQUIVALENT), right = share(0, 2, 8, 4000, IB_EQUIVALENT);
    double far = share(5, 2, 8, 4000, IB_DIFFERENT), false_alarm = share(2, 2, 8, 4000, IB_DIFFERENT);
    print_message("at the margin equivalent in %.1f %%, different in %.1f %%; without a difference "
                  "equivalent in %.1f %%; "
                  "far away different in %.1f %%\n",
                  100 * wrong, 100 * false_alarm, 100 * right, 100 * far);
    assert_true(wrong < 0.06 && wrong > 0.03);
    assert_true(false_alarm < 0.06);
    assert_true(right > 0.95);
    assert_true(far > 0.95);
}

static void edges(void **state) {
    const double same[] = {0.5, 0.5, 0.5}, other[] = {0.9, 0.9};
    (void)state;
    assert_int_equal(ib__equivalence(same, 3, same, 3, 0.01, 0.05).verdict, IB_EQUIVALENT);
    assert_int_equal(ib__equivalence(same, 3, other, 2, 0.01, 0.05).verdict, IB_DIFFERENT);
    assert_int_equal(ib__equivalence(same, 3, other, 1, 0.5, 0.05).verdict, IB_EQUIVALENT);
    const double bad[] = {0.5, (double)NAN};
    assert_int_equal(ib__equivalence(bad, 2, same, 3, 0.5, 0.05).verdict, IB_UNDECIDED);
}

/* ---- Real trainings ---- */

static const char *const digits =
    "isobit: 1\nseed: 3\ngoal: functional\nmargins: {test_accuracy: 0.04}\nmodel:\n  sequential:\n"
    "    - Rescaling: {scale: 0.0625}\n    - Dense: {units: 32, activation: relu}\n"
    "    - Dense: {units: 10, activation: softmax}\n"
    "compile: {optimizer: {Adam: {learning_rate: %s}}, loss: sparse_categorical_crossentropy, metrics: "
    "[accuracy]}\n"
    "data:\n  train: {csv: digits.csv, label: label, rows: [0, 600]}\n"
    "  test: {csv: digits.csv, label: label, rows: [600, 1200]}\nfit: {batch_size: 16, epochs: 5}\n";

static ib_buf said;

static void hear(void *context, const char *text) {
    (void)context;
    ib__buf_text(&said, text);
}

static void train(const char *name, const char *rate) {
    char path[256], run[256], text[4096];
    in_base(path, "digits.yaml");
    in_base(run, name);
    snprintf(text, sizeof text, digits, rate);
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
    assert_int_equal(ib_train(path, run, NULL, NULL, NULL), IB_OK);
}

static ib_status judge(const char *name, const ib_judgement *how, ib_error *err) {
    char run[256];
    ib_options options = {.text = hear};
    in_base(run, name);
    ib__buf_free(&said);
    return ib_verify(run, how, &options, err);
}

static void trainings(void **state) {
    char command[600], slow[256];
    ib_error err = {0};
    (void)state;
    snprintf(command, sizeof command, "cp examples/digits/digits.csv %s/", base);
    assert_int_equal(system(command), 0);
    train("good", "0.003");
    train("slow", "0.00003");
    in_base(slow, "slow");
    assert_int_equal(judge("good", NULL, NULL), IB_OK);
    assert_non_null(strstr(said.data, "functionally the same"));
    assert_int_equal(judge("good", &(ib_judgement){.against = slow, .seeds = 3}, NULL), IB_DIFFERS);
    assert_non_null(strstr(said.data, "margin 0.04: different"));
    char good[256];
    in_base(good, "good");
    assert_int_equal(judge("good", &(ib_judgement){.against = good, .seeds = 4}, NULL), IB_OK);
    assert_int_equal(judge("good", &(ib_judgement){.margins = "acuracy=0.1"}, &err), IB_BAD_INPUT);
    assert_non_null(strstr(err.text, "did you mean accuracy"));
    assert_int_equal(judge("good", &(ib_judgement){.margins = "accuracy"}, NULL), IB_BAD_INPUT);
    assert_int_equal(judge("good", &(ib_judgement){.margins = "accuracy=-1"}, NULL), IB_BAD_INPUT);
    assert_int_equal(judge("good", &(ib_judgement){.seeds = 1}, NULL), IB_BAD_INPUT);
    /* Folders of recorded runs. */
    snprintf(command, sizeof command,
             "cd '%s' && mkdir a b && cp -r good a/1 && cp -r good a/2 && cp -r slow b/1 && "
             "cp -r slow b/2",
             base);
    assert_int_equal(system(command), 0);
    char b[256];
    in_base(b, "b");
    ib_judgement recorded = {.goal = "functional", .against = b, .margins = "test_accuracy=0.05"};
    assert_int_equal(judge("a", &recorded, NULL), IB_DIFFERS);
    in_base(b, "a");
    assert_int_equal(judge("a", &recorded, NULL), IB_OK);
    ib__buf_free(&said);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(quantiles), cmocka_unit_test(error_rates),
                                       cmocka_unit_test(edges), cmocka_unit_test(trainings)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
