/* SPDX-License-Identifier: Apache-2.0
 *
 * scatter_add: the reference against a literal form of its contract, each variant against the reference, bit
 * for bit, in parts.
 */
#include "kernels/check.h"

typedef struct shape {
    size_t samples, per, width, rows, lanes;
} shape;

/* The contract word by word: an array for each lane, then level by level. */
static void literal(const ib_scatter_args *g, const int32_t *indices, float *y) {
    size_t n = g->rows * g->width, lanes = g->lanes;
    float *all = calloc(lanes * n + 1, sizeof *all);
    assert_non_null(all);
    for (size_t lane = 0; lane < lanes; lane++)
        for (size_t s = lane * g->samples / lanes; s < (lane + 1) * g->samples / lanes; s++)
            for (size_t k = s * g->per; k < (s + 1) * g->per; k++) {
                int32_t r = indices[k];
                if (r < 0) r = 0;
                if (r >= (int32_t)g->rows) r = (int32_t)g->rows - 1;
                for (size_t c = 0; c < g->width; c++)
                    all[lane * n + (size_t)r * g->width + c] += g->updates[k * g->width + c];
            }
    while (lanes > 1) {
        size_t m = 0;
        for (size_t i = 0; i < lanes; i += 2, m++)
            for (size_t k = 0; k < n; k++)
                all[m * n + k] = i + 1 < lanes ? all[i * n + k] + all[(i + 1) * n + k] : all[i * n + k];
        lanes = m;
    }
    memcpy(y, all, n * sizeof *y);
    free(all);
}

static void check_shape(const shape *s, bool awkward, size_t shift) {
    size_t count = s->samples * s->per;
    guarded updates = guarded_new(count * s->width, shift), y = guarded_new(s->rows * s->width, shift);
    float *want = malloc((s->rows * s->width + 1) * sizeof *want);
    int32_t *indices = malloc((count + 1) * sizeof *indices);
    uint32_t *lists = malloc((s->rows + count + 1) * sizeof *lists);
    assert_true(want && indices && lists);
    for (size_t i = 0; i < updates.n; i++)
        updates.at[i] = awkward ? awkward_number() : ordinary_number();
    for (size_t i = 0; i < count; i++)
        indices[i] = (int32_t)(random_word() % (uint32_t)(s->rows + 2)) - 1;
    ib_scatter_args g = {s->samples, s->per, s->width, s->rows, s->lanes, lists, updates.at, y.at};
    literal(&g, indices, want);
    ib__scatter_lists(indices, count, s->rows, lists);
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        const ib_kernels *k = ib__kernels_for((ib_isa)isa);
        if (!k) continue;
        for (size_t parts = 1; parts <= 3; parts += 2) {
            for (size_t i = 0; i < y.n; i++)
                y.at[i] = ib__float_of(0x7fc12345);
            for (size_t part = parts; part-- > 0;) {
                size_t row0 = s->rows * part / parts;
                g.y = y.at + row0 * s->width;
                k->scatter_add(&g, row0, s->rows * (part + 1) / parts);
            }
            guarded_check(&y);
            char what[160];
            (void)snprintf(what, sizeof what,
                           "scatter_add %zux%zu width %zu rows %zu lanes %zu isa %d parts %zu", s->samples,
                           s->per, s->width, s->rows, s->lanes, isa, parts);
            same_bits(what, y.at, want, y.n, false);
        }
    }
    guarded_free(&updates);
    guarded_free(&y);
    free(want);
    free(indices);
    free(lists);
}

static void test_scatter_add(void **state) {
    (void)state;
    const shape shapes[] = {{1, 1, 1, 1, 1},   {4, 3, 7, 5, 2},     {32, 10, 17, 11, 2}, {7, 5, 16, 100, 7},
                            {16, 9, 33, 3, 5}, {128, 4, 20, 50, 8}, {5, 0, 4, 3, 3},     {3, 8, 64, 1, 3}};
    for (size_t i = 0; i < LENGTH(shapes); i++)
        for (size_t shift = 0; shift < 3; shift++) {
            check_shape(&shapes[i], false, shift);
            check_shape(&shapes[i], true, shift);
        }
    print_message("scatter_add: %zu elements compared\n", comparisons);
    assert_true(comparisons > 50000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scatter_add)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
