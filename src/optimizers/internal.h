/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the optimizers room: settings, what a class adds to them, and how an update is built.
 *
 * Every class builds its update as ops. The common ones also have a kernel with the same bits, which is used
 * when nothing follows the update in the same step (averages, constraints, a step that may be skipped).
 */
#ifndef IB_OPTIMIZERS_INTERNAL_H
#define IB_OPTIMIZERS_INTERNAL_H

#include <stddef.h>

#include "base/mem.h"
#include "layers/settings.h"
#include "optimizers/optimizer.h"
#include "optimizers/schedule.h"

enum { IB_SLOTS_MAX = 3, IB_SCALARS_MAX = 16 };

typedef struct ib_optimizer_settings {
    double learning_rate;
    double weight_decay, clipnorm, global_clipnorm, clipvalue, loss_scale; /* NaN: none */
    double ema_momentum;
    int64_t ema_overwrite, accumulate; /* -1: none */
    double momentum, beta_1, beta_2, epsilon, rho;
    bool use_ema, nesterov, amsgrad, centered;
    double initial_accumulator;                            /* Adagrad, Ftrl */
    double rate_power, l1, l2, shrinkage, beta;            /* Ftrl */
    double beta_2_decay, epsilon_2, clip_threshold;        /* Adafactor */
    double a, b, c, adam_rate_ratio, adam_decay, rms_rate; /* Muon; adam_decay, rms_rate NaN: none */
    bool exclude_embeddings;
    int64_t newton_steps;
    double warmup_steps;  /* ScheduleFreeAdamW */
    double initial_scale; /* LossScaleOptimizer */
    int64_t growth_steps;
} ib_optimizer_settings;

/* The arguments of a kernel in this step, one set a class. */
typedef union ib_step_args {
    ib_sgd_args sgd;
    ib_adam_args adam;
    ib_rmsprop_args rmsprop;
} ib_step_args;

/* Scalars of a step. The first ones are of all classes; a class numbers its own from IB_SCALAR_OWN. */
enum {
    IB_SCALAR_RATE,        /* learning rate */
    IB_SCALAR_DECAY,       /* weight_decay * learning rate */
    IB_SCALAR_PLAIN_DECAY, /* the same, of Muon's variables that Adam updates */
    IB_SCALAR_UPDATING,    /* 1 when gradients are no longer only accumulated */
    IB_SCALAR_EMA,         /* momentum of the averages in this step */
    IB_SCALAR_EMA_REST,    /* 1 - that */
    IB_SCALAR_OVERWRITE,
    IB_SCALAR_OWN
};

/* One trained variable: the context of its update. slots[i] is NULL when slot i is not used. */
typedef struct ib_trained {
    ib_optimizer *optimizer;
    ib_variable *variable;
    ib_variable *slots[IB_SLOTS_MAX];
    ib_variable *average, *accumulator;
    const ib_value *constraint; /* NULL: none */
    bool undecayed;             /* left out of weight decay */
    bool plain;                 /* Muon: Adam's update */
} ib_trained;

/* Building the update of one variable. */
typedef struct ib_update {
    ib_optimizer *o;
    const ib_trained *t;
    ib_graph *g;
    ib_node gradient;
    ib_node w;     /* the variable, after weight decay */
    ib_node guard; /* a predicate: whether this step updates; IB_NO_NODE: it does */
} ib_update;

