/* SPDX-License-Identifier: Apache-2.0
 *
 * One bit flipped in a weight, or one element of the data changed, is caught by verify and located by diff.
 */
#include "run/runs.h"

typedef struct flip {
    size_t step;
    const char *path;
    size_t element;
    uint32_t bits;
    bool done;
} flip;

/* As a particle would: one bit of one weight, in the middle of training. */
static void flip_bit(void *context, ib_trainer *trainer) {
    flip *f = context;
    if (trainer->step != f->step || f->done) return;
    for (size_t i = 0; i < trainer->n_weights; i++) {
        ib_variable *v = &trainer->weights[i]->variable;
        if (strcmp(v->path, f->path) != 0) continue;
        uint32_t bits;
        memcpy(&bits, &v->data[f->element], sizeof bits);
        bits ^= f->bits;
        memcpy(&v->data[f->element], &bits, sizeof bits);
        f->done = true;
    }
}

static ib_buf said;

static void hear(void *context, const char *text) {
    (void)context;
    ib__buf_text(&said, text);
}

static const ib_options listening = {.threads = 2, .text = hear};

static void heard(const char *part) {
    if (strstr(said.data, part) == NULL) fail_msg("expected \"%s\" in:\n%s", part, said.data);
}

static ib_status verify(const char *run) {
    char path[256];
    ib_error err = {0};
    ib__buf_free(&said);
    in_base(path, run);
    ib_status status = ib_verify(path, NULL, &listening, &err);
    if (status != IB_OK && status != IB_DIFFERS) fail_msg("%s: %s", err.where, err.text);
    return status;
}

static ib_status diff(const char *a, const char *b) {
    char x[256], y[256];
    ib_error err = {0};
    ib__buf_free(&said);
    in_base(x, a);
    in_base(y, b);
    ib_status status = ib_diff(x, y, &listening, &err);
    if (status != IB_OK && status != IB_DIFFERS) fail_msg("%s: %s", err.where, err.text);
    return status;
}

static void train(const char *experiment, const char *run, flip *f) {
    ib_trace trace = {0};
    ib_fit_hooks hooks = {.on_step = f != NULL ? flip_bit : NULL, .context = f};
    train_with(experiment, &(ib_runtime){.threads = 2, .isa = ib__isa_default()}, &hooks, run, &trace);
    ib__trace_free(&trace);
    if (f != NULL) assert_true(f->done);
}

static void weight_bit(void **state) {
    flip f = {.step = 4, .path = "conv2d_1/kernel", .element = 77, .bits = 1};
    (void)state;
    write_experiment("every.yaml", "examples/digits/digits.csv", "1");
    train("every.yaml", "clean", NULL);
    train("every.yaml", "flipped", &f);
    assert_int_equal(verify("clean"), IB_OK);
    heard("verified: run");
    assert_int_equal(verify("flipped"), IB_DIFFERS);
    heard("differs: first at step 4");
    heard("tensors: 1 of ");
    heard("first conv2d_1/kernel");
    assert_int_equal(diff("clean", "clean"), IB_OK);
    assert_int_equal(diff("clean", "flipped"), IB_DIFFERS);
    heard("recorded: they part at step 4");
    heard("tensors: conv2d_1/kernel (1 of ");
    heard("clean is reproduced up to step 4");
    heard("flipped is not reproduced from step 4 on");
}

/* Between recorded states a flip shows as the loss of a later step, or at the next recorded state. */
static void unrecorded_bit(void **state) {
    flip f = {.step = 1, .path = "dense/kernel", .element = 3, .bits = 1u << 22};
    (void)state;
    write_experiment("seldom.yaml", "examples/digits/digits.csv", "null");
    train("seldom.yaml", "clean2", NULL);
    train("seldom.yaml", "flipped2", &f);
    assert_int_equal(verify("flipped2"), IB_DIFFERS);
    heard("differs: first at step 2");
    assert_int_equal(diff("flipped2", "clean2"), IB_DIFFERS);
    heard("flipped2 is not reproduced from step 2 on");
}

/* Line 41 of the table, column 20, one more than it was: sample 39. */
static void change_table(const char *path) {
    ib_buf text = {0};
    assert_int_equal(ib__file_read(&text, "examples/digits/digits.csv", 0, NULL), IB_OK);
    char *at = text.data;
    for (int line = 1; line < 41; line++)
        at = strchr(at, '\n') + 1;
    for (int column = 0; column < 20; column++)
        at = strchr(at, ',') + 1;
    *at = *at == '9' ? '8' : (char)(*at + 1);
    assert_int_equal(ib__file_write(path, text.data, text.length, NULL), IB_OK);
    ib__buf_free(&text);
}

static void data_element(void **state) {
    char table[256];
    (void)state;
    in_base(table, "changed.csv");
    change_table(table);
    write_experiment("first.yaml", "examples/digits/digits.csv", "null");
    write_experiment("second.yaml", table, "null");
    train("first.yaml", "first", NULL);
    train("second.yaml", "second", NULL);
    assert_int_equal(diff("first", "second"), IB_DIFFERS);
    heard("input data.train.csv");
    heard("x: row 39, column 20: ");
    heard("1 of 12800 elements differ");
    heard("trained again: they part at step ");
    heard("the batch itself differs");
    assert_int_equal(verify("second"), IB_OK);
}

