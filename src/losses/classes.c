/* SPDX-License-Identifier: Apache-2.0
 *
 * The losses of Keras: names, settings in the order in which Keras writes them, defaults.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "losses/internal.h"

/* ---- Readers ---- */

/* A value that Keras's config does not hold: read when it is given, and written only if it is another one
 * than the default, so that nothing is lost. */
static ib_status lose_default(const ib_field *field, double value, ib_value **canonical, ib_error *err) {
    double fallback = 0;
    (void)ib__double_parse(field->fallback, strlen(field->fallback), &fallback);
    if (value != fallback) return IB_OK;
    *canonical = ib__value_null();
    return *canonical ? IB_OK : ib__fail_memory(err);
}

static ib_status read_lost_real(const ib_field *field, const ib_value *value, const char *where, void *out,
                                ib_value **canonical, ib_error *err) {
    ib_status status = ib__read_real(field, value, where, out, canonical, err);
    return status == IB_OK ? lose_default(field, *(double *)out, canonical, err) : status;
}

static ib_status read_lost_int(const ib_field *field, const ib_value *value, const char *where, void *out,
                               ib_value **canonical, ib_error *err) {
    ib_status status = ib__read_int(field, value, where, out, canonical, err);
    return status == IB_OK ? lose_default(field, (double)*(int64_t *)out, canonical, err) : status;
}

/* float32 only; not written. */
static ib_status read_dtype(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    ib_status status = ib__read_dtype_text(field, value, where, out, canonical, err);
    ib__value_free(*canonical);
    *canonical = NULL;
    if (status != IB_OK) return status;
    *canonical = ib__value_null();
    return *canonical ? IB_OK : ib__fail_memory(err);
}

static ib_status read_reduction(const ib_field *field, const ib_value *value, const char *where, void *out,
                                ib_value **canonical, ib_error *err) {
    static const ib_reduction meaning[] = {IB_REDUCTION_MEAN, IB_REDUCTION_MEAN, IB_REDUCTION_SUM,
                                           IB_REDUCTION_WEIGHTED_MEAN, IB_REDUCTION_NONE};
    ib_reduction *reduction = out;
    *reduction = IB_REDUCTION_NONE;
    if (value->kind == IB_NULL) return IB_OK;
    int choice = 0;
    ib_status status = ib__read_choice(field, value, where, &choice, canonical, err);
    if (status == IB_OK) *reduction = meaning[choice];
    return status;
}

/* A class number or null. */
static ib_status read_ignore_class(const ib_field *field, const ib_value *value, const char *where, void *out,
                                   ib_value **canonical, ib_error *err) {
    ib_loss *loss = out;
    loss->ignores = value->kind != IB_NULL;
    return loss->ignores ? ib__read_int(field, value, where, &loss->ignore_class, canonical, err) : IB_OK;
}

/* A number, or a list with one for each class. */
static ib_status read_alpha(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    ib_loss *loss = out;
    if (value->kind != IB_LIST) return ib__read_real(field, value, where, &loss->alpha, canonical, err);
    if (value->count == 0)
        return ib__fail(err, IB_BAD_INPUT, where, "expected a number for each class, found none");
    loss->alphas = calloc(value->count + 1, sizeof *loss->alphas);
    if (!loss->alphas) return ib__fail_memory(err);
    loss->n_alphas = value->count;
    for (size_t i = 0; i < value->count; i++) {
        double x = 0;
        ib_status status = ib__read_real(field, value->items[i], where, &x, canonical, err);
        if (status != IB_OK) return status;
        loss->alphas[i] = (float)x;
    }
    return IB_OK;
}

