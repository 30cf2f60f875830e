/* SPDX-License-Identifier: Apache-2.0
 *
 * TerminateOnNaN: ends training when the loss is NaN or infinite.
 */
#include <stdio.h>

#include "run/callbacks.h"

typedef struct terminate {
    bool raise_error;
} terminate;

static const ib_field fields[] = {{.key = "raise_error",
                                   .fallback = "false",
                                   .read = ib__read_bool,
                                   .offset = offsetof(terminate, raise_error)}};

static ib_status step_end(void *self, ib_moment *m, ib_error *err) {
    const terminate *c = self;
    double loss = ib__scores_loss(&m->trainer->train);
    if (loss - loss == 0) return IB_OK;
    if (c->raise_error)
        return ib__fail(err, IB_BAD_INPUT, "", "the loss is NaN or infinite at step %zu of epoch %zu",
                        m->step, m->epoch + 1);
    ib__say(m->options, "Batch %zu: Invalid loss, terminating training\n", m->step - 1);
    m->stop = true;
    return IB_OK;
}

const ib_callback_class ib__callback_terminate_on_nan = {.name = "TerminateOnNaN",
                                                         .fields = fields,
                                                         .n_fields = sizeof fields / sizeof *fields,
                                                         .size = sizeof(terminate),
                                                         .step_end = step_end};
