/* SPDX-License-Identifier: Apache-2.0
 *
 * Audits: a run that nothing disturbed passes; a forged loss, a forged checkpoint and a flipped bit are found
 * when their step is looked at; how sure the statement is.
 */
#include "run/runs.h"

#include "run/audit.h"

static ib_buf said;

static void hear(void *context, const char *text) {
    (void)context;
    ib__buf_text(&said, text);
}

static ib_status audit(const char *run, size_t sample) {
    char path[256];
    ib_error err = {0};
    ib_options options = {.threads = 2, .text = hear};
    ib__buf_free(&said);
    in_base(path, run);
    ib_status status = ib_audit(path, sample, &options, &err);
    if (status != IB_OK && status != IB_DIFFERS) fail_msg("%s: %s", err.where, err.text);
    return status;
}

static void heard(const char *part) {
    if (strstr(said.data, part) == NULL) fail_msg("expected \"%s\" in:\n%s", part, said.data);
}

static int prepare(void **state) {
    char path[256], run[256];
    ib_buf text = {0};
    if (make_base(state) != 0) return 1;
    write_experiment("audit.yaml", "examples/digits/digits.csv", "null");
    in_base(path, "audit.yaml");
    if (ib__file_read(&text, path, 0, NULL) != IB_OK) return 1;
    ib__buf_text(&text, "checkpoint: {steps: 2, keep: 10}\n");
    if (ib__file_write(path, text.data, text.length, NULL) != IB_OK) return 1;
    ib__buf_free(&text);
    in_base(run, "run");
    return ib_train(path, run, NULL, NULL, NULL) != IB_OK;
}

static int finish(void **state) {
    ib__buf_free(&said);
    return remove_base(state);
}

static void passes(void **state) {
    (void)state;
    for (size_t sample = 1; sample <= 6; sample++)
        assert_int_equal(audit("run", sample), IB_OK);
    heard("6 of 6 steps drawn, 6 recomputed");
    heard("no step of this run was corrupted or forged");
    assert_int_equal(audit("run", 1), IB_OK);
    heard("1 of 6 steps drawn, ");
    heard("with confidence 95 %");
}

/* A loss that is changed in the record is found whenever its step is looked at, and never blamed on another.
 */
static void forged_loss(void **state) {
    char command[700];
    size_t found = 0;
    (void)state;
    snprintf(command, sizeof command,
             "cd '%s' && cp -r run forged && sed -i '5s/^4 ..../4 3f80/' forged/steps", base);
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < 20; i++) {
        ib_status status = audit("forged", 1);
        found += status == IB_DIFFERS;
        if (status == IB_DIFFERS && strstr(said.data, "first at step 4") == NULL)
            heard("step 4 in the checkpoint of");
    }
    assert_true(found > 0);
    assert_int_equal(audit("forged", 6), IB_DIFFERS);
    heard("step 4");
}

/* A checkpoint with another weight and a right checksum. */
static void forged_checkpoint(void **state) {
    char command[700], path[300];
    ib_buf file = {0};
    (void)state;
    snprintf(command, sizeof command, "cd '%s' && cp -r run bent", base);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/bent/checkpoint/step-000000000002", base);
    assert_int_equal(ib__file_read(&file, path, 0, NULL), IB_OK);
    char *kernel = memmem(file.data, file.length, "conv2d/kernel", 13);
    assert_non_null(kernel);
    kernel[64] = (char)(kernel[64] ^ 1);
    ib_digest right = ib__sha256(file.data, file.length - sizeof right);
    memcpy(file.data + file.length - sizeof right, &right, sizeof right);
    assert_int_equal(ib__file_write(path, file.data, file.length, NULL), IB_OK);
    ib__buf_free(&file);
    assert_int_equal(audit("bent", 6), IB_DIFFERS);
    heard("the checkpoint of step 2 does not hold the state of that step");
}

/* The link of the forged step follows from it, and so do all later ones: only who computes the step itself
 * can know. Drawn among 6, one step is looked at with the one that it is computed from on the way, and the
 * statement leaves room for it whenever it was missed. */
static bool forge_step_4(void *context, const ib_trainer *trainer, const ib_trace *trace) {
    (void)context;
    if (trace->n_steps != 5) return true;
    trace->steps[4].loss ^= 1u << 21;
    return ib__trace_link(&trace->steps[4].chain, trace, 4, trainer);
}

static void forged_chain(void **state) {
    ib_trace trace = {0};
    size_t found = 0, tries = 60;
    (void)state;
    ib_fit_hooks hooks = {.check = forge_step_4};
    train_with("audit.yaml", &(ib_runtime){.threads = 2, .isa = ib__isa_default()}, &hooks, "chain", &trace);
    ib__trace_free(&trace);
    for (size_t i = 0; i < tries; i++) {
        bool here = audit("chain", 1) == IB_DIFFERS;
        found += here;
        heard(here ? "first at step 4" : "with confidence 95 %, at most 83 % of the steps");
    }
    assert_in_range(found, 1, tries - 1);
    assert_int_equal(audit("chain", 6), IB_DIFFERS);
    heard("first at step 4");
}

