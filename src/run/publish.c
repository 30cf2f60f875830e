/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishing a run: a folder with the run, its inputs, an in-toto statement about its files and result, and
 * the metadata of a Workflow Run RO-Crate. All of it is a function of the run: no dates but those of the
 * record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run/commands.h"
#include "run/inputs.h"
#include "run/publish.h"

#define STATEMENT "https://in-toto.io/Statement/v1"
#define PREDICATE "urn:x-isobit:run:1"

static const char *const run_files[] = {
    "record.json",      "steps",      "tensors",  "history.csv", "model.keras",
    "environment.lock", "Dockerfile", "git.diff", "report.html", "verified.json"};

typedef struct published {
    char *name; /* in the bundle */
    char hex[65];
    size_t size;
    const char *input; /* the field, "data.train.npz"; NULL: of the run */
    char *tree;        /* the folder whose files this one lists; NULL: it is no such list */
} published;

typedef struct bundle {
    const ib_record *record;
    const char *folder;
    published *files;
    size_t n, capacity;
} bundle;

char *ib__bundle_input(const char *folder, const char *field, const char *path) {
    const char *slash = strrchr(path, '/');
    ib_buf name = {0};
    ib__buf_printf(&name, "%s%sinputs/%s-%s", folder, folder[0] != '\0' ? "/" : "", field,
                   slash != NULL ? slash + 1 : path);
    if (!name.failed) return name.data;
    ib__buf_free(&name);
    return NULL;
}

/* ---- Files ---- */

static ib_status write_bytes(const bundle *b, const char *name, const ib_buf *bytes, ib_error *err) {
    char *to = ib__path_join(b->folder, name);
    if (to == NULL) return ib__fail_memory(err);
    char *slash = strrchr(to, '/');
    *slash = '\0';
    ib_status status = ib__folder_make(to, err);
    *slash = '/';
    if (status == IB_OK) status = ib__file_write(to, bytes->data, bytes->length, err);
    free(to);
    return status;
}

/* Writes it, and takes it into the list. */
static ib_status add_bytes(bundle *b, const ib_buf *bytes, const char *name, const char *input,
                           ib_error *err) {
    if (!ib__grow(&b->files, &b->capacity, b->n + 1, sizeof *b->files)) return ib__fail_memory(err);
    ib_status status = write_bytes(b, name, bytes, err);
    if (status != IB_OK) return status;
    published *p = &b->files[b->n++];
    *p = (published){.name = strdup(name), .size = bytes->length, .input = input};
    ib_digest digest = ib__sha256(bytes->data, bytes->length);
    ib__digest_hex(p->hex, &digest);
    return p->name != NULL ? IB_OK : ib__fail_memory(err);
}

static ib_status add_file(bundle *b, const char *from, const char *name, const char *input, ib_error *err) {
    ib_buf bytes = {0};
    ib_status status = ib__file_read(&bytes, from, SIZE_MAX / 4, err);
    if (status == IB_OK) status = add_bytes(b, &bytes, name, input, err);
    ib__buf_free(&bytes);
    return status;
}

static ib_status add_run_files(bundle *b, ib_error *err) {
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < sizeof run_files / sizeof *run_files; i++) {
        char *path = ib__path_join(b->record->folder, run_files[i]);
        if (path == NULL) return ib__fail_memory(err);
        if (ib__file_exists(path)) status = add_file(b, path, run_files[i], NULL, err);
        free(path);
    }
    return status;
}

/* ---- Inputs: only what the run was trained on is published ---- */

static ib_status fail_changed(const char *path, const char *field, ib_error *err) {
    return ib__fail(err, IB_BAD_INPUT, path, "%.60s was changed since the run", field);
}

