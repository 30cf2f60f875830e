/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens and their numbers. Tokens are found by a hash table, which is never walked to give anything out:
 * what is in it is sorted first.
 */
#include "data/vocabulary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define TOKENS_MAX ((size_t)1 << 26)
#define TOKEN_BYTES ((size_t)1 << 16)
#define PADDING 0
#define UNKNOWN 1

typedef struct entry {
    char *text;
    size_t length;
    uint64_t count;
    int32_t number;
} entry;

struct ib_vocabulary {
    ib_tokens tokens;
    ib_standard standard;
    size_t most;
    entry *entries;
    size_t n, capacity;
    uint32_t *table; /* entry + 1, 0: free */
    size_t slots;    /* a power of two */
    uint32_t *order; /* number -> entry, when closed */
    size_t first, size;
    ib_buf pending;  /* a token, or a character, that is not complete yet */
    uint64_t offset; /* of the text that was seen */
};

ib_status ib__vocabulary_new(ib_vocabulary **out, ib_tokens tokens, ib_standard standard, size_t most,
                             ib_error *err) {
    ib_vocabulary *v = calloc(1, sizeof *v);
    if (v == NULL) return ib__fail_memory(err);
    *v = (ib_vocabulary){.tokens = tokens, .standard = standard, .most = most};
    *out = v;
    return IB_OK;
}

void ib__vocabulary_free(ib_vocabulary *v) {
    if (v == NULL) return;
    for (size_t i = 0; i < v->n; i++)
        free(v->entries[i].text);
    free(v->entries);
    free(v->table);
    free(v->order);
    ib__buf_free(&v->pending);
    free(v);
}

/* ---- The table ---- */

/* FNV-1a; the table's order is never seen. */
static uint64_t hash_of(const char *text, size_t n) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 29;
}

static size_t find_slot(const ib_vocabulary *v, const char *text, size_t n) {
    size_t at = (size_t)hash_of(text, n) & (v->slots - 1);
    while (v->table[at] != 0) {
        const entry *e = &v->entries[v->table[at] - 1];
        if (e->length == n && memcmp(e->text, text, n) == 0) break;
        at = (at + 1) & (v->slots - 1);
    }
    return at;
}

static ib_status widen(ib_vocabulary *v, ib_error *err) {
    size_t slots = v->slots > 0 ? 2 * v->slots : 1024;
    uint32_t *table = calloc(slots, sizeof *table);
    if (table == NULL) return ib__fail_memory(err);
    free(v->table);
    v->table = table;
    v->slots = slots;
    for (size_t i = 0; i < v->n; i++)
        table[find_slot(v, v->entries[i].text, v->entries[i].length)] = (uint32_t)i + 1;
    return IB_OK;
}

/* The entry of a token, which is made if it is new; NULL: no memory, or too many. */
static entry *entry_of(ib_vocabulary *v, const char *text, size_t n, ib_error *err) {
    if (2 * (v->n + 1) > v->slots && widen(v, err) != IB_OK) return NULL;
    size_t at = find_slot(v, text, n);
    if (v->table[at] != 0) return &v->entries[v->table[at] - 1];
    if (v->n == TOKENS_MAX) {
        (void)ib__fail(err, IB_BAD_INPUT, "", "more than %zu different tokens", TOKENS_MAX);
        return NULL;
    }
    char *copy = malloc(n + 1);
    if (copy == NULL || !ib__grow(&v->entries, &v->capacity, v->n + 1, sizeof *v->entries)) {
        free(copy);
        (void)ib__fail_memory(err);
        return NULL;
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    v->entries[v->n] = (entry){.text = copy, .length = n};
    v->table[at] = (uint32_t)++v->n;
    return &v->entries[v->n - 1];
}

/* ---- Cutting ---- */

/* Gets each token as it ends. */
typedef ib_status token_fn(void *context, const char *text, size_t n, ib_error *err);

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_punctuation(char c) {
    return c != '\0' && strchr("!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'", c) != NULL;
}

/* How many bytes the character has that begins with this one; 0: none does. */
static size_t character_length(unsigned char c) {
    return c < 0x80                ? 1
           : c >= 0xc2 && c < 0xe0 ? 2
           : c >= 0xe0 && c < 0xf0 ? 3
           : c >= 0xf0 && c < 0xf5 ? 4
                                   : 0;
}

/* Is this a whole character of UTF-8: no form too long, no surrogate, nothing above U+10FFFF? */
static bool is_character(const unsigned char *c, size_t n) {
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80) return false;
    if (n == 3) return !(c[0] == 0xe0 && c[1] < 0xa0) && !(c[0] == 0xed && c[1] > 0x9f);
    if (n == 4) return !(c[0] == 0xf0 && c[1] < 0x90) && !(c[0] == 0xf4 && c[1] > 0x8f);
    return true;
}

