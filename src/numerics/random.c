/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams by name.
 */
#include "numerics/random.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"

static const char *const names[] = {
#define X(constant, name) name,
    IB_RANDOM_LIST(X)
#undef X
};
enum { NAMES = sizeof names / sizeof *names };

/* ---- Seeds ---- */

typedef struct reader {
    const char *name, *where;
    ib_error *err;
} reader;

static ib_status fail_seed(const reader *r, const char *expected, const ib_value *found) {
    char number[64] = "";
    if (ib__value_is(found, IB_INT))
        (void)snprintf(number, sizeof number, " %lld", (long long)found->integer);
    return ib__fail(r->err, IB_BAD_INPUT, r->where, "seed: expected %s for %s, found %s%s", expected, r->name,
                    found ? ib__kind_name(found->kind) : "none", number);
}

/* An integer, or text of digits. */
static ib_status read_integer(const reader *r, const ib_value *value, const char *expected, ib_seed *out) {
    if (ib__value_is(value, IB_STRING)) return ib__seed_decimal(out, value->string, r->where, r->err);
    if (!ib__value_is(value, IB_INT)) return fail_seed(r, expected, value);
    ib__seed_int(out, value->integer);
    return IB_OK;
}

/* 32-bit words of a list of integers; each has at least one. */
static ib_status read_words(const reader *r, const ib_value *list, uint32_t *words, size_t room, size_t *n) {
    *n = 0;
    for (size_t i = 0; i < list->count; i++) {
        ib_seed seed;
        ib_status status = read_integer(r, list->items[i], "a list of integers", &seed);
        if (status != IB_OK) return status;
        if (seed.negative && seed.n) return fail_seed(r, "integers from 0", list->items[i]);
        size_t add = seed.n ? seed.n : 1;
        if (*n + add > room) return fail_seed(r, "fewer integers", list);
        memcpy(words + *n, seed.words, add * sizeof *words);
        *n += add;
    }
    return *n ? IB_OK : fail_seed(r, "at least one integer", list);
}

static ib_status open_numpy(const reader *r, ib_numpy *out, bool legacy, const ib_value *seed) {
    uint32_t words[IB_SEED_WORDS];
    uint64_t small;
    size_t n;
    ib_seed number;
    const char *expected =
        legacy ? "an integer from 0 to 4294967295 or a list of them" : "an integer from 0 or a list of them";
    if (ib__value_is(seed, IB_LIST)) {
        ib_status status = read_words(r, seed, words, IB_SEED_WORDS, &n);
        if (status != IB_OK) return status;
        if (legacy && n != seed->count) return fail_seed(r, expected, seed);
    } else {
        ib_status status = read_integer(r, seed, expected, &number);
        if (status != IB_OK) return status;
        if (number.negative && number.n) return fail_seed(r, expected, seed);
        if (legacy) {
            if (!ib__seed_u64(&number, &small) || small > UINT32_MAX) return fail_seed(r, expected, seed);
            ib__numpy_legacy(out, (uint32_t)small);
            return IB_OK;
        }
        n = number.n ? number.n : 1;
        memcpy(words, number.words, n * sizeof *words);
    }
    if (legacy) {
        ib__numpy_legacy_words(out, words, n);
    } else {
        ib_seed_sequence sequence;
        ib__seed_sequence(&sequence, words, n, NULL, 0);
        ib__numpy_pcg64(out, &sequence);
    }
    return IB_OK;
}

static ib_status open_python(const reader *r, ib_python *out, const ib_value *seed) {
    ib_seed number;
    if (ib__value_is(seed, IB_STRING)) {
        const char *text = seed->string, *digits = text + (*text == '-');
        bool integer = *digits && digits[strspn(digits, "0123456789")] == '\0';
        if (!integer) return ib__python_seed_text(out, text, strlen(text), r->where, r->err);
    }
    ib_status status = read_integer(r, seed, "an integer or text", &number);
    if (status == IB_OK) ib__python_seed(out, &number);
    return status;
}

static ib_status open_pair(const reader *r, int64_t out[2], const ib_value *seed) {
    const char *expected = "an integer or a list of two";
    out[1] = 0;
    if (ib__value_is(seed, IB_LIST) && seed->count == 2 && ib__value_is(seed->items[0], IB_INT) &&
        ib__value_is(seed->items[1], IB_INT)) {
        out[0] = seed->items[0]->integer;
        out[1] = seed->items[1]->integer;
        return IB_OK;
    }
    if (!ib__value_is(seed, IB_INT)) return fail_seed(r, expected, seed);
    out[0] = seed->integer;
    return IB_OK;
}

