/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes against those of TensorFlow 2.21: tf.strings.to_hash_bucket_fast and to_hash_bucket_strong of n
 * bytes (37 i + 11) mod 251, into a prime number of buckets near 2^63.
 */
#include "numerics/fingerprint.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint64_t buckets = UINT64_C(9223372036854775783);

static const struct {
    size_t n;
    uint64_t fast, strong;
} cases[] = {
    {0, UINT64_C(1936946117179621480), UINT64_C(5024833674625725435)},
    {1, UINT64_C(4787810249829893994), UINT64_C(8236236745238397887)},
    {2, UINT64_C(3353133560205292684), UINT64_C(4626696781941363402)},
    {3, UINT64_C(3979540680440595841), UINT64_C(4350145274736507309)},
    {4, UINT64_C(5484952793052507522), UINT64_C(3029299346963563809)},
    {7, UINT64_C(1587581522672208270), UINT64_C(5799066790065467497)},
    {8, UINT64_C(1081479215267182365), UINT64_C(8429038852328542832)},
    {9, UINT64_C(630806068990213042), UINT64_C(4718078891158669348)},
    {16, UINT64_C(2161736752036300631), UINT64_C(7346075694332092663)},
    {17, UINT64_C(7337602293499926190), UINT64_C(8126519411301892872)},
    {31, UINT64_C(1385149198537606312), UINT64_C(2240675376782600958)},
    {32, UINT64_C(7714376564712875119), UINT64_C(5904676851605121901)},
    {33, UINT64_C(4423707028526043087), UINT64_C(1459673053336509081)},
    {47, UINT64_C(521384654981063564), UINT64_C(7308587855216224485)},
    {64, UINT64_C(1907212410693397370), UINT64_C(5552584135183139938)},
    {65, UINT64_C(8220491543423646622), UINT64_C(7928982988394318202)},
    {127, UINT64_C(6421375909504909264), UINT64_C(6577557460646350738)},
    {128, UINT64_C(500231257745944714), UINT64_C(1894172228215720667)},
    {129, UINT64_C(465292574767080860), UINT64_C(4603210679018806171)},
    {192, UINT64_C(1367965044764983089), UINT64_C(1719921855302083425)},
    {193, UINT64_C(4381123792038161141), UINT64_C(8223993629209840071)},
    {1000, UINT64_C(4900670952161902806), UINT64_C(6807823127696754874)},
};

static void test_texts(void **state) {
    (void)state;
    static const uint64_t key[2] = {133, UINT64_C(0x0123456789abcdef)};
    unsigned char bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)((i * 37 + 11) % 251);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ib__fingerprint(bytes, cases[i].n) % buckets, cases[i].fast);
        assert_int_equal(ib__siphash(key, bytes, cases[i].n) % buckets, cases[i].strong);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