typedef struct ib_optimizer_class {
    const char *name; /* Keras class name */
    const ib_field *fields;
    size_t n_fields;
    const char *slot_names[IB_SLOTS_MAX];
    /* Keras lists the slots group by group, within a group variable by variable. */
    int slot_groups[IB_SLOTS_MAX];
    bool (*uses_slot)(const ib_trained *t, int slot);                      /* NULL: all that have names */
    double (*initial)(const ib_optimizer_settings *s, int slot);           /* NULL: 0 */
    ib_status (*check)(ib_optimizer *o, const char *where, ib_error *err); /* of settings; may be NULL */
    /* Before slots are made: what class of update the variable gets; may be NULL. */
    ib_status (*choose)(ib_trained *t, ib_error *err);
    /* Instead of slot_names: makes the slots of one variable. */
    ib_status (*add_slots)(ib_trained *t, ib_error *err);
    ib_status (*add_last)(ib_optimizer *o, ib_error *err); /* state behind all slots; may be NULL */
    /* Before the first step, and after build: slots that begin as their variables; may be NULL. */
    void (*start)(ib_optimizer *o);
    /* Scalars of the update number t, from 1; o->rate is set. */
    void (*begin)(ib_optimizer *o, double t);
    void (*end)(ib_optimizer *o);       /* after a step that updated; may be NULL */
    ib_node (*update)(ib_update *u);    /* gives the new value of the variable, sets slots */
    ib_effect_fn *kernel;               /* the same, as an effect; context: ib_trained; may be NULL */
    const struct ib_compound *compound; /* of classes made of other optimizers; the rest is then not used */
} ib_optimizer_class;

/* An optimizer made of others (compound.c). */
typedef struct ib_compound {
    ib_status (*open)(ib_optimizer *o, const char *where, ib_error *err); /* makes o->inner */
    ib_status (*assign)(ib_optimizer *o, ib_variable *const *variables, size_t n,
                        ib_error *err); /* o->owner */
    bool guarded;                       /* skips steps whose gradients are not finite, and scales the loss */
} ib_compound;

struct ib_optimizer {
    const ib_optimizer_class *class;
    ib_optimizer_settings settings;
    ib_schedule *schedule; /* NULL: the learning rate is a variable */
    ib_value *config;      /* serialized */
    int64_t iterations;
    bool untracked; /* within a LossScaleOptimizer: Keras then forgets variables that are not slots */
    /* Of the step */
    double rate;          /* learning rate: a float32 number */
    bool updating;        /* not only accumulating gradients */
    ib_step_args args[2]; /* [1]: without weight decay */
    ib_variable scalars[IB_SCALARS_MAX];
    ib_variable rate_variable, last; /* last: Nadam's product, the loss scale */
    ib_trained *trained;
    size_t n_trained;
    ib_state *state; /* the first n_own are its own, the rest those of inner optimizers */
    size_t n_state, n_own, state_capacity;
    ib_variable **slots;
    size_t n_slots;
    /* Compounds */
    ib_optimizer **inner;
    size_t n_inner;
    const char *group;     /* within another: its HDF5 group there */
    size_t *owner, *index; /* variable i is number index[i] of inner[owner[i]] */
    int64_t step_counter, unused;
    ib_variable finite; /* 1 if the last step's gradients were */
    ib_arena arena;
};

#define X(symbol) extern const ib_optimizer_class ib__optimizer_##symbol;
#include "optimizers/optimizers.list"
#undef X

/* ---- State. The path, initial value and so on are those of `state`; its path may be NULL for no memory.
 * ---- */

/* Adds a float32 array to the state, and to the slots; makes its data. */
ib_status ib__optimizer_add_variable(ib_optimizer *o, ib_variable *v, const ib_state *state,
                                     const ib_shape *shape, ib_error *err);
ib_status ib__optimizer_add_integer(ib_optimizer *o, const ib_state *state, ib_error *err);
ib_status ib__optimizer_add_counters(ib_optimizer *o, ib_error *err); /* iteration, learning_rate */
/* "adam/dense_kernel_momentum"; NULL: no memory */
char *ib__optimizer_path(ib_optimizer *o, const ib_variable *variable, const char *slot);
/* A new slot of t. */
ib_status ib__optimizer_add_slot(ib_trained *t, ib_variable **slot, const ib_state *state,
                                 const ib_shape *shape, ib_error *err);

/* ---- Steps ---- */

void ib__scalar_set(ib_optimizer *o, int scalar, double value); /* rounds */
/* What apply does, for an optimizer inside of another: guard as in ib_update. */
void ib__optimizer_add(ib_optimizer *o, ib_graph *g, const ib_node *gradients, ib_node guard);

/* ---- Updates ---- */

