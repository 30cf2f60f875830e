/* SPDX-License-Identifier: Apache-2.0
 *
 * `isobit bench`: the speed of the kernels on this machine, as text.
 */
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "kernels/speed/speed.h"
#include "run/commands.h"
#include "run/task.h"

#define SECONDS 0.1 /* of each line */

static void say_speed(const ib_options *options, double gflops, double peak) {
    ib__say(options, "  %8.1f %6.1f %%\n", gflops, 100 * gflops / peak);
}

/* The peaks of one thread and of all at once; gives that of `isa` by all. */
static double say_peaks(const ib_options *options, ib_pool *one, ib_pool *pool, ib_isa isa) {
    double given = 0;
    for (int i = IB_ISA_AVX2; i < IB_ISA_COUNT; i++) {
        if (!ib__isa_available((ib_isa)i)) continue;
        const char *name = ib__isa_name((ib_isa)i);
        double peak = ib__peak_gflops((ib_isa)i, one);
        ib__say(options, "%-8s %8.1f GFLOP/s a thread at most\n", name, peak);
        if (ib__pool_threads(pool) > 1) {
            peak = ib__peak_gflops((ib_isa)i, pool);
            ib__say(options, "%-8s %8.1f GFLOP/s by %zu threads at once\n", name, peak,
                    ib__pool_threads(pool));
        }
        if ((ib_isa)i == isa) given = peak;
    }
    return given;
}

static void say_kernels(const ib_options *options, const ib_kernels *kernels, ib_pool *pool, double peak) {
    char text[IB_SHAPE_TEXT];
    ib__product_text(NULL, text);
    ib__say(options, "\n%-39s%9s %8s\n", text, "GFLOP/s", "of peak");
    for (size_t i = 0; i < ib__product_shapes_count; i++) {
        const ib_product_shape *s = &ib__product_shapes[i];
        ib__product_text(s, text);
        ib__say(options, "%-38s", text);
        say_speed(options, ib__product_gflops(kernels, s, pool, SECONDS), peak);
    }
    ib__conv_text(NULL, IB_CONV_FORWARD, text);
    ib__say(options, "\n%s\n", text);
    for (size_t i = 0; i < ib__conv_shapes_count; i++)
        for (int pass = 0; pass < IB_CONV_PASSES; pass++) {
            const ib_conv_shape *s = &ib__conv_shapes[i];
            ib__conv_text(s, (ib_conv_pass)pass, text);
            ib__say(options, "%-39s", text);
            say_speed(options, ib__conv_gflops(kernels, s, (ib_conv_pass)pass, pool, SECONDS), peak);
        }
}

ib_status ib__bench(const char *what, const ib_options *options, ib_error *err) {
    static const char *const known[] = {"kernels", "peak"};
    if (what == NULL || (strcmp(what, "kernels") != 0 && strcmp(what, "peak") != 0)) {
        const char *near = what != NULL ? ib__nearest(what, known, 2) : NULL;
        return ib__fail(err, IB_BAD_INPUT, "bench", "expected kernels or peak, found '%.60s'%s%s%s",
                        what != NULL ? what : "", near ? "; did you mean '" : "", near ? near : "",
                        near ? "'?" : "");
    }
    ib_runtime runtime;
    ib_status status = ib__runtime_init(&runtime, options->threads, options->isa, err);
    if (status != IB_OK) return status;
    ib_pool *one = NULL, *pool = NULL;
    status = ib__pool_new(&one, 1, err);
    if (status == IB_OK) status = ib__pool_new(&pool, runtime.threads, err);
    if (status == IB_OK) {
        double peak = say_peaks(options, one, pool, runtime.isa);
        if (strcmp(what, "kernels") == 0) {
            ib__say(options, "\n%s, %zu threads\n", ib__isa_name(runtime.isa), ib__pool_threads(pool));
            say_kernels(options, ib__kernels_for(runtime.isa), pool, peak);
        }
    }
    ib__pool_free(pool);
    ib__pool_free(one);
    return status;
}
