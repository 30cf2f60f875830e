/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment of a script's run as files that make it again: isobit lock.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/file.h"
#include "hold/commands.h"

typedef struct lock {
    const ib_script_run *run;
    const ib_value *python, *packages; /* from the record */
    ib_value *hashes;                  /* map: name in small letters -> list of "sha256:..." */
    size_t without;                    /* packages whose hashes are not known */
} lock;

static const char *text_of(const ib_value *map, const char *key) {
    const ib_value *value = ib__value_get(map, key);
    return ib__value_is(value, IB_STRING) ? value->string : "";
}

/* Letters, digits and what names and versions of packages may hold: the files are read by other programs. */
static bool is_plain(const char *text) {
    for (const char *p = text; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("._-+!", *p) == NULL) return false;
    return *text != '\0' && *text != '-';
}

/* Names as package indexes compare them: small letters, runs of - _ . as one -. */
static void normal_name(char out[128], const char *name) {
    size_t n = 0;
    for (; *name != '\0' && n < 126; name++) {
        bool dash = strchr("-_.", *name) != NULL;
        if (dash && n > 0 && out[n - 1] == '-') continue;
        out[n++] = dash ? '-' : (char)tolower((unsigned char)*name);
    }
    out[n] = '\0';
}

/* ---- Hashes, from the index that the recorded Python's pip uses ---- */

static bool print_pins(const lock *l, ib_buf *out) {
    for (size_t i = 0; i < l->packages->count; i++) {
        const char *name = text_of(l->packages->items[i], "name"),
                   *version = text_of(l->packages->items[i], "version");
        if (is_plain(name) && is_plain(version)) ib__buf_printf(out, "%s==%s\n", name, version);
    }
    return !out->failed;
}

/* {"install": [{"download_info": {"archive_info": {"hashes": {"sha256": "..."}}}, "metadata": {"name":
 * "..."}}]} */
static bool take_report(lock *l, const ib_value *report) {
    const ib_value *list = ib__value_get(report, "install");
    for (size_t i = 0; ib__value_is(list, IB_LIST) && i < list->count; i++) {
        const ib_value *archive =
            ib__value_get(ib__value_get(list->items[i], "download_info"), "archive_info");
        const ib_value *hash = ib__value_get(ib__value_get(archive, "hashes"), "sha256");
        char name[128];
        ib_digest digest;
        normal_name(name, text_of(ib__value_get(list->items[i], "metadata"), "name"));
        if (!ib__value_is(hash, IB_STRING) || !ib__digest_parse(&digest, hash->string)) continue;
        if (!ib__value_set(l->hashes, name, ib__value_string(hash->string))) return false;
    }
    return true;
}

/* pip resolves what is pinned, without installing, and reports which archives it would take. */
static ib_status ask_pip(lock *l, const char *folder, ib_error *err) {
    ib_buf pins = {0}, text = {0};
    ib_value *report = NULL;
    ib_launched ended;
    char *list = ib__path_join(folder, "pins"), *answer = ib__path_join(folder, "report");
    char *log = ib__path_join(folder, "log"), *python = (char *)text_of(l->python, "executable");
    char *words[] = {python,      "-m",       "pip",  "install", "--quiet", "--dry-run", "--ignore-installed",
                     "--no-deps", "--report", answer, "-r",      list,      NULL};
    ib_launch launch = {
        .argv = words, .env = l->run->env.entries, .cwd = "/", .input = "/dev/null", .output = log};
    ib_status status = list == NULL || answer == NULL || log == NULL || !print_pins(l, &pins)
                           ? ib__fail_memory(err)
                           : ib__file_write(list, pins.data, pins.length, err);
    if (status == IB_OK) status = ib__launch(&launch, &ended, err);
    if (status == IB_OK && (!WIFEXITED(ended.status) || WEXITSTATUS(ended.status) != 0)) {
        ib__file_read(&text, log, 0, NULL);
        size_t skip = text.length > 300 ? text.length - 300 : 0;
        status =
            ib__fail(err, IB_IO, python, "pip cannot tell the hashes (--offline: a lock without them): %s",
                     text.data != NULL ? text.data + skip : "");
    }
    ib__buf_free(&text);
    if (status == IB_OK) status = ib__file_read(&text, answer, 0, err);
    if (status == IB_OK) status = ib__json_parse(&report, text.data, text.length, answer, err);
    if (status == IB_OK && !take_report(l, report)) status = ib__fail_memory(err);
    ib__value_free(report);
    ib__buf_free(&text);
    ib__buf_free(&pins);
    free(list);
    free(answer);
    free(log);
    return status;
}

/* ---- Files ---- */

static void print_requirements(lock *l, ib_buf *out, bool offline) {
    ib__buf_printf(out, "# Python %s, as recorded by isobit\n", text_of(l->python, "version"));
    if (!offline) ib__buf_text(out, "# pip install --require-hashes --no-deps -r requirements.txt\n");
    for (size_t i = 0; i < l->packages->count; i++) {
        const char *name = text_of(l->packages->items[i], "name"),
                   *version = text_of(l->packages->items[i], "version");
        char normal[128];
        if (!is_plain(name) || !is_plain(version)) continue;
        normal_name(normal, name);
        const char *hash = text_of(l->hashes, normal);
        if (*hash != '\0')
            ib__buf_printf(out, "%s==%s --hash=sha256:%s\n", normal, version, hash);
        else
            ib__buf_printf(out, "%s==%s\n", normal, version);
        if (*hash == '\0') l->without++;
    }
}

