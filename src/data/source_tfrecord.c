/* SPDX-License-Identifier: Apache-2.0
 *
 * TFRecord files that hold tensorflow.Example, as tf.io.parse_single_example reads them:
 *
 *   {tfrecord: [FILE, ...], x: image, y: label,
 *    features: {image: {decode: image, image_size: [28, 28]}, label: {dtype: int64},
 *               raw: {decode: raw, dtype: uint8, shape: [28, 28]}, v: {dtype: float32, shape: [4], default:
 * 0}, t: {decode: text}}}
 *
 * Without `features` lists of numbers have the type and length that the first record has.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/image_entry.h"
#include "data/kinds.h"
#include "data/records.h"
#include "data/wire.h"
#include "numerics/texts.h"

#define FILES_MAX 65536

typedef enum decoding { DECODE_FLOATS, DECODE_INTS, DECODE_RAW, DECODE_IMAGE, DECODE_TEXT } decoding;

/* How a field is made of a feature. */
typedef struct parsing {
    char *feature;
    decoding how;
    ib_dtype dtype; /* of DECODE_RAW */
    ib_shape shape;
    bool has_default;
    double fallback;
    ib_image_form form;
} parsing;

typedef struct record_source {
    ib_elements base;
    char **paths;
    ib_records **files;
    uint64_t *ends; /* number of the first record after each file */
    size_t n_files;
    parsing *fields; /* one a field of base */
    size_t n_parsings;
} record_source;

/* ---- Reading ---- */

/* A record and where it is, for errors. */
typedef struct record {
    const record_source *s;
    size_t file;
    uint64_t number;
    const void *bytes;
    size_t n;
    ib_error *err;
} record;

static ib_status fail_feature(const record *r, const char *feature, const char *text) {
    char where[256];
    snprintf(where, sizeof where, "%.150s, record %" PRIu64 ", %.40s", r->s->paths[r->file], r->number,
             feature);
    return ib__fail(r->err, IB_BAD_INPUT, where, "%s", text);
}

static const char *kind_name(ib_feature_kind kind) {
    static const char *const names[] = {"nothing", "bytes", "float32 numbers", "int64 numbers"};
    return names[kind];
}

static ib_status fail_count(const record *r, const parsing *p, const ib_feature *f, size_t found) {
    char text[200];
    size_t wanted = (size_t)ib__shape_elements(&p->shape);
    const char *what = p->how == DECODE_FLOATS ? "float32 numbers"
                       : p->how == DECODE_INTS ? "int64 numbers"
                                               : "bytes";
    if (found == SIZE_MAX)
        snprintf(text, sizeof text, "expected %s, found %s", what, kind_name(f->kind));
    else
        snprintf(text, sizeof text, "expected %zu %s, found %zu", wanted, what, found);
    return fail_feature(r, p->feature, text);
}

static ib_status put_default(void *out, const parsing *p) {
    size_t n = (size_t)ib__shape_elements(&p->shape);
    for (size_t i = 0; i < n && p->how == DECODE_FLOATS; i++)
        ((float *)out)[i] = (float)p->fallback;
    for (size_t i = 0; i < n && p->how == DECODE_INTS; i++)
        ((int64_t *)out)[i] = (int64_t)p->fallback;
    return IB_OK;
}

static bool big_endian(void) {
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 0;
}

/* Little-endian numbers, as tf.io.decode_raw takes them by default. */
static ib_status put_raw(void *out, const record *r, const parsing *p, const ib_wire *bytes) {
    size_t size = ib__dtype_size(p->dtype), n = (size_t)ib__shape_elements(&p->shape) * size;
    size_t found = (size_t)(bytes->end - bytes->at);
    if (found != n) {
        char text[96];
        snprintf(text, sizeof text, "expected %zu bytes, found %zu", n, found);
        return fail_feature(r, p->feature, text);
    }
    if (n == 0) return IB_OK;
    memcpy(out, bytes->at, n);
    for (size_t i = 0; big_endian() && i < n; i += size)
        for (size_t k = 0; k < size; k++)
            ((unsigned char *)out)[i + k] = bytes->at[i + size - 1 - k];
    return IB_OK;
}

static ib_status put_text(void *out, const record *r, const parsing *p, const ib_wire *bytes) {
    size_t n = (size_t)(bytes->end - bytes->at);
    if (ib__utf8_check(bytes->at, n) != n)
        return fail_feature(r, p->feature, "expected UTF-8, found another byte");
    return ib__text_number(out, bytes->at, n, r->err);
}

