/* SPDX-License-Identifier: Apache-2.0
 *
 * What this machine, this build and these libraries are.
 */
#include "run/env.h"

#include <gnu/libc-version.h>
#include <hdf5.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <yaml.h>
#include <zip.h>
#include <zlib.h>

#include "base/file.h"
#include "base/pool.h"
#include "kernels/kernels.h"

static bool put_text(ib_value *map, const char *key, const char *text) {
    return ib__value_set(map, key, ib__value_string(text));
}

bool ib__env_line(char *out, size_t size, const char *path, const char *key) {
    FILE *file = fopen(path, "r");
    char line[4096];
    bool found = false;
    if (file == NULL) return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        size_t n = strlen(key);
        if (strncmp(line, key, n) != 0) continue;
        char *begin = line + n + strspn(line + n, " \t:=\"");
        begin[strcspn(begin, "\"\n")] = '\0';
        snprintf(out, size, "%s", begin);
        found = true;
    }
    fclose(file);
    return found;
}

static bool fill_system(ib_value *map) {
    struct utsname name;
    char text[256], libc[64];
    if (uname(&name) != 0) return put_text(map, "kernel", "unknown");
    snprintf(text, sizeof text, "%s %s", name.sysname, name.release);
    snprintf(libc, sizeof libc, "glibc %s", gnu_get_libc_version());
    bool good = put_text(map, "kernel", text) && put_text(map, "libc", libc);
    if (!ib__env_line(text, sizeof text, "/etc/os-release", "PRETTY_NAME")) strcpy(text, "unknown");
    return good && put_text(map, "os", text);
}

/* Of the flags of /proc/cpuinfo those that kernels could ask for. */
static bool fill_features(ib_value *list) {
    static const char *const wanted[] = {"sse2",        "sse4_2",   "avx",      "f16c",     "fma",
                                         "avx2",        "avx512f",  "avx512bw", "avx512dq", "avx512vl",
                                         "avx512_bf16", "amx_tile", "sha_ni",   "asimd",    "sve"};
    char flags[4096];
    if (!ib__env_line(flags, sizeof flags - 1, "/proc/cpuinfo", "flags") &&
        !ib__env_line(flags, sizeof flags - 1, "/proc/cpuinfo", "Features"))
        return true;
    bool good = true;
    char *save = NULL;
    for (char *word = strtok_r(flags, " ", &save); good && word != NULL; word = strtok_r(NULL, " ", &save))
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (strcmp(word, wanted[i]) == 0) good = ib__value_add(list, ib__value_string(word));
    return good;
}

static bool fill_cpu(ib_value *map) {
    char model[256];
    struct utsname name;
    if (!ib__env_line(model, sizeof model, "/proc/cpuinfo", "model name")) strcpy(model, "unknown");
    bool good = put_text(map, "model", model);
    if (uname(&name) == 0) good = good && put_text(map, "architecture", name.machine);
    good = good && ib__value_set(map, "cpus", ib__value_int((int64_t)ib__pool_cpus()));
    ib_value *features = ib__value_list(), *isas = ib__value_list();
    good = good && features != NULL && isas != NULL && fill_features(features);
    for (int i = 0; good && i < IB_ISA_COUNT; i++)
        if (ib__isa_available((ib_isa)i))
            good = ib__value_add(isas, ib__value_string(ib__isa_name((ib_isa)i)));
    good = ib__value_set(map, "features", features) && good;
    good = ib__value_set(map, "isa", isas) && good;
    return good;
}

static bool fill_build(ib_value *map) {
#ifdef __clang__
    const char *compiler = __VERSION__;
#else
    const char *compiler = "gcc " __VERSION__;
#endif
    return put_text(map, "isobit", ib_version()) &&
           ib__value_set(map, "contract", ib__value_int(IB_CONTRACT_VERSION)) &&
           put_text(map, "compiler", compiler) && put_text(map, "flags", IB_BUILD_FLAGS);
}

