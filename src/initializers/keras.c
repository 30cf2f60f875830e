/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras's initializers with TensorFlow's random numbers: an integer seed is a stateless stream, the numbers
 * of its first call are the weights. An initializer that is made without a seed takes the next number of
 * Python's generator, so the order in which Keras makes layers decides who gets which.
 */
#include "initializers/keras.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initializers/internal.h"

/* ---- One weight ---- */

/* The normal numbers are float32; the factorization is ours. */
static ib_status fill_orthogonal(float *data, const ib_shape *shape, double gain, const ib_tf *at,
                                 const char *path, ib_error *err) {
    size_t n = (size_t)ib__shape_elements(shape);
    double *normal = ib__alloc(n + 1, sizeof *normal);
    if (!normal) return ib__fail_memory(err);
    ib__tf_normal(at, 0.0f, 1.0f, data, n);
    for (size_t i = 0; i < n; i++)
        normal[i] = (double)data[i];
    ib_status status = ib__orthogonal(data, shape, normal, gain, path, err);
    ib__free(normal);
    return status;
}

/* Python's arithmetic is in double; limits and deviations become float32 when TensorFlow takes them. */
ib_status ib__keras_fill(float *data, const ib_shape *shape, const ib_value *initializer, int64_t seed,
                         const char *path, ib_error *err) {
    ib_distribution d;
    ib_status status = ib__initializer_distribution(&d, initializer, shape, path, err);
    if (status != IB_OK) return status;
    size_t n = (size_t)ib__shape_elements(shape);
    ib_tf at = ib__keras_stream(seed, 0);
    switch (d.draws) {
    case IB_DRAWS_UNIFORM:
        ib__tf_uniform(&at, (float)d.low, (float)d.high, data, n);
        return IB_OK;
    case IB_DRAWS_NORMAL:
        ib__tf_normal(&at, (float)d.mean, (float)d.stddev, data, n);
        return IB_OK;
    case IB_DRAWS_TRUNCATED:
        ib__tf_truncated_normal(&at, (float)d.mean, (float)d.stddev, data, n);
        return IB_OK;
    case IB_DRAWS_ORTHOGONAL:
        return fill_orthogonal(data, shape, d.gain, &at, path, err);
    case IB_DRAWS_NOTHING:
        break;
    }
    return ib__initialize(data, shape, initializer, 0, path, err);
}

/* ---- A layer ---- */

