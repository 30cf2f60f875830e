/* SPDX-License-Identifier: Apache-2.0
 *
 * The processor's rounding mode: to nearest, subnormals kept, no traps. A host program may have set another
 * one, for its own thread and every thread it starts. On x86 there are two: that of the vector registers, and
 * the x87 unit's, which the C library asks when it reads and prints decimals.
 */
#ifndef IB_BASE_ROUNDING_H
#define IB_BASE_ROUNDING_H

#include <fenv.h>
#if IB_X86
#include <xmmintrin.h>
#endif

/* Sets the contract's mode and gives the one before, for ib__rounding_leave. */
static inline unsigned ib__rounding_enter(void) {
#if IB_X86
    unsigned before = _mm_getcsr() | (unsigned)fegetround() << 20;
    (void)fesetround(FE_TONEAREST);
    _mm_setcsr(0x1f80);
    return before;
#else
    unsigned before = (unsigned)fegetround();
    (void)fesetround(FE_TONEAREST);
    return before;
#endif
}

static inline void ib__rounding_leave(unsigned before) {
#if IB_X86
    (void)fesetround((int)(before >> 20));
    _mm_setcsr(before & 0xfffffu);
#else
    (void)fesetround((int)before);
#endif
}

#endif
