/* SPDX-License-Identifier: Apache-2.0
 *
 * model.summary(), to be filled in.
 */
#include "model/model.h"

bool ib__model_summary(const ib_model *model, int width, ib_buf *out) {
    (void)width;
    return ib__buf_printf(out, "Model: \"%s\"\n", model->name);
}
