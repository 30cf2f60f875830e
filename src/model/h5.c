/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading HDF5 weight files of strangers.
 *
 * libhdf5 is not written to withstand hostile files, so it runs in a child process with bounds on memory,
 * processor time and time. The parent says what is wanted, with all sizes, and gives the child shared memory
 * for just that; what comes back are arrays of the wanted size and a few numbers and letters. Only the wanted
 * paths are looked at; links to other files, and data in other files, are refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "data/h5_guard.h"
#include "model/internal.h"

#define SECONDS 120 /* of a reading; 2 GiB need about 2 */
#define ROOM ((size_t)1 << 30)

/* What the child writes for one item. */
typedef struct answer {
    int32_t state;
    char found[IB_H5_FOUND]; /* of IB_H5_REFUSED */
} answer;

static size_t item_bytes(const ib_h5_item *item) {
    if (item->absent) return 0;
    if (item->text) return item->text;
    return item->integer ? sizeof(int64_t) : (size_t)ib__shape_elements(&item->shape) * sizeof(float);
}

static size_t padded(size_t bytes) {
    return (bytes + 15) & ~(size_t)15;
}

/* ---- The child ---- */

static bool shape_fits(hid_t set, const ib_h5_item *item, answer *a) {
    hid_t space = H5Dget_space(set);
    int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    hsize_t dims[H5S_MAX_RANK] = {0};
    if (rank < 0 || H5Sget_simple_extent_type(space) == H5S_NULL) {
        snprintf(a->found, sizeof a->found, "no data");
        return false;
    }
    if (rank > 0 && H5Sget_simple_extent_dims(space, dims, NULL) != rank) return false;
    bool fits = rank == item->shape.rank;
    for (int i = 0; fits && i < rank; i++)
        fits = dims[i] == (hsize_t)item->shape.dims[i];
    if (fits) return true;
    size_t at = (size_t)snprintf(a->found, sizeof a->found, "the shape (");
    for (int i = 0; i < rank && at < sizeof a->found - 24; i++)
        at += (size_t)snprintf(a->found + at, sizeof a->found - at, "%s%llu", i ? ", " : "",
                               (unsigned long long)dims[i]);
    snprintf(a->found + at, sizeof a->found - at, ")");
    return false;
}

static bool type_fits(hid_t set, const ib_h5_item *item, answer *a) {
    hid_t type = H5Dget_type(set);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    size_t size = type < 0 ? 0 : H5Tget_size(type);
    if (class == (item->integer || item->whole ? H5T_INTEGER : H5T_FLOAT) && size <= 8) {
        /* Reduced floats (bfloat16) are kept as float16 with an attribute that says so. */
        if (class == H5T_FLOAT && H5Aexists(set, "dtype") > 0) {
            snprintf(a->found, sizeof a->found, "a type of its own (bfloat16)");
            return false;
        }
        return true;
    }
    snprintf(a->found, sizeof a->found, "another type of data (class %d, %zu bytes)", (int)class, size);
    return false;
}

/* String `index` of an attribute of n strings, of fixed or variable length, into out. */
static ib_h5_state read_string(hid_t object, const char *name, size_t n, size_t index, char *out, size_t room,
                               answer *a) {
    if (H5Aexists(object, name) <= 0) return IB_H5_MISSING;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    hid_t type = attribute < 0 ? -1 : H5Aget_type(attribute);
    hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    hssize_t count = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
    if (type < 0 || H5Tget_class(type) != H5T_STRING || count != (hssize_t)n) {
        snprintf(a->found, sizeof a->found, "not %zu texts in the attribute %s", n, name);
        return IB_H5_REFUSED;
    }
    size_t size = H5Tget_size(type);
    bool variable = H5Tis_variable_str(type) > 0;
    char *raw = size <= (64 << 20) ? calloc(n ? n : 1, size + 1) : NULL;
    if (!raw || H5Aread(attribute, type, raw) < 0) return IB_H5_REFUSED;
    char *text = raw + index * size;
    if (variable) memcpy(&text, raw + index * sizeof text, sizeof text);
    size_t length = !text ? 0 : variable ? strlen(text) : strnlen(text, size);
    if (!length || length >= room) return IB_H5_REFUSED;
    memcpy(out, text, length);
    out[length] = 0;
    return IB_H5_READ;
}

/* Older files: which dataset of the layer's group this is. */
static ib_h5_state find_name(hid_t file, const ib_h5_item *item, char *path, size_t room, answer *a) {
    ib_h5_state links = ib__h5_check_links(file, item->path, a->found);
    if (links != IB_H5_READ) return links;
    char name[1024];
    hid_t group = H5Gopen2(file, item->path, H5P_DEFAULT);
    if (group < 0) return IB_H5_REFUSED;
    ib_h5_state result = read_string(group, "weight_names", item->n_names, item->index, name, sizeof name, a);
    if (result != IB_H5_READ) return result;
    return (size_t)snprintf(path, room, "%s/%s", item->path, name) < room ? IB_H5_READ : IB_H5_REFUSED;
}

