/* SPDX-License-Identifier: Apache-2.0
 *
 * A result does not depend on the instruction set, the number of threads, the order of parts, or what the
 * memory of a step held before.
 */
#include "run/runs.h"

static size_t compared;

/* Trains in one way and compares every link, every recorded tensor and the result. */
static void same_as(const ib_trace *wanted, const ib_runtime *runtime) {
    ib_trace trace = {0};
    train_with("small.yaml", runtime, &(ib_fit_hooks){0}, NULL, &trace);
    assert_int_equal(trace.n_steps, wanted->n_steps);
    assert_int_equal(trace.n_tensors, wanted->n_tensors);
    for (size_t i = 0; i < trace.n_steps; i++) {
        if (memcmp(&trace.steps[i].chain, &wanted->steps[i].chain, sizeof(ib_digest)) != 0)
            fail_msg("%s, %zu threads, scramble %u, fill %08x: step %zu differs", ib__isa_name(runtime->isa),
                     runtime->threads, runtime->scramble, runtime->fill, i);
        compared++;
    }
    assert_memory_equal(trace.tensors, wanted->tensors, trace.n_tensors * sizeof(ib_digest));
    assert_memory_equal(&trace.result, &wanted->result, sizeof trace.result);
    ib__trace_free(&trace);
}

static void one_result(void **state) {
    static const size_t threads[] = {1, 2, 3, 7};
    ib_trace wanted = {0};
    (void)state;
    write_experiment("small.yaml", "examples/digits/digits.csv", "1");
    train_with("small.yaml", &(ib_runtime){.threads = 1, .isa = IB_ISA_REF}, &(ib_fit_hooks){0}, NULL,
               &wanted);
    assert_int_equal(wanted.n_steps, 1 + 2 * 3);
    for (int isa = 0; isa < IB_ISA_COUNT; isa++) {
        if (!ib__isa_available((ib_isa)isa)) continue;
        for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
            same_as(&wanted, &(ib_runtime){.threads = threads[i], .isa = (ib_isa)isa});
        same_as(&wanted,
                &(ib_runtime){.threads = 3, .isa = (ib_isa)isa, .scramble = 12, .fill = 0x7fc00000u});
        same_as(&wanted, &(ib_runtime){.threads = 2, .isa = (ib_isa)isa, .scramble = 1, .fill = 0xffffffffu});
    }
    assert_true(compared >= 6 * wanted.n_steps);
    ib__trace_free(&wanted);
}

/* The whole record is the same too, byte by byte, save record.json. */
static void same_files(void **state) {
    static const char *const names[] = {"model.keras", "history.csv", "steps", "tensors"};
    ib_trace a = {0}, b = {0};
    (void)state;
    write_experiment("small.yaml", "examples/digits/digits.csv", "null");
    train_with("small.yaml", &(ib_runtime){.threads = 1, .isa = IB_ISA_REF}, &(ib_fit_hooks){0}, "fa", &a);
    train_with("small.yaml", &(ib_runtime){.threads = 3, .isa = ib__isa_default()}, &(ib_fit_hooks){0}, "fb",
               &b);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char x[256], y[256], name[64];
        ib_buf u = {0}, v = {0};
        snprintf(name, sizeof name, "fa/%s", names[i]);
        in_base(x, name);
        snprintf(name, sizeof name, "fb/%s", names[i]);
        in_base(y, name);
        assert_int_equal(ib__file_read(&u, x, 0, NULL), IB_OK);
        assert_int_equal(ib__file_read(&v, y, 0, NULL), IB_OK);
        assert_true(u.length > 0);
        assert_int_equal(u.length, v.length);
        assert_memory_equal(u.data, v.data, u.length);
        ib__buf_free(&u);
        ib__buf_free(&v);
    }
    ib__trace_free(&a);
    ib__trace_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_result), cmocka_unit_test(same_files)};
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
