/* SPDX-License-Identifier: Apache-2.0
 *
 * model.summary() as Keras prints it: a table of layers and the counts of parameters. Keras has the table
 * drawn by the Python library Rich, whose rules for widths and line breaks are followed here.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/internal.h"

#define COLUMNS 4

typedef struct table {
    ib_buf *out;
    int columns;
    int widths[COLUMNS]; /* of the text, without the blank on either side */
} table;

/* ---- Text ---- */

/* Characters, not bytes: continuation bytes of UTF-8 do not count. */
static int count_characters(const char *text, size_t bytes) {
    int n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static size_t bytes_of(const char *text, size_t bytes, int characters) {
    size_t i = 0;
    while (i < bytes && (characters > 0 || ((unsigned char)text[i] & 0xc0) == 0x80)) {
        characters -= ((unsigned char)text[i] & 0xc0) != 0x80;
        i++;
        while (i < bytes && ((unsigned char)text[i] & 0xc0) == 0x80)
            i++;
    }
    return i;
}

/* The next line of a cell: as many words as fit; a word that is too long stands alone. Gives its bytes. */
static size_t next_line(const char *text, int width) {
    size_t end = 0;
    int used = 0;
    while (text[end]) {
        size_t blanks = strspn(text + end, " "), word = strcspn(text + end + blanks, " ");
        size_t after = strspn(text + end + blanks + word, " ");
        if (end && used + count_characters(text + end, blanks + word) > width) break;
        used += count_characters(text + end, blanks + word + after);
        end += blanks + word + after;
    }
    return end;
}

static void repeat(ib_buf *out, const char *what, int times) {
    for (int i = 0; i < times; i++)
        ib__buf_text(out, what);
}

/* One line of a cell, cut with an ellipsis, padded to the column's width. */
static void put_cell(table *t, int column, const char *text, size_t bytes) {
    while (bytes && text[bytes - 1] == ' ')
        bytes--;
    int width = t->widths[column], n = count_characters(text, bytes);
    bool right = column == 2;
    if (right && n < width) repeat(t->out, " ", width - n);
    if (n > width) {
        ib__buf_add(t->out, text, bytes_of(text, bytes, width - 1));
        ib__buf_text(t->out, "…");
    } else {
        ib__buf_add(t->out, text, bytes);
    }
    if (!right && n < width) repeat(t->out, " ", width - n);
}

static void put_row(table *t, const char *cells[COLUMNS], const char *bar) {
    const char *rest[COLUMNS];
    memcpy(rest, cells, sizeof rest);
    bool more = true;
    while (more) {
        more = false;
        for (int i = 0; i < t->columns; i++) {
            size_t bytes = next_line(rest[i], t->widths[i]);
            ib__buf_text(t->out, bar);
            ib__buf_text(t->out, " ");
            put_cell(t, i, rest[i], bytes);
            ib__buf_text(t->out, " ");
            rest[i] += bytes;
            more = more || *rest[i];
        }
        ib__buf_text(t->out, bar);
        ib__buf_text(t->out, "\n");
    }
}

static void put_rule(table *t, const char *left, const char *line, const char *middle, const char *right) {
    for (int i = 0; i < t->columns; i++) {
        ib__buf_text(t->out, i ? middle : left);
        repeat(t->out, line, t->widths[i] + 2);
    }
    ib__buf_text(t->out, right);
    ib__buf_text(t->out, "\n");
}

/* a / b, halves to the even number. */
static int divide(int a, int b) {
    int q = a / b, r = a % b;
    return q + (2 * r > b || (2 * r == b && q % 2));
}

/* Keras gives each column its part of the line; Rich then takes away evenly what borders and blanks need. */
static void set_widths(table *t, int line) {
    static const double three[] = {0.45, 0.80, 1.0}, four[] = {0.3, 0.56, 0.74, 1.0};
    const double *positions = t->columns == 3 ? three : four;
    int sum = 0;
    for (int i = 0; i < t->columns; i++) {
        t->widths[i] = (int)(positions[i] * line) - sum;
        sum += t->widths[i];
    }
    int excess = sum + 2 * t->columns - (line - t->columns - 1);
    for (int i = 0; i < t->columns; i++) {
        int less = divide(excess, t->columns - i);
        t->widths[i] -= less;
        excess -= less;
        if (t->widths[i] < 1) t->widths[i] = 1;
    }
}

/* ---- Fields ---- */

static void put_number(ib_buf *out, uint64_t n) {
    if (n >= 1000) {
        put_number(out, n / 1000);
        ib__buf_printf(out, ",%03u", (unsigned)(n % 1000));
    } else {
        ib__buf_printf(out, "%u", (unsigned)n);
    }
}

/* Names come from files: no control characters on a terminal. */
static void put_name(ib_buf *out, const char *name) {
    for (; *name; name++) {
        char c = (unsigned char)*name < ' ' || *name == 127 ? '?' : *name;
        ib__buf_add(out, &c, 1);
    }
    ib__buf_text(out, "");
}

static uint64_t count_layer(const ib_layer *layer) {
    uint64_t n = 0;
    for (size_t i = 0; i < layer->n_weights; i++)
        n += (uint64_t)ib__shape_elements(&layer->weights[i].variable.shape);
    for (size_t i = 0; i < layer->n_parts; i++)
        n += count_layer(layer->parts[i].layer);
    return n;
}

static uint64_t count_module(const ib_module *module) {
    if (module->layer) return count_layer(module->layer);
    uint64_t n = 0;
    for (size_t i = 0; i < module->n_members; i++)
        n += count_module(module->members[i]);
    return n;
}

/* Keras draws a plain table when the layers form a chain: no layer called twice, none with two inputs, none
 * read twice. */
static bool is_chain(const ib_module *root) {
    if (!root->functional) return true;
    if (root->n_inputs != 1) return false;
    size_t *readers = ib__alloc(root->n_members + 1, sizeof *readers);
    bool chain = readers != NULL;
    for (size_t i = 0; chain && i < root->n_members; i++) {
        const ib_module *member = root->members[i];
        chain = member->n_inbound <= 1 && (!member->n_inbound || member->inbound[0].n == 1);
        if (chain && member->n_inbound) chain = ++readers[member->inbound[0].refs[0].member] == 1;
    }
    ib__free(readers);
    return chain;
}

static void put_shapes(ib_buf *out, const ib_module *member) {
    char text[128];
    if (member->n_shapes > 1) ib__buf_text(out, "[");
    for (size_t i = 0; i < member->n_shapes; i++) {
        ib__shape_print(text, &member->shapes[i]);
        ib__buf_printf(out, "%s%s", i ? ", " : "", text);
    }
    if (member->n_shapes > 1) ib__buf_text(out, "]");
    if (!member->n_shapes) ib__buf_text(out, "?");
}

static void put_connections(ib_buf *out, const ib_module *root, const ib_module *member) {
    if (!member->n_inbound) ib__buf_text(out, "-");
    for (size_t i = 0, n = 0; i < member->n_inbound; i++)
        for (size_t j = 0; j < member->inbound[i].n; j++) {
            const ib_ref *ref = &member->inbound[i].refs[j];
            if (n++) ib__buf_text(out, ", ");
            put_name(out, root->members[ref->member]->name);
            ib__buf_printf(out, "[%zu][%zu]", ref->node, ref->tensor);
        }
}

static bool put_member(table *t, const ib_module *root, const ib_module *member) {
    ib_buf cells[COLUMNS] = {0};
    const char *texts[COLUMNS];
    put_name(&cells[0], member->name);
    const char *dot = ib__module_is_op(member) ? strrchr(member->class_name, '.') : NULL;
    ib__buf_printf(&cells[0], " (%s)", dot ? dot + 1 : member->class_name);
    put_shapes(&cells[1], member);
    put_number(&cells[2], count_module(member));
    put_connections(&cells[3], root, member);
    bool good = true;
    for (int i = 0; i < COLUMNS; i++) {
        good = good && !cells[i].failed && cells[i].data;
        texts[i] = cells[i].data;
    }
    if (good) put_row(t, texts, "│");
    for (int i = 0; i < COLUMNS; i++)
        ib__buf_free(&cells[i]);
    return good;
}

/* " Total params: 1,234 (4.82 KB)" */
static void put_total(ib_buf *out, const char *what, uint64_t count, uint64_t bytes) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    double size = (double)bytes;
    for (; size >= 1024 && unit < 5; unit++)
        size /= 1024;
    ib__buf_printf(out, " %s: ", what);
    put_number(out, count);
    double hundredths = nearbyint(size * 100);
    ib__buf_printf(out, " (%.0f.%02d %s)\n", floor(hundredths / 100), (int)fmod(hundredths, 100),
                   units[unit]);
}

