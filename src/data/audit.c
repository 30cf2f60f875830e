/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a source by blocks: ranges, classes, what is not finite.
 */
#include "data/audit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"

/* Of the memory of each worker. It stays in its cache. */
#define BLOCK_BYTES ((size_t)1 << 18)

typedef struct blocks {
    const ib_source_part *part;
    size_t samples; /* of a block */
    size_t count;
} blocks;

static blocks blocks_of(const ib_source_part *part) {
    size_t bytes = 1;
    for (size_t i = 0; i < part->elements->n_fields; i++)
        bytes += ib__data_field_bytes(&part->elements->fields[i]);
    size_t n = BLOCK_BYTES / bytes + 1;
    if (n > part->count) n = (size_t)part->count;
    if (n == 0) n = 1;
    return (blocks){part, n, (size_t)((part->count + n - 1) / n)};
}

/* Memory for a block, a pointer a field. NULL: no memory. */
static void **buffers_new(const blocks *b) {
    const ib_elements *e = b->part->elements;
    void **out = calloc(e->n_fields + 1, sizeof *out);
    for (size_t i = 0; out != NULL && i < e->n_fields; i++) {
        if ((out[i] = ib__alloc(b->samples, ib__data_field_bytes(&e->fields[i]))) != NULL) continue;
        while (i-- > 0)
            ib__free(out[i]);
        free(out);
        return NULL;
    }
    return out;
}

static void buffers_free(void **buffers, size_t n) {
    for (size_t i = 0; buffers != NULL && i < n; i++)
        ib__free(buffers[i]);
    free(buffers);
}

/* Reads a block; *n: its samples. */
static ib_status read_block(const blocks *b, size_t block, void *const *out, size_t *n, ib_error *err) {
    uint64_t first = (uint64_t)block * b->samples, left = b->part->count - first;
    *n = left < b->samples ? (size_t)left : b->samples;
    return ib__elements_read(b->part->elements, b->part->first + first, *n, out, err);
}

/* ---- Ranges and counts ---- */

typedef struct tally {
    double low, high;
    uint64_t nans, infinities;
    bool whole;
} tally;

static inline void tally_add(tally *t, double x) {
    if (x != x) {
        t->nans++;
    } else if (x - x != 0) {
        t->infinities++;
    } else {
        t->low = x < t->low ? x : t->low;
        t->high = x > t->high ? x : t->high;
        t->whole = t->whole && x == nearbyint(x);
    }
}

/* SIDE numbers are compared side by side, so that compilers take vectors. */
enum { SIDE = 64 };

#define TALLY_INTEGERS(type)                                                                                 \
    do {                                                                                                     \
        const type *values = data;                                                                           \
        type low[SIDE], high[SIDE];                                                                          \
        for (size_t k = 0; k < SIDE; k++)                                                                    \
            low[k] = high[k] = values[0];                                                                    \
        for (; n >= SIDE; n -= SIDE, values += SIDE) {                                                       \
            for (size_t k = 0; k < SIDE; k++) {                                                              \
                low[k] = values[k] < low[k] ? values[k] : low[k];                                            \
                high[k] = values[k] > high[k] ? values[k] : high[k];                                         \
            }                                                                                                \
        }                                                                                                    \
        for (size_t k = 0; k < SIDE; k++) {                                                                  \
            tally_add(t, (double)low[k]);                                                                    \
            tally_add(t, (double)high[k]);                                                                   \
        }                                                                                                    \
        for (size_t k = 0; k < n; k++)                                                                       \
            tally_add(t, (double)values[k]);                                                                 \
    } while (0)

static void tally_values(tally *t, ib_dtype dtype, const void *data, size_t n) {
    if (n == 0) return;
    switch (dtype) {
    case IB_BOOL8:
    case IB_U8:
        TALLY_INTEGERS(uint8_t);
        return;
    case IB_I8:
        TALLY_INTEGERS(int8_t);
        return;
    case IB_U16:
        TALLY_INTEGERS(uint16_t);
        return;
    case IB_I16:
        TALLY_INTEGERS(int16_t);
        return;
    case IB_U32:
        TALLY_INTEGERS(uint32_t);
        return;
    case IB_I32:
        TALLY_INTEGERS(int32_t);
        return;
    case IB_U64:
        TALLY_INTEGERS(uint64_t);
        return;
    case IB_I64:
        TALLY_INTEGERS(int64_t);
        return;
    default:
        for (size_t i = 0; i < n; i++)
            tally_add(t, ib__tensor_at(&(ib_tensor){dtype, {0}, (void *)(uintptr_t)data}, i));
    }
}

