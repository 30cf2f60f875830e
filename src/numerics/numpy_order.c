/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's shuffle, permutation and choice, of RandomState and of Generator.
 */
#include <string.h>

#include "base/mem.h"
#include "numerics/numpy.h"
#include "numerics/order.h"

/* Places are drawn under a mask by both kinds; only inside of choice a Generator takes Lemire's method. */
static void shuffle_down_to(ib_numpy *g, uint32_t *items, size_t n, size_t first, bool masked) {
    for (size_t i = n; i-- > first;)
        ib__order_swap(items, i, (size_t)ib__numpy_upto(g, i, masked));
}

void ib__numpy_shuffle(ib_numpy *g, uint32_t *items, size_t n) {
    shuffle_down_to(g, items, n, 1, true);
}

void ib__numpy_permutation(ib_numpy *g, uint32_t *out, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = (uint32_t)i;
    ib__numpy_shuffle(g, out, n);
}

/* ---- choice ---- */

/* The sums of p up to each item, divided by the last one. */
static void cumulate(double *sums, const double *p, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sums[i] = sum = i ? sum + p[i] : p[i];
    for (size_t i = 0; i < n; i++)
        sums[i] = sums[i] / sum;
}

/* How many of the sums are <= x: searchsorted(side="right"). */
static uint32_t place_of(const double *sums, size_t n, double x) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sums[middle] <= x)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)low;
}

static ib_status weighted_again(ib_numpy *g, uint32_t *out, size_t n, size_t k, const double *p,
                                ib_error *err) {
    double *sums = ib__alloc(n + 1, sizeof *sums);
    if (!sums) return ib__fail_memory(err);
    cumulate(sums, p, n);
    for (size_t i = 0; i < k; i++)
        out[i] = place_of(sums, n, ib__numpy_random(g));
    ib__free(sums);
    return IB_OK;
}

/* Rounds: as many numbers as are missing are drawn at once, then items found before count as impossible, and
 * the new ones are taken in the order in which they were first drawn. */
static ib_status weighted_once(ib_numpy *g, uint32_t *out, size_t n, size_t k, const double *p,
                               ib_error *err) {
    double *left = ib__alloc(n + 1, sizeof *left), *sums = ib__alloc(n + 1, sizeof *sums);
    double *x = ib__alloc(k + 1, sizeof *x);
    bool *taken = ib__alloc(n + 1, sizeof *taken);
    ib_status status = left && sums && x && taken ? IB_OK : ib__fail_memory(err);
    if (status == IB_OK) memcpy(left, p, n * sizeof *left);
    for (size_t found = 0; status == IB_OK && found < k;) {
        size_t missing = k - found;
        for (size_t i = 0; i < missing; i++)
            x[i] = ib__numpy_random(g);
        for (size_t i = 0; i < found; i++)
            left[out[i]] = 0;
        cumulate(sums, left, n);
        for (size_t i = 0; i < missing; i++) {
            uint32_t item = place_of(sums, n, x[i]);
            if (taken[item]) continue;
            taken[item] = true;
            out[found++] = item;
        }
    }
    ib__free(left);
    ib__free(sums);
    ib__free(x);
    ib__free(taken);
    return status;
}

/* R. Floyd's method (J. Bentley, R. Floyd, "Programming pearls: a sample of brilliance", Communications of
 * the ACM 30 (1987)). */
static ib_status floyd(ib_numpy *g, uint32_t *out, size_t n, size_t k, ib_error *err) {
    ib_order_set seen;
    if (!ib__order_set_new(&seen, k)) return ib__fail_memory(err);
    for (size_t i = 0, j = n - k; i < k; i++, j++) {
        out[i] = (uint32_t)ib__numpy_upto(g, j, false);
        if (ib__order_set_add(&seen, out[i])) continue;
        out[i] = (uint32_t)j;
        (void)ib__order_set_add(&seen, out[i]);
    }
    ib__order_set_free(&seen);
    return IB_OK;
}

/* The last k places of a list of all n, shuffled from the end on. */
static ib_status tail(ib_numpy *g, uint32_t *out, size_t n, size_t k, ib_error *err) {
    uint32_t *all = ib__alloc(n + 1, sizeof *all);
    if (!all) return ib__fail_memory(err);
    for (size_t i = 0; i < n; i++)
        all[i] = (uint32_t)i;
    shuffle_down_to(g, all, n, n > k ? n - k : 1, false);
    memcpy(out, all + n - k, k * sizeof *out);
    ib__free(all);
    return IB_OK;
}

static ib_status equal_once(ib_numpy *g, uint32_t *out, size_t n, size_t k, bool shuffle, ib_error *err) {
    if (g->legacy) {
        uint32_t *all = ib__alloc(n + 1, sizeof *all);
        if (!all) return ib__fail_memory(err);
        ib__numpy_permutation(g, all, n);
        memcpy(out, all, k * sizeof *out);
        ib__free(all);
        return IB_OK;
    }
    if (n > 10000 && k > n / (shuffle ? 50 : 20)) return tail(g, out, n, k, err);
    ib_status status = floyd(g, out, n, k, err);
    if (status == IB_OK && shuffle) shuffle_down_to(g, out, k, 1, false);
    return status;
}

ib_status ib__numpy_choice(ib_numpy *g, uint32_t *out, size_t n, size_t k, const ib_choice *how,
                           ib_error *err) {
    size_t possible = n;
    for (size_t i = 0; how->p && i < n; i++)
        possible -= !(how->p[i] > 0);
    if (k == 0) return IB_OK;
    if (how->replace ? possible == 0 : possible < k)
        return ib__fail(err, IB_BAD_INPUT, "", "cannot choose %zu of %zu items%s", k, possible,
                        how->p ? " with a probability above 0" : "");
    if (how->p)
        return how->replace ? weighted_again(g, out, n, k, how->p, err)
                            : weighted_once(g, out, n, k, how->p, err);
    if (!how->replace) return equal_once(g, out, n, k, how->shuffle, err);
    for (size_t i = 0; i < k; i++)
        out[i] = (uint32_t)ib__numpy_upto(g, n - 1, g->legacy);
    return IB_OK;
}
