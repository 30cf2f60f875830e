/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading event files: one a process, lines of JSON. Processes are taken in the order of their paths, so that
 * the result does not depend on which of them wrote first. The program could have written anything: a line
 * that is not understood is counted and passed over.
 */
#include "hold/events.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hold/launch.h"

typedef struct process {
    char *text; /* the file's, lines ended by NUL */
    size_t length;
    char path[256]; /* "" : not known */
    int64_t pid;
} process;

typedef struct reader {
    ib_hold_seen *seen;
    ib_value *entry;     /* of the process, in seen->processes */
    char prefix[260];    /* before tensor paths: "" for the first process that trains */
    const char *trainer; /* path of the first process that trains */
    char first[256];     /* its storage */
    char track[256];     /* of the first model: its epochs are the history */
    int64_t offset, last;
    bool no_memory;
} reader;

/* ---- Kinds of lines ---- */

static const char *text_of(const ib_value *line, const char *key) {
    const ib_value *value = ib__value_get(line, key);
    return ib__value_is(value, IB_STRING) ? value->string : "";
}

static bool put_text(ib_value *map, const char *key, const char *text) {
    return ib__value_set(map, key, ib__value_string(text));
}

static bool note_unique(ib_value *list, const char *text) {
    for (size_t i = 0; i < list->count; i++)
        if (ib__value_is_string(list->items[i], text)) return true;
    return ib__value_add(list, ib__value_string(text));
}

static bool on_process(reader *r, const ib_value *line) {
    return put_text(r->entry, "exe", text_of(line, "exe"));
}

static bool on_python(reader *r, const ib_value *line) {
    return put_text(r->entry, "python", text_of(line, "version"));
}

static bool on_end(reader *r, const ib_value *line) {
    char text[64];
    const ib_value *code = ib__value_get(line, "code");
    if (ib__value_is(code, IB_INT))
        snprintf(text, sizeof text, "%.20s %lld", text_of(line, "how"), (long long)code->integer);
    else
        snprintf(text, sizeof text, "%.20s", text_of(line, "how"));
    return put_text(r->entry, "end", text);
}

static bool on_entropy(reader *r, const ib_value *line) {
    static const char *const keys[] = {"source", "by", "at"};
    ib_value *list = r->seen->entropy;
    const ib_value *held = ib__value_get(line, "held");
    bool is_held =
        ib__value_is(held, IB_INT) ? held->integer != 0 : ib__value_is(held, IB_BOOL) && held->boolean;
    for (size_t i = 0; i < list->count; i++) {
        bool same = ib__value_get(list->items[i], "held")->boolean == is_held;
        for (size_t k = 0; same && k < 3; k++)
            same = ib__value_is_string(ib__value_get(list->items[i], keys[k]), text_of(line, keys[k]));
        if (!same) continue;
        ib_value *count = ib__value_get(list->items[i], "processes");
        if (text_of(line, "again")[0] == '\0') count->integer++;
        return true;
    }
    ib_value *item = ib__value_map();
    bool good = item != NULL;
    for (size_t k = 0; good && k < 3; k++)
        good = put_text(item, keys[k], text_of(line, keys[k]));
    good = good && ib__value_set(item, "held", ib__value_bool(is_held)) &&
           ib__value_set(item, "processes", ib__value_int(1));
    return ib__value_add(list, item) && good;
}

static bool on_file(reader *r, const ib_value *line) {
    const char *kind = text_of(line, "e"), *name = text_of(line, "file");
    ib_value *list = strcmp(kind, "read") == 0    ? r->seen->reads
                     : strcmp(kind, "write") == 0 ? r->seen->writes
                                                  : r->seen->sources;
    if (*name == '\0') return true;
    if (ib__value_get(line, "new") != NULL && !ib__value_add(r->seen->made, ib__value_string(name)))
        return false;
    return strcmp(kind, "folder") == 0 || ib__value_add(list, ib__value_string(name));
}

static bool on_static(reader *r, const ib_value *line) {
    const char *exe = text_of(line, "exe");
    return ib__hold_is_tool(exe) || note_unique(r->seen->statics, exe);
}

static bool on_warning(reader *r, const ib_value *line) {
    return note_unique(r->seen->warnings, text_of(line, "text"));
}

static bool on_environment(reader *r, const ib_value *line) {
    const ib_value *python = ib__value_get(line, "python");
    if (r->seen->environment != NULL || !ib__value_is(python, IB_MAP)) return true;
    r->seen->environment = ib__value_copy(python);
    return r->seen->environment != NULL;
}

static bool count_trained(reader *r, const char *track, int64_t steps) {
    ib_value *list = r->seen->trained;
    const char *process = text_of(r->entry, "path");
    for (size_t i = 0; i < list->count; i++) {
        ib_value *item = list->items[i];
        if (!ib__value_is_string(ib__value_get(item, "name"), track) ||
            !ib__value_is_string(ib__value_get(item, "process"), process))
            continue;
        return ib__value_set(item, "steps", ib__value_int(steps));
    }
    ib_value *item = ib__value_map();
    bool good = item != NULL && put_text(item, "name", track) && put_text(item, "process", process) &&
                ib__value_set(item, "steps", ib__value_int(steps));
    return ib__value_add(list, item) && good;
}