static ib_status add_input_file(bundle *b, const char *field, const char *path, const ib_value *wanted,
                                ib_error *err) {
    char *name = ib__bundle_input("", field, path);
    if (name == NULL) return ib__fail_memory(err);
    ib_status status = add_file(b, path, name, field, err);
    free(name);
    bool same = status != IB_OK || ib__value_is_string(wanted, b->files[b->n - 1].hex);
    return same ? status : fail_changed(path, field, err);
}

/* Copies one file of a folder and adds its line to the list, as sha256sum writes and checks it. */
static ib_status copy_listed(bundle *b, const ib_class_folder *files, size_t i, const char *path,
                             const char *tree, ib_buf *list, ib_error *err) {
    ib_buf bytes = {0};
    char hex[65], *from = ib__path_join(path, files->files.paths[i]),
                  *to = ib__path_join(tree, files->files.paths[i]);
    ib_status status = from == NULL || to == NULL ? ib__fail_memory(err) : IB_OK;
    if (status == IB_OK && strpbrk(to, "\\\n\r") != NULL)
        status =
            ib__fail(err, IB_UNSUPPORTED, from, "names with a backslash or an end of line are not published");
    if (status == IB_OK) status = ib__file_read(&bytes, from, SIZE_MAX / 4, err);
    ib_digest digest = ib__sha256(bytes.data, bytes.length);
    if (status == IB_OK && memcmp(&digest, &files->digests[i], sizeof digest) != 0)
        status = ib__fail(err, IB_BAD_INPUT, from, "it was changed while it was published");
    if (status == IB_OK) status = write_bytes(b, to, &bytes, err);
    ib__digest_hex(hex, &digest);
    if (status == IB_OK && !ib__buf_printf(list, "%s  %s\n", hex, strchr(to, '/') + 1))
        status = ib__fail_memory(err);
    ib__buf_free(&bytes);
    free(from);
    free(to);
    return status;
}

/* A folder is published with the list of its files: inputs/FIELD-NAME/... and inputs/FIELD-NAME.sha256. */
static ib_status add_input_folder(bundle *b, const char *field, const char *path, const ib_value *wanted,
                                  ib_error *err) {
    ib_class_folder files;
    ib_buf list = {0}, name = {0};
    char hex[65], *tree = ib__bundle_input("", field, path);
    ib_status status = ib__input_files(&files, b->record, field, path, err);
    ib__digest_hex(hex, &files.whole);
    if (status == IB_OK && !ib__value_is_string(wanted, hex)) status = fail_changed(path, field, err);
    if (status == IB_OK && (tree == NULL || !ib__buf_printf(&name, "%s.sha256", tree)))
        status = ib__fail_memory(err);
    for (size_t i = 0; status == IB_OK && i < files.files.n; i++)
        status = copy_listed(b, &files, i, path, tree, &list, err);
    if (status == IB_OK) status = add_bytes(b, &list, name.data, field, err);
    if (status == IB_OK) {
        b->files[b->n - 1].tree = tree;
        tree = NULL;
    }
    free(tree);
    ib__buf_free(&list);
    ib__buf_free(&name);
    ib__class_folder_free(&files);
    return status;
}

static ib_status add_inputs(bundle *b, ib_error *err) {
    const ib_value *inputs = ib__value_get(b->record->tree, "inputs");
    ib_status status = IB_OK;
    for (size_t i = 0; status == IB_OK && i < inputs->count; i++) {
        const ib_value *field = ib__value_get(inputs->items[i], "field");
        const ib_value *path = ib__value_get(inputs->items[i], "path");
        const ib_value *wanted = ib__value_get(inputs->items[i], "sha256");
        if (!ib__value_is(field, IB_STRING) || !ib__value_is(path, IB_STRING)) continue;
        status = ib__input_is_folder(path->string)
                     ? add_input_folder(b, field->string, path->string, wanted, err)
                     : add_input_file(b, field->string, path->string, wanted, err);
    }
    return status;
}

