/* SPDX-License-Identifier: Apache-2.0
 *
 * Planted faults: each is found by verify, audit or diff, and its cause named. Prints the table.
 */
#include "run/runs.h"

typedef enum judge { VERIFY, DIFF, AUDIT } judge;
static const char *const judges[] = {"verify", "diff", "audit"};

/* What happens in memory after a step: bits of a variable, or all of them a little. */
typedef struct disturbance {
    size_t step;
    const char *path;
    size_t element;
    uint32_t bits;
    bool everywhere; /* from this step on one unit in the last place in each element, as another arithmetic
                        would */
} disturbance;

typedef struct fault {
    const char *name;
    judge judge;
    const char *every;  /* fit.record_every */
    const char *edit;   /* sed on the experiment */
    const char *data;   /* sed on the table */
    disturbance memory; /* while it trains */
    const char *record; /* shell in the run's folder */
    const char *cause;  /* what must be said */
} fault;

static const fault faults[] = {
    {"weight bit, each state recorded",
     VERIFY,
     "1",
     "",
     "",
     {3, "conv2d_1/kernel", 77, 1u << 20, false},
     "",
     "cause: memory: after step 3, bit 20 of element [0, 0, 4, 13] of conv2d_1/kernel"},
    {"weight bit, lowest",
     DIFF,
     "1",
     "",
     "",
     {4, "dense/bias", 3, 1, false},
     "",
     "cause: memory: after step 4, bit 0 of element [3] of dense/bias"},
    {"weight bit, states at epochs",
     VERIFY,
     "null",
     "",
     "",
     {1, "dense/kernel", 3, 1u << 22, false},
     "",
     "cause: memory: the run was disturbed between step 0 and step 2"},
    {"optimizer slot bit",
     VERIFY,
     "1",
     "",
     "",
     {2, "sgd/dense_kernel_momentum", 5, 1u << 10, false},
     "",
     "cause: memory: after step 2, bit 10 of element [0, 5] of sgd/dense_kernel_momentum"},
    {"moving average bit",
     DIFF,
     "1",
     "",
     "",
     {2, "batch_normalization/moving_variance", 1, 1u << 30, false},
     "",
     "bit 30 of element [1] of batch_normalization/moving_variance"},
    {"initial weight bit",
     VERIFY,
     "1",
     "",
     "",
     {0, "conv2d/kernel", 0, 1u << 15, false},
     "",
     "cause: initial weights: 1 tensor, first conv2d/kernel; bit 15 of element [0, 0, 0, 0]"},
    {"another arithmetic",
     VERIFY,
     "1",
     "",
     "",
     {1, "dense/kernel", 0, 0, true},
     "sed -i 's/\"flags\": \"/&-ffast-math /' record.json",
     "cause: environment: it computed otherwise from the start; "
     "another here: build.flags"},
    {"seed", DIFF, "null", "s/^seed: 5/seed: 6/", "", {0}, "", "cause: seed: the streams that it gives"},
    {"dropout rate",
     DIFF,
     "null",
     "s/rate: 0.25/rate: 0.26/",
     "",
     {0},
     "",
     "cause: experiment field: model.sequential[9].Dropout.rate"},
    {"learning rate",
     DIFF,
     "null",
     "s/learning_rate: 0.05/learning_rate: 0.06/",
     "",
     {0},
     "",
     "cause: experiment field: compile.optimizer.SGD.learning_rate"},
    {"momentum",
     DIFF,
     "null",
     "s/momentum: 0.9/momentum: 0.8/",
     "",
     {0},
     "",
     "compile.optimizer.SGD.momentum"},
    {"batch size",
     DIFF,
     "null",
     "s/batch_size: 64/batch_size: 50/",
     "",
     {0},
     "",
     "cause: experiment field: fit.batch_size"},
    {"no shuffle",
     DIFF,
     "null",
     "s/batch_size: 64/batch_size: 64, shuffle: false/",
     "",
     {0},
     "",
     "cause: experiment field: fit.shuffle"},
    {"lanes",
     DIFF,
     "null",
     "s/batch_size: 64/batch_size: 64, lanes: 3/",
     "",
     {0},
     "",
     "cause: experiment field: fit.lanes"},
    {"activation",
     DIFF,
     "null",
     "s/activation: tanh/activation: relu/",
     "",
     {0},
     "",
     "model.sequential[6].Conv2D.activation"},
    {"width of a layer",
     DIFF,
     "null",
     "s/filters: 16/filters: 12/",
     "",
     {0},
     "",
     "model.sequential[6].Conv2D.filters"},
    {"regularizer",
     DIFF,
     "null",
     "s/, kernel_regularizer: l2//",
     "",
     {0},
     "",
     "model.sequential[2].Conv2D.kernel_regularizer"},
    {"metrics",
     DIFF,
     "null",
     "s/metrics: .accuracy./metrics: []/",
     "",
     {0},
     "",
     "cause: experiment field: compile.metrics"},
    {"rows of data",
     DIFF,
     "null",
     "s/rows: .0, 200./rows: [0, 199]/",
     "",
     {0},
     "",
     "cause: experiment field: data.train.rows[1]"},
    {"a changed pixel", DIFF, "null", "", "41s/,[0-9]*,/,16,/20", {0}, "", "cause: data: data.train.csv"},
    {"a changed label", DIFF, "null", "", "30s/[0-9]$/7/", {0}, "", "cause: data: data.train.csv"},
    {"two swapped samples",
     DIFF,
     "null",
     "",
     "12{h;d};25{G}",
     {0},
     "",
     "cause: order of the data: data.train.csv"},
    {"a changed sample behind those in use",
     DIFF,
     "null",
     "",
     "1700s/,[0-9]*,/,16,/9",
     {0},
     "",
     "cause: data that are not in use"},
    {"contract version",
     DIFF,
     "null",
     "",
     "",
     {0},
     "sed -i 's/\"contract\": 1,/\"contract\": 2,/' record.json",
     "cause: contract version"},
    {"forged loss",
     VERIFY,
     "null",
     "",
     "",
     {0},
     "sed -i '3s/^2 ..../2 3f00/' steps",
     "cause: the record was changed: step 2 (its loss)"},
    {"forged loss",
     DIFF,
     "null",
     "",
     "",
     {0},
     "sed -i '5s/^4 ..../4 3f00/' steps",
     "cause: the record was changed: step 4 (its loss)"},
    {"forged loss",
     AUDIT,
     "null",
     "",
     "",
     {0},
     "sed -i '5s/^4 ..../4 3f00/' steps",
     "differs: first at step 4"},
    {"forged link",
     VERIFY,
     "null",
     "",
     "",
     {0},
     "sed -i '5s/....$/abcd/' steps",
     "cause: the record was changed: step 4 (its link)"},
    {"forged digest of a tensor",
     VERIFY,
     "1",
     "",
     "",
     {0},
     "sed -i '/^5 .* dense.kernel$/s/^5 ..../5 abcd/' tensors",
     "cause: the record was changed: step 5 (dense/kernel)"},
    {"forged result digest",
     VERIFY,
     "null",
     "",
     "",
     {0},
     "sed -i 's/\"result\": \"..../\"result\": \"abcd/' record.json",
     "differs: all steps agree, but not the result digest"},
    {"forged history",
     VERIFY,
     "null",
     "",
     "",
     {0},
     "sed -i '2s/^0,0/0,1/' history.csv",
     "differs: all steps agree, but history.csv does not hold what was trained"},
    {"forged test result",
     VERIFY,
     "null",
     "",
     "",
     {0},
     "sed -i 's/\"accuracy\": 0.[0-9]*/\"accuracy\": 0.99/' record.json",
     "record.json (results) does not hold"},
    {"input changed after training",
     VERIFY,
     "null",
     "",
     "",
     {0},
     "sed -i '9s/,[0-9]*,/,16,/9' ../fault.csv",
     "data.train.csv, the file "},
    {"forged experiment digest",
     DIFF,
     "null",
     "",
     "",
     {0},
     "sed -i 's/\"experiment_sha256\": \"..../\"experiment_sha256\": \"abcd/' record.json",
     "cause: the record was changed: experiment_sha256"},
};

