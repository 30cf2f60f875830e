/* SPDX-License-Identifier: Apache-2.0
 *
 * BackupAndRestore: asks for checkpoints at the ends of epochs or each N steps. They lie in the run's own
 * folder checkpoint/, whatever backup_dir says, and --resume goes on from them.
 */
#include <stdio.h>

#include "run/callbacks.h"

typedef struct backup {
    int64_t frequency; /* 0: epochs */
} backup;

static const ib_field fields[] = {
    {.key = "backup_dir", .fallback = "\"checkpoint\"", .read = ib__read_name},
    {.key = "save_freq",
     .fallback = "\"epoch\"",
     .read = ib__read_frequency,
     .offset = offsetof(backup, frequency)},
    {.key = "double_checkpoint", .fallback = "false", .read = ib__read_flag},
    {.key = "delete_checkpoint", .fallback = "true", .read = ib__read_flag},
};

static ib_status step_end(void *self, ib_moment *m, ib_error *err) {
    const backup *c = self;
    (void)err;
    if (c->frequency > 0 && m->trainer->step % (size_t)c->frequency == 0) m->checkpoint = true;
    return IB_OK;
}

static ib_status epoch_end(void *self, ib_moment *m, ib_error *err) {
    const backup *c = self;
    (void)err;
    if (c->frequency == 0) m->checkpoint = true;
    return IB_OK;
}

const ib_callback_class ib__callback_backup_and_restore = {.name = "BackupAndRestore",
                                                           .fields = fields,
                                                           .n_fields = sizeof fields / sizeof *fields,
                                                           .size = sizeof(backup),
                                                           .writes = true,
                                                           .step_end = step_end,
                                                           .epoch_end = epoch_end};