/* null (all), an axis, or a list of axes. */
static ib_status read_axes(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    ib_loss *loss = out;
    bool list = value->kind == IB_LIST;
    loss->n_axes = value->kind == IB_NULL ? -1 : list ? (int)value->count : 1;
    if (list && value->count > IB_RANK_MAX)
        return ib__fail(err, IB_BAD_INPUT, where, "expected at most %d axes, found %zu", IB_RANK_MAX,
                        value->count);
    for (int i = 0; i < loss->n_axes; i++) {
        ib_status status =
            ib__read_int(field, list ? value->items[i] : value, where, &loss->axes[i], canonical, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* ---- Fields ---- */

#define ANY .low = -0x1p100, .high = 0x1p100
#define AT(member) .offset = offsetof(ib_loss, member)
#define COMMON                                                                                               \
    {.key = "name", .read = ib__read_name},                                                                  \
        {.key = "reduction",                                                                                 \
         .fallback = "\"sum_over_batch_size\"",                                                              \
         .read = read_reduction,                                                                             \
         AT(reduction),                                                                                      \
         .choices = "sum_over_batch_size mean sum mean_with_sample_weight none"},                            \
    {                                                                                                        \
        .key = "dtype", .fallback = "null", .read = read_dtype, .omit_null = true                            \
    }
#define FROM_LOGITS                                                                                          \
    { .key = "from_logits", .fallback = "false", .read = ib__read_bool, AT(from_logits) }
#define AXIS(reader, lost)                                                                                   \
    {                                                                                                        \
        .key = "axis", .fallback = "-1", .read = reader, AT(axis), .low = -IB_RANK_MAX,                      \
        .high = IB_RANK_MAX - 1, .omit_null = lost                                                           \
    }
#define ENTROPY                                                                                              \
    COMMON, FROM_LOGITS,                                                                                     \
        {.key = "label_smoothing",                                                                           \
         .fallback = "0.0",                                                                                  \
         .read = ib__read_real,                                                                              \
         AT(label_smoothing),                                                                                \
         .high = 1.0},                                                                                       \
        AXIS(ib__read_int, false)
#define REAL(name, member, value)                                                                            \
    { .key = name, .fallback = value, .read = ib__read_real, AT(member), ANY }
#define AXES                                                                                                 \
    { .key = "axis", .fallback = "null", .read = read_axes, .low = -IB_RANK_MAX, .high = IB_RANK_MAX - 1 }

static const ib_field plain[] = {COMMON};
static const ib_field cosine[] = {COMMON, AXIS(read_lost_int, true)};
static const ib_field huber[] = {
    COMMON, {.key = "delta", .fallback = "1.0", .read = read_lost_real, AT(delta), ANY, .omit_null = true}};
static const ib_field entropy[] = {ENTROPY};
static const ib_field binary_focal[] = {
    ENTROPY,
    {.key = "apply_class_balancing", .fallback = "false", .read = ib__read_bool, AT(balanced)},
    REAL("alpha", alpha, "0.25"),
    REAL("gamma", gamma, "2.0")};
static const ib_field categorical_focal[] = {
    ENTROPY, {.key = "alpha", .fallback = "0.25", .read = read_alpha, ANY}, REAL("gamma", gamma, "2.0")};
static const ib_field sparse[] = {
    COMMON,
    FROM_LOGITS,
    {.key = "ignore_class", .fallback = "null", .read = read_ignore_class, .low = -0x1p24, .high = 0x1p24},
    AXIS(read_lost_int, true)};
static const ib_field generalized[] = {
    COMMON,
    {.key = "q", .fallback = "0.5", .read = ib__read_real, AT(q), .low = 0x1p-149, .high = 1.0 - 0x1p-53}};
static const ib_field dice[] = {COMMON, AXES};
static const ib_field tversky[] = {COMMON, REAL("alpha", alpha, "0.5"), REAL("beta", beta, "0.5"), AXES};
static const ib_field circle[] = {
    COMMON,
    REAL("gamma", gamma, "80.0"),
    REAL("margin", margin, "0.4"),
    {.key = "remove_diagonal", .fallback = "true", .read = ib__read_bool, AT(remove_diagonal)}};

/* ---- Classes ---- */

#define FIELDS(of) of, sizeof of / sizeof *of
#define LIKE(class, function, shorts, values, fields)                                                        \
    { class, function, shorts, function, IB_TARGET_LIKE, ib__loss_##values, FIELDS(fields) }

const ib_loss_class ib__loss_classes_table[] = {
    LIKE("MeanSquaredError", "mean_squared_error", "mse MSE", squared, plain),
    LIKE("MeanAbsoluteError", "mean_absolute_error", "mae MAE", absolute, plain),
    LIKE("MeanAbsolutePercentageError", "mean_absolute_percentage_error", "mape MAPE", percentage, plain),
    LIKE("MeanSquaredLogarithmicError", "mean_squared_logarithmic_error", "msle MSLE", logarithmic, plain),
    LIKE("CosineSimilarity", "cosine_similarity", "", cosine, cosine),
    {"Huber", "huber", "", "huber_loss", IB_TARGET_LIKE, ib__loss_huber, FIELDS(huber)},
    LIKE("LogCosh", "log_cosh", "", log_cosh, plain),
    LIKE("Hinge", "hinge", "", hinge, plain),
    LIKE("SquaredHinge", "squared_hinge", "", squared_hinge, plain),
    LIKE("CategoricalHinge", "categorical_hinge", "", categorical_hinge, plain),
    LIKE("KLDivergence", "kl_divergence", "kld KLD", divergence, plain),
    LIKE("Poisson", "poisson", "", poisson, plain),
    LIKE("BinaryCrossentropy", "binary_crossentropy", "bce BCE", binary, entropy),
    LIKE("BinaryFocalCrossentropy", "binary_focal_crossentropy", "", binary_focal, binary_focal),
    LIKE("CategoricalCrossentropy", "categorical_crossentropy", "", categorical, entropy),
    LIKE("CategoricalFocalCrossentropy", "categorical_focal_crossentropy", "", categorical_focal,
         categorical_focal),
    {"SparseCategoricalCrossentropy", "sparse_categorical_crossentropy", "",
     "sparse_categorical_crossentropy", IB_TARGET_CLASS, ib__loss_sparse, FIELDS(sparse)},
    {"CategoricalGeneralizedCrossEntropy", NULL, "", "categorical_generalized_cross_entropy", IB_TARGET_CLASS,
     ib__loss_generalized, FIELDS(generalized)},
    LIKE("Dice", "dice", "", dice, dice),
    LIKE("Tversky", "tversky", "", tversky, tversky),
    {"Circle", "circle", "", "circle", IB_TARGET_LABEL, ib__loss_circle, FIELDS(circle)},
    {"CTC", "ctc", "", "ctc", IB_TARGET_SEQUENCE, ib__loss_ctc, FIELDS(plain)},
    {NULL, "crossentropy", "", "crossentropy", IB_TARGET_CHOSEN, NULL, FIELDS(entropy)},
};
const size_t ib__loss_classes_count = sizeof ib__loss_classes_table / sizeof *ib__loss_classes_table;
