/* SPDX-License-Identifier: Apache-2.0
 *
 * Value trees: what JSON and YAML are read into. A tree is owned by its root; children are released with it.
 * Maps keep the order of the file; a key that stands twice is an error at parsing.
 */
#ifndef IB_BASE_VALUE_H
#define IB_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

typedef enum ib_kind { IB_NULL, IB_BOOL, IB_INT, IB_REAL, IB_STRING, IB_LIST, IB_MAP } ib_kind;

typedef struct ib_value {
    ib_kind kind;
    int line, column; /* place in the file, from 1; column in characters; 0: not known (made by hand) */
    bool boolean;
    int64_t integer;
    double real;             /* IB_REAL; for IB_INT also set */
    char *string;            /* IB_STRING: UTF-8, NUL-terminated, no NUL inside */
    struct ib_value **items; /* IB_LIST and IB_MAP */
    char **keys;             /* IB_MAP */
    size_t count;
    size_t capacity;
} ib_value;

/* Parse a whole text. name is used in errors ("exp.yaml", then line and column). At most 64 MiB, nesting at
 * most 200. JSON by RFC 8259 plus the NaN, Infinity, -Infinity that Python writes; integers outside int64
 * become reals. YAML 1.1 with the core scalars of YAML 1.2 (null, true, 812, 1e-3; yes and on are text), no
 * anchors, aliases or tags, one document.
 * *out: yours, release with ib__value_free. */
ib_status ib__json_parse(ib_value **out, const char *text, size_t length, const char *name, ib_error *err);
ib_status ib__yaml_parse(ib_value **out, const char *text, size_t length, const char *name, ib_error *err);
void ib__value_free(ib_value *value);

/* Building. NULL: no memory. add and set take over child (also on failure, when they free it and give false);
 * a NULL child gives false. set replaces an existing key. */
ib_value *ib__value_null(void);
ib_value *ib__value_bool(bool b);
ib_value *ib__value_int(int64_t i);
ib_value *ib__value_real(double r);
ib_value *ib__value_string(const char *s);
ib_value *ib__value_list(void);
ib_value *ib__value_map(void);
ib_value *ib__value_copy(const ib_value *value);
bool ib__value_add(ib_value *list, ib_value *child);
bool ib__value_set(ib_value *map, const char *key, ib_value *child);
/* Takes a key out of a map and gives what stood there, which is yours; NULL: not a map, or no such key. */
ib_value *ib__value_take(ib_value *map, const char *key);

/* As set, but key is not looked for: for parsers, which know that it is new. */
bool ib__value_append(ib_value *map, const char *key, ib_value *child);

/* Replaces what stands at a path as "data.train.zip[1].npz" (keys joined by '.', numbers in lists) and takes
 * over child. false: there is nothing at the path (or child is NULL); child is then freed. */
bool ib__value_put(ib_value *tree, const char *path, ib_value *child);

/* What stands at such a path; NULL: nothing. */
const ib_value *ib__value_path(const ib_value *tree, const char *path);

/* Looking. get: NULL when map is not a map (or NULL) or has no such key. at: NULL outside. is: value may be
 * NULL. number: int or real, else false. */
ib_value *ib__value_get(const ib_value *map, const char *key);
ib_value *ib__value_at(const ib_value *list, size_t index);
bool ib__value_is(const ib_value *value, ib_kind kind);
bool ib__value_is_string(const ib_value *value, const char *text);
bool ib__value_number(const ib_value *value, double *out);
bool ib__value_equal(const ib_value *a, const ib_value *b); /* maps: in any order; 1 and 1.0 differ */
const char *
ib__kind_name(ib_kind kind); /* "null" "a boolean" "an integer" "a number" "text" "a list" "a map" */

/* Writing JSON. Canonical: keys sorted bytewise, no spaces, shortest decimal that reads back as the same
 * double, always with '.', 'e' or both for reals; NaN, Infinity, -Infinity as Python writes them. Indent:
 * two spaces a level, keys in the order of the tree. Python: ", " and ": " on one line, order of the
 * tree, non-ASCII escaped, as json.dumps writes. false: no memory. */
typedef enum ib_json_style { IB_JSON_CANONICAL, IB_JSON_PYTHON, IB_JSON_INDENT } ib_json_style;
bool ib__json_write(ib_buf *buf, const ib_value *value, ib_json_style style);

/* Decimal numbers, independent of the locale, correctly rounded. parse: the whole text must be a number: 12,
 * -1.5e-3, .5, 1., also nan, inf and infinity in any case, with a sign; not hexadecimal, no blanks.
 * int: decimal digits with an optional sign, within int64. */
bool ib__double_parse(const char *text, size_t length, double *out);
bool ib__int_parse(const char *text, size_t length, int64_t *out);
void ib__double_print(char out[32], double value); /* shortest text that reads back the same, as Python's
                                                      repr; NaN, Infinity, -Infinity */

#endif