static ib_status put_bytes(void *out, const record *r, const parsing *p, const ib_feature *f) {
    ib_wire bytes = {0};
    char where[256];
    size_t found = ib__feature_bytes(f, &bytes, 1);
    if (found == SIZE_MAX) return fail_count(r, p, f, found);
    if (found != 1)
        return fail_feature(r, p->feature,
                            found == 0 ? "expected one text of bytes, found none"
                                       : "expected one text of bytes, found several");
    if (p->how == DECODE_RAW) return put_raw(out, r, p, &bytes);
    if (p->how == DECODE_TEXT) return put_text(out, r, p, &bytes);
    snprintf(where, sizeof where, "%.150s, record %" PRIu64 ", %.40s", r->s->paths[r->file], r->number,
             p->feature);
    return ib__image_form_put(out, &p->form, bytes.at, (size_t)(bytes.end - bytes.at), where, r->err);
}

static ib_status put_field(void *out, const record *r, const parsing *p) {
    ib_feature f;
    size_t wanted = (size_t)ib__shape_elements(&p->shape), found;
    if (!ib__example_find(&f, r->bytes, r->n, p->feature))
        return fail_feature(r, p->feature, "expected a tensorflow.Example, found other bytes");
    if (f.kind == IB_FEATURE_NONE)
        return p->has_default ? put_default(out, p)
                              : fail_feature(r, p->feature, "expected this feature, found none");
    if (p->how >= DECODE_RAW) return put_bytes(out, r, p, &f);
    found = p->how == DECODE_FLOATS ? ib__feature_floats(&f, out, wanted) : ib__feature_ints(&f, out, wanted);
    return found == wanted ? IB_OK : fail_count(r, p, &f, found);
}

/* The file of record number i of all files, and its number in that. */
static size_t file_of(const record_source *s, uint64_t i, uint64_t *row) {
    size_t file = 0;
    while (i >= s->ends[file])
        file++;
    *row = i - (file > 0 ? s->ends[file - 1] : 0);
    return file;
}

/* Record number `i` of all files. */
static ib_status read_record(record *r, const record_source *s, uint64_t i, ib_buf *buf, ib_error *err) {
    uint64_t row;
    size_t file = file_of(s, i, &row);
    *r = (record){s, file, row, NULL, 0, err};
    ib_status status = ib__records_read(s->files[file], r->number, buf, err);
    r->bytes = buf->data;
    r->n = buf->length;
    return status;
}

static ib_status records_read(const ib_elements *e, uint64_t first, size_t n, void *const *out,
                              ib_error *err) {
    const record_source *s = (const record_source *)e;
    ib_buf buf = {0};
    ib_status status = IB_OK;
    for (size_t i = 0; i < n && status == IB_OK; i++) {
        record r;
        status = read_record(&r, s, first + i, &buf, err);
        for (size_t f = 0; f < e->n_fields && status == IB_OK; f++)
            status = put_field((char *)out[f] + i * ib__data_field_bytes(&e->fields[f]), &r, &s->fields[f]);
    }
    ib__buf_free(&buf);
    return status;
}

static void records_free(ib_elements *e) {
    record_source *s = (record_source *)e;
    for (size_t i = 0; i < s->n_files; i++) {
        ib__records_free(s->files[i]);
        free(s->paths[i]);
    }
    for (size_t i = 0; i < s->n_parsings; i++)
        free(s->fields[i].feature);
    free(s->files);
    free(s->paths);
    free(s->ends);
    free(s->fields);
}

static const ib_data_file *records_file(const ib_elements *e, uint64_t i, const char *field, uint64_t *row) {
    size_t file = file_of((const record_source *)e, i, row);
    (void)field;
    return &e->files[file];
}

static const ib_elements_class records_class = {
    .size = sizeof(record_source), .read = records_read, .free = records_free, .file = records_file};

/* ---- Opening files ---- */

static ib_status open_file(record_source *s, const ib_entry *q, const ib_value *name, const char *place) {
    ib_digest digest;
    if (name->kind != IB_STRING || name->string[0] == '\0')
        return ib__entry_fail(q, name, place, "expected a name, found %s", ib__kind_name(name->kind));
    size_t i = s->n_files;
    s->paths[i] = ib__entry_path(q, name->string);
    if (s->paths[i] == NULL) return ib__fail_memory(q->err);
    s->n_files++;
    ib_status status = ib__records_open(&s->files[i], s->paths[i], q->memory, &digest, q->err);
    if (status != IB_OK) return status;
    s->base.count += ib__records_count(s->files[i]);
    s->ends[i] = s->base.count;
    s->base.cheap = s->base.cheap && ib__records_in_memory(s->files[i]);
    return ib__elements_add_file(&s->base, place, s->paths[i], &digest) ? IB_OK : ib__fail_memory(q->err);
}