/* {"e":"step","n":12,"of":"sequential","steps":12,"loss":0.5,"tensors":[["path","hex"], ...]} */
static bool on_step(reader *r, const ib_value *line) {
    const ib_value *n = ib__value_get(line, "n"), *tensors = ib__value_get(line, "tensors");
    const ib_value *own = ib__value_get(line, "steps");
    ib_hold_trace *trace = &r->seen->trace;
    double loss;
    uint32_t bits = 0;
    if (!ib__value_is(n, IB_INT) || n->integer < 0 || !ib__value_is(tensors, IB_LIST)) {
        r->seen->damaged++;
        return true;
    }
    if (r->first[0] == '\0') snprintf(r->first, sizeof r->first, "%s", text_of(r->entry, "path"));
    if (strcmp(r->first, text_of(r->entry, "path")) != 0)
        snprintf(r->prefix, sizeof r->prefix, "%.250s:", text_of(r->entry, "path"));
    if (ib__value_number(ib__value_get(line, "loss"), &loss)) {
        float rounded = (float)loss;
        memcpy(&bits, &rounded, sizeof bits);
        if (loss != loss) bits = 0x7fc00000;
    }
    int64_t number = r->offset + n->integer;
    if (number < r->last) number = r->last;
    r->last = number;
    if (!ib__hold_trace_step(trace, number, bits)) return false;
    for (size_t i = 0; i < tensors->count; i++) {
        const ib_value *path = ib__value_at(tensors->items[i], 0), *hex = ib__value_at(tensors->items[i], 1);
        ib_digest digest;
        if (!ib__value_is(path, IB_STRING) || !ib__value_is(hex, IB_STRING) ||
            strpbrk(path->string, "\n\r") != NULL || !ib__digest_parse(&digest, hex->string)) {
            r->seen->damaged++;
            continue;
        }
        if (!ib__hold_trace_tensor(trace, r->prefix, path->string, &digest)) return false;
    }
    ib__hold_trace_link(trace);
    return count_trained(r, text_of(line, "of"), ib__value_is(own, IB_INT) ? own->integer : n->integer);
}

/* The logs of the first model's epochs become columns; a value that an epoch lacks is null. */
static bool on_epoch(reader *r, const ib_value *line) {
    const ib_value *logs = ib__value_get(line, "logs");
    ib_value *history = r->seen->history;
    if (!ib__value_is(logs, IB_MAP)) return true;
    if (r->track[0] == '\0') snprintf(r->track, sizeof r->track, "%.200s", text_of(line, "of"));
    if (strcmp(r->track, text_of(line, "of")) != 0) return true;
    size_t epochs = history->count > 0 ? history->items[0]->count : 0;
    for (size_t i = 0; i < logs->count; i++) {
        ib_value *list = ib__value_get(history, logs->keys[i]);
        double value;
        if (list == NULL) {
            list = ib__value_list();
            if (!ib__value_set(history, logs->keys[i], list)) return false;
        }
        while (list->count < epochs)
            if (!ib__value_add(list, ib__value_null())) return false;
        if (ib__value_number(logs->items[i], &value) && !ib__value_add(list, ib__value_real(value)))
            return false;
    }
    for (size_t i = 0; i < history->count; i++)
        if (history->items[i]->count <= epochs && !ib__value_add(history->items[i], ib__value_null()))
            return false;
    return true;
}

static bool on_trained(reader *r, const ib_value *line) {
    const ib_value *steps = ib__value_get(line, "steps");
    return !ib__value_is(steps, IB_INT) || steps->integer < 0 ||
           count_trained(r, text_of(line, "of"), steps->integer);
}

/* {"e":"weights","of":"sequential","file":"weights-0-1.npz"}: the file lies in the folder of events. */
static bool on_weights(reader *r, const ib_value *line) {
    ib_value *list = r->seen->trained;
    const char *file = text_of(line, "file"), *process = text_of(r->entry, "path");
    if (strncmp(file, "weights-", 8) != 0 || strchr(file, '/') != NULL) return true;
    for (size_t i = 0; i < list->count; i++) {
        if (ib__value_is_string(ib__value_get(list->items[i], "name"), text_of(line, "of")) &&
            ib__value_is_string(ib__value_get(list->items[i], "process"), process))
            return put_text(list->items[i], "weights", file);
    }
    return true;
}

static const struct kind {
    const char *name;
    bool (*take)(reader *r, const ib_value *line);
} kinds[] = {{"process", on_process}, {"python", on_python},   {"end", on_end},
             {"entropy", on_entropy}, {"read", on_file},       {"write", on_file},
             {"source", on_file},     {"folder", on_file},     {"static", on_static},
             {"warning", on_warning}, {"weights", on_weights}, {"trained", on_trained},
             {"step", on_step},       {"epoch", on_epoch},     {"environment", on_environment}};

