/* SPDX-License-Identifier: Apache-2.0
 *
 * Polynomials and tables of the vectorised elementary functions.
 * Written by tools/gencoef.py: change that, not this.
 */
#ifndef IB_KERNELS_MATH_COEF_VECTOR_H
#define IB_KERNELS_MATH_COEF_VECTOR_H

#include "kernels/simd/vd.h"

/* clang-format off */

/* (e^r - 1 - r) / r^2 on |r| <= ln 2 / 32, ascending powers */
static const double exp_poly[4] = {
    0x1.ffffffff57e8dp-2, 0x1.55555555254ecp-3, 0x1.5556b330f0ebap-5, 0x1.1111d8fc300ebp-7,
};

/* (e^r - 1 - r) / r^2 on |r| <= ln 2 / 32, ascending powers */
static const double expm1_poly[5] = {
    0x1.0000000000000p-1, 0x1.55555554dd44dp-3, 0x1.55555555194d1p-5, 0x1.11120af705254p-7,
    0x1.6c17bb51f57d5p-10,
};

/* the bits of 2^(j/16) less j << 48: adding (16 k + j) << 48 gives the bits of 2^(k + j/16) */
static const double exp_table[16] = {
    0x1.0000000000000p+0, 0x1.fb5586cf9890fp-1, 0x1.f72b83c7d517bp-1, 0x1.f387a6e756238p-1,
    0x1.f06fe0a31b715p-1, 0x1.edea64c123422p-1, 0x1.ebfdad5362a27p-1, 0x1.eab07dd485429p-1,
    0x1.ea09e667f3bcdp-1, 0x1.ea11473eb0187p-1, 0x1.eace5422aa0dbp-1, 0x1.ec49182a3f090p-1,
    0x1.ee89f995ad3adp-1, 0x1.f199bdd85529cp-1, 0x1.f5818dcfba487p-1, 0x1.fa4afa2a490dap-1,
};

/* (ln(1 + r) - r) / r^2 on |r| <= 1/30, ascending powers */
static const double log_poly[6] = {
    -0x1.000000000bcc8p-1, 0x1.555555556a4f5p-2, -0x1.fffff4558ce3ap-3, 0x1.99998f3ae68d0p-3,
    -0x1.55c2ab5932251p-3, 0x1.24f379b8d8fa6p-3,
};

/* c[j], near 1 / (1 + j/16), and -ln c[j] */
static const vd_table(log_table, 2) = {
#if VD_BY_COLUMNS
    0x1.0000000000000p+0, 0x1.e1e1e1e1e1e1ep-1, 0x1.c71c71c71c71cp-1, 0x1.af286bca1af28p-1,
    0x1.999999999999ap-1, 0x1.8618618618618p-1, 0x1.745d1745d1746p-1, 0x1.642c8590b2164p-1,
    0x1.5555555555555p-1, 0x1.47ae147ae147bp-1, 0x1.3b13b13b13b14p-1, 0x1.2f684bda12f68p-1,
    0x1.2492492492492p-1, 0x1.1a7b9611a7b96p-1, 0x1.1111111111111p-1, 0x1.0842108421084p-1,
    0x0.0p+0, 0x1.f0a30c01162a8p-5, 0x1.e27076e2af2eap-4, 0x1.5ff3070a793d6p-3,
    0x1.c8ff7c79a9a20p-3, 0x1.1675cababa60fp-2, 0x1.4618bc21c5ec2p-2, 0x1.739d7f6bbd007p-2,
    0x1.9f323ecbf984dp-2, 0x1.c8ff7c79a9a21p-2, 0x1.f128f5faf06ecp-2, 0x1.0be72e4252a83p-1,
    0x1.1e85f5e7040d1p-1, 0x1.307d7334f10bep-1, 0x1.41d8fe84672afp-1, 0x1.52a2d265bc5abp-1,
#else
    0x1.0000000000000p+0, 0x0.0p+0,
    0x1.e1e1e1e1e1e1ep-1, 0x1.f0a30c01162a8p-5,
    0x1.c71c71c71c71cp-1, 0x1.e27076e2af2eap-4,
    0x1.af286bca1af28p-1, 0x1.5ff3070a793d6p-3,
    0x1.999999999999ap-1, 0x1.c8ff7c79a9a20p-3,
    0x1.8618618618618p-1, 0x1.1675cababa60fp-2,
    0x1.745d1745d1746p-1, 0x1.4618bc21c5ec2p-2,
    0x1.642c8590b2164p-1, 0x1.739d7f6bbd007p-2,
    0x1.5555555555555p-1, 0x1.9f323ecbf984dp-2,
    0x1.47ae147ae147bp-1, 0x1.c8ff7c79a9a21p-2,
    0x1.3b13b13b13b14p-1, 0x1.f128f5faf06ecp-2,
    0x1.2f684bda12f68p-1, 0x1.0be72e4252a83p-1,
    0x1.2492492492492p-1, 0x1.1e85f5e7040d1p-1,
    0x1.1a7b9611a7b96p-1, 0x1.307d7334f10bep-1,
    0x1.1111111111111p-1, 0x1.41d8fe84672afp-1,
    0x1.0842108421084p-1, 0x1.52a2d265bc5abp-1,
#endif
};