static ib_status open_files(record_source *s, const ib_entry *q) {
    const ib_value *names = ib__value_get(q->map, "tfrecord");
    size_t n = names->kind == IB_LIST ? names->count : 1;
    ib_status status = IB_OK;
    if (n == 0 || n > FILES_MAX)
        return ib__entry_fail(q, names, "tfrecord", "expected 1 to %d files", FILES_MAX);
    s->paths = calloc(n, sizeof *s->paths);
    s->files = calloc(n, sizeof(ib_records *));
    s->ends = calloc(n, sizeof *s->ends);
    if (s->paths == NULL || s->files == NULL || s->ends == NULL) return ib__fail_memory(q->err);
    for (size_t i = 0; i < n && status == IB_OK; i++) {
        char place[48] = "tfrecord";
        if (names->kind == IB_LIST) snprintf(place, sizeof place, "tfrecord[%zu]", i);
        status = open_file(s, q, names->kind == IB_LIST ? names->items[i] : names, place);
    }
    if (status == IB_OK && s->base.count == 0)
        status = ib__fail(q->err, IB_BAD_INPUT, s->paths[0], "expected records, found none");
    return status;
}

/* ---- Features ---- */

/* A list of the wrong length, or none, has a type and a length to learn. */
static ib_status learn_field(parsing *p, const record *r) {
    ib_feature f;
    size_t n = 0;
    if (!ib__example_find(&f, r->bytes, r->n, p->feature))
        return fail_feature(r, p->feature, "expected a tensorflow.Example, found other bytes");
    if (f.kind == IB_FEATURE_BYTES)
        return fail_feature(r, p->feature,
                            "holds bytes: say in `features` how to decode them, image, raw or text");
    if (f.kind == IB_FEATURE_FLOATS) n = ib__feature_floats(&f, NULL, 0);
    if (f.kind == IB_FEATURE_INTS) n = ib__feature_ints(&f, NULL, 0);
    if (f.kind == IB_FEATURE_NONE || n == 0 || n == SIZE_MAX) {
        ib_buf text = {0};
        const char *name;
        size_t length;
        ib__buf_text(&text, "expected this feature, found");
        for (size_t i = 0; i < 20 && ib__example_at(r->bytes, r->n, i, &name, &length, &f); i++)
            ib__buf_printf(&text, "%s %.*s", i > 0 ? "," : "", (int)(length < 40 ? length : 40), name);
        ib_status status = text.failed ? ib__fail_memory(r->err) : fail_feature(r, p->feature, text.data);
        ib__buf_free(&text);
        return status;
    }
    p->how = f.kind == IB_FEATURE_FLOATS ? DECODE_FLOATS : DECODE_INTS;
    p->shape = (ib_shape){.rank = n > 1, .dims = {(int64_t)n}};
    return IB_OK;
}

/* Without image_size the first record's image tells. */
static ib_status learn_image(parsing *p, const record *r) {
    ib_feature f;
    ib_wire bytes = {0};
    if (!ib__example_find(&f, r->bytes, r->n, p->feature) || ib__feature_bytes(&f, &bytes, 1) != 1)
        return fail_feature(r, p->feature, "expected an image, found none");
    return ib__image_form_learn(&p->form, bytes.at, (size_t)(bytes.end - bytes.at), r->s->paths[r->file],
                                r->err);
}

static ib_status read_dtype(parsing *p, const ib_entry *q) {
    const char *dtype;
    ib_status status = ib__entry_text(q, "dtype", p->how == DECODE_RAW, &dtype);
    if (status != IB_OK || p->how == DECODE_IMAGE) return status;
    bool known = dtype == NULL || ib__dtype_parse(dtype, &p->dtype);
    if (known && p->how == DECODE_RAW) return IB_OK;
    if (dtype != NULL && known && (p->dtype == IB_F32 || p->dtype == IB_I64)) {
        p->how = p->dtype == IB_F32 ? DECODE_FLOATS : DECODE_INTS;
        return IB_OK;
    }
    return ib__entry_fail(q, ib__value_get(q->map, "dtype"), "dtype", "expected %s",
                          p->how == DECODE_RAW ? "a type such as uint8 or float32"
                                               : "float32 or int64, or decode");
}