/* Who got which seed: the initializer of a layer's config under "<name>_initializer". */
typedef struct draw {
    const ib_value *initializer;
    const char *key;
    int64_t seed;
} draw;
typedef struct drawer {
    ib_keras *keras;
    draw *draws; /* of one layer and of those that it stands in */
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

/* Length of NAME in "NAME_initializer", 0 for other keys. */
static size_t name_of(const char *key) {
    static const char end[] = "_initializer";
    size_t length = strlen(key), tail = sizeof end - 1;
    return length > tail && strcmp(key + length - tail, end) == 0 ? length - tail : 0;
}

/* key: a key of the config. */
static ib_status draw_initializer(drawer *d, const ib_value *config, const char *key) {
    bool random, given;
    const ib_value *initializer = ib__value_get(config, key);
    draw new = {.initializer = initializer, .key = key};
    if (!initializer || initializer->kind == IB_NULL) return IB_OK;
    ib_status status = ib__initializer_seed(initializer, d->place, &random, &given, &new.seed, d->err);
    if (status != IB_OK || !random) return status;
    if (!given) new.seed = ib__keras_make_seed(d->keras);
    if (!ib__grow(&d->draws, &d->capacity, d->n + 1, sizeof *d->draws)) return ib__fail_memory(d->err);
    d->draws[d->n++] = new;
    return IB_OK;
}

/* A SeedGenerator; its numbers are of no use here. */
static void draw_generator(drawer *d, const ib_value *config, const char *only_if) {
    double x = 0;
    if (only_if && (!ib__value_number(ib__value_get(config, only_if), &x) || !(x > 0))) return;
    if (!ib__value_is(ib__value_get(config, "seed"), IB_INT)) (void)ib__keras_make_seed(d->keras);
}

/* By the order of the config. */
static ib_status draw_default(drawer *d, const char *class_name, const ib_value *config) {
    if (ib__value_get(config, "seed"))
        return ib__fail(d->err, IB_UNSUPPORTED, d->place,
                        "initial weights as Keras draws them: %s is not supported yet", class_name);
    for (size_t i = 0; config && i < config->count; i++) {
        if (!name_of(config->keys[i])) continue;
        ib_status status = draw_initializer(d, config, config->keys[i]);
        if (status != IB_OK) return status;
    }
    return IB_OK;
}

static ib_status draw_words(drawer *d, const row *r, const ib_value *config, ib_layer *layer);

/* layer: whose config it is; NULL: of one that is thrown away. */
static ib_status draw_class(drawer *d, const char *class_name, const ib_value *config, ib_layer *layer) {
    const row *r = find_row(class_name);
    return r ? draw_words(d, r, config, layer) : draw_default(d, class_name, config);
}

/* All that the layer within the config takes. */
static ib_status draw_copy(drawer *d, const ib_value *layer) {
    const ib_value *name = ib__value_get(layer, "class_name");
    size_t n = d->n;
    if (!ib__value_is(name, IB_STRING)) return IB_OK;
    ib_status status = draw_class(d, name->string, ib__value_get(layer, "config"), NULL);
    d->n = n;
    return status;
}

static ib_status initialize(drawer *d, ib_layer *layer);

static ib_status initialize_parts(drawer *d, ib_layer *layer, size_t from, size_t to) {
    ib_status status = IB_OK;
    for (size_t i = from; layer && status == IB_OK && i < to; i++)
        status = initialize(d, layer->parts[i].layer);
    return status;
}

static ib_status draw_words(drawer *d, const row *r, const ib_value *config, ib_layer *layer) {
    ib_status status = IB_OK;
    size_t parts = layer ? layer->n_parts : 0, before_last = parts ? parts - 1 : 0;
    for (const char *word = r->words; status == IB_OK && *word;) {
        size_t n = strcspn(word, " ");
        char text[64];
        (void)snprintf(text, sizeof text, "%.*s", (int)n, word);
        word += n + (word[n] == ' ');
        if (strncmp(text, "seed", 4) == 0)
            draw_generator(d, config, text[4] == '?' ? text + 5 : NULL);
        else if (strcmp(text, "layer") == 0)
            status = draw_copy(d, ib__value_get(config, "layer"));
        else if (strcmp(text, "parts") == 0)
            status = initialize_parts(d, layer, 0, before_last);
        else if (strcmp(text, "last") == 0)
            status = initialize_parts(d, layer, before_last, parts);
        else
            for (size_t i = 0; config && status == IB_OK && i < config->count; i++)
                if (name_of(config->keys[i]) == n && strncmp(config->keys[i], text, n) == 0)
                    status = draw_initializer(d, config, config->keys[i]);
    }
    return status;
}

/* A weight, or a piece of one, with the seed at `context`. */
static ib_status fill_piece(void *context, const ib_weight *w, float *data, const ib_shape *shape,
                            ib_error *err) {
    return ib__keras_fill(data, shape, w->initializer, *(const int64_t *)context, w->variable.path, err);
}

static ib_status fill_with(const ib_weight *w, int64_t seed, ib_error *err) {
    return w->fill ? w->fill(w, fill_piece, &seed, err)
                   : fill_piece(&seed, w, w->variable.data, &w->variable.shape, err);
}

/* Draw number i is for this weight: it has that initializer, or one made of it. */
static bool is_for(const draw *draw, const ib_weight *w) {
    size_t n = name_of(draw->key);
    return draw->initializer == w->initializer ||
           (strlen(w->name) == n && strncmp(draw->key, w->name, n) == 0);
}

/* A draw is used once: weights that share an initializer here have one each in Keras. */
static ib_status fill_weight(drawer *d, const ib_weight *w, size_t first_draw) {
    for (size_t i = first_draw; i < d->n; i++) {
        if (!d->draws[i].initializer || !is_for(&d->draws[i], w)) continue;
        d->draws[i].initializer = NULL;
        return fill_with(w, d->draws[i].seed, d->err);
    }
    bool random, given;
    int64_t seed;
    ib_status status = ib__initializer_seed(w->initializer, w->variable.path, &random, &given, &seed, d->err);
    if (status == IB_OK && random)
        status = ib__fail(d->err, IB_UNSUPPORTED, w->variable.path,
                          "initial weights as Keras draws them: this weight is not supported yet");
    return status == IB_OK ? fill_with(w, 0, d->err) : status;
}

/* Draws for a layer and its parts, in Keras's order, and fills its own weights. */
static ib_status initialize(drawer *d, ib_layer *layer) {
    const row *r = find_row(layer->class->name);
    size_t first_draw = d->n;
    ib_status status = IB_OK;
    if (!(r && r->has_cell && layer->n_parts))
        status = draw_class(d, layer->class->name, layer->config, layer);
    if (status == IB_OK && !(r && strstr(r->words, "parts")))
        status = initialize_parts(d, layer, 0, layer->n_parts);
    for (size_t i = 0; status == IB_OK && i < layer->n_weights; i++)
        status = fill_weight(d, &layer->weights[i], first_draw);
    d->n = first_draw;
    return status;
}

ib_status ib__keras_initialize_layer(ib_layer *layer, ib_keras *keras, ib_error *err) {
    drawer d = {.keras = keras, .place = layer->place, .err = err};
    ib_status status = initialize(&d, layer);
    free(d.draws);
    return status;
}
