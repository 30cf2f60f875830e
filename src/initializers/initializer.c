/* SPDX-License-Identifier: Apache-2.0
 *
 * Initializers: Keras's classes by name, alias or serialized map; values from the stream (seed, path of the
 * weight, "initializer"). Element e takes number e of the stream; truncated normals that fall outside take
 * number e of the next step. Computed in double and rounded once.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "initializers/internal.h"
#include "initializers/window.h"
#include "layers/layer.h"
#include "layers/settings.h"

typedef enum shape_of_values {
    UNIFORM,
    NORMAL,
    TRUNCATED,
    VARIANCE,
    CONSTANT,
    ARRAY,
    IDENTITY,
    ORTHOGONAL,
    WAVES
} shape_of_values;
enum { FAN_IN, FAN_OUT, FAN_AVG };
enum { SCALED_TRUNCATED, SCALED_UNTRUNCATED, SCALED_UNIFORM };

/* Axes whose sizes are multiplied; n < 0: none given. */
typedef struct axes {
    int64_t list[IB_RANK_MAX];
    int n;
} axes;

typedef struct settings {
    double low, high;    /* uniform */
    double mean, stddev; /* normal, truncated */
    double value;        /* constant; gain of the identity, NaN: 1 */
    double gain;         /* orthogonal */
    double scale;        /* variance */
    int mode, distribution;
    axes in, out;
    ib_stft stft;
    int64_t seed; /* NO_SEED: the experiment's */
} settings;
#define NO_SEED INT64_MIN

/* ---- Fields ---- */

/* A number; an array is read again when it is used, as it stands in the config. */
static ib_status read_array(const ib_field *field, const ib_value *value, const char *where, void *out,
                            ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    ib_numbers numbers;
    return ib__numbers_read(&numbers, value, where, err);
}

/* An integer, null, or a serialized SeedGenerator that holds an integer. */
static ib_status read_seed(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    const ib_value *class_name = ib__value_get(value, "class_name");
    if (class_name && !ib__value_is_string(class_name, "SeedGenerator"))
        return ib__fail(err, IB_BAD_INPUT, where, "expected an integer, null or a SeedGenerator");
    const ib_value *seed = class_name ? ib__value_get(ib__value_get(value, "config"), "seed") : value;
    if (!seed) return ib__fail(err, IB_BAD_INPUT, where, "expected a SeedGenerator with a seed");
    ib_status status = ib__read_optional_int(field, seed, where, out, canonical, err);
    if (status == IB_OK && seed->kind == IB_NULL) *(int64_t *)out = NO_SEED;
    return status;
}

static ib_status read_axes(const ib_field *field, const ib_value *value, const char *where, void *out,
                           ib_value **canonical, ib_error *err) {
    (void)field, (void)canonical;
    axes *axes = out;
    axes->n = -1;
    if (value->kind == IB_NULL) return IB_OK;
    bool good = value->kind == IB_LIST && value->count <= IB_RANK_MAX;
    for (size_t i = 0; good && i < value->count; i++) {
        const ib_value *item = value->items[i];
        good = item->kind == IB_INT && item->integer >= -IB_RANK_MAX && item->integer < IB_RANK_MAX;
        if (good) axes->list[i] = item->integer;
    }
    if (!good) return ib__fail(err, IB_BAD_INPUT, where, "expected null or a list of axes");
    axes->n = (int)value->count;
    return IB_OK;
}

/* In any case; "normal" is the truncated one. */
static ib_status read_distribution(const ib_field *field, const ib_value *value, const char *where, void *out,
                                   ib_value **canonical, ib_error *err) {
    static const char *const names[] = {"truncated_normal", "untruncated_normal", "uniform", "normal"};
    for (int i = 0; value->kind == IB_STRING && i < 4; i++) {
        if (strcasecmp(value->string, names[i]) != 0) continue;
        *(int *)out = i % 3;
        *canonical = ib__value_string(names[i % 3]);
        return *canonical ? IB_OK : ib__fail_memory(err);
    }
    return ib__read_choice(field, value, where, out, canonical, err);
}

static ib_status read_window(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err) {
    if (value->kind == IB_NULL) return IB_OK;
    if (value->kind == IB_STRING) return ib__window_check(value->string, where, err);
    return read_array(field, value, where, out, canonical, err);
}

/* "density", "spectrum" or null: 1, 2, 0. */
static ib_status read_scaling(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    int *scaling = out;
    *scaling = -1;
    ib_status status =
        value->kind == IB_NULL ? IB_OK : ib__read_choice(field, value, where, out, canonical, err);
    *scaling += 1;
    return status;
}

