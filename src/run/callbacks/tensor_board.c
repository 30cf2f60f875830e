/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorBoard: event files in LOG_DIR/train and LOG_DIR/validation, with the tags that Keras gives:
 * epoch_loss, epoch_learning_rate, batch_loss, evaluation_loss_vs_iterations, WEIGHT/histogram.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "run/callbacks.h"
#include "run/events.h"

typedef struct board_file {
    ib_events *events;
    char name[160]; /* of the file, in its folder; "" before it is there */
    uint64_t length;
} board_file;

typedef struct board {
    const char *log_dir;
    int64_t histogram_freq, update_freq; /* update_freq 0: epochs only */
    bool write_graph;
    char where[256];
    board_file files[2]; /* train, validation */
} board;

static const char *const folders[2] = {"train", "validation"};

#define AT(member) .offset = offsetof(board, member)
static const ib_field fields[] = {
    {.key = "log_dir", .fallback = "\"logs\"", .read = ib__read_name},
    {.key = "histogram_freq", .fallback = "0", .read = ib__read_int, AT(histogram_freq), .high = 1e9},
    {.key = "write_graph", .fallback = "true", .read = ib__read_bool, AT(write_graph)},
    {.key = "write_images", .fallback = "false", .read = ib__read_null},
    {.key = "write_steps_per_second", .fallback = "false", .read = ib__read_null},
    {.key = "update_freq", .fallback = "\"epoch\"", .read = ib__read_frequency, AT(update_freq)},
    {.key = "profile_batch", .fallback = "null", .read = ib__read_null},
    {.key = "embeddings_freq", .fallback = "null", .read = ib__read_null},
    {.key = "embeddings_metadata", .fallback = "null", .read = ib__read_null},
};

static ib_status open_it(void *self, const ib_value *config, const char *where, ib_error *err) {
    board *c = self;
    c->log_dir = ib__value_get(config, "log_dir")->string;
    snprintf(c->where, sizeof c->where, "%s", where);
    return ib__callback_path_check(c->log_dir, where, err);
}

/* TensorBoard finds files by "tfevents" in their names and reads them in the order of the time in it. */
static void make_name(char out[160], size_t which) {
    char host[65] = "";
    if (gethostname(host, sizeof host - 1) != 0 || strchr(host, '/') != NULL) host[0] = '\0';
    snprintf(out, 160, "events.out.tfevents.%lld.%.60s.%ld.%zu.v2", (long long)time(NULL), host,
             (long)getpid(), which);
}

static ib_status open_file(board *c, const ib_moment *m, size_t which, ib_error *err) {
    board_file *f = &c->files[which];
    ib_buf path = {0};
    char *whole = NULL;
    if (f->events != NULL) return IB_OK;
    if (f->name[0] == '\0') make_name(f->name, which);
    ib__buf_printf(&path, "%s/%s/%s", c->log_dir, folders[which], f->name);
    ib_status status =
        path.failed ? ib__fail_memory(err) : ib__callback_file(&whole, m->folder, path.data, err);
    if (status == IB_OK) status = ib__events_open(&f->events, whole, f->length, err);
    free(whole);
    ib__buf_free(&path);
    return status;
}

static ib_status write_model(board *c, const ib_moment *m, ib_error *err) {
    ib_buf json = {0};
    ib_status status = ib__json_write(&json, m->trainer->model->config, IB_JSON_PYTHON)
                           ? ib__events_model(c->files[0].events, json.data, err)
                           : ib__fail_memory(err);
    ib__buf_free(&json);
    return status;
}

/* What an earlier start of this run left that was killed before its first checkpoint. */
static ib_status remove_files(const board *c, const ib_moment *m, size_t which, ib_error *err) {
    char **names = NULL, *inner = ib__path_join(c->log_dir, folders[which]);
    char *folder = inner == NULL ? NULL : ib__path_join(m->folder, inner);
    size_t n = 0;
    ib_status status = folder == NULL ? ib__fail_memory(err) : ib__folder_names(&names, &n, folder, err);
    for (size_t i = 0; status == IB_OK && i < n; i++) {
        if (strncmp(names[i], "events.out.tfevents.", 20) != 0) continue;
        char *path = ib__path_join(folder, names[i]);
        status = path == NULL ? ib__fail_memory(err) : ib__file_remove(path, err);
        free(path);
    }
    ib__names_free(names, n);
    free(folder);
    free(inner);
    return status;
}

static ib_status train_begin(void *self, ib_moment *m, ib_error *err) {
    board *c = self;
    bool fresh = c->files[0].name[0] == '\0';
    ib_status status = IB_OK;
    for (size_t i = 0; fresh && status == IB_OK && i < 2; i++)
        status = remove_files(c, m, i, err);
    if (status == IB_OK) status = open_file(c, m, 0, err);
    if (status == IB_OK && fresh && c->write_graph) status = write_model(c, m, err);
    if (status == IB_OK && c->files[1].name[0] != '\0') status = open_file(c, m, 1, err);
    return status;
}

