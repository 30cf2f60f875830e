/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a Keras config by a table of fields: every key is known, defaults are filled in, each value is
 * checked and brought into the form in which Keras writes it.
 */
#ifndef IB_LAYERS_SETTINGS_H
#define IB_LAYERS_SETTINGS_H

#include "base/value.h"

typedef struct ib_field ib_field;

/* Checks value and stores it in *out. *canonical: the value as Keras would write it, when that is another
 * one (owned by the caller). where: the full place, "layers[3] conv2d_1, strides". */
typedef ib_status ib_read_fn(const ib_field *field, const ib_value *value, const char *where, void *out,
                             ib_value **canonical, ib_error *err);

struct ib_field {
    const char *key;
    const char *fallback; /* Keras's default as JSON; NULL: the key must be given */
    ib_read_fn *read;
    size_t offset;       /* in the settings; readers that store nothing ignore it */
    double low, high;    /* bounds of numbers, both allowed */
    const char *choices; /* of ib__read_choice: "valid same" */
    bool omit_null;      /* Keras leaves the key out when it is null */
};

/* config: a map, or NULL for an empty one. *completed: all fields in the table's order, yours. */
ib_status ib__settings_read(void *settings, const ib_field *fields, size_t n, const ib_value *config,
                            const char *where, ib_value **completed, ib_error *err);

ib_read_fn ib__read_bool;          /* bool */
ib_read_fn ib__read_int;           /* int64_t */
ib_read_fn ib__read_optional_int;  /* int64_t; null: -1 */
ib_read_fn ib__read_real;          /* double */
ib_read_fn ib__read_optional_real; /* double; null: NaN */
ib_read_fn ib__read_choice;        /* int: index among choices */
ib_read_fn ib__read_pair;          /* int64_t[2] from an integer or two; written as a list */
ib_read_fn ib__read_triple;        /* int64_t[3] likewise */
ib_read_fn ib__read_name;          /* stores nothing: text */
ib_read_fn ib__read_optional_text; /* stores nothing: text or null */
ib_read_fn ib__read_flag;          /* stores nothing: a boolean that the caller reads himself */
ib_read_fn ib__read_anything;      /* stores nothing, checks nothing */
ib_read_fn ib__read_null;          /* stores nothing; anything but null (or false) is not supported yet */
ib_read_fn ib__read_dtype;         /* stores nothing; a policy, written as a DTypePolicy */
ib_read_fn ib__read_dtype_text;    /* float32 only, written as text */

/* Readers of serialized Keras objects; they store nothing (layer->config keeps the canonical value), but
 * ib__read_activation stores an ib_activation. */
ib_read_fn ib__read_initializer;
ib_read_fn ib__read_regularizer; /* or null */
ib_read_fn ib__read_constraint;  /* or null */
ib_read_fn ib__read_activation;

/* Whether a user's or a file's name means a class: "MeanSquaredError", "meansquarederror" (any case) or
 * "mean_squared_error". */
bool ib__name_means(const char *name, const char *class_name);

/* A class that a config can name. Tables of classes begin each row with one. */
typedef struct ib_named {
    const char *name, *alias; /* alias: besides the name in snake case; NULL: none */
    const ib_field *fields;
    size_t n_fields;
} ib_named;

/* The row of a table (n rows of `size` bytes) that value names; *config as in ib__serialized_parts. kind: "a
 * constraint". */
ib_status ib__named_find(const void *rows, size_t n, size_t size, const char *kind, const ib_value *value,
                         const char *where, const void **row, const ib_value **config, ib_error *err);
/* Reads the config of a row (any row struct that begins with ib_named) and gives its complete serialization.
 */
ib_status ib__named_read(const void *row, const char *module, const ib_value *config, const char *where,
                         void *settings, ib_value **canonical, ib_error *err);

/* A short description of a value for messages: 3, 0.5, "same", a list of 3. */
void ib__value_describe(char out[64], const ib_value *value);
/* {"module": module, "class_name": class_name, "config": config, "registered_name": null}. Takes over config.
 * NULL: no memory. */
ib_value *ib__serialized(const char *module, const char *class_name, ib_value *config);
/* Splits a class given by name or by a map {class_name, config} (an experiment also says {ClassName: {...}}).
 * *name and *config (NULL: none) are borrowed. kind: "an optimizer", for messages. */
ib_status ib__serialized_parts(const ib_value *value, const char *kind, const char *where, const char **name,
                               const ib_value **config, ib_error *err);

#endif
