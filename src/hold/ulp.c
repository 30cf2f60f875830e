/* SPDX-License-Identifier: Apache-2.0
 *
 * Final weights compared element by element.
 */
#include "hold/ulp.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/npz.h"
#include "model/model.h"
#include "run/say.h"

void ib__weights_free(ib_weights *w) {
    for (size_t i = 0; i < w->count; i++) {
        free(w->names[i]);
        ib__tensor_free(&w->tensors[i]);
    }
    free(w->names);
    free(w->tensors);
    *w = (ib_weights){0};
}

/* Room for n more; false: no memory. */
static bool reserve(ib_weights *w, size_t n) {
    char **names = realloc(w->names, (w->count + n + 1) * sizeof *names);
    if (names != NULL) w->names = names;
    ib_tensor *tensors = realloc(w->tensors, (w->count + n + 1) * sizeof *tensors);
    if (tensors != NULL) w->tensors = tensors;
    return names != NULL && tensors != NULL;
}

/* Takes over tensor. */
static ib_status add(ib_weights *w, const char *prefix, const char *name, ib_tensor *tensor, ib_error *err) {
    ib_buf text = {0};
    ib__buf_printf(&text, "%s%s", prefix, name);
    if (text.failed || !reserve(w, 1)) {
        ib__buf_free(&text);
        ib__tensor_free(tensor);
        return ib__fail_memory(err);
    }
    w->names[w->count] = text.data;
    w->tensors[w->count++] = *tensor;
    return IB_OK;
}

static ib_status read_archive(ib_weights *w, const char *path, const char *prefix, ib_error *err) {
    ib_zip *zip = NULL;
    ib_status status = ib__zip_open(&zip, path, err);
    for (size_t i = 0; status == IB_OK && i < ib__zip_count(zip); i++) {
        char name[512];
        ib_tensor tensor = {0};
        const char *member = ib__zip_name(zip, i);
        size_t n = strlen(member);
        if (n < 5 || n - 4 >= sizeof name || strcmp(member + n - 4, ".npy") != 0) continue;
        snprintf(name, sizeof name, "%.*s", (int)(n - 4), member);
        status = ib__npz_array(&tensor, zip, path, name, err);
        if (status == IB_OK) status = add(w, prefix, name, &tensor, err);
    }
    ib__zip_close(zip);
    return status;
}

/* The record names archives: a plain file name, so that a record from strangers reads nothing else. */
ib_status ib__weights_of_script(ib_weights *out, const ib_script_run *run, ib_error *err) {
    const ib_value *trained = ib__value_get(ib__value_get(run->tree, "results"), "trained");
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < trained->count; i++) {
        const ib_value *file = ib__value_get(trained->items[i], "weights");
        const ib_value *name = ib__value_get(trained->items[i], "name");
        if (!ib__value_is(file, IB_STRING) || !ib__value_is(name, IB_STRING)) continue;
        if (strchr(file->string, '/') != NULL || file->string[0] == '.')
            return ib__fail(err, IB_BAD_INPUT, run->folder,
                            "weights: expected the name of a file in the run's folder");
        ib_buf prefix = {0};
        char *path = ib__path_join(run->folder, file->string);
        if (i > 0) ib__buf_printf(&prefix, "%s:", name->string);
        status = path == NULL || prefix.failed ? ib__fail_memory(err)
                                               : read_archive(out, path, i > 0 ? prefix.data : "", err);
        ib__buf_free(&prefix);
        free(path);
    }
    return status;
}

static ib_status copy_weights(ib_weights *out, ib_model *model, ib_error *err) {
    size_t n = ib__model_weights(model, NULL, false);
    ib_weight **list = calloc(n + 1, sizeof *list);
    if (list == NULL) return ib__fail_memory(err);
    ib__model_weights(model, list, false);
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        const ib_variable *v = &list[i]->variable;
        ib_tensor tensor = {0};
        status = ib__tensor_new(&tensor, IB_F32, &v->shape, err);
        if (status != IB_OK) break;
        memcpy(tensor.data, v->data, (size_t)ib__shape_elements(&v->shape) * sizeof(float));
        status = add(out, "", v->path, &tensor, err);
    }
    free(list);
    return status;
}