static ib_buf said;

static void hear(void *context, const char *text) {
    (void)context;
    ib__buf_text(&said, text);
}

static void disturb(void *context, ib_trainer *trainer) {
    const disturbance *d = context;
    if (d->path == NULL || (d->everywhere ? trainer->step < d->step : trainer->step != d->step)) return;
    ib_variable *v = NULL;
    for (size_t i = 0; (v = ib__state_variable(trainer, i)) != NULL; i++)
        if (strcmp(v->path, d->path) == 0) break;
    assert_non_null(v);
    for (size_t i = 0; i < (size_t)ib__shape_elements(&v->shape); i++) {
        uint32_t bits;
        if (!d->everywhere && i != d->element) continue;
        memcpy(&bits, &v->data[i], sizeof bits);
        bits = d->everywhere ? bits + 1 : bits ^ d->bits;
        memcpy(&v->data[i], &bits, sizeof bits);
    }
}

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void shell(const char *format, ...) {
    char command[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0) fail_msg("%s", command);
}

static void plant(const fault *f) {
    char table[256];
    ib_trace trace = {0};
    const ib_runtime runtime = {.threads = 2, .isa = ib__isa_default()};
    disturbance d = f->memory;
    ib_fit_hooks hooks = {.on_step = disturb, .context = &d};
    in_base(table, "fault.csv");
    shell(
        "rm -rf '%s/fault' '%s/clean'; cp examples/digits/digits.csv '%s/clean.csv'; cp '%s/clean.csv' '%s'",
        base, base, base, base, table);
    if (f->data[0] != '\0') {
        shell("sed -i '%s' '%s'", f->data, table);
        shell("! cmp -s '%s' '%s/clean.csv'", table, base);
    }
    write_experiment("fault.yaml", table, f->every);
    if (f->edit[0] != '\0') {
        shell("cp '%s/fault.yaml' '%s/before' && sed -i '%s' '%s/fault.yaml'", base, base, f->edit, base);
        shell("! cmp -s '%s/fault.yaml' '%s/before'", base, base);
    }
    train_with("fault.yaml", &runtime, &hooks, "fault", &trace);
    ib__trace_free(&trace);
    if (f->record[0] != '\0') {
        shell("cp -r '%s/fault' '%s/kept' && cp '%s/fault.csv' '%s/kept.csv'", base, base, base, base);
        shell("cd '%s/fault' && %s", base, f->record);
        shell("! { diff -r -q '%s/fault' '%s/kept' && cmp -s '%s/fault.csv' '%s/kept.csv'; } >/dev/null; rm "
              "-rf '%s/kept'",
              base, base, base, base, base);
    }
}

