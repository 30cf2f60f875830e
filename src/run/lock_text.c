/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing and reading the lock of an environment.
 */
#include "run/lock_text.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/env.h"

#define HEAD "isobit-lock 1"

static const char *text_at(const ib_value *env, const char *section, const char *key) {
    const ib_value *value = ib__value_get(ib__value_get(env, section), key);
    return ib__value_is(value, IB_STRING) ? value->string : "unknown";
}

/* "2026-01-31T12:00:00Z" as archives write it: "20260131T120000Z". */
static void snapshot_of(char out[32], const char *when) {
    size_t n = 0;
    for (; *when != '\0' && n < 31; when++)
        if (*when != '-' && *when != ':') out[n++] = *when;
    out[n] = '\0';
}

ib_status ib__lock_text(ib_buf *out, const ib_packages *p, const char *when, ib_error *err) {
    char snapshot[32];
    ib_value *env = ib__env();
    if (env == NULL) return ib__fail_memory(err);
    snapshot_of(snapshot, when);
    ib__buf_printf(
        out, HEAD "\nisobit %s\ncontract %d\ncompiler %s\nflags %s\nos %s\narchitecture %s\nsnapshot %s\n",
        ib_version(), IB_CONTRACT_VERSION, text_at(env, "build", "compiler"), text_at(env, "build", "flags"),
        text_at(env, "system", "os"), text_at(env, "cpu", "architecture"), snapshot);
    ib__value_free(env);
    for (size_t i = 0; i < p->n; i++)
        ib__buf_printf(out, "%s %s %s %s\n", p->all[i].build ? "build" : "package", p->all[i].name,
                       p->all[i].version, p->all[i].architecture != NULL ? p->all[i].architecture : "all");
    for (size_t i = 0; i < p->n_unknown; i++)
        ib__buf_printf(out, "unknown %s\n", p->unknown[i]);
    ib__buf_printf(out, "complete %s\n", p->dpkg && p->n_unknown == 0 ? "yes" : "no");
    return out->failed ? ib__fail_memory(err) : IB_OK;
}

/* The base image's own list of archives names the archive of all days in a comment; that line is made the one
 * in use, with the day of the lock. Ubuntu's apt takes the day as an option. */
static const char debian_sources[] =
    "RUN sed -Ei -e 's,^# (http[^ ]*/archive/debian(-security)?)/[0-9TZ]+,URIs: \\1/'$SNAPSHOT, \\\n"
    "        -e '/^URIs: http[^ ]*deb\\./d' /etc/apt/sources.list.d/debian.sources && \\\n"
    "    echo 'Acquire::Check-Valid-Until \"false\";' >/etc/apt/apt.conf.d/snapshot\n";
static const char ubuntu_sources[] =
    "RUN echo \"APT::Snapshot \\\"$SNAPSHOT\\\";\" >/etc/apt/apt.conf.d/snapshot\n";

/* "Debian GNU/Linux 12 (bookworm)" -> "debian:bookworm"; "Ubuntu 24.04.1 LTS" -> "ubuntu:24.04". */
static bool base_image(char out[64], const char *os) {
    const char *open = strchr(os, '(');
    if (strncmp(os, "Debian", 6) == 0 && open != NULL) {
        snprintf(out, 64, "debian:%.*s", (int)strcspn(open + 1, ")"), open + 1);
        return true;
    }
    if (strncmp(os, "Ubuntu ", 7) != 0) return false;
    snprintf(out, 64, "ubuntu:%.5s", os + 7);
    return true;
}

ib_status ib__lock_dockerfile(ib_buf *out, const ib_packages *p, const char *when, ib_error *err) {
    char snapshot[32], image[64];
    ib_value *env = ib__env();
    if (env == NULL) return ib__fail_memory(err);
    const char *os = text_at(env, "system", "os");
    bool known = base_image(image, os);
    snapshot_of(snapshot, when);
    ib__buf_printf(out,
                   "# The environment of this run: the packages of environment.lock as of its day, isobit "
                   "built from its\n"
                   "# sources, and the run, which is verified. Beside this file: the run's files as run/, "
                   "the sources of\n"
                   "# isobit %s as isobit/.\n",
                   ib_version());
    if (!known) {
        ib__buf_printf(out, "# The packages of \"%s\" cannot be pinned by this file.\n", os);
        snprintf(image, sizeof image, "debian:stable");
    }
    ib__buf_printf(out, "FROM %s\nARG SNAPSHOT=%s\n", image, snapshot);
    ib__buf_text(out, strncmp(image, "ubuntu", 6) == 0 ? ubuntu_sources : debian_sources);
    ib__buf_text(out, "RUN apt-get update && apt-get install -y --no-install-recommends --allow-downgrades");
    for (size_t i = 0; known && i < p->n; i++)
        ib__buf_printf(out, " \\\n        %s=%s", p->all[i].name, p->all[i].version);
    ib__buf_text(out, "\nCOPY isobit /src/isobit\n"
                      "RUN cmake -S /src/isobit -B /src/build -G Ninja -DBUILD_TESTING=OFF && cmake --build "
                      "/src/build && \\\n"
                      "    cmake --install /src/build && ldconfig\n"
                      "COPY run /run-of-isobit\nCMD [\"isobit\", \"verify\", \"/run-of-isobit\"]\n");
    ib__value_free(env);
    return out->failed ? ib__fail_memory(err) : IB_OK;
}

