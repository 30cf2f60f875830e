/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the optimizers room: settings, and what a class adds to them.
 */
#ifndef IB_OPTIMIZERS_INTERNAL_H
#define IB_OPTIMIZERS_INTERNAL_H

#include "base/mem.h"
#include "layers/settings.h"
#include "optimizers/optimizer.h"

enum { IB_SLOTS_MAX = 3 };

typedef struct ib_optimizer_settings {
    double learning_rate;
    double weight_decay, clipnorm, global_clipnorm, clipvalue; /* NaN: none */
    double momentum, beta_1, beta_2, epsilon, rho;
    bool nesterov, amsgrad, centered;
} ib_optimizer_settings;

/* The scalars of a step, one set a class. */
typedef union ib_step_scalars {
    ib_sgd_args sgd;
    ib_adam_args adam;
    ib_rmsprop_args rmsprop;
} ib_step_scalars;

/* One trained variable: the context of its update. slots[i] is NULL when slot i is not used. */
typedef struct ib_trained {
    const ib_optimizer *optimizer;
    ib_variable *variable;
    ib_variable *slots[IB_SLOTS_MAX];
} ib_trained;

typedef struct ib_optimizer_class {
    const char *name; /* Keras class name */
    const ib_field *fields;
    size_t n_fields;
    const char *slot_names[IB_SLOTS_MAX];
    /* Keras lists the slots group by group, within a group variable by variable. */
    int slot_groups[IB_SLOTS_MAX];
    bool (*uses_slot)(const ib_optimizer_settings *s, int slot);
    void (*begin)(const ib_optimizer_settings *s, double t, ib_step_scalars *out); /* t = iterations + 1 */
    ib_effect_fn *update;                                                          /* context: ib_trained */
} ib_optimizer_class;

struct ib_optimizer {
    const ib_optimizer_class *class;
    ib_optimizer_settings settings;
    ib_value *config; /* serialized */
    int64_t iterations;
    ib_step_scalars scalars;
    ib_trained *trained;
    size_t n_trained;
    ib_variable **slots;
    size_t n_slots;
    ib_arena arena;
};

extern const ib_optimizer_class ib__optimizer_sgd, ib__optimizer_adam, ib__optimizer_adamw,
    ib__optimizer_rmsprop;

/* The fields that all optimizers begin with, in Keras's order; decay: default of weight_decay, as JSON. */
#define IB_OPTIMIZER_AT(member) .offset = offsetof(ib_optimizer_settings, member)
#define IB_OPTIMIZER_FIELDS(rate, decay)                                                                     \
    {.key = "name", .fallback = NULL, .read = ib__read_name},                                                \
        {.key = "learning_rate",                                                                             \
         .fallback = rate,                                                                                   \
         .read = ib__read_learning_rate,                                                                     \
         IB_OPTIMIZER_AT(learning_rate),                                                                     \
         .high = 0x1p100},                                                                                   \
        {.key = "weight_decay",                                                                              \
         .fallback = decay,                                                                                  \
         .read = ib__read_optional_real,                                                                     \
         IB_OPTIMIZER_AT(weight_decay),                                                                      \
         .high = 0x1p100},                                                                                   \
        {.key = "clipnorm",                                                                                  \
         .fallback = "null",                                                                                 \
         .read = ib__read_optional_real,                                                                     \
         IB_OPTIMIZER_AT(clipnorm),                                                                          \
         .high = 0x1p100},                                                                                   \
        {.key = "global_clipnorm",                                                                           \
         .fallback = "null",                                                                                 \
         .read = ib__read_optional_real,                                                                     \
         IB_OPTIMIZER_AT(global_clipnorm),                                                                   \
         .high = 0x1p100},                                                                                   \
        {.key = "clipvalue",                                                                                 \
         .fallback = "null",                                                                                 \
         .read = ib__read_optional_real,                                                                     \
         IB_OPTIMIZER_AT(clipvalue),                                                                         \
         .high = 0x1p100},                                                                                   \
        {.key = "use_ema", .fallback = "false", .read = ib__read_null},                                      \
        {.key = "ema_momentum", .fallback = "0.99", .read = ib__read_anything},                              \
        {.key = "ema_overwrite_frequency", .fallback = "null", .read = ib__read_null},                       \
        {.key = "loss_scale_factor", .fallback = "null", .read = ib__read_null}, {                           \
        .key = "gradient_accumulation_steps", .fallback = "null", .read = ib__read_null                      \
    }

/* A number, rounded to float32 as Keras's variable does; schedules are not supported yet. */
ib_read_fn ib__read_learning_rate;

#endif
