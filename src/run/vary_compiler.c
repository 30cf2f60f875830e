/* SPDX-License-Identifier: Apache-2.0
 *
 * The level `compiler`: isobit built from its sources by another compiler verifies the run.
 */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "run/commands.h"
#include "run/report.h"

extern char **environ;

#ifdef __clang__
#define OTHER "gcc"
#else
#define OTHER "clang"
#endif

/* Runs a program, its output into the file `log`. -1: it could not be run; else its exit code, 255 for a
 * signal. */
static int run_program(char *const *words, const char *log) {
    posix_spawn_file_actions_t actions;
    pid_t child;
    int how = -1;
    if (posix_spawn_file_actions_init(&actions) != 0) return -1;
    bool good = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
                posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC,
                                                 0666) == 0 &&
                posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO) == 0 &&
                posix_spawnp(&child, words[0], &actions, NULL, words, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    if (!good) return -1;
    while (waitpid(child, &how, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(how) ? WEXITSTATUS(how) : 255;
}

static bool can_run(const char *program, const char *log) {
    char *words[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--version", NULL};
    return run_program(words, log) == 0;
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
    static char source[] = IB_SOURCE_FOLDER, compiler[] = "-DCMAKE_C_COMPILER=" OTHER;
    static char s[] = "-S", b[] = "-B", cmake[] = "cmake", release[] = "-DCMAKE_BUILD_TYPE=Release",
                tests[] = "-DBUILD_TESTING=OFF", target[] = "--target", isobit[] = "isobit",
                make[] = "--build", parallel[] = "--parallel";
    char *place = (char *)(uintptr_t)folder;
    char *configure[] = {cmake, s, source, b, place, compiler, release, tests, NULL};
    char *compile[] = {cmake, make, place, target, isobit, parallel, NULL};
    if (!sources_fit()) return "the sources of this isobit are not here";
    if (!can_run("cmake", log)) return "there is no cmake here";
    if (!can_run(OTHER, log)) return "there is no " OTHER " here";
    if (run_program(configure, log) != 0 || run_program(compile, log) != 0)
        return "the build with " OTHER " failed";
    return NULL;
}

static ib_status verify_by(const char *folder, const char *run, const char *log, ib_report *report,
                           bool *proven, ib_error *err) {
    char *program = ib__path_join(folder, "isobit"), verify[] = "verify";
    char *words[] = {program, verify, (char *)(uintptr_t)run, NULL};
    if (program == NULL) return ib__fail_memory(err);
    int code = run_program(words, log);
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
