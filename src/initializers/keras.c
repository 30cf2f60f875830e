/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras's initializers with TensorFlow's random numbers: an integer seed is a stateless stream, the numbers
 * of its first call are the weights. An initializer that is made without a seed takes the next number of
 * Python's generator, so the order in which Keras makes layers decides who gets which.
 */
#include "initializers/keras.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layers/settings.h"

/* ---- One weight ---- */

static double number_of(const ib_value *config, const char *key) {
    double x = 0;
    (void)ib__value_number(ib__value_get(config, key), &x);
    return x;
}

/* The product of the axes that the list names; negative ones count from the end. */
static double axes_product(const ib_shape *shape, const ib_value *axes) {
    double product = 1;
    for (size_t i = 0; i < axes->count; i++) {
        int64_t axis = axes->items[i]->integer;
        product *= (double)shape->dims[axis < 0 ? axis + shape->rank : axis];
    }
    return product;
}

/* Keras's compute_fans. */
static void fans(const ib_shape *shape, const ib_value *config, double *in, double *out) {
    const ib_value *in_axes = ib__value_get(config, "input_axes"),
                   *out_axes = ib__value_get(config, "output_axes");
    if (ib__value_is(in_axes, IB_LIST) && ib__value_is(out_axes, IB_LIST)) {
        *in = axes_product(shape, in_axes);
        *out = axes_product(shape, out_axes);
        return;
    }
    int rank = shape->rank;
    double field = 1;
    for (int i = 0; i < rank - 2; i++)
        field *= (double)shape->dims[i];
    *out = rank > 0 ? (double)shape->dims[rank - 1] * field : 1;
    *in = rank > 1 ? (double)shape->dims[rank - 2] * field : *out;
}

/* What a class draws from; `named` are those that are variance scaling with fixed settings. */
typedef struct scaling {
    const char *class_name, *mode, *distribution;
    double scale;
} scaling;
static const scaling named[] = {
    {"GlorotUniform", "fan_avg", "uniform", 1}, {"GlorotNormal", "fan_avg", "truncated_normal", 1},
    {"HeUniform", "fan_in", "uniform", 2},      {"HeNormal", "fan_in", "truncated_normal", 2},
    {"LecunUniform", "fan_in", "uniform", 1},   {"LecunNormal", "fan_in", "truncated_normal", 1}};

static bool find_scaling(const char *class_name, const ib_value *config, scaling *out) {
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        *out = named[i];
        if (strcmp(class_name, out->class_name) == 0) return true;
    }
    if (strcmp(class_name, "VarianceScaling") != 0) return false;
    *out = (scaling){class_name, ib__value_get(config, "mode")->string,
                     ib__value_get(config, "distribution")->string, number_of(config, "scale")};
    return true;
}

/* Python's arithmetic is in double; limits and deviations become float32 when TensorFlow takes them. */
static void fill_scaled(float *data, size_t n, const ib_shape *shape, const scaling *s,
                        const ib_value *config, const ib_tf *at) {
    double in, out;
    fans(shape, config, &in, &out);
    double fan = strcmp(s->mode, "fan_in") == 0    ? in
                 : strcmp(s->mode, "fan_out") == 0 ? out
                                                   : (in + out) / 2.0;
    double scale = s->scale / (fan > 1.0 ? fan : 1.0);
    if (strcmp(s->distribution, "uniform") == 0) {
        double limit = sqrt(3.0 * scale);
        ib__tf_uniform(at, (float)-limit, (float)limit, data, n);
    } else if (strcmp(s->distribution, "untruncated_normal") == 0) {
        ib__tf_normal(at, 0.0f, (float)sqrt(scale), data, n);
    } else {
        ib__tf_truncated_normal(at, 0.0f, (float)(sqrt(scale) / 0.87962566103423978), data, n);
    }
}

static bool is_random(const char *class_name) {
    static const char *const fixed[] = {"Zeros", "Ones", "Constant", "Identity", "STFT"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(class_name, fixed[i]) == 0) return false;
    return true;
}