static bool fill_libraries(ib_value *map) {
    unsigned major = 0, minor = 0, release = 0;
    char hdf5[64];
    H5get_libversion(&major, &minor, &release);
    snprintf(hdf5, sizeof hdf5, "%u.%u.%u", major, minor, release);
    return put_text(map, "hdf5", hdf5) && put_text(map, "jansson", jansson_version_str()) &&
           put_text(map, "libyaml", yaml_get_version_string()) &&
           put_text(map, "libzip", zip_libzip_version()) &&
           put_text(map, "openssl", OpenSSL_version(OPENSSL_VERSION)) && put_text(map, "zlib", zlibVersion());
}

static bool fill_gpu(ib_value *map) {
    return ib__env_gpu(map, "");
}

ib_value *ib__env(void) {
    static const struct section {
        const char *key;
        bool (*fill)(ib_value *map);
    } sections[] = {{"system", fill_system},
                    {"cpu", fill_cpu},
                    {"gpu", fill_gpu},
                    {"build", fill_build},
                    {"libraries", fill_libraries}};
    ib_value *env = ib__value_map();
    bool good = env != NULL;
    for (size_t i = 0; good && i < sizeof sections / sizeof *sections; i++) {
        ib_value *map = ib__value_map();
        good = ib__value_set(env, sections[i].key, map) && sections[i].fill(map);
    }
    if (good) return env;
    ib__value_free(env);
    return NULL;
}

/* ---- git, read from its files: no program is run ---- */

/* The first line of the file "a/b" without its end; false when it cannot be read. */
static bool first_line(char *out, size_t size, const char *a, const char *b) {
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", a, b) >= (int)sizeof path) return false;
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    bool good = fgets(out, (int)size, file) != NULL;
    fclose(file);
    if (good) out[strcspn(out, "\r\n")] = '\0';
    return good;
}

static bool packed_commit(char out[65], const char *git, const char *ref) {
    char path[4096], line[1024];
    if (snprintf(path, sizeof path, "%s/packed-refs", git) >= (int)sizeof path) return false;
    FILE *file = fopen(path, "r");
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        char *blank = strchr(line, ' ');
        if (blank == NULL || strcmp(blank + 1, ref) != 0 || blank - line > 64) continue;
        *blank = '\0';
        snprintf(out, 65, "%.64s", line);
        found = true;
    }
    if (file != NULL) fclose(file);
    return found;
}

/* The git folder for a work tree's root: root/.git, or what the file root/.git points to. */
static bool git_folder(char *out, size_t size, const char *root) {
    char line[2048], path[4096];
    snprintf(path, sizeof path, "%s/.git", root);
    if (!ib__file_exists(path)) return false;
    if (!first_line(line, sizeof line, root, ".git") || strncmp(line, "gitdir: ", 8) != 0)
        return snprintf(out, size, "%s", path) < (int)size;
    const char *to = line + 8;
    return (to[0] == '/' ? snprintf(out, size, "%s", to) : snprintf(out, size, "%s/%s", root, to)) <
           (int)size;
}

static bool commit_of(char out[65], const char *git) {
    char head[1024], common[2048], shared[4096];
    if (!first_line(head, sizeof head, git, "HEAD")) return false;
    if (strncmp(head, "ref: ", 5) != 0) return snprintf(out, 65, "%.64s", head) > 0;
    if (first_line(out, 65, git, head + 5)) return true;
    if (!first_line(common, sizeof common, git, "commondir"))
        snprintf(shared, sizeof shared, "%s", git);
    else if (common[0] == '/')
        snprintf(shared, sizeof shared, "%s", common);
    else if (snprintf(shared, sizeof shared, "%s/%s", git, common) >= (int)sizeof shared)
        return false;
    return first_line(out, 65, shared, head + 5) || packed_commit(out, shared, head + 5);
}

bool ib__env_commit(char out[65], const char *folder) {
    char *root = realpath(folder, NULL), git[4096];
    bool found = false;
    while (root != NULL && !found) {
        found = git_folder(git, sizeof git, root);
        char *slash = strrchr(root, '/');
        if (found || slash == NULL || slash == root) break;
        *slash = '\0';
    }
    free(root);
    return found && commit_of(out, git);
}