static ib_status write_value(const bundle *b, const char *name, const ib_value *value, ib_error *err) {
    ib_buf text = {0};
    char *path = ib__path_join(b->folder, name);
    bool good = path != NULL && value != NULL && ib__json_write(&text, value, IB_JSON_INDENT) &&
                ib__buf_text(&text, "\n");
    ib_status status = good ? ib__file_write(path, text.data, text.length, err) : ib__fail_memory(err);
    ib__buf_free(&text);
    free(path);
    return status;
}

/* The experiment with its defaults: what RO-Crate calls the workflow. */
static ib_status add_experiment(bundle *b, ib_error *err) {
    ib_status status = write_value(b, "experiment.json", ib__value_get(b->record->tree, "experiment"), err);
    if (status != IB_OK) return status;
    char *path = ib__path_join(b->folder, "experiment.json");
    if (path == NULL) return ib__fail_memory(err);
    status = add_file(b, path, "experiment.json", NULL, err);
    free(path);
    return status;
}

/* ---- Trees. Every put takes over its value and gives false when there is no memory. ---- */

static bool put(ib_value *map, const char *key, ib_value *value) {
    return ib__value_set(map, key, value);
}

static bool put_text(ib_value *map, const char *key, const char *text) {
    return put(map, key, ib__value_string(text));
}

static ib_value *pair(const char *key, const char *text) {
    ib_value *map = ib__value_map();
    if (map != NULL && put_text(map, key, text)) return map;
    ib__value_free(map);
    return NULL;
}

static bool put_reference(ib_value *map, const char *key, const char *id) {
    return put(map, key, pair("@id", id));
}

/* The levels that verified.json says were proven. */
static ib_value *levels_of(const ib_record *record) {
    char *path = ib__path_join(record->folder, "verified.json");
    ib_buf text = {0};
    ib_value *tree = NULL, *levels = NULL;
    if (path != NULL && ib__file_exists(path) && ib__file_read(&text, path, 1 << 20, NULL) == IB_OK &&
        ib__json_parse(&tree, text.data, text.length, path, NULL) == IB_OK)
        levels = ib__value_copy(ib__value_get(tree, "levels"));
    ib__value_free(tree);
    ib__buf_free(&text);
    free(path);
    return levels != NULL ? levels : ib__value_list();
}

/* ---- The statement ---- */

static bool add_subject(ib_value *list, const char *name, const char *hex) {
    ib_value *one = ib__value_map();
    bool good = one != NULL && put_text(one, "name", name) && put(one, "digest", pair("sha256", hex));
    return ib__value_add(list, one) && good;
}