ib_status ib__random_open(ib_random *out, const char *name, const ib_value *seed, const char *where,
                          ib_error *err) {
    reader r = {name, where, err};
    size_t kind = 0;
    while (kind < NAMES && strcmp(name, names[kind]) != 0)
        kind++;
    if (kind == NAMES) {
        const char *near = ib__nearest(name, names, NAMES);
        return ib__fail(err, IB_BAD_INPUT, where, "unknown random stream \"%.60s\"%s%s", name,
                        near ? "; nearest is "
                             : "; there are isobit, python.random, numpy.RandomState, "
                               "numpy.default_rng, tensorflow.stateless, jax.threefry",
                        near ? near : "");
    }
    memset(out, 0, sizeof *out);
    out->kind = (ib_random_kind)kind;
    switch (out->kind) {
    case IB_RANDOM_PYTHON:
        return open_python(&r, &out->u.python, seed);
    case IB_RANDOM_NUMPY_LEGACY:
        return open_numpy(&r, &out->u.numpy, true, seed);
    case IB_RANDOM_NUMPY_GENERATOR:
        return open_numpy(&r, &out->u.numpy, false, seed);
    case IB_RANDOM_TENSORFLOW:
        return open_pair(&r, out->u.tensorflow, seed);
    case IB_RANDOM_ISOBIT:
    case IB_RANDOM_JAX:
        break;
    }
    bool isobit = out->kind == IB_RANDOM_ISOBIT;
    if (!ib__value_is(seed, IB_INT) || (isobit && seed->integer < 0))
        return fail_seed(&r, isobit ? "an integer from 0" : "an integer", seed);
    if (isobit)
        out->u.isobit = ib__stream((uint64_t)seed->integer, "", "order");
    else
        out->u.jax = ib__jax_key(seed->integer, false);
    return IB_OK;
}

/* ---- Orders ---- */

static ib_status shuffle_isobit(const ib_stream *stream, uint32_t call, uint32_t *items, size_t n,
                                ib_error *err) {
    uint32_t *order = ib__alloc(n + 1, sizeof *order), *kept = ib__alloc(n + 1, sizeof *kept);
    ib_status status = order && kept ? IB_OK : ib__fail_memory(err);
    if (status == IB_OK) {
        ib__stream_shuffle(stream, call, order, n);
        memcpy(kept, items, n * sizeof *items);
        for (size_t i = 0; i < n; i++)
            items[i] = kept[order[i]];
    }
    ib__free(order);
    ib__free(kept);
    return status;
}

ib_status ib__random_shuffle(ib_random *r, uint32_t *items, size_t n, ib_error *err) {
    if (n >= (size_t)1 << 31)
        return ib__fail(err, IB_UNSUPPORTED, "", "expected fewer than 2^31 items to shuffle, found %zu", n);
    uint32_t call = r->calls++;
    switch (r->kind) {
    case IB_RANDOM_ISOBIT:
        return shuffle_isobit(&r->u.isobit, call, items, n, err);
    case IB_RANDOM_PYTHON:
        ib__python_shuffle(&r->u.python, items, n);
        return IB_OK;
    case IB_RANDOM_NUMPY_LEGACY:
    case IB_RANDOM_NUMPY_GENERATOR:
        ib__numpy_shuffle(&r->u.numpy, items, n);
        return IB_OK;
    case IB_RANDOM_TENSORFLOW: {
        uint64_t second = (uint64_t)r->u.tensorflow[1] + call;
        ib_tf at = ib__tf_stateless(r->u.tensorflow[0], (int64_t)second);
        ib__tf_shuffle(&at, items, n);
        return IB_OK;
    }
    case IB_RANDOM_JAX:
        break;
    }
    ib_jax key = call ? ib__jax_fold_in(&r->u.jax, call) : r->u.jax;
    return ib__jax_shuffle(&key, items, n, err);
}

ib_status ib__random_permutation(ib_random *r, uint32_t *out, size_t n, ib_error *err) {
    for (size_t i = 0; i < n; i++)
        out[i] = (uint32_t)i;
    return ib__random_shuffle(r, out, n, err);
}