/* What one worker has seen of a field. */
typedef struct seen {
    tally t;
    bool classes; /* all numbers so far are class numbers */
    uint64_t counts[IB_AUDIT_CLASSES];
} seen;

typedef struct auditing {
    blocks b;
    void ***buffers; /* one set a worker */
    seen *seen;      /* [worker][field] */
    ib_status *status;
    ib_error *errors; /* one a block would be too many: of the first that failed, a worker */
    size_t *failed;
} auditing;

static void count_classes(seen *s, const ib_tensor *t, size_t n) {
    for (size_t i = 0; i < n && s->classes; i++) {
        double x = ib__tensor_at(t, i);
        s->classes = x >= 0 && x < IB_AUDIT_CLASSES && x == nearbyint(x);
        if (s->classes) s->counts[(size_t)x]++;
    }
}

static void audit_block(void *context, size_t block, size_t worker) {
    auditing *a = context;
    const ib_elements *e = a->b.part->elements;
    ib_error error = {0};
    size_t n;
    ib_status status = read_block(&a->b, block, a->buffers[worker], &n, &error);
    if (status != IB_OK) {
        if (a->status[worker] != IB_OK && a->failed[worker] < block) return;
        a->status[worker] = status;
        a->errors[worker] = error;
        a->failed[worker] = block;
        return;
    }
    for (size_t i = 0; i < e->n_fields; i++) {
        seen *s = &a->seen[worker * e->n_fields + i];
        ib_tensor t = {e->fields[i].dtype, e->fields[i].shape, a->buffers[worker][i]};
        size_t each = (size_t)ib__shape_elements(&t.shape);
        if (t.dtype == IB_TEXT) continue;
        tally_values(&s->t, t.dtype, t.data, n * each);
        if (each == 1) count_classes(s, &t, n);
    }
}

static void merge(ib_field_audit *out, const seen *s) {
    out->nans += s->t.nans;
    out->infinities += s->t.infinities;
    out->whole = out->whole && s->t.whole;
    if (s->t.low < out->low) out->low = s->t.low;
    if (s->t.high > out->high) out->high = s->t.high;
    for (size_t i = 0; i < IB_AUDIT_CLASSES; i++)
        out->classes[i] += s->counts[i];
}

static ib_field_audit *collect(const auditing *a, size_t workers) {
    const ib_elements *e = a->b.part->elements;
    ib_field_audit *out = calloc(e->n_fields + 1, sizeof *out);
    for (size_t i = 0; out != NULL && i < e->n_fields; i++) {
        size_t each = (size_t)ib__shape_elements(&e->fields[i].shape);
        bool classes = each == 1 && e->fields[i].dtype != IB_TEXT;
        out[i].values = a->b.part->count * each;
        out[i].low = HUGE_VAL;
        out[i].high = -HUGE_VAL;
        out[i].whole = true;
        for (size_t w = 0; w < workers; w++) {
            merge(&out[i], &a->seen[w * e->n_fields + i]);
            classes = classes && a->seen[w * e->n_fields + i].classes;
        }
        if (out[i].low > out[i].high || out[i].low == 0) out[i].low = 0; /* and not -0 */
        if (out[i].high == 0 || out[i].high < out[i].low) out[i].high = 0;
        if (classes) out[i].n_classes = (size_t)out[i].high + 1;
    }
    return out;
}

static ib_status run_audit(auditing *a, ib_pool *pool, ib_field_audit **out, ib_error *err) {
    size_t workers = ib__pool_threads(pool), n = a->b.part->elements->n_fields, first = SIZE_MAX;
    for (size_t w = 0; w < workers; w++)
        if ((a->buffers[w] = buffers_new(&a->b)) == NULL) return ib__fail_memory(err);
    for (size_t i = 0; i < workers * n; i++)
        a->seen[i] = (seen){.t = {.low = HUGE_VAL, .high = -HUGE_VAL, .whole = true}, .classes = true};
    ib__pool_run(pool, a->b.count, audit_block, a);
    for (size_t w = 0; w < workers; w++)
        if (a->status[w] != IB_OK && (first == SIZE_MAX || a->failed[w] < a->failed[first])) first = w;
    if (first != SIZE_MAX)
        return ib__fail(err, a->status[first], a->errors[first].where, "%s", a->errors[first].text);
    *out = collect(a, workers);
    return *out != NULL ? IB_OK : ib__fail_memory(err);
}

