/* SPDX-License-Identifier: Apache-2.0
 *
 * isobit: reads the command line and calls the command. Exit codes: 0 done or same, 1 differs, 2 bad input or
 * usage.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define RUNS (-1)
#define MANY (-2)

typedef struct command {
    const char *name;
    command_fn *run;
    int words; /* how many plain words it takes; MANY: one or more; RUNS: a program and all words after it */
    const char *usage, *does;
    const char *options; /* letters of the options it takes, as in options[] */
} command;

static const command commands[] = {
    {"train", run_train, 1, "EXPERIMENT -o RUN", "train an experiment, write the run's folder", "otiqrPJ"},
    {"verify", run_verify, 1, "RUN", "judge a run by its goal: train it again, compare every digest",
     "gvmAntij"},
    {"audit", run_audit, 1, "RUN", "recompute some random steps of a run from its checkpoints", "ktij"},
    {"diff", run_diff, 2, "RUN RUN", "find the first step, tensor and element where two runs part", "ti"},
    {"record", run_record, RUNS, "[-o RUN] -- PROGRAM ...", "run a Keras script, held still, and record it",
     "oHSEq"},
    {"lint", NULL, 0, "PATH...", "what keeps a Python script from repeating its bits", ""},
    {"compare", run_compare, MANY, "RUN...", "a table over runs: results, and settings that differ", "j"},
    {"publish", run_publish, 1, "RUN -o FOLDER",
     "the run and its inputs as an RO-Crate with an in-toto statement", "o"},
    {"show", run_show, 1, "RUN", "what a run was and what came out", ""},
    {"evaluate", run_evaluate, 1, "RUN|MODEL.keras", "loss and metrics on data", "tipdxyebw"},
    {"predict", run_predict, 1, "RUN|MODEL.keras -o FILE", "write predictions as .npy or .csv", "otipdxyebw"},
    {"summary", run_summary, 1, "RUN|MODEL.keras|EXPERIMENT",
     "layers, shapes and parameters, as Keras prints", ""},
    {"data", run_data, 1, "EXPERIMENT", "what the data hold, their order, their images", "DKuIUt"},
    {"env", run_env, 0, "", "this machine, the build, the libraries", "lcoj"},
    {"lock", run_lock, 1, "RUN -o FOLDER", "the Python environment of a recorded script, as files", "oO"},
    {"kernels", run_kernels, 0, "", "instruction sets, and how the kernels go about some shapes", "ti"},
    {"bench", run_bench, 1, "kernels|peak", "the speed of the kernels here, beside the peak", "ti"},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

typedef struct option {
    char letter;
    const char *name, *argument, *does;
} option;

static const option options[] = {
    {'o', "-o", "PATH", "where to write"},
    {'t', "--threads", "N", "threads (default: all CPUs); no bit depends on it"},
    {'i', "--isa", "ref|avx2|avx512", "instruction set (default: the best); no bit depends on it"},
    {'q', "--quiet", NULL, "print the result only"},
    {'P', "--plain", NULL, "a line an epoch, no bar, on a terminal too"},
    {'J', "--json-lines", NULL, "an event a line, as JSON"},
    {'r', "--resume", NULL, "go on from the newest checkpoint in the folder"},
    {'g', "--goal", "bitwise|functional|documented", "judge by this goal, not the experiment's"},
    {'v', "--vary", "threads,isa,...",
     "also in these ways: prints the levels proven (doc/record.md, doc/hold.md)"},
    {'m', "--margin", "NAME=X,...",
     "functional: by how much a metric may differ (default: the experiment's)"},
    {'A', "--against", "RUN", "functional: the other run; either may be a folder of recorded runs"},
    {'n', "--seeds", "K", "functional: trainings of each (default: 5)"},
    {'k', "--sample", "K", "how many random steps (default: 8)"},
    {'l', "--lock", NULL,
     "the packages in use, with versions; with -o FOLDER: environment.lock and Dockerfile"},
    {'c', "--check", "RUN", "what of the run's environment is another one here"},
    {'j', "--json", NULL, "the answer as one JSON value"},
    {'p', "--part", "train|validation|test", "which part of the experiment's data (default: test)"},
    {'D', "--part", "train|validation|test", "which part of the experiment's data (default: train)"},
    {'K', "--peek", "N", "what is in N batches"},
    {'u', "--order", NULL, "the numbers of the samples of each batch"},
    {'U', "--epoch", "N", "which epoch (default: 1)"},
    {'I', "--save-images", "FOLDER", "write the images of a batch (--peek N: of N) as PNG"},
    {'d', "--data", "FILE", "a .npz or .csv file instead"},
    {'x', "--x", "NAME", "array of samples in the .npz (default: x), or column of texts of the .csv"},
    {'y', "--y", "NAME", "array of targets in the .npz (evaluate: default y), or label column of the .csv"},
    {'e', "--experiment", "FILE", "an experiment whose data are meant"},
    {'b', "--batch-size", "N", "samples at a time"},
    {'w', "--weights", "FILE", "weights from .weights.h5 or .weights.json, not the model's own"},
    {'O', "--offline", NULL, "without hashes: no package index is asked"},
    {'H', "--hold", "LIST", "what is held: names, or +name and -name to change the default (doc/hold.md)"},
    {'S', "--seed", "N", "the number that all that is held comes from (default: 0)"},
    {'E', "--every", "N", "digests at steps 1, 2, 4 ... and each N (default: 100; 0: none)"},
};
#define N_OPTIONS (sizeof options / sizeof *options)

static void print_option(const option *o) {
    char left[64];
    snprintf(left, sizeof left, "%s %s", o->name, o->argument != NULL ? o->argument : "");
    printf("  %-30s %s\n", left, o->does);
}

static void print_help(const command *c) {
    if (c == NULL) {
        printf("isobit %s: Keras training with the same bits everywhere\n\n", ib_version());
        for (size_t i = 0; i < N_COMMANDS; i++)
            printf("  isobit %-9s %-27s %s\n", commands[i].name, commands[i].usage, commands[i].does);
        printf("\nisobit COMMAND --help lists the options. Exit codes: 0 done or same, 1 differs, 2 bad "
               "input.\n");
        return;
    }
    printf("isobit %s %s\n  %s\n", c->name, c->usage, c->does);
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (strchr(c->options, options[i].letter) != NULL) print_option(&options[i]);
}

static int usage_error(const char *text, const char *what) {
    fprintf(stderr, "isobit: %s%s (isobit --help)\n", text, what);
    return EXIT_BAD;
}

int finish(ib_status status, const ib_error *err) {
    if (status == IB_OK) return EXIT_SAME;
    if (status == IB_DIFFERS && err->code == IB_OK) return EXIT_DIFFERS;
    fflush(stdout);
    fprintf(stderr, "isobit: %s%s%s\n", err->where, err->where[0] != '\0' ? ": " : "",
            err->text[0] != '\0' ? err->text : ib_status_text(status));
    return status == IB_DIFFERS ? EXIT_DIFFERS : EXIT_BAD;
}

static bool parse_number(const char *text, int64_t least, int64_t most, int64_t *out) {
    char *end;
    if (text == NULL) return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) return false;
    *out = value;
    return true;
}

