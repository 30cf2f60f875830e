/* SPDX-License-Identifier: Apache-2.0
 *
 * isobit data: what the data of an experiment hold, batch by batch.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/image.h"
#include "numerics/texts.h"
#include "run/commands.h"
#include "run/data_report.h"

#define NUMBERS 8  /* that are shown of a sample */
#define LETTERS 40 /* of a text */

typedef struct looking {
    const ib_look *look;
    const ib_options *options;
    ib_experiment *experiment;
    ib_dataset *data;
    ib_part part;
    ib_batches *batches;
    const ib_data_field *fields;
    size_t n_fields;
} looking;

/* ---- Numbers ---- */

static void print_numbers(const looking *l, const ib_tensor *t, size_t first, size_t n) {
    for (size_t i = 0; i < n && i < NUMBERS; i++) {
        char number[32];
        double value = ib__tensor_at(t, first + i);
        if (t->dtype == IB_F32)
            snprintf(number, sizeof number, "%.6g", value);
        else
            ib__double_print(number, value);
        size_t length = strlen(number);
        if (t->dtype < IB_F16 && length > 2 && strcmp(number + length - 2, ".0") == 0)
            number[length - 2] = '\0';
        ib__say(l->options, " %s", number);
    }
    if (n > NUMBERS) ib__say(l->options, " ...");
}

/* Ends of lines and other control characters as blanks: a terminal would obey them. */
static void make_printable(char *text) {
    for (unsigned char *c = (unsigned char *)text; *c != 0; c++)
        if (*c < ' ' || *c == 0x7f || (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)) {
            if (*c == 0xc2) *c++ = ' ';
            *c = ' ';
        }
}

/* Texts in quotes, cut between characters where they are long. */
static void print_texts(const looking *l, const ib_tensor *t, size_t n) {
    for (size_t i = 0; i < n && i < NUMBERS; i++) {
        size_t length;
        const char *text = ib__text_of(((const int32_t *)t->data)[i], &length);
        size_t shown = length < LETTERS ? length : LETTERS;
        while (shown < length && ((unsigned char)text[shown] & 0xc0) == 0x80)
            shown--;
        char clean[LETTERS + 1];
        memcpy(clean, text, shown);
        clean[shown] = '\0';
        make_printable(clean);
        ib__say(l->options, " \"%s%s\"", clean, shown < length ? "..." : "");
    }
    if (n > NUMBERS) ib__say(l->options, " ...");
}

static void peek(const looking *l, const ib_batch *batch, size_t number) {
    ib__say(l->options, "batch %zu: %zu samples\n", number, batch->samples);
    for (size_t i = 0; i < l->n_fields; i++) {
        const ib_tensor *t = &batch->fields[i];
        char shape[128], low[32], high[32];
        size_t n = (size_t)ib__shape_elements(&t->shape), each = n / batch->samples;
        double least = HUGE_VAL, most = -HUGE_VAL;
        if (t->dtype == IB_TEXT) {
            ib__shape_print(shape, &t->shape);
            ib__say(l->options, "  %s: %s %s;", l->fields[i].name, ib__dtype_name(t->dtype), shape);
            print_texts(l, t, each == 1 ? batch->samples : each);
            ib__say(l->options, "\n");
            continue;
        }
        for (size_t k = 0; k < n; k++) {
            double x = ib__tensor_at(t, k);
            least = x < least ? x : least;
            most = x > most ? x : most;
        }
        ib__shape_print(shape, &t->shape);
        snprintf(low, sizeof low, "%.6g", least);
        snprintf(high, sizeof high, "%.6g", most);
        ib__say(l->options, "  %s: %s %s, from %s to %s;", l->fields[i].name, ib__dtype_name(t->dtype), shape,
                low, high);
        /* the first sample, or, of single numbers, the first samples */
        print_numbers(l, t, 0, each == 1 ? batch->samples : each);
        ib__say(l->options, "\n");
    }
}

/* The numbers of the elements that the samples are made of: one line a batch. */
static void say_order(const looking *l, const ib_batch *batch, size_t number) {
    size_t words;
    const uint64_t *tickets = ib__batches_tickets(l->batches, &words);
    ib__say(l->options, "batch %zu:", number);
    for (size_t i = 0; tickets != NULL && i < batch->samples; i++)
        for (size_t k = 0; k < words; k++)
            ib__say(l->options, "%s%" PRIu64 "", k == 0 ? " " : "/", tickets[i * words + k]);
    ib__say(l->options, "\n");
}

/* ---- Images ---- */

/* A field that can be seen: [h, w, 1], [h, w, 3], [h, w, 4], or [h, w]. */
static bool is_image(const ib_data_field *f) {
    const ib_shape *s = &f->shape;
    if (s->rank == 2) return s->dims[0] > 1 && s->dims[1] > 1;
    return s->rank == 3 && (s->dims[2] == 1 || s->dims[2] == 3 || s->dims[2] == 4);
}

/* Numbers in [0, 1] are stretched to 255; others are taken as they are, rounded and cut at 0 and 255. */
static void to_pixels(uint8_t *out, const ib_tensor *t, size_t first, size_t n, bool stretch) {
    for (size_t i = 0; i < n; i++) {
        double x = ib__tensor_at(t, first + i) * (stretch ? 255 : 1);
        out[i] = (uint8_t)(x > 0 ? nearbyint(x < 255 ? x : 255) : 0);
    }
}

