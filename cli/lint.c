/* SPDX-License-Identifier: Apache-2.0
 *
 * isobit lint: finds the Python part and hands over to python3. The exit code is the linter's own.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#ifndef IB_LIBDIR
#define IB_LIBDIR "lib"
#endif

/* The folder of the linter: beside the command in a build, below the library's folder once installed. */
static bool find_linter(char out[PATH_MAX]) {
    static const char *const places[] = {"python/isobit/lint", "../" IB_LIBDIR "/isobit/python/isobit/lint"};
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) return false;
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash == NULL) return false;
    *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char path[PATH_MAX];
        if (snprintf(path, sizeof path, "%s/%s", exe, places[i]) >= (int)sizeof path) continue;
        if (realpath(path, out) != NULL) return true;
    }
    return false;
}

/* python3 -I keeps the current folder and the user's variables out of the linter's imports. */
int run_lint(int n, char **words) {
    static char python[] = "python3", isolated[] = "-I", no_cache[] = "-B", module[] = "-m",
                name[] = "isobit.lint";
    char folder[PATH_MAX];
    char **argv = calloc((size_t)n + 6, sizeof *argv);
    if (argv == NULL) {
        fprintf(stderr, "isobit: lint: out of memory\n");
        return EXIT_BAD;
    }
    size_t k = 0;
    argv[k++] = python;
    argv[k++] = isolated;
    argv[k++] = no_cache;
    if (find_linter(folder)) {
        argv[k++] = folder;
    } else { /* a package installed by pip */
        argv[k++] = module;
        argv[k++] = name;
    }
    for (int i = 0; i < n; i++)
        argv[k++] = words[i];
    fflush(stdout);
    execvp(python, argv);
    fprintf(stderr, "isobit: lint: expected the program python3 (3.9 or newer): %s\n", strerror(errno));
    free(argv);
    return EXIT_BAD;
}