/* {module, class_name, config} with every default filled in; NULL in *class_name: not random. */
static ib_status take_apart(const ib_value *initializer, const char *path, ib_value **whole,
                            const char **class_name, const ib_value **config, ib_error *err) {
    ib_status status = ib__read_initializer(NULL, initializer, path, NULL, whole, err);
    if (status != IB_OK) return status;
    const ib_value *name = ib__value_get(*whole, "class_name");
    *config = ib__value_get(*whole, "config");
    *class_name = ib__value_is(name, IB_STRING) && is_random(name->string) ? name->string : NULL;
    return IB_OK;
}

ib_status ib__keras_fill(float *data, const ib_shape *shape, const ib_value *initializer, int64_t seed,
                         const char *path, ib_error *err) {
    ib_value *whole = NULL;
    const ib_value *config;
    const char *class_name;
    ib_status status = take_apart(initializer, path, &whole, &class_name, &config, err);
    if (status != IB_OK || !class_name) {
        ib__value_free(whole);
        return status == IB_OK ? ib__initialize(data, shape, initializer, 0, path, err) : status;
    }
    size_t n = (size_t)ib__shape_elements(shape);
    ib_tf at = ib__keras_stream(seed, 0);
    scaling s;
    if (find_scaling(class_name, config, &s))
        fill_scaled(data, n, shape, &s, config, &at);
    else if (strcmp(class_name, "RandomUniform") == 0)
        ib__tf_uniform(&at, (float)number_of(config, "minval"), (float)number_of(config, "maxval"), data, n);
    else if (strcmp(class_name, "RandomNormal") == 0)
        ib__tf_normal(&at, (float)number_of(config, "mean"), (float)number_of(config, "stddev"), data, n);
    else if (strcmp(class_name, "TruncatedNormal") == 0)
        ib__tf_truncated_normal(&at, (float)number_of(config, "mean"), (float)number_of(config, "stddev"),
                                data, n);
    else
        status = ib__fail(err, IB_UNSUPPORTED, path, "initializer %s as Keras draws it is not supported yet",
                          class_name);
    ib__value_free(whole);
    return status;
}

/* ---- A layer ---- */

/* Who got which seed: initializers are told apart by their place in a layer's config. */
typedef struct draw {
    const ib_value *initializer;
    int64_t seed;
} draw;
typedef struct drawer {
    ib_keras *keras;
    draw *draws;
    size_t n, capacity;
    const char *place;
    ib_error *err;
} drawer;

typedef struct row {
    const char *class_name, *words;
    bool has_cell;
} row;
static const row rows[] = {
#define X(class, words) {#class, words, false},
#define C(class, words) {#class, words, true},
#include "initializers/keras.list"
#undef X
};

static const row *find_row(const char *class_name) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].class_name, class_name) == 0) return &rows[i];
    return NULL;
}

static ib_status draw_initializer(drawer *d, const ib_value *initializer) {
    if (!initializer || initializer->kind == IB_NULL) return IB_OK;
    ib_value *whole = NULL;
    const ib_value *config;
    const char *class_name;
    ib_status status = take_apart(initializer, d->place, &whole, &class_name, &config, d->err);
    if (status == IB_OK && class_name) {
        const ib_value *seed = ib__value_get(config, "seed");
        draw new = {initializer, ib__value_is(seed, IB_INT) ? seed->integer : ib__keras_make_seed(d->keras)};
        if (ib__grow(&d->draws, &d->capacity, d->n + 1, sizeof *d->draws))
            d->draws[d->n++] = new;
        else
            status = ib__fail_memory(d->err);
    }
    ib__value_free(whole);
    return status;
}

/* A SeedGenerator; its numbers are of no use here. */
static void draw_generator(drawer *d, const ib_value *config, const char *only_if) {
    if (only_if && !(number_of(config, only_if) > 0)) return;
    if (!ib__value_is(ib__value_get(config, "seed"), IB_INT)) (void)ib__keras_make_seed(d->keras);
}

