/* SPDX-License-Identifier: Apache-2.0
 *
 * Callbacks with Keras's names, settings and semantics: the entries of an experiment's `callbacks`. A
 * callback is one file in callbacks/ and one line in callbacks/callbacks.list.
 */
#ifndef IB_RUN_CALLBACKS_H
#define IB_RUN_CALLBACKS_H

#include "base/file.h"
#include "base/pack.h"
#include "layers/settings.h"
#include "run/logs.h"
#include "run/say.h"

typedef struct ib_callbacks ib_callbacks;

/* What callbacks see, and may ask for. */
typedef struct ib_moment {
    ib_trainer *trainer;
    const char *folder; /* of the run; NULL: nothing may be written, as when a run is verified */
    const ib_options *options;
    size_t epoch, step; /* epoch from 0; steps done in it */
    ib_logs *logs;      /* at the end of an epoch; a callback may add to them */
    bool stop;          /* end training */
    bool checkpoint;    /* take a checkpoint */
} ib_moment;

/* list: of names or {Name: settings}, NULL: none. name: the experiment's file. completed (may be NULL): the
 * list with all settings, yours. *out: yours, release with ib__callbacks_free. */
ib_status ib__callbacks_new(ib_callbacks **out, const ib_value *list, const char *name, ib_value **completed,
                            ib_error *err);
void ib__callbacks_free(ib_callbacks *callbacks);
/* Those that a result depends on, as a list, or a null value when there are none. NULL: no memory. */
ib_value *ib__callbacks_canonical(const ib_value *completed);

ib_status ib__callbacks_train_begin(ib_callbacks *callbacks, ib_moment *moment, ib_error *err);
ib_status ib__callbacks_epoch_begin(ib_callbacks *callbacks, ib_moment *moment, ib_error *err);
ib_status ib__callbacks_step_end(ib_callbacks *callbacks, ib_moment *moment, ib_error *err);
ib_status ib__callbacks_epoch_end(ib_callbacks *callbacks, ib_moment *moment, ib_error *err);
ib_status ib__callbacks_train_end(ib_callbacks *callbacks, ib_moment *moment, ib_error *err);

/* Their state, for checkpoints, after what they wrote so far is safe on the disk. unpack stands before
 * train_begin. name: the checkpoint, for errors. */
ib_status ib__callbacks_pack(ib_callbacks *callbacks, ib_buf *out, ib_error *err);
ib_status ib__callbacks_unpack(ib_callbacks *callbacks, const void *bytes, size_t n, const char *name,
                               ib_error *err);

/* ---- For callbacks ---- */

/* Every function gets the callback's own memory, zeroed at first, with the settings in it; all may be NULL.
 */
typedef struct ib_callback_class {
    const char *name; /* Keras's */
    const ib_field *fields;
    size_t n_fields, size;
    bool writes; /* writes files and changes no bit: no part of the result, and not called without a folder */
    /* config: the completed settings, which live as long as the callback. */
    ib_status (*open)(void *self, const ib_value *config, const char *where, ib_error *err);
    ib_status (*train_begin)(void *self, ib_moment *moment, ib_error *err);
    ib_status (*epoch_begin)(void *self, ib_moment *moment, ib_error *err);
    ib_status (*step_end)(void *self, ib_moment *moment, ib_error *err);
    ib_status (*epoch_end)(void *self, ib_moment *moment, ib_error *err);
    ib_status (*train_end)(void *self, ib_moment *moment, ib_error *err);
    ib_status (*sync)(void *self, ib_error *err);
    void (*pack)(const void *self, ib_buf *out);
    bool (*unpack)(void *self, ib_unpack *u); /* false: no memory */
    void (*close)(void *self);
} ib_callback_class;

/* What a value is watched for. */
typedef struct ib_monitor {
    const char *name; /* "val_loss" */
    int mode;         /* auto, min, max */
    double min_delta; /* 0 or more */
    double best;
    bool has_best;
    bool down; /* less is better; known after ib__monitor_begin */
} ib_monitor;
#define IB_MONITOR_MODES "auto min max"

/* Is there such a value, and which way is better? where: the callback's place. */
ib_status ib__monitor_begin(ib_monitor *monitor, const ib_moment *moment, const char *where, ib_error *err);
/* Is value better than reference by more than min_delta? Compared as float32, as Keras does. */
bool ib__monitor_improves(const ib_monitor *monitor, double value, double reference);
/* Better than the best so far; true: it is the best now. */
bool ib__monitor_update(ib_monitor *monitor, double value);
void ib__monitor_pack(const ib_monitor *monitor, ib_buf *out);
void ib__monitor_unpack(ib_monitor *monitor, ib_unpack *u);

/* The path of a file that a callback writes: relative, within the run's folder. */
ib_status ib__callback_path_check(const char *path, const char *where, ib_error *err);
/* {epoch}, {epoch:02d}, {val_loss:.2f} and the like put in, as Python's format does. *out: yours, free(). */
ib_status ib__callback_format(char **out, const char *pattern, const ib_logs *values, const char *where,
                              ib_error *err);
/* FOLDER/PATH, its folder made. *out: yours, free(). */
ib_status ib__callback_file(char **out, const char *folder, const char *path, ib_error *err);

/* save_freq and the like: "epoch" (stored as 0) or a number of steps. */
ib_read_fn ib__read_frequency;

#endif