/* The table is changed after training: verify says which input and both digests. */
static void changed_input(void **state) {
    char table[256];
    ib_buf text = {0};
    (void)state;
    in_base(table, "moving.csv");
    assert_int_equal(ib__file_read(&text, "examples/digits/digits.csv", 0, NULL), IB_OK);
    assert_int_equal(ib__file_write(table, text.data, text.length, NULL), IB_OK);
    ib__buf_free(&text);
    write_experiment("moving.yaml", table, "null");
    train("moving.yaml", "moving", NULL);
    change_table(table);
    assert_int_equal(verify("moving"), IB_DIFFERS);
    heard("data.train.csv, the file ");
    heard("was changed");
    train("moving.yaml", "moved", NULL);
    assert_int_equal(diff("moving", "moved"), IB_DIFFERS);
    heard("cannot be compared: ");
    heard("not trained again: ");
}

/* Another learning rate: diff names the setting, the step and what parted first. */
static void setting(void **state) {
    char path[256];
    ib_buf text = {0};
    (void)state;
    write_experiment("slow.yaml", "examples/digits/digits.csv", "null");
    in_base(path, "slow.yaml");
    assert_int_equal(ib__file_read(&text, path, 0, NULL), IB_OK);
    *strstr(text.data, "0.05,") = '1';
    in_base(path, "fast.yaml");
    assert_int_equal(ib__file_write(path, text.data, text.length, NULL), IB_OK);
    ib__buf_free(&text);
    train("slow.yaml", "slow", NULL);
    train("fast.yaml", "fast", NULL);
    assert_int_equal(diff("slow", "fast"), IB_DIFFERS);
    heard("setting compile.optimizer.SGD.learning_rate: 0.05 against 1.05");
    heard("trained again: they part at step 1");
    heard("tensor conv2d/kernel");
}

/* Two schedules that part at step 4: both are gone on with from the checkpoints before it. */
static void from_checkpoints(void **state) {
    static const char *const names[2] = {"late", "later"}, *const bounds[2] = {"3", "4"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        char path[256], name[32], command[800];
        snprintf(name, sizeof name, "%s.yaml", names[i]);
        write_experiment(name, "examples/digits/digits.csv", "null}\ncheckpoint: {steps: 2, keep: 10");
        in_base(path, name);
        snprintf(command, sizeof command,
                 "sed -i 's/learning_rate: 0.05/learning_rate: {PiecewiseConstantDecay: {boundaries: [%s], "
                 "values: [0.05, 0.01]}}/' '%s'",
                 bounds[i], path);
        assert_int_equal(system(command), 0);
        train(name, names[i], NULL);
    }
    assert_int_equal(diff("late", "later"), IB_DIFFERS);
    heard("recorded: they part at step 6");
    heard("checkpoints: those of step 4 and of step 4 hold one state; from there");
    heard("trained again: they part at step 5");
    heard("tensor conv2d/kernel");
    heard("cause: experiment field: compile.optimizer.SGD.learning_rate");
    /* Without those of one run, from the beginning: the same step. */
    char command[300];
    snprintf(command, sizeof command, "rm -r '%s/later/checkpoint'", base);
    assert_int_equal(system(command), 0);
    assert_int_equal(diff("late", "later"), IB_DIFFERS);
    heard("from the beginning");
    heard("trained again: they part at step 5");
}

/* One element of any tensor that is another one follows from the sums; two do not. */
static void sums(void **state) {
    enum { N = 100003 };
    static float data[N], changed[N];
    static const size_t places[] = {0, 1, 4095, 50000, N - 1};
    (void)state;
    for (size_t i = 0; i < N; i++)
        data[i] = (float)i * (i % 3 == 0 ? -0.37f : 1.9f);
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        for (uint32_t flip = 1; flip != 0; flip <<= 1) {
            size_t element = N;
            uint32_t word, wanted;
            memcpy(changed, data, sizeof data);
            memcpy(&wanted, &changed[places[p]], sizeof wanted);
            wanted ^= p == 3 ? ~flip : flip;
            memcpy(&changed[places[p]], &wanted, sizeof wanted);
            ib_sums found = ib__tensor_sums(changed, N);
            wanted = ib__float_bits(changed[places[p]]); /* of NaN one counts for all */
            assert_true(ib__sums_change(&found, data, N, &element, &word));
            assert_int_equal(element, places[p]);
            assert_int_equal(word, wanted);
            if (flip > 1u << 2) flip <<= 4;
        }
    }
    size_t element;
    uint32_t word;
    ib_sums same = ib__tensor_sums(data, N);
    assert_false(ib__sums_change(&same, data, N, &element, &word));
    for (uint64_t d = 0; d < 4; d++) {
        ib_sums hostile = {same.plain - 1 + d, same.weighted + ((uint64_t)1 << 63)};
        assert_false(ib__sums_change(&hostile, data, N, &element, &word));
    }
}

static int finish(void **state) {
    ib__buf_free(&said);
    return remove_base(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(weight_bit),   cmocka_unit_test(unrecorded_bit),
                                       cmocka_unit_test(data_element), cmocka_unit_test(changed_input),
                                       cmocka_unit_test(setting),      cmocka_unit_test(from_checkpoints),
                                       cmocka_unit_test(sums)};
    return cmocka_run_group_tests(tests, make_base, finish);
}