static bool take_line(reader *r, const char *text) {
    ib_value *line = NULL;
    if (ib__json_parse(&line, text, strlen(text), "event", NULL) != IB_OK) {
        r->seen->damaged++;
        return true;
    }
    bool good = true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (ib__value_is_string(ib__value_get(line, "e"), kinds[i].name)) good = kinds[i].take(r, line);
    ib__value_free(line);
    return good;
}

/* ---- Files ---- */

/* Ends lines by NUL and gives the path that the first line which has one names. */
static void cut_lines(process *p) {
    for (char *at = p->text; at < p->text + p->length;) {
        char *end = memchr(at, '\n', p->length - (size_t)(at - p->text));
        if (end == NULL) {
            p->length = (size_t)(at - p->text); /* the write was cut by the end of the program */
            break;
        }
        *end = '\0';
        ib_value *line = NULL;
        bool names = strstr(at, "\"path\":") != NULL && p->path[0] == '\0';
        if (names && ib__json_parse(&line, at, strlen(at), "event", NULL) == IB_OK)
            snprintf(p->path, sizeof p->path, "%.250s", text_of(line, "path"));
        ib__value_free(line);
        at = end + 1;
    }
}

static int by_path(const void *a, const void *b) {
    const process *x = a, *y = b;
    int order = strverscmp(x->path, y->path);
    return order != 0 ? order : x->pid < y->pid ? -1 : x->pid > y->pid;
}

static ib_status read_process(process *out, const char *folder, const char *name, ib_error *err) {
    ib_buf path = {0}, text = {0};
    *out = (process){.pid = strtoll(name, NULL, 10)};
    ib__buf_printf(&path, "%s/%s", folder, name);
    ib_status status = path.failed ? ib__fail_memory(err) : ib__file_read(&text, path.data, 0, err);
    ib__buf_free(&path);
    out->text = text.data;
    out->length = text.length;
    if (status == IB_OK) cut_lines(out);
    return status;
}

static bool is_number(const char *name) {
    return name[0] != '\0' && strspn(name, "0123456789") == strlen(name) && strlen(name) < 12;
}

static bool begin_process(reader *r, const process *p) {
    ib_value *entry = ib__value_map();
    bool good = entry != NULL && put_text(entry, "path", p->path[0] != '\0' ? p->path : "?") &&
                put_text(entry, "exe", "") && ib__value_set(entry, "python", ib__value_null()) &&
                ib__value_set(entry, "end", ib__value_null());
    r->entry = entry;
    r->prefix[0] = '\0';
    r->offset = r->last;
    return ib__value_add(r->seen->processes, entry) && good;
}

static bool take_all(ib_hold_seen *seen, const process *list, size_t n) {
    reader r = {.seen = seen};
    for (size_t i = 0; i < n; i++) {
        if (!begin_process(&r, &list[i])) return false;
        for (const char *at = list[i].text; at < list[i].text + list[i].length; at += strlen(at) + 1)
            if (!take_line(&r, at)) return false;
    }
    return true;
}

static bool make_lists(ib_hold_seen *seen) {
    ib_value **lists[] = {&seen->processes, &seen->entropy, &seen->statics, &seen->warnings, &seen->trained,
                          &seen->reads,     &seen->writes,  &seen->sources, &seen->made};
    bool good = (seen->history = ib__value_map()) != NULL;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        good = (*lists[i] = ib__value_list()) != NULL && good;
    return good;
}

ib_status ib__hold_events_read(ib_hold_seen *out, const char *folder, ib_error *err) {
    process *list = NULL;
    size_t n = 0, capacity = 0;
    *out = (ib_hold_seen){0};
    DIR *files = opendir(folder);
    if (files == NULL) return ib__fail(err, IB_IO, folder, "the events of the program are not there");
    ib_status status = make_lists(out) ? IB_OK : ib__fail_memory(err);
    for (struct dirent *entry; status == IB_OK && (entry = readdir(files)) != NULL;) {
        if (!is_number(entry->d_name)) continue;
        if (!ib__grow(&list, &capacity, n + 1, sizeof *list)) {
            status = ib__fail_memory(err);
            break;
        }
        status = read_process(&list[n++], folder, entry->d_name, err);
    }
    closedir(files);
    if (status == IB_OK && n > 0) qsort(list, n, sizeof *list, by_path);
    if (status == IB_OK && !take_all(out, list, n)) status = ib__fail_memory(err);
    for (size_t i = 0; i < n; i++)
        free(list[i].text);
    free(list);
    if (status != IB_OK) ib__hold_seen_free(out);
    return status;
}

int64_t ib__hold_seen_steps(const ib_hold_seen *seen) {
    int64_t total = 0;
    for (size_t i = 0; i < seen->trained->count; i++)
        total += ib__value_get(seen->trained->items[i], "steps")->integer;
    return total;
}

void ib__hold_seen_free(ib_hold_seen *seen) {
    ib_value *all[] = {seen->processes,   seen->entropy, seen->statics, seen->warnings,
                       seen->reads,       seen->writes,  seen->sources, seen->made,
                       seen->environment, seen->history, seen->trained};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ib__value_free(all[i]);
    ib__hold_trace_free(&seen->trace);
    *seen = (ib_hold_seen){0};
}