static ib_status write_one(const char *folder, const char *name, const ib_buf *text, ib_error *err) {
    char *path = ib__path_join(folder, name);
    ib_status status =
        path == NULL ? ib__fail_memory(err) : ib__file_write(path, text->data, text->length, err);
    free(path);
    return status;
}

/* The packages of this process do not change while it lives, and looking for them takes some milliseconds:
 * they are found once. */
static ib_packages known;
static bool are_known;
static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER;

static ib_status find_packages(const ib_packages **out, ib_error *err) {
    pthread_mutex_lock(&known_lock);
    ib_status status = are_known ? IB_OK : ib__packages_here(&known, err);
    are_known = status == IB_OK;
    pthread_mutex_unlock(&known_lock);
    *out = &known;
    return status;
}

ib_status ib__lock_prepare(ib_error *err) {
    const ib_packages *packages;
    return find_packages(&packages, err);
}

ib_status ib__lock_write(const char *folder, const char *when, ib_error *err) {
    const ib_packages *packages = NULL;
    ib_buf lock = {0}, docker = {0};
    ib_status status = find_packages(&packages, err);
    if (status == IB_OK) status = ib__lock_text(&lock, packages, when, err);
    if (status == IB_OK) status = ib__lock_dockerfile(&docker, packages, when, err);
    if (status == IB_OK) status = write_one(folder, "environment.lock", &lock, err);
    if (status == IB_OK) status = write_one(folder, "Dockerfile", &docker, err);
    ib__buf_free(&lock);
    ib__buf_free(&docker);
    return status;
}

/* ---- Reading ---- */

static ib_status read_line(ib_lock_file *f, char *line, const char *path, size_t number, ib_error *err) {
    char *save = NULL, *word = strtok_r(line, " ", &save);
    if (word == NULL) return IB_OK;
    bool build = strcmp(word, "build") == 0;
    if (build || strcmp(word, "package") == 0) {
        const char *parts[3];
        for (size_t i = 0; i < 3; i++)
            if ((parts[i] = strtok_r(NULL, " ", &save)) == NULL)
                return ib__fail(err, IB_BAD_INPUT, path,
                                "line %zu: expected a name, a version and an architecture", number);
        ib_packages *p = &f->packages;
        if (!ib__grow(&p->all, &p->capacity, p->n + 1, sizeof *p->all)) return ib__fail_memory(err);
        ib_package *one = &p->all[p->n++];
        *one = (ib_package){strdup(parts[0]), strdup(parts[1]), strdup(parts[2]), build};
        if (one->name == NULL || one->version == NULL || one->architecture == NULL)
            return ib__fail_memory(err);
    } else if (strcmp(word, "isobit") == 0) {
        const char *version = strtok_r(NULL, " ", &save);
        snprintf(f->isobit, sizeof f->isobit, "%s", version != NULL ? version : "");
    } else if (strcmp(word, "contract") == 0) {
        const char *version = strtok_r(NULL, " ", &save);
        if (version != NULL) (void)ib__int_parse(version, strlen(version), &f->contract);
    } else if (strcmp(word, "complete") == 0) {
        const char *yes = strtok_r(NULL, " ", &save);
        f->complete = yes != NULL && strcmp(yes, "yes") == 0;
    }
    return IB_OK;
}

ib_status ib__lock_read(ib_lock_file *f, const char *folder, ib_error *err) {
    ib_buf text = {0};
    *f = (ib_lock_file){0};
    char *path = ib__path_join(folder, "environment.lock"), *save = NULL;
    if (path == NULL) return ib__fail_memory(err);
    ib_status status = ib__file_read(&text, path, (size_t)16 << 20, err);
    if (status == IB_OK && strncmp(text.data, HEAD "\n", sizeof HEAD) != 0)
        status = ib__fail(err, IB_BAD_INPUT, path, "expected \"" HEAD "\" in the first line");
    char *line = status == IB_OK ? strtok_r(text.data + sizeof HEAD - 1, "\n", &save) : NULL;
    for (size_t number = 2; status == IB_OK && line != NULL; number++) {
        status = read_line(f, line, path, number, err);
        line = strtok_r(NULL, "\n", &save);
    }
    ib__buf_free(&text);
    free(path);
    if (status != IB_OK) ib__packages_free(&f->packages);
    return status;
}