/* A callback changes the learning rate at the end of an epoch, where a checkpoint is: that holds what is
 * there after the end. */
static void ends_of_epochs(void **state) {
    char command[700], path[256], run[256];
    (void)state;
    snprintf(command, sizeof command,
             "cd '%s' && sed 's/steps: 2/steps: 3/; s/epochs: 2/epochs: 4/' audit.yaml >ends.yaml && echo "
             "'callbacks: "
             "[ReduceLROnPlateau: {monitor: loss, patience: 1, min_delta: 100}]' >>ends.yaml",
             base);
    assert_int_equal(system(command), 0);
    in_base(path, "ends.yaml");
    in_base(run, "ends");
    assert_int_equal(ib_train(path, run, NULL, NULL, NULL), IB_OK);
    assert_int_equal(audit("ends", 12), IB_OK);
    heard("12 of 12 steps drawn");
}

/* ---- While it trains ---- */

typedef struct corruption {
    size_t step, times, done; /* in the first `times` computations of this step */
} corruption;

static void corrupt(void *context, ib_trainer *trainer) {
    corruption *c = context;
    if (trainer->step != c->step || c->done == c->times) return;
    uint32_t bits;
    float *at = &trainer->weights[0]->variable.data[c->done];
    memcpy(&bits, at, sizeof bits);
    bits ^= 1u << 9;
    memcpy(at, &bits, sizeof bits);
    c->done++;
}

/* Trains with a step corrupted in its first computations; the result, or zeros when training ends in an
 * error. */
static ib_digest train_corrupted(const char *name, size_t times, const char *every, ib_session *session) {
    char path[256], run[256];
    ib_experiment *e = NULL;
    ib_task *task = NULL;
    ib_trace trace = {0};
    ib_error err = {0};
    corruption c = {.step = 4, .times = times};
    in_base(path, name);
    in_base(run, "self");
    write_experiment(name, "examples/digits/digits.csv", every);
    assert_int_equal(ib__experiment_read(&e, path, NULL), IB_OK);
    assert_int_equal(ib__task_open(&task, e, NULL), IB_OK);
    ib_keeper keeper = ib__keeper(e, run);
    ib_fit_hooks hooks = {.on_step = corrupt, .context = &c, .keeper = &keeper, .session = session};
    ib_status status =
        ib__fit(task, &(ib_runtime){.threads = 2, .isa = ib__isa_default()}, &hooks, &trace, &err);
    ib_digest result = trace.result;
    if (status != IB_OK) {
        assert_int_equal(status, IB_INTERNAL);
        assert_non_null(strstr(err.text, "three results in three computations"));
        result = (ib_digest){{0}};
    }
    ib__trace_free(&trace);
    ib__task_free(task);
    ib__experiment_free(e);
    return result;
}

static void self_audit(void **state) {
    ib_session none = {0}, once = {0}, twice = {0}, blind = {0};
    (void)state;
    ib_digest clean = train_corrupted("self.yaml", 0, "null, audit_every: 2", &none);
    assert_int_equal(none.audited, 3);
    assert_int_equal(none.n_repairs, 0);
    /* It is no part of the experiment, and without it the corruption stays. */
    ib_digest plain = train_corrupted("self.yaml", 0, "null", &blind);
    assert_memory_equal(&clean, &plain, sizeof clean);
    plain = train_corrupted("self.yaml", 1, "null", &blind);
    assert_memory_not_equal(&clean, &plain, sizeof clean);
    ib_digest repaired = train_corrupted("self.yaml", 1, "null, audit_every: 2", &once);
    assert_memory_equal(&clean, &repaired, sizeof clean);
    assert_int_equal(once.n_repairs, 1);
    assert_int_equal(once.repairs[0].step, 4);
    ib_digest lost = train_corrupted("self.yaml", 2, "null, audit_every: 2", &twice);
    assert_int_equal(lost.bytes[0] + lost.bytes[31], 0);
    ib__session_free(&none);
    ib__session_free(&once);
    ib__session_free(&twice);
    ib__session_free(&blind);
}

/* Against a count of all possibilities. */
static void share(void **state) {
    (void)state;
    assert_true(ib__audit_share(10, 10, 0.95) == 0);
    /* 5 of 10 looked at: three bad ones are missed with 5 4 3 / (10 9 8) = 1/12, four with 1/42. */
    assert_true(ib__audit_share(10, 5, 0.95) == 0.3);
    assert_true(ib__audit_share(10, 5, 0.90) == 0.2);
    assert_true(ib__audit_share(1000000, 59, 0.95) > 0.049 && ib__audit_share(1000000, 59, 0.95) < 0.05);
    assert_true(ib__audit_share(100, 0, 0.95) == 0.99);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes),       cmocka_unit_test(forged_loss),    cmocka_unit_test(forged_checkpoint),
        cmocka_unit_test(forged_chain), cmocka_unit_test(ends_of_epochs), cmocka_unit_test(self_audit),
        cmocka_unit_test(share)};
    return cmocka_run_group_tests(tests, prepare, finish);
}