#define AT(member) .offset = offsetof(settings, member)
#define ANY .low = -0x1p1023, .high = 0x1p1023
#define SEED                                                                                                 \
    { .key = "seed", .fallback = "null", .read = read_seed, AT(seed), .low = -0x1p53, .high = 0x1p53 }
#define AXES                                                                                                 \
    {.key = "input_axes", .fallback = "null", .read = read_axes, AT(in)}, {                                  \
        .key = "output_axes", .fallback = "null", .read = read_axes, AT(out)                                 \
    }

static const ib_field constant_fields[] = {{.key = "value", .fallback = "0.0", .read = read_array}};
static const ib_field identity_fields[] = {
    {.key = "gain", .fallback = "null", .read = ib__read_optional_real, AT(value), ANY, .omit_null = true}};
static const ib_field uniform_fields[] = {
    SEED,
    {.key = "minval", .fallback = "-0.05", .read = ib__read_real, AT(low), ANY},
    {.key = "maxval", .fallback = "0.05", .read = ib__read_real, AT(high), ANY}};
static const ib_field normal_fields[] = {
    SEED,
    {.key = "mean", .fallback = "0.0", .read = ib__read_real, AT(mean), ANY},
    {.key = "stddev", .fallback = "0.05", .read = ib__read_real, AT(stddev), .high = 0x1p1023}};
static const ib_field named_scaling_fields[] = {SEED, AXES};
static const ib_field scaling_fields[] = {
    SEED,
    {.key = "scale", .fallback = "1.0", .read = ib__read_real, AT(scale), .low = 0x1p-1022, .high = 0x1p1023},
    {.key = "mode",
     .fallback = "\"fan_in\"",
     .read = ib__read_choice,
     AT(mode),
     .choices = "fan_in fan_out fan_avg"},
    {.key = "distribution",
     .fallback = "\"truncated_normal\"",
     .read = read_distribution,
     AT(distribution),
     .choices = "truncated_normal untruncated_normal uniform"},
    AXES};

static const ib_field orthogonal_fields[] = {
    SEED, {.key = "gain", .fallback = "1.0", .read = ib__read_real, AT(gain), ANY}};
static const ib_field stft_fields[] = {
    {.key = "side", .fallback = "\"real\"", .read = ib__read_choice, AT(mode), .choices = "real imag"},
    {.key = "window", .fallback = "\"hann\"", .read = read_window},
    {.key = "periodic", .fallback = "false", .read = ib__read_bool, AT(stft.periodic)},
    {.key = "scaling",
     .fallback = "\"density\"",
     .read = read_scaling,
     AT(stft.scaling),
     .choices = "density spectrum"}};

typedef struct class_row {
    ib_named named;
    shape_of_values kind;
    settings preset;
} class_row;

#define CLASS(name, alias, f)                                                                                \
    { name, alias, f, sizeof f / sizeof *f }
#define BARE(name, alias)                                                                                    \
    { name, alias, NULL, 0 }
#define SCALING(s, m, d)                                                                                     \
    { .scale = s, .mode = m, .distribution = d, .seed = NO_SEED }
static const class_row classes[] = {
    {BARE("Zeros", "zero"), CONSTANT, {.seed = NO_SEED}},
    {BARE("Ones", "one"), CONSTANT, {.value = 1.0, .seed = NO_SEED}},
    {CLASS("Constant", NULL, constant_fields), ARRAY, {.seed = NO_SEED}},
    {CLASS("Identity", "IdentityInitializer", identity_fields), IDENTITY, {.seed = NO_SEED}},
    {CLASS("RandomUniform", "uniform", uniform_fields), UNIFORM, {.seed = NO_SEED}},
    {CLASS("RandomNormal", "normal", normal_fields), NORMAL, {.seed = NO_SEED}},
    {CLASS("TruncatedNormal", NULL, normal_fields), TRUNCATED, {.seed = NO_SEED}},
    {CLASS("VarianceScaling", NULL, scaling_fields), VARIANCE, {.seed = NO_SEED}},
    {CLASS("GlorotUniform", NULL, named_scaling_fields), VARIANCE, SCALING(1, FAN_AVG, SCALED_UNIFORM)},
    {CLASS("GlorotNormal", NULL, named_scaling_fields), VARIANCE, SCALING(1, FAN_AVG, SCALED_TRUNCATED)},
    {CLASS("HeUniform", NULL, named_scaling_fields), VARIANCE, SCALING(2, FAN_IN, SCALED_UNIFORM)},
    {CLASS("HeNormal", NULL, named_scaling_fields), VARIANCE, SCALING(2, FAN_IN, SCALED_TRUNCATED)},
    {CLASS("LecunUniform", NULL, named_scaling_fields), VARIANCE, SCALING(1, FAN_IN, SCALED_UNIFORM)},
    {CLASS("LecunNormal", NULL, named_scaling_fields), VARIANCE, SCALING(1, FAN_IN, SCALED_TRUNCATED)},
    {CLASS("Orthogonal", "OrthogonalInitializer", orthogonal_fields), ORTHOGONAL, {.seed = NO_SEED}},
    {CLASS("STFT", "STFTInitializer", stft_fields), WAVES, {.seed = NO_SEED}},
};