static ib_value *predicate(const bundle *b) {
    static const char *const copied[] = {
        "experiment", "experiment_sha256", "contract",   "goal",     "seed", "result", "environment",
        "timing",     "resumed",           "git_commit", "git_dirty"};
    ib_value *map = ib__value_map(), *inputs = ib__value_list();
    bool good = map != NULL && inputs != NULL;
    for (size_t i = 0; good && i < sizeof copied / sizeof *copied; i++) {
        const ib_value *value = ib__value_get(b->record->tree, copied[i]);
        if (value != NULL) good = put(map, copied[i], ib__value_copy(value));
    }
    for (size_t i = 0; good && i < b->n; i++)
        if (b->files[i].input != NULL) good = add_subject(inputs, b->files[i].name, b->files[i].hex);
    good = good && put(map, "levels", levels_of(b->record));
    if (map == NULL)
        ib__value_free(inputs);
    else
        good = put(map, "inputs", inputs) && good;
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

static ib_value *statement(const bundle *b) {
    ib_value *map = ib__value_map(), *subjects = ib__value_list();
    bool good = map != NULL && subjects != NULL && put_text(map, "_type", STATEMENT);
    for (size_t i = 0; good && i < b->n; i++)
        good = add_subject(subjects, b->files[i].name, b->files[i].hex);
    good = good && add_subject(subjects, "result", ib__value_get(b->record->tree, "result")->string);
    if (map == NULL)
        ib__value_free(subjects);
    else
        good = put(map, "subject", subjects) && good;
    good = good && put_text(map, "predicateType", PREDICATE) && put(map, "predicate", predicate(b));
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

/* ---- RO-Crate 1.1 with the profile Workflow Run Crate 0.5 ---- */

static ib_value *entity(const char *id, const char *type, const char *name) {
    ib_value *map = ib__value_map();
    bool good = map != NULL && put_text(map, "@id", id) && put_text(map, "@type", type);
    if (good && name != NULL) good = put_text(map, "name", name);
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

static const char *format_of(const char *name) {
    static const struct format {
        const char *end, *type;
    } formats[] = {{".json", "application/json"}, {".csv", "text/csv"},        {".html", "text/html"},
                   {".keras", "application/zip"}, {".npz", "application/zip"}, {".lock", "text/plain"},
                   {".diff", "text/x-diff"}};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        size_t m = strlen(formats[i].end);
        if (n > m && strcmp(name + n - m, formats[i].end) == 0) return formats[i].type;
    }
    return "text/plain";
}

static bool add_file_entity(ib_value *graph, const published *p) {
    char size[32];
    bool workflow = strcmp(p->name, "experiment.json") == 0;
    ib_value *one = entity(p->name, "File", p->name);
    snprintf(size, sizeof size, "%zu", p->size);
    bool good = one != NULL && put_text(one, "sha256", p->hex) && put_text(one, "contentSize", size) &&
                put_text(one, "encodingFormat", format_of(p->name));
    if (good && workflow) {
        ib_value *types = ib__value_list();
        good = ib__value_add(types, ib__value_string("File")) &&
               ib__value_add(types, ib__value_string("SoftwareSourceCode")) &&
               ib__value_add(types, ib__value_string("ComputationalWorkflow")) && put(one, "@type", types) &&
               put_text(one, "name", "The experiment, with its defaults") &&
               put_reference(one, "programmingLanguage", "#isobit");
    }
    if (good && strcmp(p->name, "report.html") == 0) good = put_reference(one, "about", "./");
    return ib__value_add(graph, one) && good;
}

/* A folder's identifier ends in a slash. false: no memory. */
static bool tree_id(ib_buf *id, const published *p) {
    return ib__buf_printf(id, "%s/", p->tree);
}

static bool add_tree_entity(ib_value *graph, const published *p) {
    ib_buf id = {0};
    ib_value *one = tree_id(&id, p) ? entity(id.data, "Dataset", p->tree) : NULL;
    bool good = one != NULL && put_text(one, "description",
                                        "A folder of samples; the file beside it lists the SHA-256 of each");
    ib__buf_free(&id);
    return ib__value_add(graph, one) && good;
}

static bool add_reference(ib_value *list, const char *id) {
    return ib__value_add(list, pair("@id", id));
}

/* A file, and the folder that it lists. */
static bool add_references(ib_value *list, const published *p) {
    ib_buf id = {0};
    if (p->tree == NULL) return add_reference(list, p->name);
    bool good = tree_id(&id, p) && add_reference(list, id.data) && add_reference(list, p->name);
    ib__buf_free(&id);
    return good;
}

static const char *const profiles[] = {"https://w3id.org/ro/wfrun/process/0.5",
                                       "https://w3id.org/ro/wfrun/workflow/0.5",
                                       "https://w3id.org/workflowhub/workflow-ro-crate/1.0"};
static const char *const profile_names[] = {"Process Run Crate", "Workflow Run Crate", "Workflow RO-Crate"};

static const char *started(const bundle *b) {
    const ib_value *value = ib__value_get(ib__value_get(b->record->tree, "timing"), "started");
    return ib__value_is(value, IB_STRING) ? value->string : "1980-01-01T00:00:00Z";
}

/* The start and the seconds of work after it. */
static void print_end(char out[32], const bundle *b) {
    struct tm utc = {0};
    double seconds = 0;
    (void)ib__value_number(ib__value_get(ib__value_get(b->record->tree, "timing"), "seconds"), &seconds);
    snprintf(out, 32, "%.31s", started(b));
    if (strptime(started(b), "%Y-%m-%dT%H:%M:%SZ", &utc) == NULL || !(seconds >= 0 && seconds < 1e10)) return;
    time_t end = timegm(&utc) + (time_t)seconds;
    if (gmtime_r(&end, &utc) != NULL) strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static bool add_root(ib_value *graph, const bundle *b) {
    const ib_value *experiment = ib__value_get(b->record->tree, "experiment");
    const ib_value *name = ib__value_get(experiment, "name"), *notes = ib__value_get(experiment, "notes");
    ib_value *root =
        entity("./", "Dataset", ib__value_is(name, IB_STRING) ? name->string : "A training run of isobit");
    ib_value *parts = ib__value_list(), *conforms = ib__value_list();
    bool good = root != NULL && parts != NULL && conforms != NULL;
    for (size_t i = 0; good && i < b->n; i++)
        good = add_references(parts, &b->files[i]);
    good = good && add_reference(parts, "statement.json");
    for (size_t i = 0; good && i < sizeof profiles / sizeof *profiles; i++)
        good = add_reference(conforms, profiles[i]);
    if (root == NULL) {
        ib__value_free(parts);
        ib__value_free(conforms);
        return false;
    }
    good = put(root, "hasPart", parts) && good;
    good = put(root, "conformsTo", conforms) && good;
    good = good &&
           put_text(root, "description",
                    ib__value_is(notes, IB_STRING)
                        ? notes->string
                        : "A training run that can be executed again to the same bits: model, "
                          "inputs, record and digests.") &&
           put_text(root, "datePublished", started(b)) &&
           put_text(root, "license", "The licence of the data and the model is that of their owners.") &&
           put_reference(root, "mainEntity", "experiment.json") &&
           put_reference(root, "mentions", "#training");
    return ib__value_add(graph, root) && good;
}

static bool add_action(ib_value *graph, const bundle *b) {
    char end[32];
    print_end(end, b);
    ib_value *action = entity("#training", "CreateAction", "The training"), *objects = ib__value_list(),
             *results = ib__value_list();
    bool good = action != NULL && objects != NULL && results != NULL;
    for (size_t i = 0; good && i < b->n; i++) {
        bool result = strcmp(b->files[i].name, "model.keras") == 0 ||
                      strcmp(b->files[i].name, "history.csv") == 0 ||
                      strcmp(b->files[i].name, "record.json") == 0;
        if (b->files[i].input != NULL) good = add_references(objects, &b->files[i]);
        if (result) good = add_reference(results, b->files[i].name);
    }
    if (action == NULL) {
        ib__value_free(objects);
        ib__value_free(results);
        return false;
    }
    good = put(action, "object", objects) && good;
    good = put(action, "result", results) && good;
    good = good && put_reference(action, "instrument", "experiment.json") &&
           put_text(action, "startTime", started(b)) && put_text(action, "endTime", end) &&
           put_reference(action, "agent", "#isobit-software") &&
           put_reference(action, "actionStatus", "http://schema.org/CompletedActionStatus");
    return ib__value_add(graph, action) && good;
}

static bool add_software(ib_value *graph) {
    ib_value *language = entity("#isobit", "ComputerLanguage", "isobit"),
             *software = entity("#isobit-software", "SoftwareApplication", "isobit");
    bool good = language != NULL && software != NULL && put_text(language, "version", ib_version()) &&
                put_text(software, "softwareVersion", ib_version());
    good = ib__value_add(graph, language) && good;
    good = ib__value_add(graph, software) && good;
    for (size_t i = 0; good && i < sizeof profiles / sizeof *profiles; i++) {
        const char *slash = strrchr(profiles[i], '/');
        ib_value *profile = entity(profiles[i], "CreativeWork", profile_names[i]);
        good = profile != NULL && put_text(profile, "version", slash + 1);
        good = ib__value_add(graph, profile) && good;
    }
    return good;
}

static ib_value *crate(const bundle *b) {
    ib_value *map = ib__value_map(), *graph = ib__value_list();
    ib_value *metadata = entity("ro-crate-metadata.json", "CreativeWork", NULL);
    ib_value *conforms = ib__value_list();
    bool good = map != NULL && graph != NULL && metadata != NULL && conforms != NULL &&
                add_reference(conforms, "https://w3id.org/ro/crate/1.1") &&
                add_reference(conforms, profiles[2]) &&
                put_text(map, "@context", "https://w3id.org/ro/crate/1.1/context");
    if (metadata == NULL)
        ib__value_free(conforms);
    else
        good = put(metadata, "conformsTo", conforms) && put_reference(metadata, "about", "./") && good;
    good = ib__value_add(graph, metadata) && good;
    good = good && add_root(graph, b);
    for (size_t i = 0; good && i < b->n; i++)
        good = add_file_entity(graph, &b->files[i]) &&
               (b->files[i].tree == NULL || add_tree_entity(graph, &b->files[i]));
    if (good) {
        ib_value *one =
            entity("statement.json", "File", "An in-toto statement about the files and the result");
        good = one != NULL && put_text(one, "encodingFormat", "application/vnd.in-toto+json");
        good = ib__value_add(graph, one) && good;
    }
    good = good && add_action(graph, b) && add_software(graph);
    if (map == NULL)
        ib__value_free(graph);
    else
        good = put(map, "@graph", graph) && good;
    if (good) return map;
    ib__value_free(map);
    return NULL;
}

static ib_status write_tree(const bundle *b, const char *name, ib_value *tree, ib_error *err) {
    ib_status status = write_value(b, name, tree, err);
    ib__value_free(tree);
    return status;
}

/* The crate's metadata come last: a folder that holds them is a complete bundle. */
static ib_status write_bundle(bundle *b, ib_error *err) {
    ib_status status = add_run_files(b, err);
    if (status == IB_OK) status = add_inputs(b, err);
    if (status == IB_OK) status = add_experiment(b, err);
    if (status == IB_OK) status = write_tree(b, "statement.json", statement(b), err);
    if (status == IB_OK) status = write_tree(b, "ro-crate-metadata.json", crate(b), err);
    return status;
}

/* A failure leaves nothing behind. */
ib_status ib__publish(const char *run, const char *folder, const ib_options *options, ib_error *err) {
    bundle b = {.folder = folder};
    ib_record *record = NULL;
    ib_status status = ib__record_read(&record, run, err);
    b.record = record;
    if (status == IB_OK && ib__file_exists(folder))
        status = ib__fail(err, IB_BAD_INPUT, folder, "expected a new folder, found one that is there");
    if (status == IB_OK) {
        status = write_bundle(&b, err);
        if (status != IB_OK) ib__tree_remove(folder);
    }
    if (status == IB_OK)
        ib__say(options, "%zu files, result sha256:%s\n", b.n + 2,
                ib__value_get(record->tree, "result")->string);
    for (size_t i = 0; i < b.n; i++) {
        free(b.files[i].name);
        free(b.files[i].tree);
    }
    free(b.files);
    ib__record_free(record);
    return status;
}

/* ---- Checking a bundle ---- */

static bool same_digest(const char *folder, const char *name, const char *wanted) {
    ib_digest digest;
    char hex[65] = "";
    char *path = ib__path_join(folder, name);
    if (path != NULL && ib__sha256_file(&digest, path, NULL) == IB_OK) ib__digest_hex(hex, &digest);
    free(path);
    return strcmp(hex, wanted) == 0;
}

/* Names in a statement are those of files of the bundle: nothing outside of it is looked at. */
static bool is_inside(const char *name) {
    return name[0] != '/' && name[0] != '\0' && strstr(name, "..") == NULL;
}

/* The files of a folder, as the list inputs/NAME.sha256 has them. Says the first that is another one. */
static ib_status check_list(const char *folder, const char *name, const ib_options *options, ib_error *err) {
    ib_buf text = {0};
    char *path = ib__path_join(folder, name), *save = NULL;
    ib_status status = path == NULL ? ib__fail_memory(err) : ib__file_read(&text, path, (size_t)1 << 30, err);
    char *line = status == IB_OK ? strtok_r(text.data, "\n", &save) : NULL;
    for (size_t number = 1; status == IB_OK && line != NULL; number++) {
        ib_buf file = {0};
        if (strlen(line) < 67 || memcmp(line + 64, "  ", 2) != 0 || !is_inside(line + 66)) {
            status = ib__fail(err, IB_BAD_INPUT, path, "line %zu: expected a SHA-256 and the name of a file",
                              number);
            break;
        }
        line[64] = '\0';
        if (!ib__buf_printf(&file, "inputs/%s", line + 66)) {
            status = ib__fail_memory(err);
        } else if (!same_digest(folder, file.data, line)) {
            ib__say(options, "differs: %s is not what %s says\n", file.data, name);
            status = IB_DIFFERS;
        }
        ib__buf_free(&file);
        line = strtok_r(NULL, "\n", &save);
    }
    ib__buf_free(&text);
    free(path);
    return status;
}

static bool is_list(const char *name) {
    size_t n = strlen(name);
    return strncmp(name, "inputs/", 7) == 0 && n > 7 && strcmp(name + n - 7, ".sha256") == 0;
}

ib_status ib__bundle_check(const ib_record *record, const ib_options *options, ib_error *err) {
    char *path = ib__path_join(record->folder, "statement.json");
    ib_buf text = {0};
    ib_value *tree = NULL;
    if (path == NULL) return ib__fail_memory(err);
    if (!ib__file_exists(path)) {
        free(path);
        return IB_OK;
    }
    ib_status status = ib__file_read(&text, path, (size_t)64 << 20, err);
    if (status == IB_OK) status = ib__json_parse(&tree, text.data, text.length, path, err);
    const ib_value *subjects = ib__value_get(tree, "subject");
    if (status == IB_OK && (!ib__value_is_string(ib__value_get(tree, "_type"), STATEMENT) ||
                            !ib__value_is_string(ib__value_get(tree, "predicateType"), PREDICATE) ||
                            !ib__value_is(subjects, IB_LIST)))
        status = ib__fail(err, IB_BAD_INPUT, path, "expected an in-toto statement about a run of isobit");
    for (size_t i = 0; status == IB_OK && i < subjects->count; i++) {
        const ib_value *name = ib__value_get(subjects->items[i], "name");
        const ib_value *hex = ib__value_get(ib__value_get(subjects->items[i], "digest"), "sha256");
        if (!ib__value_is(name, IB_STRING) || !ib__value_is(hex, IB_STRING) || !is_inside(name->string)) {
            status = ib__fail(err, IB_BAD_INPUT, path,
                              "subject %zu: expected the name of a file and its sha256", i);
            break;
        }
        bool result = strcmp(name->string, "result") == 0;
        bool same = result ? ib__value_is_string(ib__value_get(record->tree, "result"), hex->string)
                           : same_digest(record->folder, name->string, hex->string);
        if (same && is_list(name->string)) status = check_list(record->folder, name->string, options, err);
        if (same) continue;
        ib__say(options, "differs: %s is not what the statement says\n", name->string);
        status = IB_DIFFERS;
    }
    if (status == IB_OK)
        ib__say(options, "same: the statement about %zu files and the result\n", subjects->count - 1);
    ib__value_free(tree);
    ib__buf_free(&text);
    free(path);
    return status;
}