static ib_status write_scalar(board *c, size_t which, const char *before, const char *name, const char *after,
                              int64_t step, double value, ib_error *err) {
    ib_buf tag = {0};
    ib__buf_printf(&tag, "%s%s%s", before, name, after);
    ib_status status = tag.failed ? ib__fail_memory(err)
                                  : ib__events_scalar(c->files[which].events, tag.data, step, value, err);
    ib__buf_free(&tag);
    return status;
}

static ib_status step_end(void *self, ib_moment *m, ib_error *err) {
    board *c = self;
    ib_logs logs = {0};
    if (c->update_freq == 0 || m->trainer->step % (size_t)c->update_freq != 0) return IB_OK;
    ib_status status = ib__logs_scores(&logs, &m->trainer->train, "") ? IB_OK : ib__fail_memory(err);
    for (size_t i = 0; status == IB_OK && i < logs.n; i++)
        status =
            write_scalar(c, 0, "batch_", logs.names[i], "", (int64_t)m->trainer->step, logs.values[i], err);
    ib__logs_free(&logs);
    return status;
}

static ib_status write_histograms(board *c, const ib_moment *m, ib_error *err) {
    const ib_trainer *t = m->trainer;
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < t->n_weights; i++) {
        const ib_variable *v = &t->weights[i]->variable;
        ib_buf tag = {0};
        ib__buf_printf(&tag, "%s/histogram", v->path);
        status = tag.failed ? ib__fail_memory(err)
                            : ib__events_histogram(c->files[0].events, tag.data, (int64_t)m->epoch, v->data,
                                                   (size_t)ib__shape_elements(&v->shape), err);
        ib__buf_free(&tag);
    }
    return status;
}

static ib_status epoch_end(void *self, ib_moment *m, ib_error *err) {
    board *c = self;
    ib_status status = IB_OK;
    ib_optimizer *optimizer = m->trainer->model->optimizer;
    double value;
    for (size_t i = 0; status == IB_OK && i < m->logs->n; i++) {
        const char *name = m->logs->names[i];
        bool held = strncmp(name, "val_", 4) == 0;
        if (held) status = open_file(c, m, 1, err);
        if (status == IB_OK)
            status = write_scalar(c, held, "epoch_", held ? name + 4 : name, "", (int64_t)m->epoch,
                                  m->logs->values[i], err);
        if (status == IB_OK && held)
            status = write_scalar(c, 1, "evaluation_", name + 4, "_vs_iterations",
                                  ib__optimizer_iterations(optimizer), m->logs->values[i], err);
    }
    if (status == IB_OK && !ib__logs_get(m->logs, "learning_rate", &value))
        status = write_scalar(c, 0, "epoch_", "learning_rate", "", (int64_t)m->epoch,
                              ib__optimizer_learning_rate(optimizer), err);
    if (status == IB_OK && c->histogram_freq > 0 && m->epoch % (size_t)c->histogram_freq == 0)
        status = write_histograms(c, m, err);
    return status;
}

static ib_status sync_it(void *self, ib_error *err) {
    board *c = self;
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < 2; i++)
        if (c->files[i].events != NULL)
            status = ib__events_sync(c->files[i].events, &c->files[i].length, err);
    return status;
}

static ib_status train_end(void *self, ib_moment *m, ib_error *err) {
    (void)m;
    return sync_it(self, err);
}

static void pack(const void *self, ib_buf *out) {
    const board *c = self;
    for (size_t i = 0; i < 2; i++) {
        ib__pack_text(out, c->files[i].name);
        ib__pack_u64(out, c->files[i].length);
    }
}

static bool unpack(void *self, ib_unpack *u) {
    board *c = self;
    for (size_t i = 0; i < 2; i++) {
        const char *name = ib__unpack_text(u);
        if (strchr(name, '/') != NULL || strlen(name) >= sizeof c->files[i].name) u->failed = true;
        if (!u->failed) snprintf(c->files[i].name, sizeof c->files[i].name, "%s", name);
        c->files[i].length = ib__unpack_u64(u);
    }
    return true;
}

static void close_it(void *self) {
    board *c = self;
    ib__events_close(c->files[0].events);
    ib__events_close(c->files[1].events);
}

const ib_callback_class ib__callback_tensor_board = {.name = "TensorBoard",
                                                     .fields = fields,
                                                     .n_fields = sizeof fields / sizeof *fields,
                                                     .size = sizeof(board),
                                                     .writes = true,
                                                     .open = open_it,
                                                     .train_begin = train_begin,
                                                     .step_end = step_end,
                                                     .epoch_end = epoch_end,
                                                     .train_end = train_end,
                                                     .sync = sync_it,
                                                     .pack = pack,
                                                     .unpack = unpack,
                                                     .close = close_it};