static ib_status parse(const ib_value *value, const char *where, const class_row **row, settings *s,
                       ib_value **canonical, ib_error *err) {
    const void *found;
    const ib_value *config;
    *canonical = NULL;
    ib_status status = ib__named_find(classes, sizeof classes / sizeof *classes, sizeof *classes,
                                      "an initializer", value, where, &found, &config, err);
    if (status != IB_OK) return status;
    *row = found;
    *s = (*row)->preset;
    return ib__named_read(found, "keras.initializers", config, where, s, canonical, err);
}

ib_status ib__read_initializer(const ib_field *field, const ib_value *value, const char *where, void *out,
                               ib_value **canonical, ib_error *err) {
    (void)field, (void)out;
    const class_row *row;
    settings s;
    return parse(value, where, &row, &s, canonical, err);
}

ib_status ib__initializer_check(const ib_value *initializer, const char *where, ib_error *err) {
    ib_value *canonical = NULL;
    ib_status status = ib__read_initializer(NULL, initializer, where, NULL, &canonical, err);
    ib__value_free(canonical);
    return status;
}

/* The product of the sizes of these axes; -1: one is outside. */
static double product(const axes *axes, const ib_shape *shape) {
    double size = 1.0;
    for (int i = 0; i < axes->n; i++) {
        int64_t axis = axes->list[i] < 0 ? axes->list[i] + shape->rank : axes->list[i];
        if (axis < 0 || axis >= shape->rank) return -1.0;
        size *= (double)shape->dims[axis];
    }
    return size;
}

/* Keras's compute_fans: convolution kernels (..., in, out) count the receptive field on both sides. */
static void fans(const settings *s, const ib_shape *shape, double *in, double *out) {
    int rank = shape->rank;
    double field = 1.0;
    if (s->in.n >= 0 && s->out.n >= 0) {
        *in = product(&s->in, shape);
        *out = product(&s->out, shape);
        return;
    }
    for (int i = 0; i < rank - 2; i++)
        field *= (double)shape->dims[i];
    *out = rank > 0 ? (double)shape->dims[rank - 1] * field : 1.0;
    *in = rank > 1 ? (double)shape->dims[rank - 2] * field : *out;
}

/* Turns a variance-scaling initializer into the distribution that it draws from. 0.8796...: the standard
 * deviation of a standard normal cut at two. */
static shape_of_values resolve_scaling(settings *s, const ib_shape *shape) {
    double in, out;
    fans(s, shape, &in, &out);
    double fan = s->mode == FAN_IN ? in : s->mode == FAN_OUT ? out : (in + out) / 2.0;
    double scale = s->scale / (fan > 1.0 ? fan : 1.0);
    s->mean = 0.0;
    if (s->distribution == SCALED_UNIFORM) {
        s->high = sqrt(3.0 * scale);
        s->low = -s->high;
        return UNIFORM;
    }
    s->stddev = sqrt(scale);
    if (s->distribution == SCALED_UNTRUNCATED) return NORMAL;
    s->stddev = s->stddev / 0.87962566103423978;
    return TRUNCATED;
}

static double truncated(const ib_stream *stream, uint64_t i) {
    for (uint32_t step = 0;; step++) {
        double x = ib__stream_normal(stream, i, step, 0);
        if (x > -2.0 && x < 2.0) return x;
    }
}

/* Element by element. */
static void fill(float *data, const ib_shape *shape, const settings *s, shape_of_values kind,
                 const ib_stream *stream) {
    size_t n = (size_t)ib__shape_elements(shape);
    for (size_t i = 0; i < n; i++) {
        double x = s->value;
        if (kind == UNIFORM)
            x = s->low + (s->high - s->low) * ib__stream_uniform(stream, i, 0, 0);
        else if (kind == NORMAL)
            x = s->mean + s->stddev * ib__stream_normal(stream, i, 0, 0);
        else if (kind == TRUNCATED)
            x = s->mean + s->stddev * truncated(stream, i);
        else if (kind == IDENTITY)
            x = i / (size_t)shape->dims[1] == i % (size_t)shape->dims[1] ? (isnan(s->value) ? 1.0 : s->value)
                                                                         : 0.0;
        data[i] = (float)x;
    }
}

