/* SPDX-License-Identifier: Apache-2.0
 *
 * isobit: Keras training with the same bits everywhere. This header is the whole public API and its manual.
 *
 * Every call that meets the outside world returns an ib_status and takes an ib_error, which may be NULL. On
 * IB_OK the error is untouched; otherwise it says where and what. Handles are opaque; who owns what is said
 * at each call. Nothing here is global but the seed of ib_set_random_seed: calls on different handles may run
 * in different threads.
 */
#ifndef ISOBIT_H
#define ISOBIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(IB_BUILDING_LIBRARY) && defined(__GNUC__)
#define IB_API __attribute__((visibility("default")))
#else
#define IB_API
#endif

/* The version of the arithmetic contract (doc/numerics.md). Other bits mean another number. */
#define IB_CONTRACT_VERSION 1

/* Status codes: X(name, value, text, Python exception). The command's exit code is 0 for IB_OK, 1 for
 * IB_DIFFERS and 2 for all others. */
#define IB_STATUS_LIST(X)                                                                                    \
    X(IB_OK, 0, "ok", "")                                                                                    \
    X(IB_DIFFERS, 1, "differs", "")                                                                          \
    X(IB_BAD_INPUT, 2, "bad input", "ValueError")                                                            \
    X(IB_UNSUPPORTED, 3, "not supported", "NotImplementedError")                                             \
    X(IB_IO, 4, "input or output failed", "OSError")                                                         \
    X(IB_NO_MEMORY, 5, "out of memory", "MemoryError")                                                       \
    X(IB_INTERRUPTED, 6, "interrupted", "KeyboardInterrupt")                                                 \
    X(IB_INTERNAL, 7, "internal error", "RuntimeError")

typedef enum ib_status {
#define X(name, value, text, exception) name = value,
    IB_STATUS_LIST(X)
#undef X
} ib_status;

/* What went wrong. where: file and place ("cnn.keras, layers[3] conv2d_2", "exp.yaml:12:5 fit.epochs");
 * text: what was expected and what was found. Both are NUL-terminated. The first error wins. */
typedef struct ib_error {
    ib_status code;
    char where[256];
    char text[512];
} ib_error;

/* "ok", "bad input" ...: one static string a code. */
IB_API const char *ib_status_text(ib_status status);

/* The library's version, for example "0.1.0". Static. */
IB_API const char *ib_version(void);

/* ---- How work is done. No bit of a result depends on any of this. ---- */

/* Text for a person: whole lines or pieces of lines, UTF-8. Valid during the call. */
typedef void ib_text_fn(void *context, const char *text);

/* A model in memory: layers, weights, and, when it is compiled, loss, metrics and optimizer. */
typedef struct ib_model ib_model;

/* Where training is. names, values: loss and metrics so far in this epoch, sorted by name; with `epoch_end`
 * those of validation follow, with val_ before their names. Valid during the call. */
typedef struct ib_progress {
    size_t epoch, epochs; /* from 1 */
    size_t step, steps;   /* within the epoch, from 1; 0: the epoch begins */
    double seconds;       /* since the epoch began */
    size_t count;
    const char *const *names;
    const double *values;
    int epoch_end;
    ib_model *model; /* that is trained, as it is now; NULL: none */
} ib_progress;

/* What a progress function gives back. IB_STOP: the call ends with IB_INTERRUPTED; what writes a run first
 * takes a checkpoint, so that `resume` goes on from there. IB_END, at the end of an epoch: training is over,
 * as when a callback ended it; a call that writes a run takes it as IB_STOP, for its record could not tell
 * why. */
#define IB_GO_ON 0
#define IB_STOP 1
#define IB_END 2

/* Called when an epoch begins, after each step and at the end of each epoch. */
typedef int ib_progress_fn(void *context, const ib_progress *progress);

/* Zero-initialised (or NULL where a call takes it): all CPUs, the best instruction set, silent. */
typedef struct ib_options {
    size_t threads;  /* 0: one for each CPU that this process may use */
    const char *isa; /* "ref", "avx2", "avx512"; NULL: the best, or what the variable ISOBIT_ISA says */
    ib_text_fn *text;
    ib_progress_fn *progress;
    void *context; /* of both */
    int resume;    /* ib_train: not 0: go on from the newest checkpoint of the folder, if it has one */
    int json;      /* not 0: calls that compare give their answer as one JSON value instead of lines */
} ib_options;