static bool parse_count(const char *text, size_t *out) {
    int64_t value = 0;
    bool good = parse_number(text, 1, 1 << 24, &value);
    if (good) *out = (size_t)value;
    return good;
}

/* false: the argument is not what the option takes. */
static bool take_option(words *w, char letter, const char *argument) {
    switch (letter) {
    case 'o':
        w->out = argument;
        return true;
    case 'D':
        w->look.part = argument;
        return true;
    case 'K':
        return parse_count(argument, &w->look.peek);
    case 'u':
        w->look.order = 1;
        return true;
    case 'U':
        return parse_count(argument, &w->look.epoch);
    case 'I':
        w->look.images = argument;
        return true;
    case 't':
        return parse_count(argument, &w->options.threads);
    case 'i':
        w->options.isa = argument;
        return true;
    case 'q':
        w->quiet = true;
        return true;
    case 'g':
        w->judgement.goal = argument;
        return true;
    case 'm':
        w->judgement.margins = argument;
        return true;
    case 'A':
        w->judgement.against = argument;
        return true;
    case 'n':
        return parse_count(argument, &w->judgement.seeds);
    case 'k':
        return parse_count(argument, &w->sample);
    case 'l':
        w->lock = true;
        return true;
    case 'c':
        w->check = argument;
        return true;
    case 'j':
        w->options.json = 1;
        return true;
    case 'P':
        w->simple = true;
        return true;
    case 'J':
        w->lines = true;
        return true;
    case 'r':
        w->options.resume = 1;
        return true;
    case 'v':
        w->judgement.vary = argument;
        return true;
    case 'p':
        w->part = argument;
        return true;
    case 'd':
        w->data = argument;
        return true;
    case 'x':
        w->x = argument;
        return true;
    case 'w':
        w->weights = argument;
        return true;
    case 'y':
        w->y = argument;
        return true;
    case 'e':
        w->experiment = argument;
        return true;
    case 'O':
        w->offline = true;
        return true;
    case 'H':
        w->record.hold = argument;
        return true;
    case 'S': {
        int64_t seed = 0;
        bool good = parse_number(argument, 0, INT64_MAX, &seed);
        w->record.seed = (uint64_t)seed;
        return good;
    }
    case 'E': {
        bool good = parse_number(argument, 0, INT64_MAX, &w->record.every);
        if (w->record.every == 0) w->record.every = -1;
        return good;
    }
    default:
        return parse_count(argument, &w->batch_size);
    }
}