static ib_status fail_text(const ib_vocabulary *v, const char *name, ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, name, "expected UTF-8, found another byte at offset %" PRIu64 "",
                    v->offset);
}

static ib_status keep_byte(ib_vocabulary *v, char c, const char *name, ib_error *err) {
    if (v->pending.length == TOKEN_BYTES)
        return ib__fail(err, IB_BAD_INPUT, name, "a word of more than %zu bytes at offset %" PRIu64 "",
                        TOKEN_BYTES, v->offset);
    return ib__buf_add(&v->pending, &c, 1) ? IB_OK : ib__fail_memory(err);
}

static ib_status end_token(ib_vocabulary *v, token_fn *take, void *context, ib_error *err) {
    size_t n = v->pending.length;
    if (n == 0) return IB_OK;
    v->pending.length = 0;
    return take(context, v->pending.data, n, err);
}

static ib_status word_byte(ib_vocabulary *v, char c, token_fn *take, void *context, const char *name,
                           ib_error *err) {
    bool lower = v->standard == IB_STANDARD_LOWER || v->standard == IB_STANDARD_LOWER_STRIP;
    bool strip = v->standard == IB_STANDARD_STRIP || v->standard == IB_STANDARD_LOWER_STRIP;
    if (is_blank(c)) return end_token(v, take, context, err);
    if (strip && is_punctuation(c)) return IB_OK;
    if (lower && c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
    return keep_byte(v, c, name, err);
}

static ib_status character_byte(ib_vocabulary *v, char c, token_fn *take, void *context, const char *name,
                                ib_error *err) {
    ib_status status = keep_byte(v, c, name, err);
    if (status != IB_OK) return status;
    const unsigned char *bytes = (const unsigned char *)v->pending.data;
    size_t length = v->tokens == IB_TOKENS_BYTES ? 1 : character_length(bytes[0]);
    if (length == 0) return fail_text(v, name, err);
    if (v->pending.length < length) return IB_OK;
    if (v->tokens == IB_TOKENS_CHARACTERS && !is_character(bytes, length)) return fail_text(v, name, err);
    return end_token(v, take, context, err);
}

static ib_status cut_byte(ib_vocabulary *v, char c, token_fn *take, void *context, const char *name,
                          ib_error *err) {
    ib_status status = v->tokens == IB_TOKENS_WORDS ? word_byte(v, c, take, context, name, err)
                                                    : character_byte(v, c, take, context, name, err);
    v->offset++;
    return status;
}

/* The last token of a text; half a character is none. */
static ib_status cut_end(ib_vocabulary *v, token_fn *take, void *context, const char *name, ib_error *err) {
    if (v->tokens != IB_TOKENS_WORDS && v->pending.length > 0) return fail_text(v, name, err);
    ib_status status = end_token(v, take, context, err);
    v->offset = 0;
    return status;
}

/* ---- Counting ---- */

static ib_status count_token(void *context, const char *text, size_t n, ib_error *err) {
    entry *e = entry_of(context, text, n, err);
    if (e == NULL) return err != NULL && err->code != IB_OK ? err->code : IB_NO_MEMORY;
    e->count++;
    return IB_OK;
}

ib_status ib__vocabulary_count(ib_vocabulary *v, const void *text, size_t n, const char *name,
                               ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; i < n && status == IB_OK; i++)
        status = cut_byte(v, ((const char *)text)[i], count_token, v, name, err);
    return status;
}

