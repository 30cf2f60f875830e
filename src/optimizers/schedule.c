/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning rate schedules. Keras computes them in the dtype of the initial rate, step by step as here; isobit
 * in double, and the optimizer rounds the result to float32.
 */
#include "optimizers/schedule.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "layers/settings.h"
#include "numerics/double.h"

typedef struct settings {
    double initial, steps, rate, end, power, alpha, t_mul, m_mul;
    double warmup_target; /* NaN: none */
    double warmup_steps;
    bool staircase, cycle;
} settings;

typedef struct class_row {
    ib_named named;
    double (*at)(const ib_schedule *schedule, double step);
} class_row;

struct ib_schedule {
    const class_row *class;
    settings s;
    ib_value *config;                    /* serialized */
    const ib_value *boundaries, *values; /* of PiecewiseConstantDecay; in config */
};

/* ---- The functions ---- */

static double progress(const settings *s, double step) {
    double p = step / s->steps;
    return s->staircase ? floor(p) : p;
}

static double exponential(const ib_schedule *schedule, double step) {
    const settings *s = &schedule->s;
    return s->initial * ib__double_pow(s->rate, progress(s, step));
}

static double inverse_time(const ib_schedule *schedule, double step) {
    const settings *s = &schedule->s;
    return s->initial / (1.0 + s->rate * progress(s, step));
}

static double polynomial(const ib_schedule *schedule, double step) {
    const settings *s = &schedule->s;
    double steps = s->steps;
    if (s->cycle) /* the first multiple of steps that is not below step */
        steps = steps * (step == 0.0 ? 1.0 : ceil(step / steps));
    else if (step > steps)
        step = steps;
    return (s->initial - s->end) * ib__double_pow(1.0 - step / steps, s->power) + s->end;
}

static double cosine_of(const settings *s, double fraction, double factor) {
    double cosine = 0.5 * factor * (1.0 + ib__double_cos(3.141592653589793 * fraction));
    return (1.0 - s->alpha) * cosine + s->alpha;
}

static double cosine(const ib_schedule *schedule, double step) {
    const settings *s = &schedule->s;
    if (isnan(s->warmup_target)) return s->initial * cosine_of(s, fmin(step, s->steps) / s->steps, 1.0);
    step = fmin(step, s->steps + s->warmup_steps);
    if (step < s->warmup_steps)
        return (s->warmup_target - s->initial) * (step / s->warmup_steps) + s->initial;
    return s->warmup_target * cosine_of(s, (step - s->warmup_steps) / s->steps, 1.0);
}

/* The periods grow by t_mul. Whether a step is the last of a period or the first of the next depends on the
 * last bit of two logarithms, as in Keras. */
static double cosine_restarts(const ib_schedule *schedule, double step) {
    const settings *s = &schedule->s;
    double fraction = step / s->steps, restarts;
    if (s->t_mul == 1.0) {
        restarts = floor(fraction);
        fraction -= restarts;
    } else {
        restarts =
            floor(ib__double_log_close(1.0 - fraction * (1.0 - s->t_mul)) / ib__double_log_close(s->t_mul));
        double grown = ib__double_pow(s->t_mul, restarts);
        fraction = (fraction - (1.0 - grown) / (1.0 - s->t_mul)) / grown;
    }
    return s->initial * cosine_of(s, fraction, ib__double_pow(s->m_mul, restarts));
}

static double number_at(const ib_value *list, size_t i) {
    double x = 0.0;
    (void)ib__value_number(list->items[i], &x);
    return x;
}

/* values[i] for boundaries[i - 1] < step <= boundaries[i]. Boundaries are cut to integers, as steps are. The
 * values of all ranges that hold the step are added, which matters when boundaries do not ascend. */
static double piecewise(const ib_schedule *schedule, double step) {
    const ib_value *boundaries = schedule->boundaries, *values = schedule->values;
    size_t n = boundaries->count;
    double sum = 0.0;
    if (step <= trunc(number_at(boundaries, 0))) sum += number_at(values, 0);
    if (step > trunc(number_at(boundaries, n - 1))) sum += number_at(values, n);
    for (size_t i = 1; i < n; i++)
        if (step > trunc(number_at(boundaries, i - 1)) && step <= trunc(number_at(boundaries, i)))
            sum += number_at(values, i);
    return sum;
}

/* ---- Configs ---- */

static ib_status read_numbers(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    (void)field, (void)out, (void)canonical;
    bool good = value->kind == IB_LIST && value->count > 0;
    for (size_t i = 0; good && i < value->count; i++) {
        double x;
        good = ib__value_number(value->items[i], &x) && isfinite(x);
    }
    return good ? IB_OK : ib__fail(err, IB_BAD_INPUT, where, "expected a list of numbers");
}

#define AT(member) .offset = offsetof(settings, member)
#define REAL(name, value, member)                                                                            \
    { .key = name, .fallback = value, .read = ib__read_real, AT(member), .low = -0x1p1000, .high = 0x1p1000 }