ib_status ib__weights_of_model(ib_weights *out, const ib_record *run, ib_error *err) {
    ib_model *model = NULL;
    char *path = ib__path_join(run->folder, "model.keras");
    ib_status status = path == NULL ? ib__fail_memory(err) : ib__keras_load(&model, path, false, err);
    if (status == IB_OK) status = copy_weights(out, model, err);
    ib__model_free(model);
    free(path);
    return status;
}

/* ---- Distances ---- */

/* Floats in their order as integers: -0 and +0 are one number. */
static int64_t rank(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (bits >> 31) != 0 ? -(int64_t)(bits & 0x7fffffff) : (int64_t)bits;
}

uint32_t ib__ulp_distance(float a, float b) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : UINT32_MAX;
    int64_t d = rank(a) - rank(b);
    return (uint32_t)(d < 0 ? -d : d);
}

static bool ends_after(const char *text, char sign, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && text[n - m - 1] == sign && strcmp(text + n - m, end) == 0;
}

/* Keras puts the model's name before a path ("sequential/dense/kernel") and into an optimizer's
 * ("adam/sequential_dense_kernel_momentum"); isobit's own runs have neither. */
bool ib__same_tensor_name(const char *a, const char *b) {
    if (strcmp(a, b) == 0) return true;
    if (strlen(a) < strlen(b)) return ib__same_tensor_name(b, a);
    if (ends_after(a, '/', b)) return true;
    const char *x = strchr(a, '/'), *y = strchr(b, '/');
    return x != NULL && y != NULL && x - a == y - b && memcmp(a, b, (size_t)(x - a)) == 0 &&
           ends_after(x + 1, '_', y + 1);
}

/* The same name, or else one that means the same. */
static size_t find(const ib_weights *w, const char *name) {
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->names[i], name) == 0) return i;
    for (size_t i = 0; i < w->count; i++)
        if (ib__same_tensor_name(w->names[i], name)) return i;
    return w->count;
}

/* Gives true if they differ. */
static bool compare_pair(const char *name, const ib_tensor *a, const ib_tensor *b,
                         const ib_options *options) {
    uint32_t worst = 0;
    size_t n = (size_t)ib__shape_elements(&a->shape), count = 0;
    double largest = 0;
    if (a->dtype != b->dtype || !ib__shape_equal(&a->shape, &b->shape)) {
        char x[128], y[128];
        ib__shape_print(x, &a->shape);
        ib__shape_print(y, &b->shape);
        ib__say(options, "  %s: %s %s against %s %s\n", name, ib__dtype_name(a->dtype), x,
                ib__dtype_name(b->dtype), y);
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        double x = ib__tensor_at(a, i), y = ib__tensor_at(b, i);
        if (x == y || (isnan(x) && isnan(y))) continue;
        uint32_t d = ib__ulp_distance((float)x, (float)y);
        count++;
        if (d > worst) worst = d;
        if (fabs(x - y) > largest) largest = fabs(x - y);
    }
    if (count > 0 && a->dtype == IB_F32)
        ib__say(options, "  %s: %zu of %zu elements differ, at most by %" PRIu32 " ulp (%.3g)\n", name, count,
                n, worst, largest);
    else if (count > 0)
        ib__say(options, "  %s: %zu of %zu elements differ, at most by %.3g\n", name, count, n, largest);
    return count > 0;
}

size_t ib__weights_compare(const ib_weights *a, const ib_weights *b, size_t *differing,
                           const ib_options *options) {
    size_t pairs = 0;
    *differing = 0;
    for (size_t i = 0; i < a->count; i++) {
        size_t k = find(b, a->names[i]);
        if (k == b->count) continue;
        pairs++;
        *differing += compare_pair(a->names[i], &a->tensors[i], &b->tensors[k], options);
    }
    return pairs;
}