static int compare_text(const entry *a, const entry *b) {
    size_t n = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->text, b->text, n);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* UTF-8 sorts as its code points do. */
static int by_text(const void *a, const void *b, void *entries) {
    const entry *all = entries;
    return compare_text(&all[*(const uint32_t *)a], &all[*(const uint32_t *)b]);
}

static int by_count(const void *a, const void *b, void *entries) {
    const entry *all = entries, *x = &all[*(const uint32_t *)a], *y = &all[*(const uint32_t *)b];
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return compare_text(y, x);
}

ib_status ib__vocabulary_close(ib_vocabulary *v, const char *name, ib_error *err) {
    ib_status status = cut_end(v, count_token, v, name, err);
    if (status != IB_OK) return status;
    v->order = calloc(v->n + 1, sizeof *v->order);
    if (v->order == NULL) return ib__fail_memory(err);
    for (size_t i = 0; i < v->n; i++)
        v->order[i] = (uint32_t)i;
    bool words = v->tokens == IB_TOKENS_WORDS;
    qsort_r(v->order, v->n, sizeof *v->order, words ? by_count : by_text, v->entries);
    v->first = words ? 2 : 0;
    v->size = v->first + v->n;
    if (v->tokens == IB_TOKENS_BYTES) v->size = 256;
    if (words && v->most > 0 && v->size > v->most) v->size = v->most;
    for (size_t i = 0; i < v->n; i++)
        v->entries[v->order[i]].number = v->first + i < v->size ? (int32_t)(v->first + i) : UNKNOWN;
    return IB_OK;
}

size_t ib__vocabulary_size(const ib_vocabulary *v) {
    return v->size;
}

const char *ib__vocabulary_text(const ib_vocabulary *v, size_t number) {
    if (v->tokens == IB_TOKENS_BYTES || number >= v->size) return NULL;
    if (number < v->first) return number == PADDING ? "" : "[UNK]";
    return v->entries[v->order[number - v->first]].text;
}

/* ---- Encoding ---- */

typedef struct encoding {
    const ib_vocabulary *v;
    const ib_token_sink *sink;
    const char *name;
} encoding;

static ib_status encode_token(void *context, const char *text, size_t n, ib_error *err) {
    const encoding *e = context;
    const ib_vocabulary *v = e->v;
    if (v->tokens == IB_TOKENS_BYTES) return e->sink->put(e->sink->context, (unsigned char)text[0], err);
    size_t at = v->slots > 0 ? find_slot(v, text, n) : 0;
    if (v->slots > 0 && v->table[at] != 0)
        return e->sink->put(e->sink->context, v->entries[v->table[at] - 1].number, err);
    if (v->tokens == IB_TOKENS_WORDS) return e->sink->put(e->sink->context, UNKNOWN, err);
    return ib__fail(err, IB_BAD_INPUT, e->name,
                    "the character '%.*s' at offset %" PRIu64 " is not in the vocabulary", (int)n, text,
                    v->offset);
}

ib_status ib__vocabulary_encode(ib_vocabulary *v, const void *text, size_t n, const ib_token_sink *sink,
                                const char *name, ib_error *err) {
    encoding e = {v, sink, name};
    ib_status status = IB_OK;
    for (size_t i = 0; i < n && status == IB_OK; i++) {
        char c = ((const char *)text)[i];
        bool line =
            c == '\n' && sink->line != NULL && (v->tokens == IB_TOKENS_WORDS || v->pending.length == 0);
        if (line) {
            status = end_token(v, encode_token, &e, err);
            v->offset++;
            if (status == IB_OK) status = sink->line(sink->context, err);
        } else {
            status = cut_byte(v, c, encode_token, &e, name, err);
        }
    }
    return status;
}

ib_status ib__vocabulary_encode_end(ib_vocabulary *v, const ib_token_sink *sink, const char *name,
                                    ib_error *err) {
    encoding e = {v, sink, name};
    return cut_end(v, encode_token, &e, name, err);
}
