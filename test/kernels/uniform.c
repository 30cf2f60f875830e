/* SPDX-License-Identifier: Apache-2.0
 *
 * Uniform numbers: Philox against its authors' known answers, the numbers against the words, any cut of the
 * array against the whole, and the variants against the reference.
 */
#include "kernels/check.h"

#include "kernels/random/philox.h"

/* From the file kat_vectors of Random123 (philox4x32 10): counter, key, words. */
static void known_answers(void **state) {
    (void)state;
    static const uint32_t answers[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e,
         0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb,
         0x5001e420, 0x24126ea1},
    };
    for (size_t i = 0; i < LENGTH(answers); i++) {
        uint32_t words[4];
        ib__philox(answers[i], answers[i] + 4, words);
        assert_memory_equal(words, answers[i] + 6, sizeof words);
        for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
            if (!ib__isa_available(isa)) continue;
            const ib_stream_at at = {{answers[i][4], answers[i][5]},
                                     answers[i][2],
                                     answers[i][3],
                                     answers[i][1],
                                     (size_t)4 * answers[i][0] + 4};
            float y[4], expected[4];
            ib__kernels_for(isa)->uniform(y, &at, at.per_sample - 4, 4);
            for (size_t j = 0; j < 4; j++)
                expected[j] = (float)((double)(words[j] / 256) / 16777216.0);
            same_bits("known answers", y, expected, 4, true);
        }
    }
}

static void any_cut_is_the_same(void **state) {
    (void)state;
    static const size_t widths[] = {1, 2, 3, 4, 5, 7, 10, 16, 63, 64, 65, 66, 67, 100, 128, 130, 513};
    for (ib_isa isa = IB_ISA_REF; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available(isa)) continue;
        for (size_t k = 0; k < LENGTH(widths); k++) {
            const ib_stream_at at = {{random_word(), random_word()},
                                     random_word(),
                                     random_word(),
                                     k % 2 ? random_word() : 0xfffffff0u,
                                     widths[k]};
            float all[1400];
            ib__kernels_for(IB_ISA_REF)->uniform(all, &at, 0, LENGTH(all));
            for (size_t i = 0; i < LENGTH(all); i++)
                assert_true(all[i] >= 0.0f && all[i] < 1.0f);
            for (size_t i = 0; i < 300; i++) {
                size_t start = i < 71 ? i : random_word() % 700,
                       n = i < 71 ? 3 * i % 71 : random_word() % 700;
                guarded y = guarded_new(n, i % 4);
                ib__kernels_for(isa)->uniform(y.at, &at, start, n);
                same_bits(ib__isa_name(isa), y.at, all + start, n, true);
                guarded_free(&y);
            }
        }
    }
}

/* Sample s of an array that begins at sample f is sample 0 of an array that begins at f + s. */
static void samples_are_global(void **state) {
    (void)state;
    ib_stream_at at = {{1, 2}, 3, 4, 5, 37};
    float all[37 * 9], one[37];
    const ib_kernels *k = ib__kernels_for(IB_ISA_REF);
    k->uniform(all, &at, 0, LENGTH(all));
    for (uint32_t s = 0; s < 9; s++) {
        at.first_sample = 5 + s;
        k->uniform(one, &at, 0, 37);
        same_bits("global sample", one, all + s * 37, 37, true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(any_cut_is_the_same),
        cmocka_unit_test(samples_are_global),
    };
    return cmocka_run_group_tests(tests, NULL, something_was_compared);
}
