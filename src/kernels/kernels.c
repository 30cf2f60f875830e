/* SPDX-License-Identifier: Apache-2.0
 *
 * Choice of the instruction set, and the kernel tables. A table is filled from the bottom: first every entry
 * of `ref`, then each variant that exists for AVX2, then each for AVX-512. A kernel without a fast variant is
 * therefore run by the best one below it.
 */
#include "kernels/kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Weak: a variant nobody wrote is NULL here, and the table keeps the entry below. */
#define WEAK __attribute__((weak))
#define X(name, type)                                                                                        \
    extern WEAK type ib_k_##name##_f32_ref, ib_k_##name##_f32_avx2, ib_k_##name##_f32_avx512;
#include "kernels/kernels.list"
#undef X
#define X(name, operands, meaning)                                                                           \
    extern WEAK ib_map_fn ib_k_map_##name##_f32_ref, ib_k_map_##name##_f32_avx2, ib_k_map_##name##_f32_avx512;
#include "kernels/map/map.list"
#undef X

static const char *const isa_names[IB_ISA_COUNT] = {"ref", "avx2", "avx512"};
static ib_kernels tables[IB_ISA_COUNT];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* upgrade_<isa> puts the variants of one instruction set, where there are any, over the entries of *table. */
static void upgrade_ref(ib_kernels *table) {
#define X(name, type)                                                                                        \
    if (ib_k_##name##_f32_ref) table->name = ib_k_##name##_f32_ref;
#include "kernels/kernels.list"
#undef X
#define X(name, operands, meaning)                                                                           \
    if (ib_k_map_##name##_f32_ref) table->map[IB_MAP_##name] = ib_k_map_##name##_f32_ref;
#include "kernels/map/map.list"
#undef X
}

#ifdef IB_X86
static void upgrade_avx2(ib_kernels *table) {
#define X(name, type)                                                                                        \
    if (ib_k_##name##_f32_avx2) table->name = ib_k_##name##_f32_avx2;
#include "kernels/kernels.list"
#undef X
#define X(name, operands, meaning)                                                                           \
    if (ib_k_map_##name##_f32_avx2) table->map[IB_MAP_##name] = ib_k_map_##name##_f32_avx2;
#include "kernels/map/map.list"
#undef X
}

static void upgrade_avx512(ib_kernels *table) {
#define X(name, type)                                                                                        \
    if (ib_k_##name##_f32_avx512) table->name = ib_k_##name##_f32_avx512;
#include "kernels/kernels.list"
#undef X
#define X(name, operands, meaning)                                                                           \
    if (ib_k_map_##name##_f32_avx512) table->map[IB_MAP_##name] = ib_k_map_##name##_f32_avx512;
#include "kernels/map/map.list"
#undef X
}
#endif

static void fill_tables(void) {
    upgrade_ref(&tables[IB_ISA_REF]);
#ifdef IB_X86
    tables[IB_ISA_AVX2] = tables[IB_ISA_REF];
    upgrade_avx2(&tables[IB_ISA_AVX2]);
    tables[IB_ISA_AVX512] = tables[IB_ISA_AVX2];
    upgrade_avx512(&tables[IB_ISA_AVX512]);
#endif
    for (int isa = 0; isa < IB_ISA_COUNT; isa++)
        tables[isa].isa = (ib_isa)isa;
}

const ib_kernels *ib__kernels_for(ib_isa isa) {
    if (!ib__isa_available(isa)) return NULL;
    pthread_once(&tables_once, fill_tables);
    return &tables[isa];
}

/* The features are the ones the files *_avx2.c and *_avx512.c are compiled with (CMakeLists.txt). The
 * built-in asks the CPU and also whether the system saves the wide registers. */
bool ib__isa_available(ib_isa isa) {
#ifdef IB_X86
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == IB_ISA_AVX2) return avx2;
    if (isa == IB_ISA_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    return isa == IB_ISA_REF;
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
        if (strcmp(name, isa_names[isa])) continue;
        *out = (ib_isa)isa;
        return true;
    }
    return false;
}
