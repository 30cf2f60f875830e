/* SPDX-License-Identifier: Apache-2.0
 *
 * What recording costs: CPU time of a training with everything that a run writes (record, digests, page,
 * lock, checkpoints at their default) beside the training alone, by turns. usage: bench_record EXPERIMENT
 * [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "run/fit.h"

static double cpu_seconds(void) {
    struct rusage own, children;
    double sum = 0;
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    const struct timeval *parts[4] = {&own.ru_utime, &own.ru_stime, &children.ru_utime, &children.ru_stime};
    for (int i = 0; i < 4; i++)
        sum += (double)parts[i]->tv_sec + 1e-6 * (double)parts[i]->tv_usec;
    return sum;
}

static void check(ib_status status, const ib_error *err) {
    if (status == IB_OK) return;
    fprintf(stderr, "%s: %s\n", err->where, err->text);
    exit(2);
}

/* Data and model are opened in both. No digests of tensors here but those before and after training. */
static double train_alone(const char *experiment) {
    ib_error err = {0};
    ib_experiment *e = NULL;
    ib_task *task = NULL;
    ib_trainer *trainer = NULL;
    ib_runtime runtime;
    double begun = cpu_seconds();
    check(ib__runtime_init(&runtime, 0, NULL, &err), &err);
    check(ib__experiment_read(&e, experiment, &err), &err);
    check(ib__task_open(&task, e, &err), &err);
    check(ib__trainer_new(&trainer, task, &runtime, &err), &err);
    while (trainer->step < trainer->steps) {
        check(ib__trainer_step(trainer, NULL, NULL, &err), &err);
        if (trainer->step % trainer->steps_per_epoch == 0 && task->validation.data != NULL)
            check(
                ib__trainer_evaluate(trainer, &task->validation, (size_t)e->fit.validation_batch_size, &err),
                &err);
    }
    if (task->test.data != NULL)
        check(ib__trainer_evaluate(trainer, &task->test, (size_t)e->fit.validation_batch_size, &err), &err);
    ib__trainer_free(trainer);
    ib__task_free(task);
    ib__experiment_free(e);
    return cpu_seconds() - begun;
}

static double train_recorded(const char *experiment) {
    ib_error err = {0};
    char *folder = NULL;
    check(ib__folder_temporary(&folder, &err), &err);
    double begun = cpu_seconds();
    check(ib_train(experiment, folder, NULL, NULL, &err), &err);
    double seconds = cpu_seconds() - begun;
    ib__folder_discard(folder);
    return seconds;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    enum { MOST = 99 };
    static double alone[MOST], recorded[MOST];
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 5;
    if (argc < 2 || rounds == 0 || rounds > MOST) {
        fprintf(stderr, "usage: bench_record EXPERIMENT [ROUNDS]\n");
        return 2;
    }
    for (size_t i = 0; i < rounds; i++) {
        alone[i] = train_alone(argv[1]);
        recorded[i] = train_recorded(argv[1]);
    }
    qsort(alone, rounds, sizeof *alone, by_value);
    qsort(recorded, rounds, sizeof *recorded, by_value);
    double a = alone[rounds / 2], r = recorded[rounds / 2];
    printf(
        "median of %zu rounds, CPU time: training alone %.3f s, recorded %.3f s: recording costs %.1f %%\n",
        rounds, a, r, 100 * (r - a) / a);
    return 0;
}