/* ---- Training and its proof ---- */

/* One seed for the whole program, as keras.utils.set_random_seed: every random stream of an experiment whose
 * file gives no seed (initial weights, order, dropout) then comes from this one instead of a seed drawn by
 * chance. Two such experiments that are the same give the same result: streams are named, not shared. seed: 0
 * to 2^53; -1 takes it back. May be called in any thread; it counts for experiments read after it. */
IB_API ib_status ib_set_random_seed(int64_t seed, ib_error *err);

/* Trains the experiment in the file (YAML, or JSON when its name ends in .json) and writes the folder `run`
 * (doc/record.md). The folder may exist if it holds no run. Input is checked before training begins. What is
 * stopped, killed or out of disk leaves its checkpoints; with options->resume the call goes on from the
 * newest one to the same bits. digest (may be NULL): "sha256:" and 64 hex digits, a function of the
 * experiment alone. */
IB_API ib_status ib_train(const char *experiment, const char *run, const ib_options *options, char digest[72],
                          ib_error *err);

/* How a run is judged. Zero-initialised (or NULL): by the goal of its experiment, without variations. */
typedef struct ib_judgement {
    const char *goal; /* "bitwise", "functional" or "documented"; NULL: the experiment's */
    /* bitwise: a list as "threads,isa": also with 1, 2, 3 and 7 threads; with each instruction set of this
     * CPU; "resume": stopped and gone on three times; "compiler": built from the sources with another
     * compiler. */
    const char *vary;
    /* functional: the metrics named in margins ("accuracy=0.01,test_loss=0.05"; NULL: the experiment's) of
     * `seeds` trainings (0: 5) with other seeds are equivalent to the recorded ones, or to those of the run
     * `against` trained in the same way. run and against may be folders of recorded runs. */
    const char *margins, *against;
    size_t seeds;
} ib_judgement;

/* Judges a run by a goal: `bitwise` trains it again and compares every recorded digest. Text: the levels
 * proven, or the first difference. IB_DIFFERS: the goal is not met. */
IB_API ib_status ib_verify(const char *run, const ib_judgement *how, const ib_options *options,
                           ib_error *err);

/* Recomputes `sample` random steps (0: 8) of a run from its checkpoints and compares: finds silent corruption
 * of data and forged records in a fraction of the run's time. Text: what was found, and with which
 * confidence. IB_DIFFERS: a step, or a checkpoint, is not what it should be. */
IB_API ib_status ib_audit(const char *run, size_t sample, const ib_options *options, ib_error *err);

/* Says where two runs part: settings, data (file, sample, element), first step, first tensor and element.
 * Trains both again up to that step where their inputs are still there. IB_DIFFERS: they part. */
IB_API ib_status ib_diff(const char *run_a, const char *run_b, const ib_options *options, ib_error *err);

/* ---- Programs of others: Keras, TensorFlow, JAX and PyTorch scripts (doc/hold.md) ---- */

/* What is held and recorded. Zero-initialised: all defaults. */
typedef struct ib_script {
    const char *run;  /* the folder to write; NULL: the first of run-1, run-2 ... that is not there */
    const char *hold; /* "seeds,hash", "-workers", "+time", "none", "all"; NULL: the default */
    uint64_t seed;
    int64_t every; /* digests at steps 1, 2, 4, 8 ... and each so many; 0: 100; negative: none */
} ib_script;

/* Runs argv (NULL at its end) held still, with standard input, output and error as they are, and records it.
 * wait_status: how it ended, as waitpid tells; the call is IB_OK however it ended, if it was recorded. The
 * call takes the signals that are for the program and passes them on. Text: what could not be held, and the
 * result. */
IB_API ib_status ib_script_record(char *const *argv, const ib_script *program, const ib_options *options,
                                  int *wait_status, ib_error *err);

/* Runs of scripts are looked at by the same calls as isobit's own: ib_show; ib_diff, also of a script's run
 * and one of isobit's own; ib_verify, with vary of "threads,isa,hashseed,order,time,cwd,addresses": one at a
 * time, then together. Files that the script writes are set aside and put back. */