#define STEPS(name)                                                                                          \
    { .key = name, .read = ib__read_real, AT(steps), .high = 0x1p1000 }
#define FLAG(name)                                                                                           \
    { .key = #name, .fallback = "false", .read = ib__read_bool, AT(name) }
#define NAME(text)                                                                                           \
    { .key = "name", .fallback = "\"" text "\"", .read = ib__read_name }
#define INITIAL REAL("initial_learning_rate", NULL, initial)

static const ib_field exponential_fields[] = {
    INITIAL,
    STEPS("decay_steps"),
    {.key = "decay_rate", .read = ib__read_real, AT(rate), .high = 0x1p1000},
    FLAG(staircase),
    NAME("ExponentialDecay")};
static const ib_field inverse_time_fields[] = {INITIAL, STEPS("decay_steps"), REAL("decay_rate", NULL, rate),
                                               FLAG(staircase), NAME("InverseTimeDecay")};
static const ib_field piecewise_fields[] = {{.key = "boundaries", .read = read_numbers},
                                            {.key = "values", .read = read_numbers},
                                            NAME("PiecewiseConstant")};
static const ib_field polynomial_fields[] = {INITIAL,
                                             STEPS("decay_steps"),
                                             REAL("end_learning_rate", "0.0001", end),
                                             REAL("power", "1.0", power),
                                             FLAG(cycle),
                                             NAME("PolynomialDecay")};
static const ib_field cosine_fields[] = {INITIAL,
                                         STEPS("decay_steps"),
                                         REAL("alpha", "0.0", alpha),
                                         NAME("CosineDecay"),
                                         {.key = "warmup_target",
                                          .fallback = "null",
                                          .read = ib__read_optional_real,
                                          AT(warmup_target),
                                          .low = -0x1p1000,
                                          .high = 0x1p1000},
                                         REAL("warmup_steps", "0", warmup_steps)};
static const ib_field restarts_fields[] = {
    INITIAL,
    STEPS("first_decay_steps"),
    {.key = "t_mul", .fallback = "2.0", .read = ib__read_real, AT(t_mul), .high = 0x1p1000},
    {.key = "m_mul", .fallback = "1.0", .read = ib__read_real, AT(m_mul), .high = 0x1p1000},
    REAL("alpha", "0.0", alpha),
    NAME("SGDRDecay")};

#define CLASS(name, f)                                                                                       \
    { name, NULL, f, sizeof f / sizeof *f }
static const class_row classes[] = {
    {CLASS("CosineDecay", cosine_fields), cosine},
    {CLASS("CosineDecayRestarts", restarts_fields), cosine_restarts},
    {CLASS("ExponentialDecay", exponential_fields), exponential},
    {CLASS("InverseTimeDecay", inverse_time_fields), inverse_time},
    {CLASS("PiecewiseConstantDecay", piecewise_fields), piecewise},
    {CLASS("PolynomialDecay", polynomial_fields), polynomial},
};

static ib_status check(ib_schedule *schedule, const ib_value *config, const char *where, ib_error *err) {
    schedule->boundaries = ib__value_get(config, "boundaries");
    schedule->values = ib__value_get(config, "values");
    if (schedule->boundaries) {
        if (schedule->boundaries->count + 1 == schedule->values->count) return IB_OK;
        return ib__fail(err, IB_BAD_INPUT, where,
                        "expected one more of values than of boundaries, found %zu and %zu",
                        schedule->values->count, schedule->boundaries->count);
    }
    if (schedule->s.steps > 0.0) return IB_OK;
    return ib__fail(err, IB_BAD_INPUT, where, "expected %s above 0",
                    schedule->class->at == cosine_restarts ? "first_decay_steps" : "decay_steps");
}

ib_status ib__schedule_new(ib_schedule **out, const ib_value *value, const char *where, ib_error *err) {
    const void *found;
    const ib_value *config;
    *out = NULL;
    ib_status status = ib__named_find(classes, sizeof classes / sizeof *classes, sizeof *classes,
                                      "a learning rate schedule", value, where, &found, &config, err);
    if (status != IB_OK) return status;
    ib_schedule *schedule = calloc(1, sizeof *schedule);
    if (!schedule) return ib__fail_memory(err);
    schedule->class = found;
    status = ib__named_read(found, "keras.optimizers.schedules", config, where, &schedule->s,
                            &schedule->config, err);
    if (status == IB_OK) status = check(schedule, ib__value_get(schedule->config, "config"), where, err);
    if (status == IB_OK)
        *out = schedule;
    else
        ib__schedule_free(schedule);
    return status;
}

void ib__schedule_free(ib_schedule *schedule) {
    if (!schedule) return;
    ib__value_free(schedule->config);
    free(schedule);
}

const ib_value *ib__schedule_config(const ib_schedule *schedule) {
    return schedule->config;
}

double ib__schedule_at(const ib_schedule *schedule, int64_t step) {
    return schedule->class->at(schedule, (double)step);
}