static const option *find_option(const command *c, const char *word, size_t length) {
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (strlen(options[i].name) == length && strncmp(options[i].name, word, length) == 0 &&
            strchr(c->options, options[i].letter) != NULL)
            return &options[i];
    return NULL;
}

/* Fills *w from the words after the command's name; gives EXIT_SAME, or EXIT_BAD after saying why. */
static int parse(words *w, const command *c, int n, char **argv) {
    bool only_plain = false;
    for (int i = 0; i < n; i++) {
        char *word = argv[i];
        if (c->words == RUNS && (word[0] != '-' || strcmp(word, "--") == 0)) {
            w->program = argv + i + (word[0] == '-');
            break;
        }
        if (only_plain || word[0] != '-' || word[1] == '\0') {
            if (w->count == (c->words == MANY ? WORDS_MAX : c->words))
                return usage_error("one word too many: ", word);
            w->plain[w->count++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_plain = true;
            continue;
        }
        const char *equals = strchr(word, '=');
        const option *o = find_option(c, word, equals != NULL ? (size_t)(equals - word) : strlen(word));
        if (o == NULL) return usage_error("unknown option ", word);
        const char *argument = equals != NULL ? equals + 1 : NULL;
        if (o->argument == NULL && argument != NULL) return usage_error("no value is expected in ", word);
        if (o->argument != NULL && argument == NULL) {
            if (++i == n) return usage_error("a value is expected after ", word);
            argument = argv[i];
        }
        if (!take_option(w, o->letter, argument))
            return usage_error(strchr("SE", o->letter) != NULL ? "expected a number from 0 on, found "
                                                               : "expected a number from 1 on, found ",
                               argument);
    }
    if (w->count < (c->words == MANY ? 1 : c->words) ||
        (c->words == RUNS && (w->program == NULL || w->program[0] == NULL))) {
        fprintf(stderr, "isobit: expected: isobit %s %s\n", c->name, c->usage);
        return EXIT_BAD;
    }
    return EXIT_SAME;
}

static const command *find_command(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0) return &commands[i];
    return NULL;
}

static bool asks_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(NULL);
        return EXIT_BAD;
    }
    if (asks_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        print_help(argc > 2 ? find_command(argv[2]) : NULL);
        return EXIT_SAME;
    }
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        printf("isobit %s, arithmetic contract %d\n", ib_version(), IB_CONTRACT_VERSION);
        return EXIT_SAME;
    }
    if (strcmp(argv[1], "lint") == 0) return run_lint(argc - 2, argv + 2);
    const command *c = find_command(argv[1]);
    if (c == NULL) return usage_error("unknown command ", argv[1]);
    for (int i = 2; i < (c->words == RUNS && argc > 3 ? 3 : argc); i++) {
        if (!asks_help(argv[i])) continue;
        print_help(c);
        return EXIT_SAME;
    }
    words w = {.options = {.text = print_text}};
    int code = parse(&w, c, argc - 2, argv + 2);
    return code == EXIT_SAME ? c->run(&w) : code;
}