ib_status ib__source_audit(ib_field_audit **out, const ib_source_part *part, size_t threads, ib_error *err) {
    auditing a = {.b = blocks_of(part)};
    ib_pool *pool = NULL;
    size_t n = part->elements->n_fields;
    if (a.b.count < 2) threads = 1;
    ib_status status = ib__pool_new(&pool, threads, err);
    if (status != IB_OK) return status;
    size_t workers = ib__pool_threads(pool);
    a.buffers = calloc(workers, sizeof *a.buffers);
    a.seen = calloc(workers * n + 1, sizeof *a.seen);
    a.status = calloc(workers, sizeof *a.status);
    a.errors = calloc(workers, sizeof *a.errors);
    a.failed = calloc(workers, sizeof *a.failed);
    bool good =
        a.buffers != NULL && a.seen != NULL && a.status != NULL && a.errors != NULL && a.failed != NULL;
    status = good ? run_audit(&a, pool, out, err) : ib__fail_memory(err);
    for (size_t w = 0; a.buffers != NULL && w < workers; w++)
        buffers_free(a.buffers[w], n);
    free(a.buffers);
    free(a.seen);
    free(a.status);
    free(a.errors);
    free(a.failed);
    ib__pool_free(pool);
    return status;
}

/* ---- The first value that is wrong ---- */

/* Sees the value of a field; true: it is the one that is looked for. */
typedef bool wrong_fn(double x, double limit);

bool ib__number_of(ib_numbering what, double x, int64_t count) {
    if (what == IB_ROWS) return x > -1 && x < (double)count;
    return x >= 0 && x < (double)count && x == nearbyint(x);
}

static bool is_no_class(double x, double classes) {
    return !ib__number_of(IB_CLASSES, x, (int64_t)classes);
}

static bool is_no_row(double x, double rows) {
    return !ib__number_of(IB_ROWS, x, (int64_t)rows);
}

static bool is_not_finite(double x, double unused) {
    (void)unused;
    return !isfinite(x);
}

typedef struct looking {
    size_t field; /* SIZE_MAX: all of float type */
    wrong_fn *wrong;
    double limit;
    size_t found; /* the field; SIZE_MAX: nothing */
    uint64_t sample;
    size_t at;
    double value;
} looking;

static bool look_at(looking *l, const ib_elements *e, void *const *block, size_t n, uint64_t first) {
    for (size_t i = 0; i < e->n_fields; i++) {
        ib_tensor t = {e->fields[i].dtype, e->fields[i].shape, block[i]};
        size_t each = (size_t)ib__shape_elements(&t.shape);
        if (l->field == SIZE_MAX ? t.dtype < IB_F16 || t.dtype == IB_TEXT : i != l->field) continue;
        for (size_t k = 0; k < n * each; k++) {
            double x = ib__tensor_at(&t, k);
            if (!l->wrong(x, l->limit)) continue;
            l->found = i;
            l->sample = first + k / each;
            l->at = k % each;
            l->value = x;
            return true;
        }
    }
    return false;
}

static ib_status look(looking *l, const ib_source_part *part, ib_error *err) {
    blocks b = blocks_of(part);
    void **buffers = buffers_new(&b);
    ib_status status = buffers == NULL ? ib__fail_memory(err) : IB_OK;
    l->found = SIZE_MAX;
    for (size_t i = 0; i < b.count && status == IB_OK; i++) {
        size_t n;
        status = read_block(&b, i, buffers, &n, err);
        if (status == IB_OK && look_at(l, part->elements, buffers, n, (uint64_t)i * b.samples)) break;
    }
    buffers_free(buffers, part->elements->n_fields);
    return status;
}

ib_status ib__source_find_no_number(const ib_source_part *part, size_t field, ib_numbering what,
                                    int64_t count, uint64_t *sample, double *value, ib_error *err) {
    looking l = {.field = field, .wrong = what == IB_ROWS ? is_no_row : is_no_class, .limit = (double)count};
    ib_status status = look(&l, part, err);
    *sample = l.found == SIZE_MAX ? UINT64_MAX : l.sample;
    *value = l.value;
    return status;
}

ib_status ib__source_find_not_finite(const ib_source_part *part, size_t *field, uint64_t *sample, size_t *at,
                                     double *value, ib_error *err) {
    looking l = {.field = SIZE_MAX, .wrong = is_not_finite};
    ib_status status = look(&l, part, err);
    *field = l.found;
    *sample = l.sample;
    *at = l.at;
    *value = l.value;
    return status;
}
