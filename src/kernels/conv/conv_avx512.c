/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution, AVX-512: tiles of up to 14 x 32, 30 x 16 (pixels) or 16 x 16 (others).
 */
#define ISA avx512
#define ROWS 16
#define EACH_ROW(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define EACH_HEIGHT_2(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define EACH_HEIGHT_1(X) EACH_HEIGHT_2(X) X(15) X(16)
#define EACH_SWEEP_1(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define EACH_SWEEP_3(X) X(1) X(2) X(3)
/* In a tile one vector wide there is a load for each FMA, and one for the kernel: the taller, the better. */
#define PIXELS 30
#define EACH_PIXEL(X)                                                                                        \
    EACH_ROW(X) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29)
#define EACH_PIXEL_HEIGHT_1(X)                                                                               \
    EACH_HEIGHT_1(X) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30)
#define FETCH_X(p) __builtin_prefetch(p);
#define MASK __mmask16
#define MASK_OF(count) ((__mmask16)((1u << (count)) - 1))
#define LOAD_MASKED(p, mask) _mm512_maskz_loadu_ps(mask, p)
#define STORE_MASKED(p, mask, v) _mm512_mask_storeu_ps(p, mask, v)

#include "kernels/conv/conv_simd.inc.h"
