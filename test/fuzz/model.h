/* SPDX-License-Identifier: Apache-2.0
 *
 * For fuzzers of what describes a model: texts that ask for large ones are left out, for they only take time
 * and memory.
 */
#ifndef IB_TEST_FUZZ_MODEL_H
#define IB_TEST_FUZZ_MODEL_H

#include "fuzz.h"

#include "model/model.h"

/* A number with more digits than `most` before its point stands in the text, or a power of ten or two. */
static inline bool fuzz_is_large(const uint8_t *bytes, size_t n, size_t most) {
    size_t digits = 0;
    bool fraction = false;
    for (size_t i = 0; i < n; i++) {
        bool digit = bytes[i] >= '0' && bytes[i] <= '9', power = strchr("eEpPxX", bytes[i]) != NULL;
        if (digits > 0 && power && !(i + 1 < n && bytes[i + 1] == '-')) return true;
        fraction = bytes[i] == '.' || (digit && fraction);
        digits = digit && !fraction ? digits + 1 : fraction;
        if (digits > most) return true;
    }
    return n > 20000;
}

/* The model compiled by the map, then freed; NULL: not. */
static inline void fuzz_compile(ib_model *model, const ib_value *compile) {
    ib_error err = {0};
    if (compile != NULL) fuzz_check(ib__model_compile(model, compile, "compile", &err), &err);
    ib__model_free(model);
}

#endif
