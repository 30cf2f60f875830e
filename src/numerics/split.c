/* SPDX-License-Identifier: Apache-2.0
 *
 * Splits: which rows train and which test. Sizes and the default order of the parts are those of
 * scikit-learn's train_test_split.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "numerics/random.h"

static ib_status read_size(ib_split_size *out, const ib_value *entry, const char *key, const char *where,
                           ib_error *err) {
    const ib_value *value = ib__value_get(entry, key);
    *out = (ib_split_size){.given = value != NULL};
    if (!value) return IB_OK;
    if (value->kind == IB_INT && value->integer > 0) {
        out->is_count = true;
        out->count = (size_t)value->integer;
    } else if (value->kind == IB_REAL && value->real > 0.0 && value->real < 1.0) {
        out->share = value->real;
    } else {
        char found[32] = "";
        if (value->kind == IB_INT || value->kind == IB_REAL)
            snprintf(found, sizeof found, " %g", value->real);
        return ib__fail(err, IB_BAD_INPUT, where,
                        "%s: expected a share between 0 and 1, or a number of samples from 1, found %s%s",
                        key, ib__kind_name(value->kind), found);
    }
    return IB_OK;
}

static ib_status check_fields(const ib_value *entry, const char *where, ib_error *err) {
    static const char *const fields[] = {"by", "seed", "test", "train", "first", "part"};
    enum { FIELDS = sizeof fields / sizeof *fields };
    if (!ib__value_is(entry, IB_MAP))
        return ib__fail(err, IB_BAD_INPUT, where,
                        "expected a map as {by: numpy.default_rng, seed: 42, test: 0.2}");
    for (size_t i = 0; i < entry->count; i++) {
        size_t k = 0;
        while (k < FIELDS && strcmp(entry->keys[i], fields[k]) != 0)
            k++;
        if (k < FIELDS) continue;
        const char *near = ib__nearest(entry->keys[i], fields, FIELDS);
        return ib__fail(err, IB_BAD_INPUT, where, "unknown field \"%.60s\"%s%s", entry->keys[i],
                        near ? "; nearest is " : "; there are by, seed, test, train, first, part",
                        near ? near : "");
    }
    return IB_OK;
}

/* "test" or "train" */
static ib_status read_part(ib_split_part *out, const ib_value *entry, const char *key, const char *where,
                           ib_error *err) {
    const ib_value *value = ib__value_get(entry, key);
    *out = IB_SPLIT_UNSAID;
    if (!value) return IB_OK;
    bool text = value->kind == IB_STRING;
    if (text && strcmp(value->string, "train") == 0)
        *out = IB_SPLIT_TRAIN;
    else if (text && strcmp(value->string, "test") == 0)
        *out = IB_SPLIT_TEST;
    else
        return ib__fail(err, IB_BAD_INPUT, where, "%s: expected test or train, found %s", key,
                        text ? value->string : ib__kind_name(value->kind));
    return IB_OK;
}

ib_status ib__split_read(ib_split *out, const ib_value *entry, int64_t seed, const char *where,
                         ib_error *err) {
    ib_status status = check_fields(entry, where, err);
    if (status != IB_OK) return status;
    const ib_value *by = ib__value_get(entry, "by"), *given = ib__value_get(entry, "seed");
    ib_split_part first;
    if (by && by->kind != IB_STRING)
        return ib__fail(err, IB_BAD_INPUT, where, "by: expected the name of a random stream, found %s",
                        ib__kind_name(by->kind));
    status = read_part(&first, entry, "first", where, err);
    if (status == IB_OK) status = read_part(&out->part, entry, "part", where, err);
    out->train_first = first == IB_SPLIT_TRAIN;
    if (status == IB_OK) status = read_size(&out->test, entry, "test", where, err);
    if (status == IB_OK) status = read_size(&out->train, entry, "train", where, err);
    if (status != IB_OK) return status;
    if (!out->test.given && !out->train.given)
        return ib__fail(err, IB_BAD_INPUT, where, "expected test or train: how large the parts shall be");
    ib_value fallback = {.kind = IB_INT, .integer = seed, .real = (double)seed};
    return ib__random_open(&out->random, by ? by->string : "isobit", given ? given : &fallback, where, err);
}

static size_t size_of(const ib_split_size *size, size_t n, bool round_up) {
    if (size->is_count) return size->count;
    double exact = size->share * (double)n;
    return (size_t)(round_up ? ceil(exact) : floor(exact));
}

ib_status ib__split_rows(ib_split *split, size_t n, uint32_t *order, size_t *train, size_t *test,
                         const char *where, ib_error *err) {
    size_t a = size_of(&split->train, n, false), b = size_of(&split->test, n, true);
    if (a > n || b > n || (split->train.given && split->test.given && a > n - b))
        return ib__fail(err, IB_BAD_INPUT, where,
                        "%zu samples do not suffice for %zu to train and %zu to test", n, a, b);
    if (!split->train.given) a = n - b;
    if (!split->test.given) b = n - a;
    if (a == 0 || b == 0)
        return ib__fail(err, IB_BAD_INPUT, where,
                        "%zu samples are cut in %zu to train and %zu to test; expected at least one of each",
                        n, a, b);
    *train = a;
    *test = b;
    ib_status status = ib__random_permutation(&split->random, order, n, err);
    if (status != IB_OK || split->train_first) return status;
    uint32_t *first = ib__alloc(b, sizeof *first);
    if (!first) return ib__fail_memory(err);
    memcpy(first, order, b * sizeof *order);
    memmove(order, order + b, a * sizeof *order);
    memcpy(order + a, first, b * sizeof *order);
    ib__free(first);
    return IB_OK;
}