static bool is_unit(const ib_tensor *t) {
    size_t n = (size_t)ib__shape_elements(&t->shape);
    bool fraction = false;
    for (size_t i = 0; i < n; i++) {
        double x = ib__tensor_at(t, i);
        if (x < 0 || x > 1) return false;
        fraction = fraction || (x > 0 && x < 1);
    }
    return fraction;
}

static ib_status save_image(const looking *l, const ib_tensor *t, const char *field, size_t batch,
                            size_t sample, bool stretch, ib_error *err) {
    const ib_shape *s = &t->shape;
    ib_image image = {.height = (size_t)s->dims[1],
                      .width = (size_t)s->dims[2],
                      .channels = s->rank == 4 ? (size_t)s->dims[3] : 1};
    size_t n = image.height * image.width * image.channels;
    ib_buf png = {0};
    char name[160];
    snprintf(name, sizeof name, "batch-%04zu-sample-%03zu-%.80s.png", batch, sample, field);
    char *path = ib__path_join(l->look->images, name);
    image.pixels = malloc(n + 1);
    ib_status status = path == NULL || image.pixels == NULL ? ib__fail_memory(err) : IB_OK;
    if (status == IB_OK) {
        to_pixels(image.pixels, t, sample * n, n, stretch);
        status = ib__image_encode_png(&png, &image, err);
    }
    if (status == IB_OK) status = ib__file_write(path, png.data, png.length, err);
    ib__buf_free(&png);
    ib__image_free(&image);
    free(path);
    return status;
}

static ib_status save_images(const looking *l, const ib_batch *batch, size_t number, ib_error *err) {
    ib_status status = IB_OK;
    size_t saved = 0;
    for (size_t i = 0; i < l->n_fields && status == IB_OK; i++) {
        if (!is_image(&l->fields[i])) continue;
        bool stretch = batch->fields[i].dtype >= IB_F16 && is_unit(&batch->fields[i]);
        for (size_t k = 0; k < batch->samples && status == IB_OK; k++, saved++)
            status = save_image(l, &batch->fields[i], l->fields[i].name, number, k, stretch, err);
    }
    if (status != IB_OK) return status;
    if (saved == 0)
        return ib__fail(err, IB_BAD_INPUT, ib__part_place(&l->part),
                        "expected a field of images, [h, w, 1], [h, w, 3] or [h, w, 4], found none");
    ib__say(l->options, "batch %zu: %zu images in %s\n", number, saved, l->look->images);
    return IB_OK;
}

/* ---- The whole ---- */

static ib_status open_batches(looking *l, ib_error *err) {
    const ib_experiment *e = l->experiment;
    const char *part = l->look->part != NULL ? l->look->part : "train";
    ib_status status = ib__part_open(&l->data, &l->part, e, part, l->options->threads, err);
    if (status != IB_OK) return status;
    bool training = strcmp(part, "train") == 0;
    size_t size = (size_t)(training ? e->fit.batch_size : e->fit.validation_batch_size);
    ib_batching how = ib__part_batching(&l->part, e, training, size, l->options->threads);
    status = ib__dataset_batches(&l->batches, l->data, &how, err);
    if (status == IB_OK) l->fields = ib__batches_fields(l->batches, &l->n_fields);
    return status;
}

static ib_status look_at_batches(looking *l, ib_error *err) {
    const ib_look *look = l->look;
    uint32_t pass = look->epoch > 0 ? (uint32_t)(look->epoch - 1) : 0;
    size_t most = look->peek > 0 ? look->peek : look->order ? SIZE_MAX : look->images != NULL ? 1 : 0;
    ib_status status = look->images != NULL ? ib__folder_make(look->images, err) : IB_OK;
    if (status == IB_OK && look->order && look->peek == 0 && l->part.count == IB_COUNT_INFINITE)
        status = ib__fail(err, IB_BAD_INPUT, ib__part_place(&l->part),
                          "the data have no end: say how many batches");
    if (status == IB_OK && most > 0) status = ib__batches_begin(l->batches, pass, err);
    for (size_t i = 0; status == IB_OK && i < most; i++) {
        const ib_batch *batch;
        status = ib__batches_next(l->batches, &batch, err);
        if (status != IB_OK || batch == NULL) break;
        if (look->order) say_order(l, batch, i);
        if (look->peek > 0 && !look->order) peek(l, batch, i);
        if (look->images != NULL) status = save_images(l, batch, i, err);
    }
    return status;
}

ib_status ib__look(const char *experiment, const ib_look *look, const ib_options *options, ib_error *err) {
    ib_options here = *options;
    ib_runtime runtime;
    ib_status status = ib__runtime_init(&runtime, options->threads, NULL, err);
    here.threads = runtime.threads;
    looking l = {.look = look, .options = &here};
    if (status == IB_OK) status = ib__experiment_read(&l.experiment, experiment, err);
    if (status == IB_OK) status = open_batches(&l, err);
    if (status == IB_OK && look->peek == 0 && !look->order && look->images == NULL) {
        ib__data_print(l.data, &here);
        uint64_t batches = ib__batches_count(l.batches);
        if (batches < IB_COUNT_INFINITE)
            ib__say(&here, "%" PRIu64 " batches of %zu in a pass\n", batches, ib__batches_size(l.batches));
    }
    if (status == IB_OK) status = look_at_batches(&l, err);
    ib__batches_free(l.batches);
    ib__dataset_free(l.data);
    ib__experiment_free(l.experiment);
    return status;
}
