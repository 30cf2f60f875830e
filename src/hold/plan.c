/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans of what is held, and the variables that make it so.
 */
#include "hold/plan.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/pool.h"

/* 2023-11-14T22:13:20Z, when a fixed clock begins. */
#define FIXED_CLOCK "1700000000000000000"
/* A day, an hour, a minute and a second: another date, weekday and time, but certificates are still good. */
#define SHIFTED_CLOCK "90061000000000"

typedef struct hold_info {
    const char *name;
    bool by_default;
    const char *what;
} hold_info;

static const hold_info holds[] = {
#define X(name, text, by_default, what) {text, by_default, what},
    IB_HOLD_LIST(X)
#undef X
};

const char *ib__hold_name(ib_held held) {
    return holds[held].name;
}

const char *ib__hold_what(ib_held held) {
    return holds[held].what;
}

static ib_status unknown_name(const char *name, ib_error *err) {
    const char *names[IB_HOLD_COUNT + 2];
    ib_buf all = {0};
    for (int i = 0; i < IB_HOLD_COUNT; i++) {
        names[i] = holds[i].name;
        ib__buf_printf(&all, "%s%s", i > 0 ? ", " : "", holds[i].name);
    }
    names[IB_HOLD_COUNT] = "all";
    names[IB_HOLD_COUNT + 1] = "none";
    const char *near = ib__nearest(name, names, IB_HOLD_COUNT + 2);
    ib_status status =
        ib__fail(err, IB_BAD_INPUT, "hold", "expected names of %s, all or none, found \"%.40s\"%s%s%s",
                 all.failed ? "" : all.data, name, near != NULL ? ", did you mean " : "",
                 near != NULL ? near : "", near != NULL ? "?" : "");
    ib__buf_free(&all);
    return status;
}

/* One word of the list: a name, +name, -name, all or none. */
static ib_status apply_word(ib_hold_plan *plan, const char *word, ib_error *err) {
    bool on = word[0] != '-';
    const char *name = word + (word[0] == '-' || word[0] == '+');
    if (strcmp(word, "all") == 0 || strcmp(word, "none") == 0) {
        for (int i = 0; i < IB_HOLD_COUNT; i++)
            plan->held[i] = word[0] == 'a';
        return IB_OK;
    }
    for (int i = 0; i < IB_HOLD_COUNT; i++) {
        if (strcmp(name, holds[i].name) != 0) continue;
        plan->held[i] = on;
        return IB_OK;
    }
    return unknown_name(name, err);
}

ib_status ib__hold_plan_init(ib_hold_plan *plan, const char *list, ib_error *err) {
    *plan = (ib_hold_plan){.every = 100, .threads = ib__pool_cpus()};
    bool changes = list == NULL || list[0] == '+' || list[0] == '-';
    for (int i = 0; i < IB_HOLD_COUNT; i++)
        plan->held[i] = changes && holds[i].by_default;
    ib_status status = IB_OK;
    for (const char *at = list; status == IB_OK && at != NULL && *at != '\0';) {
        char word[64];
        size_t n = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)(n < 60 ? n : 60), at);
        status = apply_word(plan, word, err);
        at += n + (at[n] == ',');
    }
    return status;
}

ib_value *ib__hold_plan_names(const ib_hold_plan *plan) {
    ib_value *list = ib__value_list();
    bool good = list != NULL;
    for (int i = 0; good && i < IB_HOLD_COUNT; i++)
        if (plan->held[i]) good = ib__value_add(list, ib__value_string(holds[i].name));
    if (good) return list;
    ib__value_free(list);
    return NULL;
}

/* ---- Lists of NAME=VALUE ---- */

static size_t find_entry(const ib_variables *env, const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->entries[i], name, n) == 0 && env->entries[i][n] == '=') return i;
    return env->count;
}

