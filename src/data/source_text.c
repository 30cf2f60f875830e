/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts as numbers of tokens:
 *
 *   {text: FILE, tokens: characters, window: 80, shift: 80, targets: sequence}
 *   {text: FILE, tokens: words, lines: 40, max_tokens: 20000, standardize: lower_and_strip_punctuation}
 *
 * window: for language models. x is `window` tokens, y the same one token later, or the one token that
 * follows (targets: last); each window begins `shift` tokens after the one before. lines: a line is a sample,
 * its first N tokens, filled up with 0. vocabulary: another text whose tokens are numbered instead of this
 * one's.
 */
#include <stdlib.h>
#include <string.h>

#include "data/intake.h"
#include "data/kinds.h"
#include "data/vocabulary.h"

#define WINDOW_MAX (INT64_C(1) << 24)
#define BLOCK 65536

typedef struct text_source {
    ib_elements base;
    ib_blob *tokens; /* int32 */
    size_t window, shift, lines;
    bool last;
} text_source;

/* ---- Reading ---- */

static ib_status read_window(const text_source *s, uint64_t i, int32_t *x, int32_t *y, int32_t *room,
                             ib_error *err) {
    size_t n = s->window;
    ib_status status =
        ib__blob_read(s->tokens, i * s->shift * sizeof *room, room, (n + 1) * sizeof *room, err);
    if (status != IB_OK) return status;
    memcpy(x, room, n * sizeof *x);
    if (s->last)
        *y = room[n];
    else
        memcpy(y, room + 1, n * sizeof *y);
    return IB_OK;
}

static ib_status text_read(const ib_elements *e, uint64_t first, size_t n, void *const *out, ib_error *err) {
    const text_source *s = (const text_source *)e;
    if (s->lines > 0)
        return ib__blob_read(s->tokens, first * s->lines * sizeof(int32_t), out[0],
                             n * s->lines * sizeof(int32_t), err);
    int32_t *room = malloc((s->window + 1) * sizeof *room);
    ib_status status = room == NULL ? ib__fail_memory(err) : IB_OK;
    for (size_t i = 0; i < n && status == IB_OK; i++)
        status = read_window(s, first + i, (int32_t *)out[0] + i * s->window,
                             (int32_t *)out[1] + i * (s->last ? 1 : s->window), room, err);
    free(room);
    return status;
}

static void text_free(ib_elements *e) {
    ib__blob_free(((text_source *)e)->tokens);
}

static const ib_elements_class text_class = {
    .size = sizeof(text_source), .read = text_read, .free = text_free};

/* ---- Tokens ---- */

/* Puts numbers into the blob by blocks; of lines exactly `lines` each. */
typedef struct writing {
    text_source *s;
    int32_t block[BLOCK / 4];
    size_t held, in_line;
    uint64_t count, n_lines;
} writing;

static ib_status flush(writing *w, ib_error *err) {
    ib_status status = ib__blob_add(w->s->tokens, w->block, w->held * sizeof *w->block, err);
    w->held = 0;
    return status;
}

static ib_status put_number(writing *w, int32_t number, ib_error *err) {
    w->block[w->held++] = number;
    w->count++;
    return w->held == sizeof w->block / sizeof *w->block ? flush(w, err) : IB_OK;
}

static ib_status put_token(void *context, int32_t number, ib_error *err) {
    writing *w = context;
    if (w->s->lines > 0 && w->in_line++ >= w->s->lines) return IB_OK;
    return put_number(w, number, err);
}

static ib_status end_line(void *context, ib_error *err) {
    writing *w = context;
    ib_status status = IB_OK;
    for (; w->in_line < w->s->lines && status == IB_OK; w->in_line++)
        status = put_number(w, 0, err);
    w->in_line = 0;
    w->n_lines++;
    return status;
}

/* All of a file through `count` or `encode`. */
static ib_status count_file(ib_vocabulary *v, const char *path, ib_digest *digest, ib_error *err) {
    char block[BLOCK];
    ib_intake *in = NULL;
    size_t n = 1;
    uint64_t rest;
    ib_status status = ib__intake_open(&in, path, err);
    while (status == IB_OK && n > 0) {
        status = ib__intake_read(in, block, sizeof block, &n, err);
        if (status == IB_OK) status = ib__vocabulary_count(v, block, n, path, err);
    }
    if (status == IB_OK) status = ib__intake_end(in, digest, &rest, err);
    ib__intake_close(in);
    return status == IB_OK ? ib__vocabulary_close(v, path, err) : status;
}

static ib_status encode_file(writing *w, ib_vocabulary *v, const char *path, ib_digest *digest,
                             ib_error *err) {
    char block[BLOCK];
    ib_intake *in = NULL;
    size_t n = 1;
    uint64_t rest;
    const ib_token_sink sink = {put_token, w->s->lines > 0 ? end_line : NULL, w};
    ib_status status = ib__intake_open(&in, path, err);
    while (status == IB_OK && n > 0) {
        status = ib__intake_read(in, block, sizeof block, &n, err);
        if (status == IB_OK) status = ib__vocabulary_encode(v, block, n, &sink, path, err);
    }
    if (status == IB_OK) status = ib__intake_end(in, digest, &rest, err);
    ib__intake_close(in);
    if (status == IB_OK) status = ib__vocabulary_encode_end(v, &sink, path, err);
    if (status == IB_OK && w->in_line > 0) status = end_line(w, err); /* a last line without its feed */
    return status == IB_OK ? flush(w, err) : status;
}

/* ---- Opening ---- */