/* Writes the environment of a script's run into the folder: requirements.txt with hashes, environment.yml for
 * conda, Dockerfile. The hashes of packages come from the index that the recorded Python's pip uses; offline:
 * without them. */
IB_API ib_status ib_script_lock(const char *run, const char *folder, int offline, const ib_options *options,
                                ib_error *err);

/* Writes the new folder `bundle`: the run with its inputs, an in-toto statement (statement.json) about its
 * files and its result, and the metadata of a Workflow Run RO-Crate. ib_verify takes a bundle like a run,
 * wherever it is. */
IB_API ib_status ib_publish(const char *run, const char *bundle, const ib_options *options, ib_error *err);

/* A table over n runs to options->text: results, and the settings in which they differ. */
IB_API ib_status ib_compare(const char *const *runs, size_t n, const ib_options *options, ib_error *err);

/* ---- Using what was trained ---- */

/* Which samples. All NULL: the part "test" of the experiment in the run. */
typedef struct ib_data {
    const char *experiment; /* a file whose data section is meant */
    const char *part;       /* "train", "validation" or "test"; NULL: "test" */
    const char *file;       /* .npz or .csv, instead of a part of an experiment */
    /* npz: names of arrays (NULL: "x" and, for scores, "y"); csv: y is the label's column, x that of the
     * texts, if the model takes texts. */
    const char *x, *y;
    size_t batch_size;   /* 0: the run's, or 32 */
    const char *weights; /* .weights.h5 or .weights.json, instead of the model's own; NULL: those */
} ib_data;

/* model: the folder of a run or a .keras file. Loss and metrics go to options->progress, once, as the end of
 * an epoch. */
IB_API ib_status ib_evaluate(const char *model, const ib_data *data, const ib_options *options,
                             ib_error *err);

/* Writes predictions, one row a sample, as .npy, as CSV when the name of `out` ends in .csv, or as .npz with
 * an array an output when it ends in .npz (needed for several outputs). The bits do not depend on batch_size.
 */
IB_API ib_status ib_predict(const char *model, const ib_data *data, const char *out,
                            const ib_options *options, ib_error *err);

/* ---- Models and arrays in memory ---- */

/* An array in memory: the last index runs fastest, numbers as this machine has them. */
typedef struct ib_view {
    const char *name;  /* of a weight its path: "dense/kernel"; of data: "x", "y", "sample_weight" */
    const char *dtype; /* as NumPy says: "float32", "int64", "uint8", "bool" ... */
    size_t rank;
    int64_t shape[8];
    void *data;
} ib_view;

/* Reads a .keras file, or the model of a run's folder, with loss, metrics, optimizer and its state where it
 * is compiled. *out: yours, release with ib_model_free. */
IB_API ib_status ib_model_load(ib_model **out, const char *path, ib_error *err);
/* From Keras's config as JSON text (config.json of a .keras file, compile_config included or not), with
 * weights by their initializers from the seed. */
IB_API ib_status ib_model_from_config(ib_model **out, const char *json, uint64_t seed, ib_error *err);
IB_API void ib_model_free(ib_model *model); /* NULL is fine */
/* Writes a .keras file; its bytes depend on the model alone. */
IB_API ib_status ib_model_save(const ib_model *model, const char *path, ib_error *err);
/* Loss, metrics and optimizer (with fresh state) from JSON text: {"optimizer": ..., "loss": ..., "metrics":
 * ...} with Keras's names and defaults. */
IB_API ib_status ib_model_compile(ib_model *model, const char *json, ib_error *err);
/* Weights from a .weights.h5 file, or from a .weights.json and its shards; a .weights.h5 also brings the
 * optimizer's state, if it holds it and the model is compiled. After an error the model may hold some of
 * them. */
IB_API ib_status ib_model_load_weights(ib_model *model, const char *path, ib_error *err);
/* Layers, shapes and parameters as Keras prints them, to options->text. */
IB_API ib_status ib_model_summary(const ib_model *model, const ib_options *options, ib_error *err);

/* Weight i in Keras's order, and piece i of the optimizer's state in the order of Keras's optimizer.variables
 * (iteration, learning rate, slots). 0: there are not that many. data is the model's own memory: it may be
 * read and written while no call works on the model, and lives as long as the model (state: until it is
 * compiled again). Weights are float32, state float32 or int64. */