ib_node ib__update_scalar(const ib_update *u, int scalar);
ib_node ib__update_slot(const ib_update *u, int slot);               /* its value before the step */
ib_node ib__update_set(const ib_update *u, int slot, ib_node value); /* gives value */
/* slot + (target - slot) * c; the slot becomes it. */
ib_node ib__update_toward(const ib_update *u, int slot, ib_node target, double c);
/* keep * slot + rest * target; the slot becomes it. */
ib_node ib__update_blend(const ib_update *u, int slot, ib_node target, double keep, double rest);
/* Adam's moments in the slots 0 and 1. */
ib_node ib__update_moments(const ib_update *u, double beta_1, double beta_2, ib_node *velocity);
/* numerator / (sqrt(v) + epsilon) */
ib_node ib__update_quotient(const ib_update *u, ib_node numerator, ib_node v, double epsilon);
ib_node ib__node_sum(ib_graph *g, ib_node a);      /* over all axes */
ib_node ib__node_positive(ib_graph *g, ib_node a); /* predicate a > 0 */

/* ---- Fields ---- */

/* A number, rounded to float32 as Keras's variable does, or a schedule. */
ib_read_fn ib__read_learning_rate;

#define IB_OPTIMIZER_AT(member) .offset = offsetof(ib_optimizer_settings, member)
#define IB_OPTIMIZER_REAL(name, value, member, from, to)                                                     \
    {                                                                                                        \
        .key = name, .fallback = value, .read = ib__read_real, IB_OPTIMIZER_AT(member), .low = from,         \
        .high = to                                                                                           \
    }
#define IB_OPTIMIZER_OPTIONAL(name, value, member)                                                           \
    {                                                                                                        \
        .key = name, .fallback = value, .read = ib__read_optional_real, IB_OPTIMIZER_AT(member),             \
        .high = 0x1p100                                                                                      \
    }
#define IB_OPTIMIZER_FLAG(name, value, member)                                                               \
    { .key = name, .fallback = value, .read = ib__read_bool, IB_OPTIMIZER_AT(member) }
#define IB_OPTIMIZER_BETAS                                                                                   \
    IB_OPTIMIZER_REAL("beta_1", "0.9", beta_1, 0, 1), IB_OPTIMIZER_REAL("beta_2", "0.999", beta_2, 0, 1)
#define IB_OPTIMIZER_EPSILON(value) IB_OPTIMIZER_REAL("epsilon", value, epsilon, 0, 0x1p100)
/* The fields that all optimizers begin with, in Keras's order; decay: default of weight_decay, as JSON. */
#define IB_OPTIMIZER_FIELDS(rate, decay)                                                                     \
    {.key = "name", .read = ib__read_name},                                                                  \
        {.key = "learning_rate",                                                                             \
         .fallback = rate,                                                                                   \
         .read = ib__read_learning_rate,                                                                     \
         IB_OPTIMIZER_AT(learning_rate),                                                                     \
         .high = 0x1p100},                                                                                   \
        IB_OPTIMIZER_OPTIONAL("weight_decay", decay, weight_decay),                                          \
        IB_OPTIMIZER_OPTIONAL("clipnorm", "null", clipnorm),                                                 \
        IB_OPTIMIZER_OPTIONAL("global_clipnorm", "null", global_clipnorm),                                   \
        IB_OPTIMIZER_OPTIONAL("clipvalue", "null", clipvalue),                                               \
        IB_OPTIMIZER_FLAG("use_ema", "false", use_ema),                                                      \
        IB_OPTIMIZER_REAL("ema_momentum", "0.99", ema_momentum, 0, 1),                                       \
        {.key = "ema_overwrite_frequency",                                                                   \
         .fallback = "null",                                                                                 \
         .read = ib__read_optional_int,                                                                      \
         IB_OPTIMIZER_AT(ema_overwrite),                                                                     \
         .low = 1,                                                                                           \
         .high = 0x1p53},                                                                                    \
        IB_OPTIMIZER_OPTIONAL("loss_scale_factor", "null", loss_scale), {                                    \
        .key = "gradient_accumulation_steps", .fallback = "null", .read = ib__read_optional_int,             \
        IB_OPTIMIZER_AT(accumulate), .low = 2, .high = 0x1p31                                                \
    }

#endif
