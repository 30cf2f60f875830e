/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions.
 */
#include "base/pattern.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* A match takes at most about a millisecond, whatever the pattern. */
enum { LENGTH_MAX = 1000, STEPS_MAX = 100000, DEPTH_MAX = 1000, HEAP_MAX = 16384 /* KiB */ };

ib_status ib__pattern_match(const char *pattern, const char *text, bool whole, bool *matches,
                            const char *where, ib_error *err) {
    int code = 0;
    if (strlen(pattern) > LENGTH_MAX)
        return ib__fail(err, IB_BAD_INPUT, where, "expected a pattern of at most %d bytes", LENGTH_MAX);
    PCRE2_SIZE at = 0;
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
    if (whole) options |= PCRE2_ANCHORED | PCRE2_ENDANCHORED;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern), options, &code, &at, NULL);
    pcre2_match_data *data = compiled ? pcre2_match_data_create(1, NULL) : NULL;
    pcre2_match_context *limits = compiled ? pcre2_match_context_create(NULL) : NULL;
    if (data && limits) {
        pcre2_set_match_limit(limits, STEPS_MAX);
        pcre2_set_depth_limit(limits, DEPTH_MAX);
        pcre2_set_heap_limit(limits, HEAP_MAX);
        code = pcre2_match(compiled, (PCRE2_SPTR)text, strlen(text), 0, 0, data, limits);
    } else if (compiled) {
        code = PCRE2_ERROR_NOMEMORY;
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    bool bad = compiled == NULL;
    pcre2_code_free(compiled);
    if (code == PCRE2_ERROR_NOMEMORY) return ib__fail_memory(err);
    if (!bad && (code >= 0 || code == PCRE2_ERROR_NOMATCH)) {
        *matches = code >= 0;
        return IB_OK;
    }
    char message[128];
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message) < 0) message[0] = '\0';
    return ib__fail(err, IB_BAD_INPUT, where, "the pattern \"%.60s\" cannot be used: %s", pattern, message);
}