static ib_status read_parsing(parsing *p, const ib_entry *q) {
    static const char *const known[] = {"decode", "dtype", "shape", "default", IB_IMAGE_FIELDS};
    static const char *const words[] = {"image", "raw", "text"};
    size_t word = 3, n = 0;
    if (q->map->kind != IB_MAP)
        return ib__entry_fail(q, q->map, "", "expected a map such as {dtype: float32, shape: [4]}, found %s",
                              ib__kind_name(q->map->kind));
    ib_status status = ib__entry_check(q, known, 8, NULL, 0);
    if (status == IB_OK) status = ib__entry_choice(q, "decode", words, 3, &word);
    if (status != IB_OK) return status;
    static const decoding ways[] = {DECODE_IMAGE, DECODE_RAW, DECODE_TEXT, DECODE_FLOATS};
    static const char *const alone[] = {"decode"};
    p->how = ways[word];
    if (p->how == DECODE_IMAGE) return ib__image_form_read(&p->form, q);
    if (p->how == DECODE_TEXT) {
        p->shape = (ib_shape){1, {1}};
        return ib__entry_check(q, alone, 1, NULL, 0);
    }
    status = read_dtype(p, q);
    if (status == IB_OK)
        status = ib__entry_counts(q, "shape", 1, INT64_C(1) << 40, p->shape.dims, IB_RANK_MAX - 1, &n);
    p->shape.rank = (int)n;
    if (status == IB_OK && ib__shape_elements(&p->shape) < 0)
        status = ib__entry_fail(q, ib__value_get(q->map, "shape"), "shape", "too many elements");
    p->has_default = ib__value_get(q->map, "default") != NULL;
    if (status == IB_OK) status = ib__entry_number(q, "default", -1e300, 1e300, &p->fallback);
    if (status == IB_OK && p->has_default && p->how == DECODE_RAW)
        status = ib__entry_fail(q, NULL, "default", "stands beside decode: only numbers have a default");
    return status;
}

static ib_status make_field(record_source *s, const ib_entry *q, const ib_pick *pick, const record *first) {
    parsing *p = &s->fields[s->n_parsings++];
    const ib_value *features = ib__value_get(q->map, "features"),
                   *how = ib__value_get(features, pick->source);
    char place[160];
    ib_status status;
    p->feature = strdup(pick->source);
    if (p->feature == NULL) return ib__fail_memory(q->err);
    if (features == NULL) {
        status = learn_field(p, first);
    } else if (how == NULL) {
        status =
            ib__entry_fail(q, pick->at, pick->field, "`features` does not say what %.60s is", pick->source);
    } else {
        ib_entry within = *q;
        snprintf(place, sizeof place, "%.90s.features.%.50s", q->place, pick->source);
        within.place = place;
        within.map = how;
        status = read_parsing(p, &within);
    }
    if (status == IB_OK && p->how == DECODE_IMAGE) {
        if (p->form.fixed) status = learn_image(p, first);
        p->shape = ib__image_form_shape(&p->form);
    }
    ib_dtype dtype = p->how == DECODE_FLOATS ? IB_F32
                     : p->how == DECODE_INTS ? IB_I64
                     : p->how == DECODE_RAW  ? p->dtype
                     : p->how == DECODE_TEXT ? IB_TEXT
                                             : ib__image_form_dtype(&p->form);
    if (status == IB_OK && !ib__elements_add_field(&s->base, pick->field, dtype, &p->shape))
        status = ib__fail_memory(q->err);
    return status;
}

/* The first record stays until all fields are made. */
static ib_status make_fields(record_source *s, const ib_entry *q, const ib_picks *picks) {
    const ib_value *features = ib__value_get(q->map, "features");
    ib_buf buf = {0};
    record first;
    s->fields = calloc(picks->n + 1, sizeof *s->fields);
    if (s->fields == NULL) return ib__fail_memory(q->err);
    if (features != NULL && features->kind != IB_MAP)
        return ib__entry_fail(q, features, "features", "expected a map of features, found %s",
                              ib__kind_name(features->kind));
    ib_status status = read_record(&first, s, 0, &buf, q->err);
    for (size_t i = 0; i < picks->n && status == IB_OK; i++)
        status = make_field(s, q, &picks->list[i], &first);
    for (size_t i = 0; i < s->base.n_fields; i++)
        s->base.cheap = s->base.cheap && s->fields[i].how != DECODE_IMAGE;
    ib__buf_free(&buf);
    return status;
}

static ib_status tfrecord_open(ib_elements **out, const ib_entry *q) {
    ib_picks picks = {0};
    ib_elements *e = ib__elements_new(&records_class);
    if (e == NULL) return ib__fail_memory(q->err);
    record_source *s = (record_source *)e;
    e->cheap = true;
    ib_status status = ib__picks_read(&picks, q);
    if (status == IB_OK) status = open_files(s, q);
    if (status == IB_OK) status = make_fields(s, q, &picks);
    ib__picks_free(&picks);
    if (status == IB_OK)
        *out = e;
    else
        ib__elements_free(e);
    return status;
}

static const char *const fields[] = {"tfrecord", "features", "x", "y", "sample_weight", NULL};
const ib_source_kind ib__source_tfrecord = {"tfrecord", fields, tfrecord_open};
