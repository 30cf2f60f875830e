/* SPDX-License-Identifier: Apache-2.0
 *
 * Configs with a setting replaced by something else: each must be read or refused with words, whatever it is.
 */
#ifndef IB_TEST_HOSTILE_CONFIG_H
#define IB_TEST_HOSTILE_CONFIG_H

#include "golden.h"

/* Reads a config, and uses what comes of it. */
typedef ib_status hostile_try_fn(const ib_value *config, const ib_value *golden_case, ib_error *err);

static inline void hostile_try(const ib_value *config, const ib_value *c, hostile_try_fn *try,
                               size_t *refused) {
    ib_error err = {0};
    ib_status status = try(config, c, &err);
    if (status == IB_OK) return;
    if ((status != IB_BAD_INPUT && status != IB_UNSUPPORTED) || !err.text[0])
        fail_msg("%s: status %d, \"%s\"", golden_text(c, "name"), (int)status, err.text);
    ++*refused;
}

/* Every setting of every case, replaced by every odd value, left out, and with a setting too many. */
static inline size_t hostile_configs(const char *group, hostile_try_fn *try) {
    static const char *const odd[] = {"null",
                                      "true",
                                      "-1",
                                      "0",
                                      "3",
                                      "1e300",
                                      "-1e300",
                                      "NaN",
                                      "0.5",
                                      "\"\"",
                                      "\"x\"",
                                      "[]",
                                      "{}",
                                      "[[1]]",
                                      "[null]",
                                      "[1, 2]",
                                      "[0.5, 0.5, 0.5]",
                                      "[9, -9]",
                                      "9223372036854775807"};
    golden g;
    size_t refused = 0;
    golden_open(&g, group);
    for (size_t i = 0; i < g.cases->count; i++) {
        const ib_value *c = g.cases->items[i], *config = ib__value_get(c, "config");
        const ib_value *settings = ib__value_get(config, "config");
        for (size_t k = 0; ib__value_is(settings, IB_MAP) && k <= settings->count; k++)
            for (size_t o = 0; o < sizeof odd / sizeof *odd; o++) {
                ib_value *bad = ib__value_copy(config), *value;
                const char *key = k < settings->count ? settings->keys[k] : "surplus";
                assert_int_equal(ib__json_parse(&value, odd[o], strlen(odd[o]), "odd", NULL), IB_OK);
                assert_true(ib__value_set(ib__value_get(bad, "config"), key, value));
                hostile_try(bad, c, try, &refused);
                ib__value_free(bad);
            }
    }
    golden_close(&g);
    return refused;
}

#endif