static ib_h5_state read_set(hid_t file, const ib_h5_item *wanted, void *data, answer *a) {
    ib_h5_item copy = *wanted;
    const ib_h5_item *item = &copy;
    char path[2048];
    snprintf(a->found, sizeof a->found, "what libhdf5 cannot read");
    if (item->text) return read_string(file, item->path, 1, 0, data, item->text, a);
    if (item->n_names) {
        ib_h5_state named = find_name(file, item, path, sizeof path, a);
        if (named != IB_H5_READ) return named;
        copy.path = path;
    }
    ib_h5_state links = ib__h5_check_links(file, item->path, a->found);
    if (links != IB_H5_READ) return links;
    if (item->absent) {
        snprintf(a->found, sizeof a->found, "one more");
        return IB_H5_REFUSED;
    }
    H5O_info_t info;
    if (H5Oget_info_by_name(file, item->path, &info, H5P_DEFAULT) < 0) return IB_H5_REFUSED;
    if (info.type != H5O_TYPE_DATASET) {
        snprintf(a->found, sizeof a->found, "no dataset");
        return IB_H5_REFUSED;
    }
    hid_t set = H5Dopen2(file, item->path, H5P_DEFAULT);
    if (set < 0) return IB_H5_REFUSED;
    if (!ib__h5_plain_storage(set, a->found) || !type_fits(set, item, a) || !shape_fits(set, item, a))
        return IB_H5_REFUSED;
    hid_t memory = item->integer ? H5T_NATIVE_INT64 : H5T_NATIVE_FLOAT;
    snprintf(a->found, sizeof a->found, "data that libhdf5 cannot read");
    ib_h5_state result =
        H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0 ? IB_H5_REFUSED : IB_H5_READ;
    H5Dclose(set);
    return result;
}

/* ---- The child's walk over the whole file: broken or misleading parts that no wanted path touches ---- */

#define OBJECTS_MAX 1000000
#define DEPTH_MAX 64

typedef struct walk {
    char path[4096];
    size_t length, depth, objects;
    const char **wanted; /* sorted */
    size_t n_wanted;
    answer *a;
} walk;

static int compare_paths(const void *a, const void *b) {
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static herr_t walk_stop(walk *w, const char *what) {
    snprintf(w->a->found, sizeof w->a->found, "%s", what);
    return -1;
}

static herr_t visit(hid_t group, const char *name, const H5L_info_t *link, void *context) {
    walk *w = context;
    size_t length = w->length, more = strlen(name);
    if (link->type != H5L_TYPE_HARD) return walk_stop(w, "a link to another place");
    if (++w->objects > OBJECTS_MAX || w->depth > DEPTH_MAX || length + more + 2 > sizeof w->path)
        return walk_stop(w, "more groups than a model has, or a loop of them");
    if (length) w->path[length++] = '/';
    memcpy(w->path + length, name, more + 1);
    H5O_info_t info;
    if (H5Oget_info_by_name(group, name, &info, H5P_DEFAULT) < 0) return -1;
    herr_t result = 0;
    if (info.type == H5O_TYPE_GROUP) {
        size_t before = w->length;
        w->length = length + more;
        w->depth++;
        result = H5Literate_by_name(group, name, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit, w, H5P_DEFAULT);
        w->depth--;
        w->length = before;
    } else if (strncmp(w->path, "layers/", 7) == 0 || strncmp(w->path, "vars/", 5) == 0) {
        const char *path = w->path;
        if (!bsearch(&path, w->wanted, w->n_wanted, sizeof *w->wanted, compare_paths))
            return walk_stop(w, "a weight that the model does not have");
    }
    if (result >= 0) w->path[w->length] = 0;
    return result;
}

static ib_h5_state walk_file(hid_t file, const ib_h5_item *items, size_t n, answer *a) {
    walk w = {.a = a};
    snprintf(a->found, sizeof a->found, "what libhdf5 cannot read");
    w.wanted = calloc(n + 1, sizeof *w.wanted);
    if (!w.wanted) return IB_H5_REFUSED;
    for (size_t i = 0; i < n; i++)
        if (!items[i].absent) w.wanted[w.n_wanted++] = items[i].path;
    qsort(w.wanted, w.n_wanted, sizeof *w.wanted, compare_paths);
    herr_t result = H5Literate(file, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, visit, &w);
    free(w.wanted);
    if (result >= 0) return IB_H5_READ;
    size_t length = strlen(a->found);
    snprintf(a->found + length, sizeof a->found - length, " at %.60s", w.path);
    return IB_H5_REFUSED;
}

static hid_t open_image(const void *image, size_t length) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    void *copy = NULL;
    memcpy(&copy, &image, sizeof copy); /* libhdf5 wants a pointer to what it will copy and not change */
    if (access < 0 || H5Pset_fapl_core(access, 65536, 0) < 0 || H5Pset_file_image(access, copy, length) < 0)
        return -1;
    return H5Fopen("image", H5F_ACC_RDONLY, access);
}

