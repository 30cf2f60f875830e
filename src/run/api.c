/* SPDX-License-Identifier: Apache-2.0
 *
 * The public calls: options without NULL, the contract's rounding mode around the work.
 */
#include "base/rounding.h"
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
    CALL(ib__verify(run, how != NULL ? how : &plain, options, err));
}

ib_status ib_audit(const char *run, size_t sample, const ib_options *options, ib_error *err) {
    CALL(ib__audit(run, sample, options, err));
}

ib_status ib_diff(const char *run_a, const char *run_b, const ib_options *options, ib_error *err) {
    CALL(ib__diff(run_a, run_b, options, err));
}

ib_status ib_evaluate(const char *model, const ib_data *data, const ib_options *options, ib_error *err) {
    CALL(ib__evaluate(model, data, options, err));
}

ib_status ib_predict(const char *model, const ib_data *data, const char *out, const ib_options *options,
                     ib_error *err) {
    CALL(ib__predict(model, data, out, options, err));
}

ib_status ib_summary(const char *file, const ib_options *options, ib_error *err) {
    CALL(ib__summary(file, options, err));
}

ib_status ib_show(const char *run, const ib_options *options, ib_error *err) {
    CALL(ib__show(run, options, err));
}

ib_status ib_env(const ib_options *options, ib_error *err) {
    CALL(ib__env_print(options, err));
}

ib_status ib_env_lock(const char *folder, const ib_options *options, ib_error *err) {
    CALL(ib__env_lock(folder, options, err));
}

ib_status ib_env_check(const char *run, const ib_options *options, ib_error *err) {
    CALL(ib__env_check(run, options, err));
}

ib_status ib_kernels_list(const ib_options *options, ib_error *err) {
    CALL(ib__kernels_print(options, err));
}

ib_status ib_set_random_seed(int64_t seed, ib_error *err) {
    if (seed < -1 || seed > (int64_t)1 << 53)
        return ib__fail(err, IB_BAD_INPUT, "ib_set_random_seed",
                        "expected a seed from 0 to 9007199254740992, or -1 for none, found %lld",
                        (long long)seed);
    ib__experiment_default_seed(seed);
    return IB_OK;
}