IB_API int ib_model_weight(ib_model *model, size_t i, ib_view *out);
IB_API int ib_model_state(ib_model *model, size_t i, ib_view *out);
/* Optimizer state was written through views: checks it and takes it up. */
IB_API ib_status ib_model_state_written(ib_model *model, ib_error *err);

/* Trains the model on arrays: the first dimension counts samples. train, validation: fields "x", "y",
 * "sample_weight", or "x.NAME", "y.NAME", "sample_weight.NAME" with the name or number of an input or output;
 * n_validation 0: none. settings: JSON text with the fields `seed`, `fit`, `callbacks`, `checkpoint`, `name`,
 * `notes` and `goal` of an experiment (doc/experiment.md), or NULL. run: a folder to write as ib_train does,
 * with all that was given in RUN/input, so that `isobit verify RUN` works and `isobit train
 * RUN/input/experiment.json` gives the same digest; NULL: nothing is written. digest (may be NULL): the same
 * with and without a run. When training is stopped, the model stays as it was trained so far. */
IB_API ib_status ib_fit(ib_model *model, const ib_view *train, size_t n_train, const ib_view *validation,
                        size_t n_validation, const char *settings, const char *run, const ib_options *options,
                        char digest[72], ib_error *err);

/* Loss and metrics go to options->progress, once, as the end of an epoch. batch_size 0: 32. */
IB_API ib_status ib_model_evaluate(ib_model *model, const ib_view *data, size_t n, size_t batch_size,
                                   const ib_options *options, ib_error *err);

/* Predictions, one array an output. The bits do not depend on batch_size. *out: yours, release with
 * ib_results_free. */
typedef struct ib_results ib_results;
IB_API ib_status ib_model_predict(ib_model *model, const ib_view *x, size_t n, size_t batch_size,
                                  const ib_options *options, ib_results **out, ib_error *err);
IB_API int ib_results_get(const ib_results *results, size_t i, ib_view *out); /* 0: there are not that many */
IB_API void ib_results_free(ib_results *results);                             /* NULL is fine */

/* ---- Looking: all of these give their answer to options->text ---- */

/* A model's layers, shapes and parameters as Keras prints them. file: a run, a .keras file or an experiment.
 */
IB_API ib_status ib_summary(const char *file, const ib_options *options, ib_error *err);
/* What of an experiment's data is looked at. Zero-initialised (or NULL): an overview with ranges, classes and
 * files. */
typedef struct ib_look {
    const char *part;   /* "train", "validation" or "test"; NULL: "train" */
    size_t epoch;       /* from 1; 0: the first */
    size_t peek;        /* what is in so many batches of it */
    int order;          /* not 0: which samples each batch is made of; of all batches, or of `peek` */
    const char *images; /* a folder to write the images of a batch, or of `peek` batches, into, as PNG */
} ib_look;
IB_API ib_status ib_data_look(const char *experiment, const ib_look *look, const ib_options *options,
                              ib_error *err);
/* What a run was and what came out. */
IB_API ib_status ib_show(const char *run, const ib_options *options, ib_error *err);
/* This machine, the build, the libraries. */
IB_API ib_status ib_env(const ib_options *options, ib_error *err);
/* The lock of this environment: the packages that this process is made of, with their versions, as text; or,
 * if a folder is given, environment.lock and a Dockerfile in it. */
IB_API ib_status ib_env_lock(const char *folder, const ib_options *options, ib_error *err);
/* What of the run's environment is another one here and now. IB_DIFFERS: something is. */
IB_API ib_status ib_env_check(const char *run, const ib_options *options, ib_error *err);
/* The instruction sets, which of them this CPU can run, and how the kernels of the one that is used go about
 * some shapes: tiles, blocks, what is packed. */
IB_API ib_status ib_kernels_list(const ib_options *options, ib_error *err);
/* The speed of this machine as text. what: "peak", the fused multiply-adds a second that one thread, and all
 * at once, can do at most; "kernels", that, and what products and convolutions reach of it. */
IB_API ib_status ib_bench(const char *what, const ib_options *options, ib_error *err);

#ifdef __cplusplus
}
#endif
#endif