static void child(const void *image, size_t length, const ib_h5_item *items, size_t n, answer *answers,
                  char *data) {
    ib__h5_enter_child(3 * length + ROOM, SECONDS);
    hid_t file = open_image(image, length);
    answer *last = &answers[n];
    if (file < 0) {
        last->state = (int32_t)IB_H5_REFUSED;
        snprintf(last->found, sizeof last->found, "no HDF5 file that libhdf5 can open");
        _exit(0);
    }
    for (size_t i = 0; i < n; i++) {
        ib_h5_state result = read_set(file, &items[i], data, &answers[i]);
        answers[i].state = (int32_t)result;
        data += padded(item_bytes(&items[i]));
    }
    last->state = (int32_t)walk_file(file, items, n, last);
    _exit(0);
}

/* ---- The parent ---- */

static int64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the child has closed its end of the pipe, or kills it. */
static bool wait_for(pid_t pid, int end) {
    int64_t until = milliseconds() + SECONDS * 1000;
    bool in_time = false;
    for (;;) {
        int64_t left = until - milliseconds();
        if (left <= 0) break;
        struct pollfd poller = {.fd = end, .events = POLLIN};
        int got = poll(&poller, 1, (int)left);
        if (got > 0) {
            in_time = true;
            break;
        }
        if (got < 0 && errno != EINTR) break;
    }
    if (!in_time) kill(pid, SIGKILL);
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        continue;
    /* A host that ignores SIGCHLD leaves no status; the child's last answer then tells that it went through.
     */
    if (ended < 0 && errno == ECHILD) return in_time;
    return in_time && ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static ib_status check_answer(const answer *a, ib_h5_item *item, const char *name, ib_error *err) {
    char found[sizeof a->found], shape[128] = "one integer";
    ib__h5_clean(found, a->found);
    if (item->text) snprintf(shape, sizeof shape, "a text");
    if (!item->integer && !item->text) ib__shape_print(shape, &item->shape);
    if (a->state == IB_H5_READ && !item->absent) {
        item->found = true;
        return IB_OK;
    }
    if (a->state == IB_H5_MISSING && (item->optional || item->absent)) return IB_OK;
    if (a->state == IB_H5_NOT_READ)
        return ib__fail(err, IB_BAD_INPUT, name, "%s: the reader ended or took too long; the file is broken",
                        item->path);
    return ib__fail(err, IB_BAD_INPUT, name, "%s: expected %s%s, found %s", item->path,
                    item->absent                  ? "nothing"
                    : item->integer || item->text ? ""
                                                  : "numbers of the shape ",
                    item->absent ? "" : shape, a->state == IB_H5_MISSING ? "nothing" : found);
}

static ib_status take(answer *answers, const char *data, ib_h5_item *items, size_t n, bool ended_well,
                      const char *name, ib_error *err) {
    bool opened =
        ended_well && !(answers[n].state == IB_H5_REFUSED && n && answers[0].state == IB_H5_NOT_READ);
    for (size_t i = 0; i < n && opened; i++) {
        ib_status status = check_answer(&answers[i], &items[i], name, err);
        if (status != IB_OK) return status;
        size_t bytes = item_bytes(&items[i]);
        if (items[i].found && bytes) memcpy(items[i].data, data, bytes);
        if (items[i].found && items[i].text) ((char *)items[i].data)[items[i].text - 1] = 0;
        data += padded(bytes);
    }
    if (ended_well && answers[n].state == IB_H5_READ) return IB_OK;
    char found[sizeof answers->found];
    ib__h5_clean(found, answers[n].found);
    return ib__fail(err, IB_BAD_INPUT, name, "expected the model's weights, found %s",
                    found[0] ? found : "a file that the reader cannot get through");
}

ib_h5_item ib__h5_state(const char *path, const ib_state *state) {
    const ib_variable *v = state->variable;
    return (ib_h5_item){.path = path,
                        .shape = v ? v->shape : (ib_shape){0},
                        .integer = !v,
                        .optional = true,
                        .data = v ? (void *)v->data : (void *)state->integer};
}

ib_status ib__h5_read(const void *image, size_t length, ib_h5_item *items, size_t n, const char *name,
                      ib_error *err) {
    size_t bytes = (n + 1) * sizeof(answer);
    bytes = padded(bytes);
    size_t first = bytes;
    for (size_t i = 0; i < n; i++) {
        items[i].found = false;
        bytes += padded(item_bytes(&items[i]));
    }
    void *shared = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return ib__fail_memory(err);
    answer *answers = shared;
    char *data = (char *)shared + first;
    int ends[2];
    ib_status status = IB_OK;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        status = ib__fail(err, IB_IO, name, "cannot make a pipe to the reader: %s", strerror(errno));
        goto done;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(image, length, items, n, answers, data);
    }
    close(ends[1]);
    if (pid < 0)
        status = ib__fail(err, IB_IO, name, "cannot start the reader: %s", strerror(errno));
    else
        status = take(answers, data, items, n, wait_for(pid, ends[0]), name, err);
    close(ends[0]);
done:
    munmap(shared, bytes ? bytes : 1);
    return status;
}