/* c[j], near 1 / (1 + j/15), in 32 bits, and -ln c[j] */
static const vd_table(log_table_15, 2) = {
#if VD_BY_COLUMNS
    0x1.0000000000000p+0, 0x1.e000000000000p-1, 0x1.c3c3c3c400000p-1, 0x1.aaaaaaaa00000p-1,
    0x1.9435e50e00000p-1, 0x1.8000000000000p-1, 0x1.6db6db6e00000p-1, 0x1.5d1745d200000p-1,
    0x1.4de9bd3800000p-1, 0x1.4000000000000p-1, 0x1.3333333400000p-1, 0x1.2762762800000p-1,
    0x1.1c71c71c00000p-1, 0x1.1249249200000p-1, 0x1.08d3dcb000000p-1, 0x1.0000000000000p-1,
    0x0.0p+0, 0x1.08598b59e3a07p-4, 0x1.005588ac2649cp-3, 0x1.756501217c9a9p-3,
    0x1.e41fccb4c062cp-3, 0x1.269621134db92p-2, 0x1.588c2d90667c3p-2, 0x1.882f1ef6a53abp-2,
    0x1.b5b3e24124d77p-2, 0x1.e148a1a2726cep-2, 0x1.058aefa6bbefcp-1, 0x1.199fac67a39a6p-1,
    0x1.2cf25fae5be90p-1, 0x1.3f912752c909ap-1, 0x1.5188a4a13e910p-1, 0x1.62e42fefa39efp-1,
#else
    0x1.0000000000000p+0, 0x0.0p+0,
    0x1.e000000000000p-1, 0x1.08598b59e3a07p-4,
    0x1.c3c3c3c400000p-1, 0x1.005588ac2649cp-3,
    0x1.aaaaaaaa00000p-1, 0x1.756501217c9a9p-3,
    0x1.9435e50e00000p-1, 0x1.e41fccb4c062cp-3,
    0x1.8000000000000p-1, 0x1.269621134db92p-2,
    0x1.6db6db6e00000p-1, 0x1.588c2d90667c3p-2,
    0x1.5d1745d200000p-1, 0x1.882f1ef6a53abp-2,
    0x1.4de9bd3800000p-1, 0x1.b5b3e24124d77p-2,
    0x1.4000000000000p-1, 0x1.e148a1a2726cep-2,
    0x1.3333333400000p-1, 0x1.058aefa6bbefcp-1,
    0x1.2762762800000p-1, 0x1.199fac67a39a6p-1,
    0x1.1c71c71c00000p-1, 0x1.2cf25fae5be90p-1,
    0x1.1249249200000p-1, 0x1.3f912752c909ap-1,
    0x1.08d3dcb000000p-1, 0x1.5188a4a13e910p-1,
    0x1.0000000000000p-1, 0x1.62e42fefa39efp-1,
#endif
};

enum { ERF_DEGREE = 8 };

