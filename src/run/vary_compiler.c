/* SPDX-License-Identifier: Apache-2.0
 *
 * The level `compiler`: isobit built from its sources by another compiler verifies the run.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/pool.h"
#include "base/spawn.h"
#include "run/commands.h"
#include "run/report.h"

/* The compiler that did not build this. */
#ifdef __clang__
#define OTHER "gcc"
#else
#define OTHER "clang"
#endif

static bool can_run(const char *program) {
    const char *words[] = {program, "--version", NULL};
    return ib__spawn_run(words, NULL, 60) == 0;
}

/* Are the sources there, and of this contract? */
static bool sources_fit(void) {
    ib_buf text = {0};
    char wanted[64];
    snprintf(wanted, sizeof wanted, "#define IB_CONTRACT_VERSION %d\n", IB_CONTRACT_VERSION);
    bool fit = ib__file_read(&text, IB_SOURCE_FOLDER "/include/isobit.h", 0, NULL) == IB_OK &&
               strstr(text.data, wanted) != NULL;
    ib__buf_free(&text);
    return fit;
}

static void say_log(const ib_options *options, const char *log) {
    ib_buf text = {0};
    if (ib__file_read(&text, log, 0, NULL) == IB_OK)
        ib__say(options, "%.1500s", text.length > 1500 ? text.data + text.length - 1500 : text.data);
    ib__buf_free(&text);
}

/* Builds in the folder; NULL, or what is absent. */
static const char *build(const char *folder, const char *log) {
    static const char compiler[] = "-DCMAKE_C_COMPILER=" OTHER;
    const char *configure[] = {"cmake",
                               "-S",
                               IB_SOURCE_FOLDER,
                               "-B",
                               folder,
                               compiler,
                               "-DCMAKE_BUILD_TYPE=Release",
                               "-DBUILD_TESTING=OFF",
                               NULL};
    char cpus[24];
    snprintf(cpus, sizeof cpus, "%zu", ib__pool_cpus());
    const char *compile[] = {"cmake", "--build", folder, "--target", "isobit", "--parallel", cpus, NULL};
    if (!sources_fit()) return "the sources of this isobit are not here";
    if (!can_run("cmake")) return "there is no cmake here";
    if (!can_run(OTHER)) return "there is no " OTHER " here";
    if (ib__spawn_run(configure, log, 0) != 0 || ib__spawn_run(compile, log, 0) != 0)
        return "the build with " OTHER " failed";
    return NULL;
}

static ib_status verify_by(const char *folder, const char *run, const char *log, ib_report *report,
                           bool *proven, ib_error *err) {
    char *program = ib__path_join(folder, "isobit");
    if (program == NULL) return ib__fail_memory(err);
    const char *words[] = {program, "verify", run, NULL};
    int code = ib__spawn_run(words, log, 0);
    *proven = code == 0;
    ib_status status = code == 0   ? IB_OK
                       : code == 1 ? IB_DIFFERS
                                   : ib__fail(err, IB_INTERNAL, program, "verify ended with %d", code);
    if (code != 0) say_log(&report->inner, log);
    if (code == 0 || code == 1) {
        ib__say(&report->inner, "%s: built by %s\n", code == 0 ? "same" : "not the same", OTHER);
        ib__report_check(report, "built by " OTHER, code == 0);
    }
    free(program);
    return status;
}

ib_status ib__vary_compiler(const char *run, ib_report *report, bool *proven, ib_error *err) {
    char *folder = NULL;
    *proven = false;
    ib_status status = ib__folder_temporary(&folder, err);
    if (status != IB_OK) return status;
    char *log = ib__path_join(folder, "log");
    const char *absent = log == NULL ? NULL : build(folder, log);
    if (log == NULL) {
        status = ib__fail_memory(err);
    } else if (absent != NULL) {
        ib__say(&report->inner, "absent: compiler: %s\n", absent);
        ib__report_set(report, "absent", ib__value_string(absent));
    } else {
        status = verify_by(folder, run, log, report, proven, err);
    }
    free(log);
    ib__folder_discard(folder);
    return status;
}