static void count_weights(const ib_layer *layer, bool within_frozen, uint64_t *trained, uint64_t *frozen,
                          uint64_t *integers) {
    within_frozen |= !layer->trainable;
    for (size_t j = 0; j < layer->n_weights; j++) {
        const ib_weight *w = &layer->weights[j];
        *(w->trainable && !within_frozen ? trained : frozen) +=
            (uint64_t)ib__shape_elements(&w->variable.shape);
        *integers += w->integer;
    }
    for (size_t i = 0; i < layer->n_parts; i++)
        count_weights(layer->parts[i].layer, within_frozen, trained, frozen, integers);
}

static void put_totals(const ib_model *model, ib_buf *out) {
    uint64_t trained = 0, frozen = 0, integers = 0, optimizer = 0, more = 0;
    for (size_t i = 0; i < model->n_layers; i++)
        count_weights(model->layers[i], false, &trained, &frozen, &integers);
    if (model->optimizer) {
        const ib_state *state;
        size_t n = ib__optimizer_state(model->optimizer, &state);
        for (size_t i = 0; i < n; i++) {
            if (state[i].hidden) continue;
            optimizer += state[i].variable ? (uint64_t)ib__shape_elements(&state[i].variable->shape) : 1;
            more += state[i].integer && !state[i].narrow ? 4 : 0; /* integers of 8 bytes */
        }
    }
    uint64_t total = trained + frozen + optimizer;
    put_total(out, "Total params", total, 4 * (total + integers) + more);
    put_total(out, "Trainable params", trained, 4 * trained);
    put_total(out, "Non-trainable params", frozen, 4 * (frozen + integers));
    if (optimizer) put_total(out, "Optimizer params", optimizer, 4 * optimizer + more);
}

bool ib__model_summary(const ib_model *model, int width, ib_buf *out) {
    static const char *header[COLUMNS] = {"Layer (type)", "Output Shape", "Param #", "Connected to"};
    const ib_module *root = model->root;
    table t = {.out = out, .columns = is_chain(root) ? 3 : 4};
    if (width > 0 && width < 40) width = 40;
    set_widths(&t, width > 0 ? width : t.columns == 3 ? 88 : 108);
    ib__buf_text(out, "Model: \"");
    put_name(out, model->name);
    ib__buf_text(out, "\"\n");
    put_rule(&t, "┏", "━", "┳", "┓");
    put_row(&t, header, "┃");
    put_rule(&t, "┡", "━", "╇", "┩");
    bool first = true;
    for (size_t i = 0; i < root->n_members; i++) {
        const ib_module *member = root->members[i];
        if (!root->functional && ib__module_is_input(member)) continue;
        if (!first) put_rule(&t, "├", "─", "┼", "┤");
        first = false;
        if (!put_member(&t, root, member)) return false;
    }
    put_rule(&t, "└", "─", "┴", "┘");
    put_totals(model, out);
    return !out->failed;
}
