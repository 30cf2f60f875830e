/* SPDX-License-Identifier: Apache-2.0
 *
 * Choice of the instruction set, and the kernel tables: every kernel has a variant for each set, and all of
 * them give the same bits.
 */
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

static const char *const isa_names[IB_ISA_COUNT] = {"ref", "avx2", "avx512"};

/* ---- The tables ---- */

static const ib_kernels table_ref = {
    .isa = IB_ISA_REF,
#define X(name, operands, meaning) .map[IB_MAP_##name] = ib_k_map_##name##_f32_ref,
#include "kernels/map/map.list"
#undef X
#define X(name, element, type) .name = ib_k_##name##_##element##_ref,
#include "kernels/kernels.list"
#undef X
};

#if IB_X86
static const ib_kernels table_avx2 = {
    .isa = IB_ISA_AVX2,
#define X(name, operands, meaning) .map[IB_MAP_##name] = ib_k_map_##name##_f32_avx2,
#include "kernels/map/map.list"
#undef X
#define X(name, element, type) .name = ib_k_##name##_##element##_avx2,
#include "kernels/kernels.list"
#undef X
};

static const ib_kernels table_avx512 = {
    .isa = IB_ISA_AVX512,
#define X(name, operands, meaning) .map[IB_MAP_##name] = ib_k_map_##name##_f32_avx512,
#include "kernels/map/map.list"
#undef X
#define X(name, element, type) .name = ib_k_##name##_##element##_avx512,
#include "kernels/kernels.list"
#undef X
};
#endif

const ib_kernels *ib__kernels_for(ib_isa isa) {
    if (!ib__isa_available(isa)) return NULL;
#if IB_X86
    if (isa == IB_ISA_AVX512) return &table_avx512;
    if (isa == IB_ISA_AVX2) return &table_avx2;
#endif
    return &table_ref;
}

/* The features are the ones the files *_avx2.c and *_avx512.c are compiled with (CMakeLists.txt). The
 * built-in asks the CPU and also whether the system saves the wide registers. */
bool ib__isa_available(ib_isa isa) {
#if IB_X86
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == IB_ISA_AVX2) return avx2;
    if (isa == IB_ISA_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    return isa == IB_ISA_REF;
}

static enum { ASK, HALVED, WHOLE } assumed;

void ib__isa_assume_halved(bool halved) {
    assumed = halved ? HALVED : WHOLE;
}

/* Of the processors with AVX-512 Zen 4 does. */
bool ib__isa_halved(void) {
    if (assumed != ASK) return assumed == HALVED;
#if IB_X86
    return __builtin_cpu_is("amdfam19h");
#else
    return false;
#endif
}

ib_isa ib__isa_default(void) {
    ib_isa wanted;
    const char *name = getenv("ISOBIT_ISA");
    if (name && ib__isa_parse(name, &wanted) && ib__isa_available(wanted)) return wanted;
    if (ib__isa_available(IB_ISA_AVX512)) return IB_ISA_AVX512;
    return ib__isa_available(IB_ISA_AVX2) ? IB_ISA_AVX2 : IB_ISA_REF;
}

const char *ib__isa_name(ib_isa isa) {
    return isa < IB_ISA_COUNT ? isa_names[isa] : "unknown";
}

bool ib__isa_parse(const char *name, ib_isa *out) {
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        if (strcmp(name, isa_names[isa]) != 0) continue;
        *out = (ib_isa)isa;
        return true;
    }
    return false;
}
