/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting classes.
 */
#include "run/matrix.h"

#include <stdlib.h>
#include <string.h>

#define CLASSES_MAX 64

bool ib__matrix_new(ib_matrix *c, const ib_model *model) {
    *c = (ib_matrix){0};
    if (model->n_outputs != 1 || model->ends == NULL || model->ends[0].loss == NULL) return true;
    const ib_shape *shape = &model->tensors[model->outputs[0]].shape;
    const char *loss = ib__loss_name(model->ends[0].loss);
    if (strstr(loss, "crossentropy") == NULL || shape->rank != 2) return true;
    int64_t width = shape->dims[1];
    size_t classes = width == 1 ? 2 : width > 1 && width <= CLASSES_MAX ? (size_t)width : 0;
    if (width > 1 && strstr(loss, "binary") != NULL) classes = 0; /* several yes or no */
    if (classes == 0) return true;
    c->counts = calloc(classes * classes, sizeof *c->counts);
    if (c->counts == NULL) return false;
    c->classes = classes;
    return true;
}

void ib__matrix_free(ib_matrix *c) {
    free(c->counts);
    *c = (ib_matrix){0};
}

/* The class that a row of `width` numbers tells. */
static size_t class_of(const ib_tensor *t, size_t row, size_t width, bool number, double threshold) {
    if (number) {
        double value = ib__tensor_at(t, row);
        return value >= 0 && value < CLASSES_MAX ? (size_t)value : CLASSES_MAX;
    }
    if (width == 1) return ib__tensor_at(t, row) > threshold;
    size_t best = 0;
    for (size_t i = 1; i < width; i++)
        if (ib__tensor_at(t, row * width + i) > ib__tensor_at(t, row * width + best)) best = i;
    return best;
}

void ib__matrix_add(ib_matrix *c, const ib_tensor *target, const ib_tensor *prediction) {
    if (c->classes == 0 || target->data == NULL || prediction->data == NULL || prediction->shape.rank != 2)
        return;
    size_t n = (size_t)prediction->shape.dims[0], width = (size_t)prediction->shape.dims[1];
    size_t wide = (size_t)ib__shape_elements(&target->shape) / (n > 0 ? n : 1);
    for (size_t i = 0; i < n; i++) {
        size_t t = class_of(target, i, wide, wide == 1, 0.5), p = class_of(prediction, i, width, false, 0.5);
        if (t < c->classes && p < c->classes) c->counts[t * c->classes + p]++;
    }
}

ib_value *ib__matrix_value(const ib_matrix *c) {
    if (c->classes == 0) return NULL;
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (size_t i = 0; good && i < c->classes; i++) {
        ib_value *row = ib__value_list();
        good = row != NULL;
        for (size_t k = 0; good && k < c->classes; k++)
            good = ib__value_add(row, ib__value_int((int64_t)c->counts[i * c->classes + k]));
        good = ib__value_add(list, row) && good;
    }
    if (good) return list;
    ib__value_free(list);
    return NULL;
}