static void append(ib_variables *env, char *entry) {
    if (entry == NULL || !ib__grow(&env->entries, &env->capacity, env->count + 2, sizeof(char *))) {
        env->failed = true;
        return;
    }
    env->entries[env->count++] = entry;
    env->entries[env->count] = NULL;
}

void ib__variables_copy(ib_variables *env, char *const *from) {
    for (; *from != NULL; from++)
        append(env, ib__arena_strdup(&env->arena, *from));
}

void ib__variables_set(ib_variables *env, const char *name, const char *value) {
    size_t i = find_entry(env, name);
    char *entry = value != NULL ? ib__arena_printf(&env->arena, "%s=%s", name, value) : NULL;
    if (value != NULL && i < env->count && entry != NULL) {
        env->entries[i] = entry;
    } else if (value != NULL) {
        append(env, entry);
    } else if (i < env->count) {
        memmove(env->entries + i, env->entries + i + 1, (env->count - i) * sizeof(char *));
        env->count--;
    }
}

const char *ib__variables_get(const ib_variables *env, const char *name) {
    size_t i = find_entry(env, name);
    return i < env->count ? env->entries[i] + strlen(name) + 1 : NULL;
}

void ib__variables_free(ib_variables *env) {
    ib__arena_free(&env->arena);
    free(env->entries);
    *env = (ib_variables){0};
}

/* ---- Credentials ---- */

static bool holds_word(const char *text, const char *word) {
    size_t n = strlen(word);
    for (; *text != '\0'; text++)
        if (strncasecmp(text, word, n) == 0) return true;
    return false;
}

/* "scheme://user:word@host" */
static bool has_login(const char *value) {
    const char *at = strstr(value, "://");
    while (at != NULL) {
        size_t n = strcspn(at + 3, "/ \t");
        const char *sign = memchr(at + 3, '@', n), *colon = memchr(at + 3, ':', n);
        if (sign != NULL && colon != NULL && colon < sign) return true;
        at = strstr(at + 3, "://");
    }
    return false;
}

