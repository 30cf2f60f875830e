/* SPDX-License-Identifier: Apache-2.0
 *
 * Training with a record.
 */
#include "run/commands.h"

#include <string.h>

static void say_test(const ib_trace *trace, const ib_options *options) {
    for (size_t i = 0; i < trace->n_test; i++)
        ib__say(options, "%s%s: %.4f%s", i == 0 ? "Test - " : " - ", trace->test_names[i], trace->test[i],
                i + 1 == trace->n_test ? "\n" : "");
}

/* Everything that one training holds. */
typedef struct training {
    const char *run; /* NULL: nothing is written */
    const ib_options *options;
    ib_runtime runtime;
    ib_experiment *experiment;
    ib_task *task;
    ib_trace trace;
    ib_session session;
    ib_checkpoint *checkpoint; /* to go on from; NULL: from the beginning */
    ib_lock *lock;
    bool made;
} training;

static void close_training(training *t) {
    ib__checkpoint_free(t->checkpoint);
    ib__session_free(&t->session);
    ib__trace_free(&t->trace);
    ib__task_free(t->task);
    ib__experiment_free(t->experiment);
    if (t->lock != NULL) ib__record_release(t->run, t->made, t->lock);
}

/* The newest checkpoint, if there is one: its session goes on, and so does a seed that was drawn. */
static ib_status open_checkpoint(training *t, ib_error *err) {
    size_t damaged;
    ib_status status = ib__checkpoint_latest(&t->checkpoint, t->run, &damaged, err);
    if (status != IB_OK || t->checkpoint == NULL) return status;
    if (damaged > 0)
        ib__say(t->options, "%zu damaged checkpoint%s passed over\n", damaged, damaged == 1 ? "" : "s");
    t->session = t->checkpoint->session;
    t->checkpoint->session.resumed = NULL; /* both lists are moved */
    t->checkpoint->session.n_resumed = 0;
    t->checkpoint->session.repairs = NULL;
    t->checkpoint->session.n_repairs = 0;
    if (!ib__grow(&t->session.resumed, &t->session.resumed_capacity, t->session.n_resumed + 1,
                  sizeof *t->session.resumed))
        return ib__fail_memory(err);
    ib_resumption *r = &t->session.resumed[t->session.n_resumed++];
    r->step = t->checkpoint->step;
    ib__utc_now(r->when);
    return IB_OK;
}

/* Once the experiment is read. Takes over the data of provided (may be NULL), also on failure. */
static ib_status open_training(training *t, const ib_provided *provided, ib_error *err) {
    bool resume = t->options->resume != 0 && t->run != NULL;
    ib_status status = resume ? open_checkpoint(t, err) : IB_OK;
    if (status == IB_OK && t->experiment->seed_drawn && t->checkpoint != NULL && t->checkpoint->seed_drawn)
        status = ib__experiment_set_seed(t->experiment, t->checkpoint->seed, true, err);
    if (status == IB_OK)
        status = ib__task_open_provided(&t->task, t->experiment, provided, err);
    else if (provided != NULL)
        for (size_t i = 0; i < 2; i++)
            ib__dataset_free(provided->data[i]);
    if (status == IB_OK && t->checkpoint != NULL) status = ib__checkpoint_check(t->checkpoint, t->task, err);
    if (status == IB_OK && t->run != NULL)
        status = ib__record_prepare(t->run, resume, &t->made, &t->lock, err);
    if (status != IB_OK) return status;
    if (t->checkpoint != NULL)
        ib__say(t->options, "going on at step %zu\n", t->checkpoint->step);
    else if (t->experiment->seed_drawn)
        ib__say(t->options, "no seed given, drawn: seed: %lld\n", (long long)t->experiment->seed);
    return IB_OK;
}

static ib_status run_training(training *t, ib_error *err) {
    ib_keeper keeper = ib__keeper(t->experiment, t->run);
    ib_fit_hooks hooks = {.options = t->options,
                          .keeper = t->run != NULL ? &keeper : NULL,
                          .resume = t->checkpoint,
                          .session = &t->session,
                          .folder = t->run};
    if (t->checkpoint == NULL) ib__utc_now(t->session.started);
    ib_status status = ib__fit(t->task, &t->runtime, &hooks, &t->trace, err);
    if (t->run == NULL) return status;
    if (status == IB_OK) status = ib__record_write(t->run, t->task, &t->trace, &t->runtime, &t->session, err);
    return status == IB_OK ? ib__keeper_end(&keeper, err) : status;
}

/* --resume on a run that is complete: there is nothing to do, if it is a run of this experiment. */
static ib_status already_complete(training *t, const char *path, ib_digest *result, ib_error *err) {
    ib_record *record = NULL;
    char hex[65];
    ib_status status = ib__record_read(&record, t->run, err);
    if (status == IB_OK) status = ib__experiment_read(&t->experiment, path, err);
    const ib_value *seed = status == IB_OK ? ib__value_get(record->tree, "seed") : NULL;
    if (status == IB_OK && t->experiment->seed_drawn && ib__value_is(seed, IB_INT))
        status = ib__experiment_set_seed(t->experiment, seed->integer, true, err);
    if (status == IB_OK) status = ib__task_open(&t->task, t->experiment, err);
    if (status == IB_OK) {
        ib__digest_hex(hex, &t->task->digest);
        *result = record->trace.result;
        if (!ib__value_is_string(ib__value_get(record->tree, "experiment_sha256"), hex))
            status = ib__fail(err, IB_BAD_INPUT, t->run,
                              "expected a run of %.160s, found one of another experiment", path);
        else
            ib__say(t->options, "the run is complete\n");
    }
    ib__record_free(record);
    return status;
}

static void print_digest(char digest[72], const ib_digest *result) {
    char hex[65];
    if (digest == NULL) return;
    ib__digest_hex(hex, result);
    snprintf(digest, 72, "sha256:%s", hex);
}

ib_status ib__train(const char *path, const char *run, const ib_options *options, char digest[72],
                    ib_error *err) {
    training t = {.run = run, .options = options};
    ib_digest result = {{0}};
    ib_status status;
    if (options->resume && ib__record_complete(run)) {
        status = already_complete(&t, path, &result, err);
    } else {
        status = ib__runtime_init(&t.runtime, options->threads, options->isa, err);
        if (status == IB_OK) status = ib__experiment_read(&t.experiment, path, err);
        if (status == IB_OK) status = open_training(&t, NULL, err);
        if (status == IB_OK) status = run_training(&t, err);
        if (status == IB_OK) say_test(&t.trace, options);
        result = t.trace.result;
    }
    if (status == IB_OK) print_digest(digest, &result);
    close_training(&t);
    return status;
}

ib_status ib__train_provided(ib_experiment *experiment, const ib_provided *provided, const char *run,
                             const ib_options *options, char digest[72], ib_error *err) {
    training t = {.run = run, .options = options, .experiment = experiment};
    ib_status status = ib__runtime_init(&t.runtime, options->threads, options->isa, err);
    if (status == IB_OK)
        status = open_training(&t, provided, err);
    else
        for (size_t i = 0; i < 2; i++)
            ib__dataset_free(provided->data[i]);
    if (status == IB_OK) status = run_training(&t, err);
    if (status == IB_OK) print_digest(digest, &t.trace.result);
    close_training(&t);
    return status;
}