static void print_conda(const lock *l, ib_buf *out) {
    ib__buf_printf(out,
                   "# conda env create -f environment.yml\n"
                   "name: isobit-lock\n"
                   "channels: [conda-forge]\n"
                   "dependencies:\n"
                   "  - python=%s\n"
                   "  - pip\n"
                   "  - pip: [--no-deps, -r requirements.txt]\n",
                   text_of(l->python, "version"));
}

/* In a Dockerfile a value stands between quotes; what could end them is escaped. */
static void print_quoted(ib_buf *out, const char *text) {
    ib__buf_text(out, "\"");
    for (const char *p = text; *p != '\0'; p++) {
        if (strchr("\"\\$", *p) != NULL) ib__buf_text(out, "\\");
        if ((unsigned char)*p >= ' ') ib__buf_add(out, p, 1);
    }
    ib__buf_text(out, "\"");
}

static void print_dockerfile(const lock *l, ib_buf *out, bool hashed) {
    static const char *const chosen[] = {
        "TF_NUM_", "TF_ENABLE_", "TF_DETERMINISTIC", "TF_XLA_", "XLA_",   "KERAS_", "JAX_",
        "OMP_",    "MKL_",       "OPENBLAS_",        "DNNL",    "ONEDNN", "TORCH_", "PYTHONHASHSEED"};
    const ib_value *maps[] = {ib__value_get(ib__value_get(l->run->tree, "program"), "env"),
                              ib__value_get(ib__value_get(l->run->tree, "hold"), "variables")};
    ib__buf_printf(
        out,
        "# docker build -t recorded . && docker run --rm -v \"$PWD:/work\" recorded python train.py\n"
        "FROM python:%s-slim\n",
        text_of(l->python, "version"));
    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < maps[m]->count; i++) {
            bool wanted = false;
            for (size_t k = 0; k < sizeof chosen / sizeof *chosen; k++)
                wanted = wanted || strncmp(maps[m]->keys[i], chosen[k], strlen(chosen[k])) == 0;
            if (!wanted || !is_plain(maps[m]->keys[i]) || !ib__value_is(maps[m]->items[i], IB_STRING))
                continue;
            ib__buf_printf(out, "ENV %s=", maps[m]->keys[i]);
            print_quoted(out, maps[m]->items[i]->string);
            ib__buf_text(out, "\n");
        }
    }
    ib__buf_printf(out,
                   "COPY requirements.txt /tmp/\n"
                   "RUN pip install --no-cache-dir --no-deps %s-r /tmp/requirements.txt\n"
                   "WORKDIR /work\n",
                   hashed ? "--require-hashes " : "");
}

static ib_status write_file(const char *folder, const char *name, ib_buf *text, ib_error *err) {
    char *path = ib__path_join(folder, name);
    ib_status status = path == NULL || text->failed ? ib__fail_memory(err)
                                                    : ib__file_write(path, text->data, text->length, err);
    free(path);
    ib__buf_free(text);
    return status;
}

static ib_status write_lock(lock *l, const char *folder, bool offline, const ib_options *options,
                            ib_error *err) {
    ib_buf text = {0};
    print_requirements(l, &text, offline);
    ib_status status = write_file(folder, "requirements.txt", &text, err);
    if (status != IB_OK) return status;
    print_conda(l, &text);
    status = write_file(folder, "environment.yml", &text, err);
    if (status != IB_OK) return status;
    print_dockerfile(l, &text, l->without == 0);
    status = write_file(folder, "Dockerfile", &text, err);
    if (status != IB_OK) return status;
    if (l->without > 0)
        ib__say(options, "%zu of %zu packages have no hash: %s\n", l->without, l->packages->count,
                offline ? "none was asked for" : "the index has no such archive");
    ib__say(options, "wrote requirements.txt, environment.yml and Dockerfile into %s\n", folder);
    return IB_OK;
}

static ib_status make_lock(lock *l, const char *folder, bool offline, const ib_options *options,
                           ib_error *err) {
    char *scratch = NULL;
    const ib_value *env = ib__value_get(l->run->tree, "environment");
    l->python = ib__value_get(env, "python");
    l->packages = ib__value_get(l->python, "packages");
    if (!ib__value_is(l->packages, IB_LIST) || !is_plain(text_of(l->python, "version")))
        return ib__fail(err, IB_BAD_INPUT, l->run->folder, "this run has no list of Python packages");
    ib_status status = ib__folder_make(folder, err);
    if (status == IB_OK && (l->hashes = ib__value_map()) == NULL) status = ib__fail_memory(err);
    if (status == IB_OK && !offline) {
        status = ib__folder_temporary(&scratch, err);
        if (status == IB_OK) status = ask_pip(l, scratch, err);
        ib__folder_discard(scratch);
    }
    if (status == IB_OK) status = write_lock(l, folder, offline, options, err);
    ib__value_free(l->hashes);
    return status;
}

ib_status ib__script_lock(const char *run, const char *folder, bool offline, const ib_options *options,
                          ib_error *err) {
    ib_script_run *script = NULL;
    if (!ib__script_is(run)) {
        ib_record *own = NULL;
        ib_status status = ib__record_read(&own, run, err);
        ib__record_free(own);
        if (status != IB_OK) return status;
        return ib__fail(err, IB_UNSUPPORTED, run,
                        "expected the run of a script; a run of isobit's own needs no packages");
    }
    ib_status status = ib__script_read(&script, run, err);
    if (status != IB_OK) return status;
    lock l = {.run = script};
    status = make_lock(&l, folder != NULL ? folder : run, offline, options, err);
    ib__script_free(script);
    return status;
}
