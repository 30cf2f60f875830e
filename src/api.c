/* SPDX-License-Identifier: Apache-2.0
 *
 * The public calls: options without NULL, the contract's rounding mode around the work.
 */
#include "base/rounding.h"
#include "hold/commands.h"
#include "run/commands.h"
#include "run/experiment.h"

static const ib_options silent;

/* Runs one call in the contract's rounding mode and gives the host back its own. */
#define CALL(expression)                                                                                     \
    do {                                                                                                     \
        if (options == NULL) options = &silent;                                                              \
        unsigned before = ib__rounding_enter();                                                              \
        ib_status status = (expression);                                                                     \
        ib__rounding_leave(before);                                                                          \
        return status;                                                                                       \
    } while (0)

ib_status ib_train(const char *experiment, const char *run, const ib_options *options, char digest[72],
                   ib_error *err) {
    CALL(ib__train(experiment, run, options, digest, err));
}

ib_status ib_verify(const char *run, const ib_judgement *how, const ib_options *options, ib_error *err) {
    static const ib_judgement plain;
    if (how == NULL) how = &plain;
    CALL(ib__script_is(run) ? ib__script_verify(run, how, options, err) : ib__verify(run, how, options, err));
}

ib_status ib_audit(const char *run, size_t sample, const ib_options *options, ib_error *err) {
    CALL(ib__audit(run, sample, options, err));
}

ib_status ib_publish(const char *run, const char *bundle, const ib_options *options, ib_error *err) {
    CALL(ib__publish(run, bundle, options, err));
}

ib_status ib_compare(const char *const *runs, size_t n, const ib_options *options, ib_error *err) {
    CALL(ib__compare(runs, n, options, err));
}

ib_status ib_diff(const char *run_a, const char *run_b, const ib_options *options, ib_error *err) {
    CALL(ib__script_is(run_a) || ib__script_is(run_b) ? ib__script_diff(run_a, run_b, options, err)
                                                      : ib__diff(run_a, run_b, options, err));
}

ib_status ib_evaluate(const char *model, const ib_data *data, const ib_options *options, ib_error *err) {
    CALL(ib__evaluate(model, data, options, err));
}

ib_status ib_predict(const char *model, const ib_data *data, const char *out, const ib_options *options,
                     ib_error *err) {
    CALL(ib__predict(model, data, out, options, err));
}

ib_status ib_data_look(const char *experiment, const ib_look *look, const ib_options *options,
                       ib_error *err) {
    static const ib_look plain;
    if (look == NULL) look = &plain;
    CALL(ib__look(experiment, look, options, err));
}

ib_status ib_summary(const char *file, const ib_options *options, ib_error *err) {
    CALL(ib__summary(file, options, err));
}

ib_status ib_show(const char *run, const ib_options *options, ib_error *err) {
    CALL(ib__script_is(run) ? ib__script_show(run, options, err) : ib__show(run, options, err));
}

ib_status ib_env(const ib_options *options, ib_error *err) {
    CALL(ib__env_print(options, err));
}

ib_status ib_env_lock(const char *folder, const ib_options *options, ib_error *err) {
    CALL(ib__env_lock(folder, options, err));
}

ib_status ib_env_check(const char *run, const ib_options *options, ib_error *err) {
    CALL(ib__script_is(run) ? ib__script_env_check(run, options, err) : ib__env_check(run, options, err));
}

ib_status ib_kernels_list(const ib_options *options, ib_error *err) {
    CALL(ib__kernels_print(options, err));
}

ib_status ib_bench(const char *what, const ib_options *options, ib_error *err) {
    CALL(ib__bench(what, options, err));
}

ib_status ib_set_random_seed(int64_t seed, ib_error *err) {
    if (seed < -1 || seed > (int64_t)1 << 53)
        return ib__fail(err, IB_BAD_INPUT, "ib_set_random_seed",
                        "expected a seed from 0 to 9007199254740992, or -1 for none, found %lld",
                        (long long)seed);
    ib__experiment_default_seed(seed);
    return IB_OK;
}

ib_status ib_script_record(char *const *argv, const ib_script *script, const ib_options *options,
                           int *wait_status, ib_error *err) {
    static const ib_script plain;
    if (argv == NULL || argv[0] == NULL)
        return ib__fail(err, IB_BAD_INPUT, "record", "expected a program to run, found none");
    CALL(ib__script_record(argv, script != NULL ? script : &plain, options, wait_status, err));
}

ib_status ib_script_lock(const char *run, const char *folder, int offline, const ib_options *options,
                         ib_error *err) {
    CALL(ib__script_lock(run, folder, offline != 0, options, err));
}