/* erf(x) / x on [j/4, (j+1)/4] in powers of u = x - (2j+1)/8, ascending, the rest 0 */
static const vd_table(erf_table, 10) = {
#if VD_BY_COLUMNS
    0x1.1f5e1a35c3b89p+0, 0x1.13e08c7a16a26p+0, 0x1.fe8f1614e4ebbp-1, 0x1.cacbc181f7fbdp-1,
    0x1.9450bb1ec6057p-1, 0x1.611065fc93172p-1, 0x1.3448f8704c35dp-1, 0x1.0ee12190b194ap-1,
    0x1.e09a79ee7db91p-2, 0x1.aed200cd67bebp-2, 0x1.8603df090937fp-2, 0x1.64282886fef72p-2,
    0x1.47ad3ff3018a1p-2, 0x1.2f6827c1b08c7p-2, 0x1.1a7b909ae7a4ap-2, 0x1.08420fc7a4912p-2,
    -0x1.7d900b9e694e8p-4, -0x1.09ac3c1b18a5ap-2, -0x1.7edef5d88ff21p-2, -0x1.b29323959dc83p-2,
    -0x1.ad1533f371e7cp-2, -0x1.82ad1810bd638p-2, -0x1.48b7c44d5280cp-2, -0x1.0e9e17d610453p-2,
    -0x1.b87061646af2fp-3, -0x1.675759c9f9a87p-3, -0x1.284241dbd6189p-3, -0x1.ef1beecc9d51fp-4,
    -0x1.a35763ed2fd87p-4, -0x1.6793ed0a046c2p-4, -0x1.37b3d82995401p-4, -0x1.10c83ad00a40cp-4,
    -0x1.766bd13cf67e3p-2, -0x1.276ba5c06234ap-2, -0x1.5275c582f0a8ep-3, -0x1.4574d9b0aaf6cp-5,
    0x1.bbf4930fccdccp-5, 0x1.ab151a7972ddfp-4, 0x1.df8987f77ecb2p-4, 0x1.b7e9ea2ad827ap-4,
    0x1.6bfb99623b9d8p-4, 0x1.1e314dd8ece7fp-4, 0x1.ba09e2a357fb1p-5, 0x1.560bd27a00c69p-5,
    0x1.0bd914bd58e50p-5, 0x1.a9f5181dfa64cp-6, 0x1.57e94aec02bb2p-6, 0x1.199374fd5823bp-6,
    0x1.c5a8df15d43f5p-5, 0x1.24d6bb3985f6ap-3, 0x1.671c4ee5f2f8ap-3, 0x1.367b5cd32861bp-3,
    0x1.8a284bb2a1d73p-4, 0x1.3fc0dab3d19c7p-5, -0x1.685f0dd2e25b6p-10, -0x1.5d2c622ac2822p-6,
    -0x1.ae6bfd97afbaap-6, -0x1.8349c33e64dcdp-6, -0x1.3244824220a51p-6, -0x1.cac3dc8539b76p-7,
    -0x1.52a6a0df05c8cp-7, -0x1.f70a65c3b2b14p-8, -0x1.7b269634171afp-8, -0x1.229a7def60e62p-8,
    0x1.b4c166332e028p-4, 0x1.01ba55d8d6976p-4, 0x1.d2c7a6e63eed1p-10, -0x1.6f0e98878029fp-5,
    -0x1.f10767c6ea2bbp-5, -0x1.9e43d513639b7p-5, -0x1.e76d97c59e854p-6, -0x1.6e17e74a8096bp-7,
    -0x1.63245993e4ecdp-15, 0x1.21e01f6dbd313p-8, 0x1.4b850d3ecd41ap-8, 0x1.143ef76ba7061p-8,
    0x1.9a163840f421ap-9, 0x1.2496774c2acc5p-9, 0x1.a01e86b86fd1ep-10, 0x1.2b93928f95fd5p-10,
    -0x1.40deca016b514p-6, -0x1.7d1e22e6166c7p-5, -0x1.7ea5f574d4cf4p-5, -0x1.a39a9ea8d12ebp-6,
    -0x1.2fba4e8aaf769p-11, 0x1.dbbed324cc886p-7, 0x1.166e2a71aed54p-6, 0x1.8b93c435ba235p-7,
    0x1.82ade0ddc0ebep-8, 0x1.b241e2a6e5064p-10, -0x1.4fd579ca7aa7dp-12, -0x1.c84288951fb4ap-11,
    -0x1.ac1e493c8112bp-11, -0x1.4154dc4ae96b5p-11, -0x1.bfb6f4f5fe3ddp-12, -0x1.3304db5081bcfp-12,
    -0x1.936fa299a6fffp-6, -0x1.390f05c482c64p-7, 0x1.194e06e5c025ep-7, 0x1.1d687e9d98c11p-6,
    0x1.d5673237b3754p-7, 0x1.6c42dd497d8b6p-8, -0x1.a00f918bd8079p-10, -0x1.1674ec8d23cdcp-8,
    -0x1.dc46d50527b1ep-9, -0x1.0748c6b813a09p-9, -0x1.80cb88700bd02p-11, -0x1.89ab3f47d8123p-14,
    0x1.e8e4bd92c016ep-14, 0x1.21dcf909f1e48p-13, 0x1.c04b6c4cc6293p-14, 0x1.3328bb923fd24p-14,
    0x1.47150eec763f2p-8, 0x1.63829d33512eap-7, 0x1.15e5ee3d3b4bap-7, 0x1.644178e85545cp-10,
    -0x1.10414ae381df9p-8, -0x1.4ae599f06d3fbp-8, -0x1.72b7c375b0b56p-9, -0x1.879c257d5bd56p-12,
    0x1.ae8f3fce95b96p-11, 0x1.d500035d0ad45p-11, 0x1.1ad90aa748b5cp-11, 0x1.c8bedaf05d2aap-13,
    0x1.99a7f84a8469cp-15, -0x1.5a2b7fc261e48p-17, -0x1.5b32d258ff584p-16, -0x1.1a2f4be236589p-16,
    0x1.2e39bec24f52ap-8, 0x1.cc45c50a24742p-11, -0x1.7dc3e9a2cbbcbp-9, -0x1.db6a3cda8b1c7p-9,
    -0x1.abf280214d0fcp-10, 0x1.30d4d17c150c8p-11, 0x1.69419229f082ap-10, 0x1.f4997858b7af3p-11,
    0x1.133d753143b1fp-12, -0x1.079ac966ee88fp-13, -0x1.91415742cc69dp-13, -0x1.00edd60b7b2fep-13,
    -0x1.ad63b2759a0d3p-15, -0x1.bc50e7a4b37f5p-17, 0x1.194aff19a91b2p-23, 0x1.79f778799329cp-19,
    0x0.0p+0, 0x0.0p+0, 0x0.0p+0, 0x0.0p+0,
    0x0.0p+0, 0x0.0p+0, 0x0.0p+0, 0x0.0p+0,
    0x0.0p+0, 0x0.0p+0, 0x0.0p+0, 0x0.0p+0,
    0x0.0p+0, 0x0.0p+0, 0x0.0p+0, 0x0.0p+0,
#else
    0x1.1f5e1a35c3b89p+0, -0x1.7d900b9e694e8p-4, -0x1.766bd13cf67e3p-2, 0x1.c5a8df15d43f5p-5,
    0x1.b4c166332e028p-4, -0x1.40deca016b514p-6, -0x1.936fa299a6fffp-6, 0x1.47150eec763f2p-8,
    0x1.2e39bec24f52ap-8, 0x0.0p+0,
    0x1.13e08c7a16a26p+0, -0x1.09ac3c1b18a5ap-2, -0x1.276ba5c06234ap-2, 0x1.24d6bb3985f6ap-3,
    0x1.01ba55d8d6976p-4, -0x1.7d1e22e6166c7p-5, -0x1.390f05c482c64p-7, 0x1.63829d33512eap-7,
    0x1.cc45c50a24742p-11, 0x0.0p+0,
    0x1.fe8f1614e4ebbp-1, -0x1.7edef5d88ff21p-2, -0x1.5275c582f0a8ep-3, 0x1.671c4ee5f2f8ap-3,
    0x1.d2c7a6e63eed1p-10, -0x1.7ea5f574d4cf4p-5, 0x1.194e06e5c025ep-7, 0x1.15e5ee3d3b4bap-7,
    -0x1.7dc3e9a2cbbcbp-9, 0x0.0p+0,
    0x1.cacbc181f7fbdp-1, -0x1.b29323959dc83p-2, -0x1.4574d9b0aaf6cp-5, 0x1.367b5cd32861bp-3,
    -0x1.6f0e98878029fp-5, -0x1.a39a9ea8d12ebp-6, 0x1.1d687e9d98c11p-6, 0x1.644178e85545cp-10,
    -0x1.db6a3cda8b1c7p-9, 0x0.0p+0,
    0x1.9450bb1ec6057p-1, -0x1.ad1533f371e7cp-2, 0x1.bbf4930fccdccp-5, 0x1.8a284bb2a1d73p-4,
    -0x1.f10767c6ea2bbp-5, -0x1.2fba4e8aaf769p-11, 0x1.d5673237b3754p-7, -0x1.10414ae381df9p-8,
    -0x1.abf280214d0fcp-10, 0x0.0p+0,
    0x1.611065fc93172p-1, -0x1.82ad1810bd638p-2, 0x1.ab151a7972ddfp-4, 0x1.3fc0dab3d19c7p-5,
    -0x1.9e43d513639b7p-5, 0x1.dbbed324cc886p-7, 0x1.6c42dd497d8b6p-8, -0x1.4ae599f06d3fbp-8,
    0x1.30d4d17c150c8p-11, 0x0.0p+0,
    0x1.3448f8704c35dp-1, -0x1.48b7c44d5280cp-2, 0x1.df8987f77ecb2p-4, -0x1.685f0dd2e25b6p-10,
    -0x1.e76d97c59e854p-6, 0x1.166e2a71aed54p-6, -0x1.a00f918bd8079p-10, -0x1.72b7c375b0b56p-9,
    0x1.69419229f082ap-10, 0x0.0p+0,
    0x1.0ee12190b194ap-1, -0x1.0e9e17d610453p-2, 0x1.b7e9ea2ad827ap-4, -0x1.5d2c622ac2822p-6,
    -0x1.6e17e74a8096bp-7, 0x1.8b93c435ba235p-7, -0x1.1674ec8d23cdcp-8, -0x1.879c257d5bd56p-12,
    0x1.f4997858b7af3p-11, 0x0.0p+0,
    0x1.e09a79ee7db91p-2, -0x1.b87061646af2fp-3, 0x1.6bfb99623b9d8p-4, -0x1.ae6bfd97afbaap-6,
    -0x1.63245993e4ecdp-15, 0x1.82ade0ddc0ebep-8, -0x1.dc46d50527b1ep-9, 0x1.ae8f3fce95b96p-11,
    0x1.133d753143b1fp-12, 0x0.0p+0,
    0x1.aed200cd67bebp-2, -0x1.675759c9f9a87p-3, 0x1.1e314dd8ece7fp-4, -0x1.8349c33e64dcdp-6,
    0x1.21e01f6dbd313p-8, 0x1.b241e2a6e5064p-10, -0x1.0748c6b813a09p-9, 0x1.d500035d0ad45p-11,
    -0x1.079ac966ee88fp-13, 0x0.0p+0,
    0x1.8603df090937fp-2, -0x1.284241dbd6189p-3, 0x1.ba09e2a357fb1p-5, -0x1.3244824220a51p-6,
    0x1.4b850d3ecd41ap-8, -0x1.4fd579ca7aa7dp-12, -0x1.80cb88700bd02p-11, 0x1.1ad90aa748b5cp-11,
    -0x1.91415742cc69dp-13, 0x0.0p+0,
    0x1.64282886fef72p-2, -0x1.ef1beecc9d51fp-4, 0x1.560bd27a00c69p-5, -0x1.cac3dc8539b76p-7,
    0x1.143ef76ba7061p-8, -0x1.c84288951fb4ap-11, -0x1.89ab3f47d8123p-14, 0x1.c8bedaf05d2aap-13,
    -0x1.00edd60b7b2fep-13, 0x0.0p+0,
    0x1.47ad3ff3018a1p-2, -0x1.a35763ed2fd87p-4, 0x1.0bd914bd58e50p-5, -0x1.52a6a0df05c8cp-7,
    0x1.9a163840f421ap-9, -0x1.ac1e493c8112bp-11, 0x1.e8e4bd92c016ep-14, 0x1.99a7f84a8469cp-15,
    -0x1.ad63b2759a0d3p-15, 0x0.0p+0,
    0x1.2f6827c1b08c7p-2, -0x1.6793ed0a046c2p-4, 0x1.a9f5181dfa64cp-6, -0x1.f70a65c3b2b14p-8,
    0x1.2496774c2acc5p-9, -0x1.4154dc4ae96b5p-11, 0x1.21dcf909f1e48p-13, -0x1.5a2b7fc261e48p-17,
    -0x1.bc50e7a4b37f5p-17, 0x0.0p+0,
    0x1.1a7b909ae7a4ap-2, -0x1.37b3d82995401p-4, 0x1.57e94aec02bb2p-6, -0x1.7b269634171afp-8,
    0x1.a01e86b86fd1ep-10, -0x1.bfb6f4f5fe3ddp-12, 0x1.c04b6c4cc6293p-14, -0x1.5b32d258ff584p-16,
    0x1.194aff19a91b2p-23, 0x0.0p+0,
    0x1.08420fc7a4912p-2, -0x1.10c83ad00a40cp-4, 0x1.199374fd5823bp-6, -0x1.229a7def60e62p-8,
    0x1.2b93928f95fd5p-10, -0x1.3304db5081bcfp-12, 0x1.3328bb923fd24p-14, -0x1.1a2f4be236589p-16,
    0x1.79f778799329cp-19, 0x0.0p+0,
#endif
};

/* clang-format on */
#endif
