/* SPDX-License-Identifier: Apache-2.0
 *
 * What the public calls do, before the rounding mode is set around them (api.c). options is never NULL here.
 */
#ifndef IB_RUN_COMMANDS_H
#define IB_RUN_COMMANDS_H

#include <stdio.h>

#include "run/record.h"
#include "run/say.h"

ib_status ib__train(const char *experiment, const char *run, const ib_options *options, char digest[72],
                    ib_error *err);
/* Trains what is provided (taken over, as the experiment, also on failure). run NULL: nothing is written. */
ib_status ib__train_provided(ib_experiment *experiment, const ib_provided *provided, const char *run,
                             const ib_options *options, char digest[72], ib_error *err);
ib_status ib__verify(const char *run, const ib_judgement *how, const ib_options *options, ib_error *err);
ib_status ib__audit(const char *run, size_t sample, const ib_options *options, ib_error *err);
ib_status ib__publish(const char *run, const char *folder, const ib_options *options, ib_error *err);
ib_status ib__compare(const char *const *runs, size_t n, const ib_options *options, ib_error *err);
ib_status ib__diff(const char *run_a, const char *run_b, const ib_options *options, ib_error *err);
ib_status ib__evaluate(const char *model, const ib_data *data, const ib_options *options, ib_error *err);
ib_status ib__predict(const char *model, const ib_data *data, const char *out, const ib_options *options,
                      ib_error *err);
/* The trainer's scores of evaluating, as the end of an epoch. */
void ib__report_scores(const ib_trainer *trainer, const ib_options *options);
ib_status ib__look(const char *experiment, const ib_look *look, const ib_options *options, ib_error *err);
ib_status ib__summary(const char *file, const ib_options *options, ib_error *err);
ib_status ib__show(const char *run, const ib_options *options, ib_error *err);
ib_status ib__env_lock(const char *folder, const ib_options *options, ib_error *err);
ib_status ib__env_check(const char *run, const ib_options *options, ib_error *err);
ib_status ib__env_print(const ib_options *options, ib_error *err);
ib_status ib__kernels_print(const ib_options *options, ib_error *err);
ib_status ib__bench(const char *what, const ib_options *options, ib_error *err);

/* ---- The goals of ib__verify ---- */
struct ib_report;
ib_status ib__verify_bitwise(const ib_record *record, const char *vary, const ib_options *options,
                             ib_error *err);
/* record NULL: run is a folder of runs. */
ib_status ib__verify_functional(const char *run, const ib_record *record, const ib_judgement *how,
                                const ib_options *options, ib_error *err);
ib_status ib__verify_documented(const ib_record *record, const ib_options *options, ib_error *err);
/* Builds isobit from its sources with another compiler and lets it verify the run. *proven: it did; false: no
 * sources or no other compiler here, which is said. */
ib_status ib__vary_compiler(const char *run, struct ib_report *report, bool *proven, ib_error *err);

#endif
