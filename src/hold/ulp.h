/* SPDX-License-Identifier: Apache-2.0
 *
 * The final weights of a run, by name, and how far two sets of them are apart.
 */
#ifndef IB_HOLD_ULP_H
#define IB_HOLD_ULP_H

#include "hold/record.h"
#include "numerics/tensor.h"
#include "run/record.h"

typedef struct ib_weights {
    char **names;
    ib_tensor *tensors; /* owned */
    size_t count;
} ib_weights;

/* Of a script's run: the archives of weights it lists. Of a run of isobit's own: model.keras. None recorded:
 * an empty set. Release with ib__weights_free. */
ib_status ib__weights_of_script(ib_weights *out, const ib_script_run *run, ib_error *err);
ib_status ib__weights_of_model(ib_weights *out, const ib_record *run, ib_error *err);
void ib__weights_free(ib_weights *weights);

/* Do two paths name the same tensor of a model, with or without the model's name? */
bool ib__same_tensor_name(const char *a, const char *b);

/* Says for each pair of the same tensor how many elements differ and by how
 * many units in the last place. Gives the number of pairs; *differing: of those that differ. */
size_t ib__weights_compare(const ib_weights *a, const ib_weights *b, size_t *differing,
                           const ib_options *options);

/* Units in the last place between two floats: how many floats lie from one to the other. NaN against NaN: 0;
 * against a number: UINT32_MAX. */
uint32_t ib__ulp_distance(float a, float b);

#endif