static ib_status orthogonal(float *data, const ib_shape *shape, const settings *s, const ib_stream *stream,
                            const char *path, ib_error *err) {
    size_t n = (size_t)ib__shape_elements(shape);
    double *normal = ib__alloc(n + 1, sizeof *normal);
    if (!normal) return ib__fail_memory(err);
    for (size_t i = 0; i < n; i++)
        normal[i] = ib__stream_normal(stream, i, 0, 0);
    ib_status status = ib__orthogonal(data, shape, normal, s->gain, path, err);
    ib__free(normal);
    return status;
}

static ib_status check_axes(const settings *s, const ib_shape *shape, const char *path, ib_error *err) {
    if (product(&s->in, shape) >= 0.0 && product(&s->out, shape) >= 0.0) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, path, "input_axes or output_axes lie outside of %d dimensions",
                    shape->rank);
}

static ib_status make(float *data, const ib_shape *shape, const class_row *row, settings *s,
                      const ib_value *config, const ib_stream *stream, const char *path, ib_error *err) {
    if (row->kind == ARRAY) {
        ib_numbers numbers;
        ib_status status = ib__numbers_read(&numbers, ib__value_get(config, "value"), path, err);
        return status == IB_OK ? ib__numbers_fill(data, shape, &numbers, path, err) : status;
    }
    if (row->kind == ORTHOGONAL) return orthogonal(data, shape, s, stream, path, err);
    if (row->kind == WAVES) {
        s->stft.window = ib__value_get(config, "window");
        s->stft.imaginary = s->mode == 1;
        return ib__stft_kernel(data, shape, &s->stft, path, err);
    }
    if (row->kind == IDENTITY && shape->rank != 2)
        return ib__fail(err, IB_BAD_INPUT, path, "initializer Identity needs two dimensions, found %d",
                        shape->rank);
    ib_status status = row->kind == VARIANCE ? check_axes(s, shape, path, err) : IB_OK;
    if (status != IB_OK) return status;
    fill(data, shape, s, row->kind == VARIANCE ? resolve_scaling(s, shape) : row->kind, stream);
    return IB_OK;
}

static ib_draws draws_of(shape_of_values kind) {
    return kind == UNIFORM      ? IB_DRAWS_UNIFORM
           : kind == NORMAL     ? IB_DRAWS_NORMAL
           : kind == TRUNCATED  ? IB_DRAWS_TRUNCATED
           : kind == ORTHOGONAL ? IB_DRAWS_ORTHOGONAL
                                : IB_DRAWS_NOTHING;
}

ib_status ib__initializer_distribution(ib_distribution *out, const ib_value *initializer,
                                       const ib_shape *shape, const char *path, ib_error *err) {
    const class_row *row;
    settings s = {.seed = NO_SEED};
    ib_value *canonical = NULL;
    ib_status status = parse(initializer, path, &row, &s, &canonical, err);
    ib__value_free(canonical);
    if (status == IB_OK && row->kind == VARIANCE) status = check_axes(&s, shape, path, err);
    if (status != IB_OK) return status;
    shape_of_values kind = row->kind == VARIANCE ? resolve_scaling(&s, shape) : row->kind;
    *out = (ib_distribution){.draws = draws_of(kind),
                             .low = s.low,
                             .high = s.high,
                             .mean = s.mean,
                             .stddev = s.stddev,
                             .gain = s.gain};
    return IB_OK;
}

ib_status ib__initializer_seed(const ib_value *initializer, const char *path, bool *random, bool *given,
                               int64_t *seed, ib_error *err) {
    const class_row *row;
    settings s = {.seed = NO_SEED};
    ib_value *canonical = NULL;
    ib_status status = parse(initializer, path, &row, &s, &canonical, err);
    ib__value_free(canonical);
    if (status != IB_OK) return status;
    *random = row->kind == VARIANCE || draws_of(row->kind) != IB_DRAWS_NOTHING;
    *given = s.seed != NO_SEED;
    *seed = s.seed;
    return IB_OK;
}

ib_status ib__initialize(float *data, const ib_shape *shape, const ib_value *initializer, uint64_t seed,
                         const char *path, ib_error *err) {
    const class_row *row;
    settings s = {.seed = NO_SEED};
    ib_value *canonical = NULL;
    ib_status status = parse(initializer, path, &row, &s, &canonical, err);
    if (status == IB_OK) {
        ib_stream stream = ib__stream(s.seed == NO_SEED ? seed : (uint64_t)s.seed, path, "initializer");
        status = make(data, shape, row, &s, ib__value_get(canonical, "config"), &stream, path, err);
    }
    ib__value_free(canonical);
    return status;
}