static ib_status read_settings(text_source *s, const ib_entry *q, ib_vocabulary **v) {
    static const char *const tokens[] = {"characters", "words", "bytes"};
    static const char *const targets[] = {"sequence", "last"};
    static const char *const standards[] = {"none", "lower", "lower_and_strip_punctuation",
                                            "strip_punctuation"};
    size_t token = 0, target = 0, standard = 0;
    int64_t window = 0, shift = 0, lines = 0, most = 0;
    ib_status status = ib__entry_choice(q, "tokens", tokens, 3, &token);
    if (status == IB_OK) status = ib__entry_choice(q, "targets", targets, 2, &target);
    if (status == IB_OK) status = ib__entry_choice(q, "standardize", standards, 4, &standard);
    if (status == IB_OK) status = ib__entry_count(q, "window", 1, WINDOW_MAX, &window);
    if (status == IB_OK) status = ib__entry_count(q, "shift", 1, WINDOW_MAX, &shift);
    if (status == IB_OK) status = ib__entry_count(q, "lines", 1, WINDOW_MAX, &lines);
    if (status == IB_OK) status = ib__entry_count(q, "max_tokens", 3, INT32_MAX, &most);
    if (status != IB_OK) return status;
    if ((window > 0) == (lines > 0))
        return ib__entry_fail(q, NULL, "", "expected window: N or lines: N, found %s",
                              window > 0 ? "both" : "neither");
    if (lines > 0 && (shift > 0 || ib__value_get(q->map, "targets") != NULL))
        return ib__entry_fail(q, NULL, "", "shift and targets are for windows");
    if (token != 1 && (most > 0 || standard > 0))
        return ib__entry_fail(q, NULL, "", "max_tokens and standardize are for words");
    s->window = (size_t)window;
    s->shift = (size_t)(shift > 0 ? shift : window);
    s->lines = (size_t)lines;
    s->last = target == 1;
    return ib__vocabulary_new(v, (ib_tokens)token, (ib_standard)standard, (size_t)most, q->err);
}

static ib_status add_fields(text_source *s, ib_error *err) {
    size_t width = s->lines > 0 ? s->lines : s->window;
    ib_shape wide = {1, {(int64_t)width}}, one = {0};
    bool good = ib__elements_add_field(&s->base, "x", IB_I32, &wide);
    if (s->lines == 0) good = good && ib__elements_add_field(&s->base, "y", IB_I32, s->last ? &one : &wide);
    return good ? IB_OK : ib__fail_memory(err);
}

static ib_status count_samples(text_source *s, const writing *w, const char *path, ib_error *err) {
    s->base.count = w->n_lines;
    if (s->lines > 0 && w->n_lines == 0)
        return ib__fail(err, IB_BAD_INPUT, path, "expected lines, found none");
    if (s->lines > 0) return IB_OK;
    if (w->count < s->window + 1)
        return ib__fail(err, IB_BAD_INPUT, path, "expected at least %zu tokens for a window, found %llu",
                        s->window + 1, (unsigned long long)w->count);
    s->base.count = (w->count - s->window - 1) / s->shift + 1;
    return IB_OK;
}

/* The text's own path, or that of another one that gives the vocabulary. */
static ib_status build_vocabulary(text_source *s, const ib_entry *q, ib_vocabulary *v, const char *path) {
    const char *other;
    ib_digest digest;
    ib_status status = ib__entry_text(q, "vocabulary", false, &other);
    if (status != IB_OK || other == NULL)
        return status == IB_OK ? count_file(v, path, &digest, q->err) : status;
    char *second = ib__entry_path(q, other);
    status = second == NULL ? ib__fail_memory(q->err) : count_file(v, second, &digest, q->err);
    if (status == IB_OK && !ib__elements_add_file(&s->base, "vocabulary", second, &digest))
        status = ib__fail_memory(q->err);
    free(second);
    return status;
}

static ib_status open_text(text_source *s, const ib_entry *q) {
    const char *file;
    char *path = NULL;
    ib_digest digest;
    ib_vocabulary *v = NULL;
    writing *w = calloc(1, sizeof *w);
    ib_status status = w == NULL ? ib__fail_memory(q->err) : ib__entry_text(q, "text", true, &file);
    if (status == IB_OK && (path = ib__entry_path(q, file)) == NULL) status = ib__fail_memory(q->err);
    if (status == IB_OK) status = read_settings(s, q, &v);
    if (status == IB_OK) status = build_vocabulary(s, q, v, path);
    if (status == IB_OK) status = ib__blob_new(&s->tokens, path, q->memory, q->err);
    if (status == IB_OK) {
        w->s = s;
        status = encode_file(w, v, path, &digest, q->err);
    }
    if (status == IB_OK) status = count_samples(s, w, path, q->err);
    if (status == IB_OK) status = add_fields(s, q->err);
    if (status == IB_OK && !ib__elements_add_file(&s->base, "text", path, &digest))
        status = ib__fail_memory(q->err);
    s->base.cheap = s->tokens != NULL && ib__blob_memory(s->tokens) != NULL;
    ib__vocabulary_free(v);
    free(path);
    free(w);
    return status;
}

static ib_status text_open(ib_elements **out, const ib_entry *q) {
    ib_elements *e = ib__elements_new(&text_class);
    ib_status status = e == NULL ? ib__fail_memory(q->err) : open_text((text_source *)e, q);
    if (status == IB_OK)
        *out = e;
    else
        ib__elements_free(e);
    return status;
}

static const char *const fields[] = {"text",  "tokens",     "window",      "shift",      "targets",
                                     "lines", "max_tokens", "standardize", "vocabulary", NULL};
const ib_source_kind ib__source_text = {"text", fields, text_open};
