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
    size_t forged;   /* the loss of this step is another one in the record, and all links follow from it */
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
    const char *bend;   /* what is another in the checkpoint that training goes on from, its checksum right */
} fault;

#define KEPT "null}\ncheckpoint: {steps: 1, keep: 10"

static const fault faults[] = {
    {.name = "weight bit, each state recorded",
     .judge = VERIFY,
     .every = "1",
     .memory = {3, "conv2d_1/kernel", 77, 1u << 20, false, 0},
     .cause = "cause: memory: after step 3, bit 20 of element [0, 0, 4, 13] of conv2d_1/kernel"},
    {.name = "weight bit, lowest",
     .judge = DIFF,
     .every = "1",
     .memory = {4, "dense/bias", 3, 1, false, 0},
     .cause = "cause: memory: after step 4, bit 0 of element [3] of dense/bias"},
    {.name = "weight bit, states at epochs",
     .judge = VERIFY,
     .every = "null",
     .memory = {1, "dense/kernel", 3, 1u << 22, false, 0},
     .cause = "cause: memory: the run was disturbed between step 0 and step 2"},
    {.name = "optimizer slot bit",
     .judge = VERIFY,
     .every = "1",
     .memory = {2, "sgd/dense_kernel_momentum", 5, 1u << 10, false, 0},
     .cause = "cause: memory: after step 2, bit 10 of element [0, 5] of sgd/dense_kernel_momentum"},
    {.name = "moving average bit",
     .judge = DIFF,
     .every = "1",
     .memory = {2, "batch_normalization/moving_variance", 1, 1u << 30, false, 0},
     .cause = "bit 30 of element [1] of batch_normalization/moving_variance"},
    {.name = "initial weight bit",
     .judge = VERIFY,
     .every = "1",
     .memory = {0, "conv2d/kernel", 0, 1u << 15, false, 0},
     .cause = "cause: initial weights: 1 tensor, first conv2d/kernel; bit 15 of element [0, 0, 0, 0]"},
    {.name = "another arithmetic",
     .judge = VERIFY,
     .every = "1",
     .memory = {1, "dense/kernel", 0, 0, true, 0},
     .record = "sed -i 's/\"flags\": \"/&-ffast-math /' record.json",
     .cause = "cause: environment: it computed otherwise from the start; "
              "another here: build.flags"},
    {.name = "seed",
     .judge = DIFF,
     .every = "null",
     .edit = "s/^seed: 5/seed: 6/",
     .cause = "cause: seed: the streams that it gives"},
    {.name = "dropout rate",
     .judge = DIFF,
     .every = "null",
     .edit = "s/rate: 0.25/rate: 0.26/",
     .cause = "cause: experiment field: model.sequential[9].Dropout.rate"},
    {.name = "learning rate",
     .judge = DIFF,
     .every = "null",
     .edit = "s/learning_rate: 0.05/learning_rate: 0.06/",
     .cause = "cause: experiment field: compile.optimizer.SGD.learning_rate"},
    {.name = "momentum",
     .judge = DIFF,
     .every = "null",
     .edit = "s/momentum: 0.9/momentum: 0.8/",
     .cause = "compile.optimizer.SGD.momentum"},
    {.name = "batch size",
     .judge = DIFF,
     .every = "null",
     .edit = "s/batch_size: 64/batch_size: 50/",
     .cause = "cause: experiment field: fit.batch_size"},
    {.name = "no shuffle",
     .judge = DIFF,
     .every = "null",
     .edit = "s/batch_size: 64/batch_size: 64, shuffle: false/",
     .cause = "cause: experiment field: fit.shuffle"},
    {.name = "lanes",
     .judge = DIFF,
     .every = "null",
     .edit = "s/batch_size: 64/batch_size: 64, lanes: 3/",
     .cause = "cause: experiment field: fit.lanes"},
    {.name = "activation",
     .judge = DIFF,
     .every = "null",
     .edit = "s/activation: tanh/activation: relu/",
     .cause = "model.sequential[6].Conv2D.activation"},
    {.name = "width of a layer",
     .judge = DIFF,
     .every = "null",
     .edit = "s/filters: 16/filters: 12/",
     .cause = "model.sequential[6].Conv2D.filters"},
    {.name = "regularizer",
     .judge = DIFF,
     .every = "null",
     .edit = "s/, kernel_regularizer: l2//",
     .cause = "model.sequential[2].Conv2D.kernel_regularizer"},
    {.name = "metrics",
     .judge = DIFF,
     .every = "null",
     .edit = "s/metrics: .accuracy./metrics: []/",
     .cause = "cause: experiment field: compile.metrics"},
    {.name = "rows of data",
     .judge = DIFF,
     .every = "null",
     .edit = "s/rows: .0, 200./rows: [0, 199]/",
     .cause = "cause: experiment field: data.train.rows[1]"},
    {.name = "a changed pixel",
     .judge = DIFF,
     .every = "null",
     .data = "41s/,[0-9]*,/,16,/20",
     .cause = "cause: data: data.train.csv"},
    {.name = "a changed label",
     .judge = DIFF,
     .every = "null",
     .data = "30s/[0-9]$/7/",
     .cause = "cause: data: data.train.csv"},
    {.name = "two swapped samples",
     .judge = DIFF,
     .every = "null",
     .data = "12{h;d};25{G}",
     .cause = "cause: order of the data: data.train.csv"},
    {.name = "a changed sample behind those in use",
     .judge = DIFF,
     .every = "null",
     .data = "1700s/,[0-9]*,/,16,/9",
     .cause = "cause: data that are not in use"},
    {.name = "contract version",
     .judge = DIFF,
     .every = "null",
     .record = "sed -i 's/\"contract\": 1,/\"contract\": 2,/' record.json",
     .cause = "cause: contract version"},
    {.name = "forged loss",
     .judge = VERIFY,
     .every = "null",
     .record = "sed -i '3s/^2 ..../2 3f00/' steps",
     .cause = "cause: the record was changed: step 2 (its loss)"},
    {.name = "forged loss",
     .judge = DIFF,
     .every = "null",
     .record = "sed -i '5s/^4 ..../4 3f00/' steps",
     .cause = "cause: the record was changed: step 4 (its loss)"},
    {.name = "forged loss",
     .judge = AUDIT,
     .every = "null",
     .record = "sed -i '5s/^4 ..../4 3f00/' steps",
     .cause = "differs: first at step 4"},
    {.name = "forged link",
     .judge = VERIFY,
     .every = "null",
     .record = "sed -i '5s/....$/abcd/' steps",
     .cause = "cause: the record was changed: step 4 (its link)"},
    {.name = "forged digest of a tensor",
     .judge = VERIFY,
     .every = "1",
     .record = "sed -i '/^5 .* dense.kernel$/s/^5 ..../5 abcd/' tensors",
     .cause = "cause: the record was changed: step 5 (dense/kernel)"},
    {.name = "forged result digest",
     .judge = VERIFY,
     .every = "null",
     .record = "sed -i 's/\"result\": \"..../\"result\": \"abcd/' record.json",
     .cause = "differs: all steps agree, but not the result digest"},
    {.name = "forged history",
     .judge = VERIFY,
     .every = "null",
     .record = "sed -i '2s/^0,0/0,1/' history.csv",
     .cause = "differs: all steps agree, but history.csv does not hold what was trained"},
    {.name = "forged test result",
     .judge = VERIFY,
     .every = "null",
     .record = "sed -i 's/\"accuracy\": 0.[0-9]*/\"accuracy\": 0.99/' record.json",
     .cause = "record.json (results) does not hold"},
    {.name = "input changed after training",
     .judge = VERIFY,
     .every = "null",
     .record = "sed -i '9s/,[0-9]*,/,16,/9' ../fault.csv",
     .cause = "data.train.csv, the file "},
    {.name = "forged experiment digest",
     .judge = DIFF,
     .every = "null",
     .record = "sed -i 's/\"experiment_sha256\": \"..../\"experiment_sha256\": \"abcd/' record.json",
     .cause = "cause: the record was changed: experiment_sha256"},
    {.name = "weight bit, seen by a checkpoint",
     .judge = DIFF,
     .every = KEPT,
     .memory = {4, "dense/kernel", 3, 1u << 22, false, 0},
     .cause = "cause: memory: between step 3 and step 4, bit 22 of element [0, 3] of dense/kernel"},
    {.name = "slot bit, seen by a checkpoint",
     .judge = VERIFY,
     .every = KEPT,
     .memory = {4, "sgd/conv2d_kernel_momentum", 3, 1u << 29, false, 0},
     .cause = "cause: memory: between step 3 and step 4, bit 29 of element [0, 0, 0, 3] of "
              "sgd/conv2d_kernel_momentum"},
    {.name = "resumed with another weight",
     .judge = VERIFY,
     .every = KEPT,
     .cause = "cause: resumption: training went on at step 4 in another state: bit 22 of element [0, 3] of "
              "dense/kernel",
     .bend = "dense/kernel"},
    {.name = "resumed with another slot",
     .judge = DIFF,
     .every = KEPT,
     .cause = "cause: resumption: training went on at step 4 in another state: bit 22 of element [0, 3] of "
              "sgd/dense_kernel_momentum",
     .bend = "sgd/dense_kernel_momentum"},
    {.name = "resumed at another step of the optimizer",
     .judge = DIFF,
     .every = KEPT,
     .cause =
         "cause: resumption: training went on at step 4 in another state: sgd/iteration of the optimizer: "
         "4 became 5",
     .bend = "iteration"},
    {.name = "resumed with other samples",
     .judge = VERIFY,
     .every = KEPT,
     .cause = "cause: resumption: training went on at step 4 in another state: the position in the data",
     .bend = "position"},
    {.name = "resumed with other samples",
     .judge = DIFF,
     .every = KEPT,
     .cause = "cause: resumption: training went on at step 4 in another state: the position in the data",
     .bend = "position"},
    {.name = "resumed with other samples",
     .judge = AUDIT,
     .every = KEPT,
     .cause = "the checkpoint of step 4 does not hold the state of that step\n  the position in the data",
     .bend = "position"},
    {.name = "resumed with another running metric",
     .judge = VERIFY,
     .every = KEPT,
     .cause = "cause: resumption: training went on at step 4 in another state: the running loss and metrics",
     .bend = "accuracy"},
    {.name = "forged loss, links made to follow",
     .judge = VERIFY,
     .every = "null",
     .memory = {.forged = 4},
     .cause = "cause: the record was changed: step 4 (its loss), the steps after it are right again"},
    {.name = "forged loss, links made to follow",
     .judge = DIFF,
     .every = KEPT,
     .memory = {.forged = 4},
     .cause = "cause: the record was changed: step 4 (its loss), the steps after it are right again"},
    {.name = "forged loss, links made to follow",
     .judge = AUDIT,
     .every = KEPT,
     .memory = {.forged = 4},
     .cause = "differs: first at step 4"},
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

/* The forger makes the link of the step follow from what stands there, so that all later ones do. */
static bool forge(void *context, const ib_trainer *trainer, const ib_trace *trace) {
    const disturbance *d = context;
    ib_step_record *record = &trace->steps[trace->n_steps - 1];
    if (d->forged == 0 || trace->n_steps - 1 != d->forged) return true;
    record->loss ^= 1u << 20;
    return ib__trace_link(&record->chain, trace, d->forged, trainer);
}

static int stop_at_step_4(void *context, const ib_progress *p) {
    (void)context;
    return p->epoch == 2 && p->step == 1 ? IB_STOP : IB_GO_ON;
}

static uint64_t u64_at(const char *bytes) {
    ib_unpack u = {(const unsigned char *)bytes, (const unsigned char *)bytes + 8, false};
    return ib__unpack_u64(&u);
}

/* The place of what is named: "position" (the first sample of the next batch), "iteration", a metric or a
 * variable. */
static char *place_of(const char *what, const ib_checkpoint *c) {
    char *begin = c->file.data + ((const char *)c->state - c->file.data), *end = begin + c->n_state;
    if (strcmp(what, "position") == 0) {
        for (char *at = end - 48; at > begin; at--)
            if (u64_at(at) == (uint64_t)(end - at - 8) && u64_at(at + 8) == 1) return at + 48;
        return NULL;
    }
    char *at = memmem(begin, c->n_state, what, strlen(what) + 1);
    if (at == NULL) return NULL;
    at += strlen(what) + 1;
    if (strcmp(what, "iteration") == 0) return at;
    at += 8; /* the length of the shape's text, or how many numbers a metric has */
    if (strchr(what, '/') == NULL) return at;
    return at + strlen(at) + 1 + 3 * sizeof(float);
}

/* Trained as far as step 4, the checkpoint changed there, gone on. */
static void train_bent(const char *what) {
    char path[256], run[256];
    ib_error err = {0};
    ib_options options = {.threads = 2, .progress = stop_at_step_4};
    ib_checkpoint *c = NULL;
    in_base(path, "fault.yaml");
    in_base(run, "fault");
    assert_int_equal(ib_train(path, run, &options, NULL, NULL), IB_INTERRUPTED);
    assert_int_equal(ib__checkpoint_open(&c, run, 4, NULL), IB_OK);
    char *at = place_of(what, c);
    assert_non_null(at);
    if (strcmp(what, "position") == 0 || strcmp(what, "iteration") == 0)
        at[0] = (char)(at[0] ^ 1);
    else
        at[2] = (char)(at[2] ^ 0x40);
    ib_digest right = ib__sha256(c->file.data, c->file.length - sizeof right);
    memcpy(c->file.data + c->file.length - sizeof right, &right, sizeof right);
    assert_int_equal(ib__file_write(c->path, c->file.data, c->file.length, NULL), IB_OK);
    ib__checkpoint_free(c);
    options.progress = NULL;
    options.resume = 1;
    ib_status status = ib_train(path, run, &options, NULL, &err);
    if (status != IB_OK) fail_msg("%s: %s: %s", what, err.where, err.text);
}

static void change_record(const fault *f) {
    shell("cp -r '%s/fault' '%s/kept' && cp '%s/fault.csv' '%s/kept.csv'", base, base, base, base);
    shell("cd '%s/fault' && %s", base, f->record);
    shell("! { diff -r -q '%s/fault' '%s/kept' && cmp -s '%s/fault.csv' '%s/kept.csv'; } >/dev/null; rm "
          "-rf '%s/kept'",
          base, base, base, base, base);
}

static void plant(const fault *f) {
    char table[256];
    ib_trace trace = {0};
    const ib_runtime runtime = {.threads = 2, .isa = ib__isa_default()};
    disturbance d = f->memory;
    ib_fit_hooks hooks = {.on_step = disturb, .check = forge, .context = &d};
    in_base(table, "fault.csv");
    shell(
        "rm -rf '%s/fault' '%s/clean'; cp examples/digits/digits.csv '%s/clean.csv'; cp '%s/clean.csv' '%s'",
        base, base, base, base, table);
    if (f->data != NULL) {
        shell("sed -i '%s' '%s'", f->data, table);
        shell("! cmp -s '%s' '%s/clean.csv'", table, base);
    }
    write_experiment("fault.yaml", table, f->every);
    if (f->edit != NULL) {
        shell("cp '%s/fault.yaml' '%s/before' && sed -i '%s' '%s/fault.yaml'", base, base, f->edit, base);
        shell("! cmp -s '%s/fault.yaml' '%s/before'", base, base);
    }
    if (f->bend != NULL)
        train_bent(f->bend);
    else
        train_with("fault.yaml", &runtime, &hooks, "fault", &trace);
    ib__trace_free(&trace);
    if (f->record != NULL) change_record(f);
}

/* The run without a fault, once for each interval of records. */
static void make_clean(const char *every, char run[256]) {
    char table[256], name[32];
    ib_trace trace = {0};
    snprintf(name, sizeof name, "clean-%.4s%s", every, strcmp(every, KEPT) == 0 ? "-kept" : "");
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
    fault f = {.name = "none", .judge = VERIFY, .every = "1"};
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
