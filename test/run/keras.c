/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole experiments against real Keras: a compiled .keras file trained without shuffling must log after each
 * step, and at the end of each epoch (validation included), what Keras's fit logs.
 */
#include "run/runs.h"

#include <math.h>

#include "data/npz.h"

#define TOLERANCE 1e-5 /* of the value, or absolute below 1 */

typedef struct golden_run {
    const char *name;
    char npz[256];
    size_t compared, epochs;
    double worst;
} golden_run;

static void compare(golden_run *g, const char *key, size_t i, double found) {
    ib_tensor truth;
    ib_error err = {0};
    if (ib__npz_read(&truth, g->npz, key, &err) != IB_OK) fail_msg("%s: %s", err.where, err.text);
    assert_true((int64_t)i < ib__shape_elements(&truth.shape));
    double wanted = ib__tensor_at(&truth, i), e = fabs(found - wanted) / fmax(1, fabs(wanted));
    if (!(e <= TOLERANCE)) fail_msg("%s: %s[%zu] is %.9g, Keras has %.9g", g->name, key, i, found, wanted);
    g->worst = fmax(g->worst, e);
    g->compared++;
    ib__tensor_free(&truth);
}

/* After each step the running scores. */
static int see_progress(void *context, const ib_progress *p) {
    golden_run *g = context;
    if (p->step == 0) return 0;
    g->epochs += p->epoch_end ? 1 : 0;
    for (size_t i = 0; i < p->count; i++) {
        char key[128];
        snprintf(key, sizeof key, "%s/%s", p->epoch_end ? "epoch" : "step", p->names[i]);
        compare(g, key, p->epoch_end ? p->epoch - 1 : (p->epoch - 1) * p->steps + p->step - 1, p->values[i]);
    }
    return 0;
}

/* Writes from to out with every @ as the file. */
static void fill_in(char *out, size_t size, const char *from, const char *file) {
    size_t n = 0;
    for (; *from; from++) {
        int length =
            *from == '@' ? snprintf(out + n, size - n, "%s", file) : snprintf(out + n, size - n, "%c", *from);
        n += (size_t)length;
        assert_true(n < size);
    }
}

/* data: entries of an experiment, with @ for the file of arrays; fit: its settings, and callbacks if any. */
static void train_golden(const char *folder, const char *name, const char *data, const char *fit,
                         size_t epochs) {
    golden_run g = {.name = name};
    char here[2048], path[256], full[4096], entries[8192], text[16384];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(g.npz, sizeof g.npz, "test/golden/%s/%s.npz", folder, name);
    snprintf(full, sizeof full, "%s/%s", here, g.npz);
    fill_in(entries, sizeof entries, data, full);
    snprintf(
        text, sizeof text,
        "isobit: 1\nseed: 1\nmodel: {keras: %s/test/golden/%s/%s.keras}\ndata:\n%sfit: {shuffle: false, %s\n",
        here, folder, name, entries, fit);
    in_base(path, "golden.yaml");
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
    ib_trace trace = {0};
    ib_options options = {.progress = see_progress, .context = &g};
    train_with("golden.yaml", &(ib_runtime){.threads = 2, .isa = ib__isa_default()},
               &(ib_fit_hooks){.options = &options}, NULL, &trace);
    assert_true(g.compared >= 2 * (trace.n_steps - 1));
    assert_int_equal(g.epochs, epochs);
    print_message("%-18s %zu values, worst difference %.2g\n", name, g.compared, g.worst);
    ib__trace_free(&trace);
}

static void mlp(void **state) {
    (void)state;
    train_golden("training", "mlp",
                 "  train: {npz: @, x: x0, y: y0}\n  validation: {npz: @, x: val_x0, y: val_y0}\n",
                 "batch_size: 16, epochs: 8}", 8);
}

static void convnet(void **state) {
    (void)state;
    train_golden("training", "convnet-batchnorm", "  train: {npz: @, x: x0, y: y0}\n",
                 "batch_size: 16, epochs: 10}", 10);
}

/* The last batch of an epoch is smaller: it counts as much as the others in the loss of an output, by its
 * size in the total. */
static void two_outputs(void **state) {
    (void)state;
    train_golden("fit", "two-outputs", "  train: {npz: @, x: {a: x0, b: x1}, y: {kind: y0, value: y1}}\n",
                 "batch_size: 12, epochs: 8}", 8);
}

/* Smaller last batches, sample weights, validation; the rate is halved in epoch 6, and training ends after 7
 * of 10. */
static void plateau(void **state) {
    (void)state;
    train_golden(
        "fit", "tabular",
        "  train: {npz: @, x: x0, y: y0, sample_weight: sample_weight}\n"
        "  validation: {npz: @, x: val_x0, y: val_y0}\n",
        "batch_size: 14, epochs: 10}\ncallbacks:\n"
        "  - ReduceLROnPlateau: {monitor: val_loss, factor: 0.5, patience: 1, min_delta: 0.02, cooldown: 1, "
        "min_lr: 0.0001}\n"
        "  - EarlyStopping: {monitor: val_mae, patience: 2, min_delta: 0.05, restore_best_weights: true}",
        7);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mlp), cmocka_unit_test(convnet),
                                       cmocka_unit_test(two_outputs), cmocka_unit_test(plateau)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