/* The run without a fault, once for each interval of records. */
static void make_clean(const char *every, char run[256]) {
    char table[256], name[32];
    ib_trace trace = {0};
    snprintf(name, sizeof name, "clean-%s", every);
    in_base(run, name);
    if (ib__file_exists(run)) return;
    in_base(table, "clean.csv");
    write_experiment("clean.yaml", table, every);
    train_with("clean.yaml", &(ib_runtime){.threads = 2, .isa = ib__isa_default()}, &(ib_fit_hooks){0}, name,
               &trace);
    ib__trace_free(&trace);
}

static ib_status judge_it(const fault *f) {
    char run[256], clean[256];
    ib_error err = {0};
    ib_options options = {.threads = 2, .text = hear};
    in_base(run, "fault");
    make_clean(f->every, clean);
    ib__buf_free(&said);
    ib_status status = f->judge == VERIFY ? ib_verify(run, NULL, &options, &err)
                       : f->judge == DIFF ? ib_diff(run, clean, &options, &err)
                                          : ib_audit(run, 1000, &options, &err);
    if (status != IB_OK && status != IB_DIFFERS) ib__buf_printf(&said, "%s: %s\n", err.where, err.text);
    return status;
}

static void table_of_faults(void **state) {
    size_t found = 0, named = 0, n = sizeof faults / sizeof *faults;
    (void)state;
    for (size_t i = 0; i < n; i++) {
        plant(&faults[i]);
        ib_status status = judge_it(&faults[i]);
        bool right = said.data != NULL && strstr(said.data, faults[i].cause) != NULL;
        found += status == IB_DIFFERS;
        named += right;
        print_message("%-38s %-7s %-6s %s\n", faults[i].name, judges[faults[i].judge],
                      status == IB_DIFFERS ? "found" : "MISSED", right ? "named" : "NOT NAMED");
        if (!right || status != IB_DIFFERS)
            print_message("    expected %s\n    in:\n%s\n", faults[i].cause, said.data);
    }
    print_message("%zu faults, %zu found, %zu named\n", n, found, named);
    assert_true(n >= 20);
    assert_int_equal(found, n);
    assert_int_equal(named, n);
    ib__buf_free(&said);
}

/* No fault: nothing is found, twice. */
static void none(void **state) {
    fault f = {"none", VERIFY, "1", "", "", {0}, "", ""};
    (void)state;
    plant(&f);
    assert_int_equal(judge_it(&f), IB_OK);
    f.judge = AUDIT;
    assert_int_equal(judge_it(&f), IB_OK);
    f.judge = DIFF;
    assert_int_equal(judge_it(&f), IB_OK);
    ib__buf_free(&said);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(none), cmocka_unit_test(table_of_faults)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