bool ib__looks_secret(const char *name, const char *value) {
    static const char *const names[] = {"token",      "secret",
                                        "passw",      "pwd_",
                                        "credential", "apikey",
                                        "api_key",    "api-key",
                                        "auth",       "cookie",
                                        "session",    "private",
                                        "signing",    "_key",
                                        "-key",       "_dsn",
                                        "passphrase", "askpass",
                                        "netrc",      "jwt",
                                        "bearer",     "connection_string",
                                        "accesskey",  "database_url"};
    static const char *const values[] = {"sk-",     "ghp_",   "gho_", "github_pat_", "glpat-",
                                         "xoxb-",   "hf_",    "AKIA", "eyJ",         "-----BEGIN",
                                         "Bearer ", "Basic ", "pypi-"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (holds_word(name, names[i])) return true;
    size_t n = strlen(name);
    if (n > 4 && strcasecmp(name + n - 4, "_pat") == 0) return true;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (strncmp(value, values[i], strlen(values[i])) == 0) return true;
    return strcasecmp(name, "pwd") != 0 && (has_login(value) || strcasecmp(name, "key") == 0);
}

/* ---- Installed files ---- */

static bool usable(const char *path) {
    return strpbrk(path, ": ") == NULL;
}

/* Beside the program or library (a build folder), or in the installed place. */
static bool look_near(ib_hold_files *out, const char *binary) {
    static const char *const places[] = {"hold", "isobit/hold", "../" IB_LIBDIR "/isobit/hold",
                                         "../../" IB_LIBDIR "/isobit/hold"};
    char *real = realpath(binary, NULL);
    char *slash = real != NULL ? strrchr(real, '/') : NULL;
    bool found = false;
    if (slash != NULL) *slash = '\0';
    for (size_t i = 0; slash != NULL && !found && i < sizeof places / sizeof *places; i++) {
        char place[4096], *folder;
        if (snprintf(place, sizeof place, "%s/%s", real, places[i]) >= (int)sizeof place) continue;
        folder = realpath(place, NULL);
        if (folder == NULL) continue;
        bool fits = snprintf(out->hook, sizeof out->hook, "%s/start", folder) < (int)sizeof out->hook &&
                    snprintf(out->preload, sizeof out->preload, "%s/libisobit_hold.so", folder) <
                        (int)sizeof out->preload;
        if (fits && !ib__file_exists(out->preload)) out->preload[0] = '\0';
        found = fits && ib__file_exists(out->hook);
        free(folder);
    }
    free(real);
    return found;
}

ib_status ib__hold_files(ib_hold_files *out, ib_error *err) {
    Dl_info info;
    *out = (ib_hold_files){0};
    const char *library = dladdr((void *)(uintptr_t)&ib__hold_files, &info) != 0 ? info.dli_fname : NULL;
    if (!look_near(out, "/proc/self/exe") && (library == NULL || !look_near(out, library)))
        return ib__fail(err, IB_IO, "isobit/hold", "the start-up hook is not installed beside the program");
    if (!usable(out->hook) || !usable(out->preload))
        return ib__fail(err, IB_BAD_INPUT, out->hook,
                        "isobit is installed below a folder with a blank or a colon in its name, which "
                        "PYTHONPATH and LD_PRELOAD cannot hold");
    return IB_OK;
}

/* ---- Variables ---- */

static void prepend(ib_variables *env, const char *name, const char *item) {
    const char *old = ib__variables_get(env, name);
    char *value = old != NULL && *old != '\0' ? ib__arena_printf(&env->arena, "%s:%s", item, old)
                                              : ib__arena_strdup(&env->arena, item);
    if (value == NULL)
        env->failed = true;
    else
        ib__variables_set(env, name, value);
}

static void set_number(ib_variables *env, const char *name, uint64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    ib__variables_set(env, name, text);
}

/* What the user has set stays, unless this is a variation. */
static void set_threads(ib_variables *env, size_t threads, bool force) {
    static const char *const names[] = {"TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
                                        "OMP_NUM_THREADS",        "MKL_NUM_THREADS",
                                        "OPENBLAS_NUM_THREADS",   "NUMEXPR_NUM_THREADS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (force || ib__variables_get(env, names[i]) == NULL) set_number(env, names[i], threads);
}

static void set_isa(ib_variables *env, const ib_hold_plan *plan, const char *isa) {
    bool off = isa != NULL && strcmp(isa, "onednn-off") == 0;
    if (off)
        ib__variables_set(env, "TF_ENABLE_ONEDNN_OPTS", "0");
    else if (plan->held[IB_HOLD_ISA] && ib__variables_get(env, "TF_ENABLE_ONEDNN_OPTS") == NULL)
        ib__variables_set(env, "TF_ENABLE_ONEDNN_OPTS", "1");
    if (isa == NULL || off) return;
    bool avx2 = strcmp(isa, "avx2") == 0;
    ib__variables_set(env, "ONEDNN_MAX_CPU_ISA", avx2 ? "AVX2" : "SSE41");
    ib__variables_set(env, "ATEN_CPU_CAPABILITY", avx2 ? "avx2" : "default");
    ib__variables_set(env, "MKL_ENABLE_INSTRUCTIONS", avx2 ? "AVX2" : "SSE4_2");
    prepend(env, "XLA_FLAGS", avx2 ? "--xla_cpu_max_isa=AVX2" : "--xla_cpu_max_isa=SSE4_2");
    char *flags = strdup(ib__variables_get(env, "XLA_FLAGS"));
    for (char *at = flags; at != NULL && (at = strchr(at, ':')) != NULL;)
        *at = ' ';
    if (flags != NULL) ib__variables_set(env, "XLA_FLAGS", flags);
    free(flags);
}

/* PYTHONHASHSEED is a number of 32 bits; a fixed one that the user has set stays. */
static void set_hash(ib_variables *env, const ib_hold_plan *plan, bool other) {
    const char *theirs = ib__variables_get(env, "PYTHONHASHSEED");
    bool fixed = theirs != NULL && strspn(theirs, "0123456789") == strlen(theirs) && *theirs != '\0';
    if (other)
        set_number(env, "PYTHONHASHSEED", ((plan->seed ^ 0x5eed) & 0xffffffffu) | 1);
    else if (plan->held[IB_HOLD_HASH] && !fixed)
        set_number(env, "PYTHONHASHSEED", plan->seed & 0xffffffffu);
}

static void set_layers(ib_variables *env, const ib_hold_plan *plan, const ib_variation *v) {
    ib_buf layers = {0};
    if (plan->held[IB_HOLD_ENTROPY]) ib__buf_text(&layers, "entropy,");
    if (v->order)
        ib__buf_text(&layers, "order:reversed,");
    else if (plan->held[IB_HOLD_ORDER])
        ib__buf_text(&layers, "order:sorted,");
    if (v->time)
        ib__buf_text(&layers, "clock:shifted=" SHIFTED_CLOCK);
    else if (plan->held[IB_HOLD_TIME])
        ib__buf_text(&layers, "clock:fixed=" FIXED_CLOCK);
    ib__variables_set(env, "ISOBIT_HOLD_LAYERS", layers.data != NULL ? layers.data : "");
    env->failed = env->failed || layers.failed;
    ib__buf_free(&layers);
}

static void set_names(ib_variables *env, const ib_hold_plan *plan) {
    ib_buf names = {0};
    for (int i = 0; i < IB_HOLD_COUNT; i++)
        if (plan->held[i]) ib__buf_printf(&names, "%s%s", names.length > 0 ? "," : "", holds[i].name);
    ib__variables_set(env, "ISOBIT_HOLD_NAMES", names.data != NULL ? names.data : "");
    env->failed = env->failed || names.failed;
    ib__buf_free(&names);
}

ib_status ib__hold_plan_env(const ib_hold_plan *plan, const ib_variation *v, const ib_hold_files *files,
                            const char *events, const char *skip, ib_variables *env, ib_error *err) {
    ib_buf all = {0};
    char folder[sizeof files->hook]; /* of the whole hook */
    snprintf(folder, sizeof folder, "%s", files->hook);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) *slash = '\0';
    ib__buf_printf(&all,
                   "/usr/lib:/usr/lib64:/usr/share:/usr/bin:/usr/local/lib:/usr/include:/lib:/lib64:/bin:"
                   "/sbin:/etc:/proc:/sys:/dev:/run:%s:%s:%s",
                   folder, events, skip);
    if (v->threads > 0)
        set_threads(env, v->threads, true);
    else if (plan->held[IB_HOLD_THREADS])
        set_threads(env, plan->threads, false);
    set_isa(env, plan, v->isa);
    set_hash(env, plan, v->hashseed);
    set_layers(env, plan, v);
    set_names(env, plan);
    set_number(env, "ISOBIT_HOLD_SEED", plan->seed);
    set_number(env, "ISOBIT_HOLD_EVERY", plan->every);
    ib__variables_set(env, "ISOBIT_HOLD_PROCESS", "0");
    ib__variables_set(env, "ISOBIT_HOLD_OWNER", "0");
    ib__variables_set(env, "ISOBIT_HOLD_EVENTS", events);
    ib__variables_set(env, "ISOBIT_HOLD_HOOK", files->hook);
    ib__variables_set(env, "ISOBIT_HOLD_SKIP", all.failed ? "" : all.data);
    prepend(env, "PYTHONPATH", files->hook);
    if (files->preload[0] != '\0') prepend(env, "LD_PRELOAD", files->preload);
    bool failed = env->failed || all.failed;
    ib__buf_free(&all);
    return failed ? ib__fail_memory(err) : IB_OK;
}

bool ib__hold_own_variable(const char *name) {
    return strncmp(name, "ISOBIT_HOLD_", 12) == 0;
}
