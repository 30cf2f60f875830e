/* SPDX-License-Identifier: Apache-2.0
 *
 * The processor's rounding mode: to nearest, subnormals kept, no traps. A host program may have set another
 * one, for its own thread and every thread it starts.
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
    unsigned before = _mm_getcsr();
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
    _mm_setcsr(before);
#else
    (void)fesetround((int)before);
#endif
}

#endif
