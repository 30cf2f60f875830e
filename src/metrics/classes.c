/* SPDX-License-Identifier: Apache-2.0
 *
 * The metrics of Keras: names, settings in the order in which Keras writes them, defaults, and what follows
 * from the settings.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/functions.h"

/* ---- Readers ---- */

static ib_status refuse(const ib_value *value, const char *where, const char *expected, ib_error *err) {
    char found[64];
    ib__value_describe(found, value);
    return ib__fail(err, IB_BAD_INPUT, where, "expected %s, found %s", expected, found);
}

/* A list of numbers, or one. */
static ib_status read_numbers(const ib_field *field, const ib_value *value, const char *where, double **out,
                              size_t *n, ib_error *err) {
    bool list = value->kind == IB_LIST;
    size_t count = list ? value->count : 1;
    free(*out);
    *n = 0;
    *out = calloc(count + 1, sizeof **out);
    if (!*out) return ib__fail_memory(err);
    for (size_t i = 0; i < count; i++) {
        ib_value *unused = NULL;
        ib_status status =
            ib__read_real(field, list ? value->items[i] : value, where, *out + i, &unused, err);
        if (status != IB_OK) return status;
    }
    *n = count;
    return IB_OK;
}

/* null, a threshold, or a list of some. */
static ib_status read_thresholds(const ib_field *field, const ib_value *value, const char *where, void *out,
                                 ib_value **canonical, ib_error *err) {
    (void)canonical;
    ib_metric *m = out;
    if (value->kind == IB_NULL) return IB_OK;
    if (value->kind == IB_LIST && value->count == 0)
        return ib__fail(err, IB_BAD_INPUT, where, "expected at least one threshold");
    return read_numbers(field, value, where, &m->thresholds, &m->n_thresholds, err);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ib_value *list_of(const double *numbers, size_t n) {
    ib_value *list = ib__value_list();
    for (size_t i = 0; i < n && list; i++)
        if (!ib__value_add(list, ib__value_real(numbers[i]))) {
            ib__value_free(list);
            return NULL;
        }
    return list;
}

/* Of AUC: null, which is not written, or a list, which is written sorted. */
static ib_status read_curve_thresholds(const ib_field *field, const ib_value *value, const char *where,
                                       void *out, ib_value **canonical, ib_error *err) {
    ib_metric *m = out;
    if (value->kind == IB_NULL) return IB_OK;
    if (value->kind != IB_LIST) return refuse(value, where, "a list of thresholds", err);
    ib_status status = read_numbers(field, value, where, &m->thresholds, &m->n_thresholds, err);
    if (status != IB_OK) return status;
    m->listed = true;
    qsort(m->thresholds, m->n_thresholds, sizeof *m->thresholds, by_size);
    *canonical = list_of(m->thresholds, m->n_thresholds);
    return *canonical ? IB_OK : ib__fail_memory(err);
}

/* null or a weight for each label, also as the tensor that Keras writes. */
static ib_status read_label_weights(const ib_field *field, const ib_value *value, const char *where,
                                    void *out, ib_value **canonical, ib_error *err) {
    ib_metric *m = out;
    if (ib__value_is_string(ib__value_get(value, "class_name"), "__tensor__"))
        value = ib__value_get(ib__value_get(value, "config"), "value");
    if (value && value->kind == IB_NULL) return IB_OK;
    if (!value || value->kind != IB_LIST || value->count == 0)
        return ib__fail(err, IB_BAD_INPUT, where, "expected a list with a weight for each label");
    ib_status status = read_numbers(field, value, where, &m->label_weights, &m->n_label_weights, err);
    if (status != IB_OK) return status;
    ib_value *tensor = ib__value_map(), *config = ib__value_map();
    bool good = ib__value_set(config, "value", list_of(m->label_weights, m->n_label_weights)) &&
                ib__value_set(config, "dtype", ib__value_string("float32")) &&
                ib__value_set(tensor, "class_name", ib__value_string("__tensor__"));
    if (!good) ib__value_free(config);
    if (good && ib__value_set(tensor, "config", config)) {
        *canonical = tensor;
        return IB_OK;
    }
    ib__value_free(tensor);
    return ib__fail_memory(err);
}

/* One of the field's choices, also with other capitals where Keras takes them; written as Keras does. */
static ib_status read_spelled(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    char text[32];
    (void)snprintf(text, sizeof text, "%s", value->kind == IB_STRING ? value->string : "");
    bool upper = field->choices[0] == 'R', title = text[0] >= 'A' && text[0] <= 'Z';
    for (char *c = text; *c; c++) {
        if (upper && *c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
        if (!upper && title && c == text) *c = (char)(*c - 'A' + 'a');
    }
    ib_value *spelled = ib__value_string(text);
    if (!spelled) return ib__fail_memory(err);
    ib_status status = ib__read_choice(field, *text ? spelled : value, where, out, canonical, err);
    if (status == IB_OK)
        *canonical = spelled;
    else
        ib__value_free(spelled);
    return status;
}

/* null, which is choice 0, or one of the choices from 1 on. */
static ib_status read_optional_choice(const ib_field *field, const ib_value *value, const char *where,
                                      void *out, ib_value **canonical, ib_error *err) {
    int *choice = out;
    *choice = 0;
    if (value->kind == IB_NULL) return IB_OK;
    ib_status status = ib__read_choice(field, value, where, choice, canonical, err);
    if (status == IB_OK) ++*choice;
    return status;
}

/* A number, written with a point as Keras wants it; null where the default is null: NaN. */
static ib_status read_float(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    double *number = out;
    *number = (double)NAN;
    if (value->kind == IB_NULL && strcmp(field->fallback, "null") == 0) return IB_OK;
    ib_status status = ib__read_real(field, value, where, out, canonical, err);
    if (status != IB_OK) return status;
    *canonical = ib__value_real(*number);
    return *canonical ? IB_OK : ib__fail_memory(err);
}

static ib_status read_target_ids(const ib_field *field, const ib_value *value, const char *where, void *out,
                                 ib_value **canonical, ib_error *err) {
    ib_metric *m = out;
    if (value->kind != IB_LIST || value->count == 0) return refuse(value, where, "a list of classes", err);
    m->target_ids = calloc(value->count, sizeof *m->target_ids);
    if (!m->target_ids) return ib__fail_memory(err);
    m->n_target_ids = value->count;
    for (size_t i = 0; i < value->count; i++) {
        ib_status status = ib__read_int(field, value->items[i], where, &m->target_ids[i], canonical, err);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

/* The dtype of a confusion matrix: with integers, which are the default, weights are cut to whole numbers. */
static ib_status read_matrix_dtype(const ib_field *field, const ib_value *value, const char *where, void *out,
                                   ib_value **canonical, ib_error *err) {
    ib_metric *m = out;
    const char *name = value->kind == IB_NULL ? "int" : value->kind == IB_STRING ? value->string : "";
    m->whole = strcmp(name, "int") == 0 || strcmp(name, "int64") == 0 || strcmp(name, "int32") == 0;
    if (!m->whole) return ib__read_dtype_text(field, value, where, out, canonical, err);
    *canonical = ib__value_string(strcmp(name, "int32") == 0 ? name : "int64");
    return *canonical ? IB_OK : ib__fail_memory(err);
}

/* true is written, false is not. */
static ib_status read_rare_flag(const ib_field *field, const ib_value *value, const char *where, void *out,
                                ib_value **canonical, ib_error *err) {
    ib_status status = ib__read_bool(field, value, where, out, canonical, err);
    if (status != IB_OK || value->boolean) return status;
    *canonical = ib__value_null();
    return *canonical ? IB_OK : ib__fail_memory(err);
}

/* An axis that Keras's config does not hold: written only if it is not the last. */
static ib_status read_lost_axis(const ib_field *field, const ib_value *value, const char *where, void *out,
                                ib_value **canonical, ib_error *err) {
    ib_status status = ib__read_int(field, value, where, out, canonical, err);
    if (status != IB_OK || value->integer != -1) return status;
    *canonical = ib__value_null();
    return *canonical ? IB_OK : ib__fail_memory(err);
}

/* ---- Fields ---- */

#define AT(member) .offset = offsetof(ib_metric, member)
#define UNIT .low = 0, .high = 1
#define NAME                                                                                                 \
    { .key = "name", .read = ib__read_name }
#define COMMON                                                                                               \
    NAME, {                                                                                                  \
        .key = "dtype", .fallback = "\"float32\"", .read = ib__read_dtype_text                               \
    }
#define FLAG(name, member, value)                                                                            \
    { .key = name, .fallback = value, .read = ib__read_bool, AT(member) }
#define AXIS(reader, lost)                                                                                   \
    {                                                                                                        \
        .key = "axis", .fallback = "-1", .read = reader, AT(axis), .low = -IB_RANK_MAX,                      \
        .high = IB_RANK_MAX - 1, .omit_null = lost                                                           \
    }
#define COUNT(name, member, value, least)                                                                    \
    { .key = name, .fallback = value, .read = ib__read_int, AT(member), .low = least, .high = 0x1p20 }
#define OPTIONAL(name, member, least)                                                                        \
    {                                                                                                        \
        .key = name, .fallback = "null", .read = ib__read_optional_int, AT(member), .low = least,            \
        .high = 0x1p31                                                                                       \
    }
#define THRESHOLDS                                                                                           \
    { .key = "thresholds", .fallback = "null", .read = read_thresholds, UNIT }
#define ENTROPY                                                                                              \
    FLAG("from_logits", from_logits, "false"), {                                                             \
        .key = "label_smoothing", .fallback = "0", .read = ib__read_real, AT(label_smoothing), UNIT          \
    }
#define IGNORE_CLASS                                                                                         \
    { .key = "ignore_class", .fallback = "null", .read = ib__read_ignored, .low = -0x1p24, .high = 0x1p24 }
#define REACHING(name)                                                                                       \
    {                                                                                                        \
        COMMON, OPTIONAL("class_id", class_id, 0), COUNT("num_thresholds", num_thresholds, "200", 1), {      \
            .key = name, .read = ib__read_real, AT(value), UNIT                                              \
        }                                                                                                    \
    }
#define AVERAGE                                                                                              \
    {                                                                                                        \
        .key = "average", .fallback = "null", .read = read_optional_choice, AT(average),                     \
        .choices = "micro macro weighted"                                                                    \
    }
#define SCORE_THRESHOLD                                                                                      \
    { .key = "threshold", .fallback = "null", .read = read_float, AT(threshold), .low = 0x1p-1074, .high = 1 }
#define MATRIX_DTYPE                                                                                         \
    { .key = "dtype", .fallback = "null", .read = read_matrix_dtype }
#define CLASSES                                                                                              \
    { .key = "num_classes", .read = ib__read_int, AT(num_classes), .low = 1, .high = 4096 }
#define TARGET_IDS(value)                                                                                    \
    { .key = "target_class_ids", .fallback = value, .read = read_target_ids, .high = 4095 }
#define SPARSE_TRUE FLAG("sparse_y_true", sparse_true, "true")
#define SPARSE_PRED(value) FLAG("sparse_y_pred", sparse_pred, value)

static const ib_field plain[] = {COMMON};
static const ib_field threshold[] = {COMMON,
                                     {.key = "threshold",
                                      .fallback = "0.5",
                                      .read = ib__read_real,
                                      AT(threshold),
                                      .low = -0x1p100,
                                      .high = 0x1p100}};
static const ib_field top_k[] = {COMMON, COUNT("k", k, "5", 1)};
static const ib_field sparse_top_k[] = {COMMON,
                                        COUNT("k", k, "5", 1),
                                        {.key = "from_sorted_ids",
                                         .fallback = "false",
                                         .read = read_rare_flag,
                                         AT(from_sorted_ids),
                                         .omit_null = true}};
static const ib_field binary_entropy[] = {COMMON, ENTROPY};
static const ib_field entropy[] = {COMMON, ENTROPY, AXIS(ib__read_int, false)};
static const ib_field sparse_entropy[] = {COMMON, FLAG("from_logits", from_logits, "false"), IGNORE_CLASS,
                                          AXIS(ib__read_int, false)};
static const ib_field axis[] = {COMMON, AXIS(ib__read_int, false)};
static const ib_field lost_axis[] = {COMMON, AXIS(read_lost_axis, true)};
static const ib_field r2[] = {COMMON,
                              {.key = "class_aggregation",
                               .fallback = "\"uniform_average\"",
                               .read = read_optional_choice,
                               AT(aggregation),
                               .choices = "uniform_average variance_weighted_average"},
                              COUNT("num_regressors", num_regressors, "0", 0)};
static const ib_field counts[] = {COMMON, THRESHOLDS};
static const ib_field precision[] = {COMMON, THRESHOLDS, OPTIONAL("top_k", top_k, 1),
                                     OPTIONAL("class_id", class_id, 0)};
static const ib_field at_recall[] = REACHING("recall");
static const ib_field at_precision[] = REACHING("precision");
static const ib_field at_sensitivity[] = REACHING("sensitivity");
static const ib_field at_specificity[] = REACHING("specificity");
static const ib_field auc[] = {
    COMMON,
    COUNT("num_thresholds", num_thresholds, "200", 2),
    {.key = "curve", .fallback = "\"ROC\"", .read = read_spelled, AT(curve), .choices = "ROC PR PRGAIN"},
    {.key = "summation_method",
     .fallback = "\"interpolation\"",
     .read = read_spelled,
     AT(summation),
     .choices = "interpolation majoring minoring"},
    FLAG("multi_label", multi_label, "false"),
    OPTIONAL("num_labels", num_labels, 1),
    {.key = "label_weights", .fallback = "null", .read = read_label_weights, .high = 0x1p100},
    FLAG("from_logits", from_logits, "false"),
    {.key = "thresholds", .fallback = "null", .read = read_curve_thresholds, UNIT, .omit_null = true}};
static const ib_field fbeta[] = {
    COMMON,
    AVERAGE,
    {.key = "beta", .fallback = "1.0", .read = read_float, AT(beta), .low = 0x1p-1074, .high = 0x1p100},
    SCORE_THRESHOLD};
static const ib_field f1[] = {COMMON, AVERAGE, SCORE_THRESHOLD};
static const ib_field iou[] = {NAME,
                               MATRIX_DTYPE,
                               CLASSES,
                               TARGET_IDS(NULL),
                               IGNORE_CLASS,
                               SPARSE_TRUE,
                               SPARSE_PRED("true"),
                               AXIS(ib__read_int, false)};
static const ib_field binary_iou[] = {TARGET_IDS("[0, 1]"),
                                      {.key = "threshold",
                                       .fallback = "0.5",
                                       .read = ib__read_real,
                                       AT(threshold),
                                       .low = -0x1p100,
                                       .high = 0x1p100},
                                      NAME,
                                      MATRIX_DTYPE};
static const ib_field mean_iou[] = {
    CLASSES, NAME, MATRIX_DTYPE, IGNORE_CLASS, SPARSE_TRUE, SPARSE_PRED("true"), AXIS(ib__read_int, false)};
static const ib_field hot_iou[] = {CLASSES,
                                   TARGET_IDS(NULL),
                                   NAME,
                                   MATRIX_DTYPE,
                                   IGNORE_CLASS,
                                   SPARSE_PRED("false"),
                                   AXIS(ib__read_int, false)};
static const ib_field hot_mean_iou[] = {
    CLASSES, NAME, MATRIX_DTYPE, IGNORE_CLASS, SPARSE_PRED("false"), AXIS(ib__read_int, false)};

/* ---- What follows from settings ---- */

/* NumPy's allclose of the thresholds and 0, 1/(n-1) .. 1 in float32, as Keras asks it. */
static bool evenly_spaced(const double *thresholds, size_t n) {
    if (n < 3) return false;
    for (size_t i = 0; i < n; i++) {
        double even = (double)((float)i / (float)(n - 1));
        if (!(fabs(thresholds[i] - even) <= 1e-7 + 1e-5 * even)) return false;
    }
    return true;
}

static ib_status prepare_counts(ib_metric *m, const char *where, ib_error *err) {
    (void)where;
    if (m->n_thresholds == 0) {
        m->thresholds = calloc(1, sizeof *m->thresholds);
        if (!m->thresholds) return ib__fail_memory(err);
        m->thresholds[0] = m->top_k > 0 ? -1e10 : 0.5;
        m->n_thresholds = 1;
    }
    m->even = evenly_spaced(m->thresholds, m->n_thresholds);
    return IB_OK;
}

/* 0, 1/(n-1) .. 1; a single one is 1/2. */
static ib_status prepare_reaching(ib_metric *m, const char *where, ib_error *err) {
    (void)where;
    size_t n = (size_t)m->num_thresholds;
    m->thresholds = calloc(n, sizeof *m->thresholds);
    if (!m->thresholds) return ib__fail_memory(err);
    m->n_thresholds = n;
    for (size_t i = 0; i < n; i++)
        m->thresholds[i] = n == 1 ? 0.5 : (double)i / (double)(n - 1);
    m->even = n > 1;
    return IB_OK;
}

/* Those given, or evenly spaced ones, between two that reach past 0 and 1. */
static ib_status prepare_auc(ib_metric *m, const char *where, ib_error *err) {
    if (m->num_labels > 0 && !m->multi_label)
        return ib__fail(err, IB_BAD_INPUT, where, "num_labels goes with multi_label only");
    size_t inner = m->listed ? m->n_thresholds : (size_t)m->num_thresholds - 2, n = inner + 2;
    double *all = calloc(n, sizeof *all);
    if (!all) return ib__fail_memory(err);
    for (size_t i = 0; i < inner; i++)
        all[i + 1] = m->listed ? m->thresholds[i] : (double)(i + 1) / (double)(n - 1);
    all[n - 1] = 1.0;
    m->even = !m->listed || evenly_spaced(all, n);
    m->beyond = true;
    all[0] = 0.0 - 1e-7;
    all[n - 1] = 1.0 + 1e-7;
    free(m->thresholds);
    m->thresholds = all;
    m->n_thresholds = n;
    if (!m->listed) return IB_OK;
    return ib__value_set(m->config, "num_thresholds", ib__value_int((int64_t)n)) ? IB_OK
                                                                                 : ib__fail_memory(err);
}

static ib_status prepare_iou(ib_metric *m, const char *where, ib_error *err) {
    if (m->class->fields == binary_iou)
        m->num_classes = 2;
    else
        m->threshold = (double)NAN;
    if (m->class->fields == binary_iou) m->sparse_true = m->sparse_pred = true;
    if (m->n_target_ids == 0) {
        m->target_ids = calloc((size_t)m->num_classes, sizeof *m->target_ids);
        if (!m->target_ids) return ib__fail_memory(err);
        m->n_target_ids = (size_t)m->num_classes;
        for (size_t i = 0; i < m->n_target_ids; i++)
            m->target_ids[i] = (int64_t)i;
    }
    for (size_t i = 0; i < m->n_target_ids; i++)
        if (m->target_ids[i] >= m->num_classes)
            return ib__fail(err, IB_BAD_INPUT, where,
                            "target_class_ids: expected classes below %lld, found %lld",
                            (long long)m->num_classes, (long long)m->target_ids[i]);
    return IB_OK;
}

static ib_status prepare_f1(ib_metric *m, const char *where, ib_error *err) {
    (void)where, (void)err;
    m->beta = 1.0;
    return IB_OK;
}

/* ---- Classes ---- */

#define FIELDS(of) .fields = of, .n_fields = sizeof of / sizeof *of
#define KIND(kind, result)                                                                                   \
    .fits = ib__##kind##_fits, .size = ib__##kind##_size, .add = ib__##kind##_add, .values = result
#define MEAN(class, name, others, fn, of)                                                                    \
    { class, name, others, FIELDS(of), .function = fn, KIND(mean, ib__mean_values) }
#define COUNTED(class, which, of, result)                                                                    \
    { class, NULL, "", FIELDS(of), .counts = which, .prepare = prepare_counts, KIND(confusion, result) }
#define REACH(class, of, result)                                                                             \
    { class, NULL, "", FIELDS(of), .counts = 15, .prepare = prepare_reaching, KIND(confusion, result) }
#define IOU(class, of)                                                                                       \
    { class, NULL, "", FIELDS(of), .prepare = prepare_iou, KIND(iou, ib__iou_values) }

const ib_metric_class ib__metric_classes[] = {
    MEAN("Accuracy", "accuracy", "", "accuracy", plain),
    MEAN("BinaryAccuracy", "binary_accuracy", "", "binary_accuracy", threshold),
    MEAN("CategoricalAccuracy", "categorical_accuracy", "", "categorical_accuracy", plain),
    MEAN("SparseCategoricalAccuracy", "sparse_categorical_accuracy", "", "sparse_categorical_accuracy",
         plain),
    MEAN("TopKCategoricalAccuracy", "top_k_categorical_accuracy", "", "top_k_categorical_accuracy", top_k),
    MEAN("SparseTopKCategoricalAccuracy", "sparse_top_k_categorical_accuracy", "",
         "sparse_top_k_categorical_accuracy", sparse_top_k),
    MEAN("BinaryCrossentropy", "binary_crossentropy", "bce BCE", "binary_crossentropy", binary_entropy),
    MEAN("CategoricalCrossentropy", "categorical_crossentropy", "", "categorical_crossentropy", entropy),
    MEAN("SparseCategoricalCrossentropy", "sparse_categorical_crossentropy", "",
         "sparse_categorical_crossentropy", sparse_entropy),
    MEAN("KLDivergence", "kl_divergence", "", "kl_divergence", plain),
    MEAN("Poisson", "poisson", "", "poisson", plain),
    MEAN("MeanSquaredError", "mean_squared_error", "mse MSE", "mean_squared_error", plain),
    {"RootMeanSquaredError", "root_mean_squared_error", "", FIELDS(plain), .function = "squared_elements",
     KIND(mean, ib__root_mean_values)},
    MEAN("MeanAbsoluteError", "mean_absolute_error", "mae MAE", "mean_absolute_error", plain),
    MEAN("MeanAbsolutePercentageError", "mean_absolute_percentage_error", "mape MAPE",
         "mean_absolute_percentage_error", plain),
    MEAN("MeanSquaredLogarithmicError", "mean_squared_logarithmic_error", "msle MSLE",
         "mean_squared_logarithmic_error", plain),
    MEAN("CosineSimilarity", "cosine_similarity", "", "cosine", lost_axis),
    MEAN("LogCoshError", "logcosh", "", "log_cosh", plain),
    MEAN("PearsonCorrelation", "pearson_correlation", "", "pearson_correlation", axis),
    MEAN("ConcordanceCorrelation", "concordance_correlation", "", "concordance_correlation", axis),
    MEAN("Hinge", "hinge", "", "hinge", plain),
    MEAN("SquaredHinge", "squared_hinge", "", "squared_hinge", plain),
    MEAN("CategoricalHinge", "categorical_hinge", "", "categorical_hinge", plain),
    MEAN("MeanMetricWrapper", NULL, "", NULL, plain),
    {"Mean", "mean", "", FIELDS(plain), KIND(values, ib__mean_values)},
    {"Sum", "sum", "", FIELDS(plain), KIND(values, ib__sum_values)},
    COUNTED("TruePositives", 1, counts, ib__counted_values),
    COUNTED("FalsePositives", 2, counts, ib__counted_values),
    COUNTED("TrueNegatives", 4, counts, ib__counted_values),
    COUNTED("FalseNegatives", 8, counts, ib__counted_values),
    COUNTED("Precision", 1 | 2, precision, ib__precision_values),
    COUNTED("Recall", 1 | 8, precision, ib__recall_values),
    REACH("PrecisionAtRecall", at_recall, ib__precision_at_recall_values),
    REACH("RecallAtPrecision", at_precision, ib__recall_at_precision_values),
    REACH("SensitivityAtSpecificity", at_specificity, ib__sensitivity_at_specificity_values),
    REACH("SpecificityAtSensitivity", at_sensitivity, ib__specificity_at_sensitivity_values),
    {"AUC", NULL, "", FIELDS(auc), .counts = 15, .prepare = prepare_auc, KIND(confusion, ib__auc_values)},
    {"FBetaScore", "fbeta_score", "", FIELDS(fbeta), KIND(fbeta, ib__fbeta_values)},
    {"F1Score", "f1_score", "", FIELDS(f1), .prepare = prepare_f1, KIND(fbeta, ib__fbeta_values)},
    {"R2Score", "r2_score", "", FIELDS(r2), KIND(r2, ib__r2_values)},
    IOU("IoU", iou),
    IOU("BinaryIoU", binary_iou),
    IOU("MeanIoU", mean_iou),
    IOU("OneHotIoU", hot_iou),
    IOU("OneHotMeanIoU", hot_mean_iou),
};
const size_t ib__metric_classes_count = sizeof ib__metric_classes / sizeof *ib__metric_classes;