/* By the order of the config. */
static ib_status draw_default(drawer *d, const char *class_name, const ib_value *config) {
    static const char end[] = "_initializer";
    if (ib__value_get(config, "seed"))
        return ib__fail(d->err, IB_UNSUPPORTED, d->place,
                        "initial weights as Keras draws them: %s is not supported yet", class_name);
    for (size_t i = 0; config && i < config->count; i++) {
        size_t length = strlen(config->keys[i]), tail = sizeof end - 1;
        if (length <= tail || strcmp(config->keys[i] + length - tail, end) != 0) continue;
        ib_status status = draw_initializer(d, config->items[i]);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static ib_status draw_words(drawer *d, const row *r, const ib_value *config);

static ib_status draw_class(drawer *d, const char *class_name, const ib_value *config) {
    const row *r = find_row(class_name);
    return r ? draw_words(d, r, config) : draw_default(d, class_name, config);
}

static ib_status draw_words(drawer *d, const row *r, const ib_value *config) {
    ib_status status = IB_OK;
    for (const char *word = r->words; status == IB_OK && *word;) {
        char text[64];
        size_t n = strcspn(word, " ");
        (void)snprintf(text, sizeof text, "%.*s", (int)n, word);
        word += n + (word[n] == ' ');
        if (strncmp(text, "seed", 4) == 0) {
            draw_generator(d, config, text[4] == '?' ? text + 5 : NULL);
        } else if (strcmp(text, "layer") == 0) {
            const ib_value *layer = ib__value_get(config, "layer"),
                           *name = ib__value_get(layer, "class_name");
            if (ib__value_is(name, IB_STRING))
                status = draw_class(d, name->string, ib__value_get(layer, "config"));
        } else {
            char key[80];
            (void)snprintf(key, sizeof key, "%s_initializer", text);
            status = draw_initializer(d, ib__value_get(config, key));
        }
    }
    return status;
}

static ib_status draw_layer(drawer *d, const ib_layer *layer) {
    const row *r = find_row(layer->class->name);
    ib_status status = IB_OK;
    if (!(r && r->has_cell && layer->n_parts)) status = draw_class(d, layer->class->name, layer->config);
    for (size_t i = 0; status == IB_OK && i < layer->n_parts; i++)
        status = draw_layer(d, layer->parts[i].layer);
    return status;
}

static ib_status fill_weight(const drawer *d, const ib_weight *w) {
    for (size_t i = 0; i < d->n; i++)
        if (d->draws[i].initializer == w->initializer)
            return ib__keras_fill(w->variable.data, &w->variable.shape, w->initializer, d->draws[i].seed,
                                  w->variable.path, d->err);
    ib_value *whole = NULL;
    const ib_value *config;
    const char *class_name;
    ib_status status = take_apart(w->initializer, w->variable.path, &whole, &class_name, &config, d->err);
    if (status == IB_OK && class_name)
        status = ib__fail(d->err, IB_UNSUPPORTED, w->variable.path,
                          "initial weights as Keras draws them: this weight is not supported yet");
    ib__value_free(whole);
    return status == IB_OK ? ib__initialize(w->variable.data, &w->variable.shape, w->initializer, 0,
                                            w->variable.path, d->err)
                           : status;
}

ib_status ib__keras_initialize_layer(ib_layer *layer, ib_keras *keras, ib_error *err) {
    drawer d = {.keras = keras, .place = layer->place, .err = err};
    size_t n = ib__layer_weights(layer, NULL, false);
    ib_weight **weights = ib__alloc(n + 1, sizeof *weights);
    ib_status status = weights ? draw_layer(&d, layer) : ib__fail_memory(err);
    if (status == IB_OK) ib__layer_weights(layer, weights, false);
    for (size_t i = 0; status == IB_OK && i < n; i++)
        status = fill_weight(&d, weights[i]);
    ib__free(weights);
    free(d.draws);
    return status;
}
