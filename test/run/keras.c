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
    size_t compared;
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
    for (size_t i = 0; i < p->count; i++) {
        char key[128];
        snprintf(key, sizeof key, "%s/%s", p->epoch_end ? "epoch" : "step", p->names[i]);
        compare(g, key, p->epoch_end ? p->epoch - 1 : (p->epoch - 1) * p->steps + p->step - 1, p->values[i]);
    }
    return 0;
}

static void train_golden(const char *name, size_t batch, size_t epochs, bool validation) {
    golden_run g = {.name = name};
    char here[2048], path[256], text[16384], held[4096] = "";
    assert_non_null(getcwd(here, sizeof here));
    snprintf(g.npz, sizeof g.npz, "test/golden/training/%s.npz", name);
    if (validation)
        snprintf(held, sizeof held, "  validation: {npz: %s/%s, x: val_x0, y: val_y0}\n", here, g.npz);
    snprintf(text, sizeof text,
             "isobit: 1\nseed: 1\nmodel: {keras: %s/test/golden/training/%s.keras}\ndata:\n"
             "  train: {npz: %s/%s, x: x0, y: y0}\n%sfit: {batch_size: %zu, epochs: %zu, shuffle: false}\n",
             here, name, here, g.npz, held, batch, epochs);
    in_base(path, "golden.yaml");
    assert_int_equal(ib__file_write(path, text, strlen(text), NULL), IB_OK);
    ib_trace trace = {0};
    ib_options options = {.progress = see_progress, .context = &g};
    train_with("golden.yaml", &(ib_runtime){.threads = 2, .isa = ib__isa_default()},
               &(ib_fit_hooks){.options = &options}, NULL, &trace);
    assert_true(g.compared >= 2 * (trace.n_steps - 1));
    print_message("%-18s %zu values, worst difference %.2g\n", name, g.compared, g.worst);
    ib__trace_free(&trace);
}

static void mlp(void **state) {
    (void)state;
    train_golden("mlp", 16, 8, true);
}

static void convnet(void **state) {
    (void)state;
    train_golden("convnet-batchnorm", 16, 10, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mlp), cmocka_unit_test(convnet)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
