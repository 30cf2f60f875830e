/* SPDX-License-Identifier: Apache-2.0
 *
 * Products and convolutions beside OpenBLAS and oneDNN, by turns, as shares of the FMA peak. The libraries
 * get whatever layout they like best, with their reordering left out of the time. usage: bench_kernels
 * [SECONDS A LINE [THREADS]]
 */
#include <cblas.h>
#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "kernels/speed/speed.h"

static size_t threads;

static void check(dnnl_status_t status, const char *what) {
    if (status == dnnl_success) return;
    fprintf(stderr, "bench_kernels: oneDNN: %s: %d\n", what, (int)status);
    exit(1);
}
#define CHECK(call) check(call, #call)

typedef struct product {
    const ib_product_shape *s;
    float *a, *b, *c;
} product;

static void run_openblas(void *context) {
    const product *p = context;
    const ib_product_shape *s = p->s;
    cblas_sgemm(CblasRowMajor, s->a_transposed ? CblasTrans : CblasNoTrans,
                s->b_transposed ? CblasTrans : CblasNoTrans, (int)s->m, (int)s->n, (int)s->k, 1, p->a,
                (int)(s->a_transposed ? s->m : s->k), p->b, (int)(s->b_transposed ? s->k : s->n), 0, p->c,
                (int)s->n);
}

static void run_onednn(void *context) {
    const product *p = context;
    const ib_product_shape *s = p->s;
    CHECK(dnnl_sgemm(s->a_transposed ? 'T' : 'N', s->b_transposed ? 'T' : 'N', (dnnl_dim_t)s->m,
                     (dnnl_dim_t)s->n, (dnnl_dim_t)s->k, 1, p->a, (dnnl_dim_t)(s->a_transposed ? s->m : s->k),
                     p->b, (dnnl_dim_t)(s->b_transposed ? s->k : s->n), 0, p->c, (dnnl_dim_t)s->n));
}

typedef struct primitive {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t run;
    dnnl_memory_t memories[3];
    dnnl_exec_arg_t arguments[3];
} primitive;

static void run_primitive(void *context) {
    primitive *p = context;
    CHECK(dnnl_primitive_execute(p->run, p->stream, 3, p->arguments));
    CHECK(dnnl_stream_wait(p->stream));
}

/* The memory of an argument in the layout that the primitive wants. */
static void give(primitive *p, dnnl_primitive_desc_t description, int i, dnnl_query_t what, int argument) {
    const dnnl_memory_desc_t *layout = dnnl_primitive_desc_query_md(description, what, 0);
    CHECK(dnnl_memory_create(&p->memories[i], layout, p->engine, DNNL_MEMORY_ALLOCATE));
    float *data;
    CHECK(dnnl_memory_get_data_handle(p->memories[i], (void **)&data));
    for (size_t k = 0; k < dnnl_memory_desc_get_size(layout) / sizeof *data; k++)
        data[k] = (float)(k * 2654435761u % 2048) / 1024.0f - 1.0f;
    p->arguments[i] = (dnnl_exec_arg_t){argument, p->memories[i]};
}

static void describe(dnnl_memory_desc_t *out, int rank, size_t a, size_t b, size_t c, size_t d, size_t e) {
    dnnl_dims_t dims = {(dnnl_dim_t)a, (dnnl_dim_t)b, (dnnl_dim_t)c, (dnnl_dim_t)d, (dnnl_dim_t)e};
    CHECK(dnnl_memory_desc_init_by_tag(out, rank, dims, dnnl_f32, dnnl_format_tag_any));
}

static double onednn_conv(const ib_conv_shape *s, ib_conv_pass pass, double seconds) {
    primitive p = {0};
    CHECK(dnnl_engine_create(&p.engine, dnnl_cpu, 0));
    CHECK(dnnl_stream_create(&p.stream, p.engine, dnnl_stream_default_flags));
    dnnl_memory_desc_t x, w, y;
    describe(&x, 4, s->n, s->ci, s->size, s->size, 0);
    if (s->groups > 1)
        describe(&w, 5, s->groups, s->co / s->groups, s->ci / s->groups, s->k, s->k);
    else
        describe(&w, 4, s->co, s->ci, s->k, s->k, 0);
    describe(&y, 4, s->n, s->co, s->out, s->out, 0);
    dnnl_dim_t stride = (dnnl_dim_t)s->stride, before = (dnnl_dim_t)s->pad;
    dnnl_dim_t after = (dnnl_dim_t)((s->out - 1) * s->stride + s->k) - (dnnl_dim_t)(s->size + s->pad);
    dnnl_dims_t strides = {stride, stride}, left = {before, before}, right = {after, after};
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t forward = NULL, description;
    CHECK(dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct, &x, &w, NULL,
                                             &y, strides, left, right));
    CHECK(dnnl_primitive_desc_create(&forward, &d, NULL, p.engine, NULL));
    description = forward;
    if (pass == IB_CONV_GRAD_INPUT)
        CHECK(dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &x, &w, &y, strides, left,
                                                       right));
    if (pass == IB_CONV_GRAD_KERNEL)
        CHECK(dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &x, &w, NULL, &y,
                                                          strides, left, right));
    if (pass != IB_CONV_FORWARD) CHECK(dnnl_primitive_desc_create(&description, &d, NULL, p.engine, forward));
    give(&p, description, 0, pass == IB_CONV_GRAD_INPUT ? dnnl_query_diff_src_md : dnnl_query_src_md,
         pass == IB_CONV_GRAD_INPUT ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC);
    give(&p, description, 1, pass == IB_CONV_GRAD_KERNEL ? dnnl_query_diff_weights_md : dnnl_query_weights_md,
         pass == IB_CONV_GRAD_KERNEL ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS);
    give(&p, description, 2, pass == IB_CONV_FORWARD ? dnnl_query_dst_md : dnnl_query_diff_dst_md,
         pass == IB_CONV_FORWARD ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST);
    CHECK(dnnl_primitive_create(&p.run, description));
    double best = ib__best_seconds(run_primitive, &p, threads, seconds);
    CHECK(dnnl_primitive_destroy(p.run));
    if (description != forward) CHECK(dnnl_primitive_desc_destroy(description));
    CHECK(dnnl_primitive_desc_destroy(forward));
    for (int i = 0; i < 3; i++)
        CHECK(dnnl_memory_destroy(p.memories[i]));
    CHECK(dnnl_stream_destroy(p.stream));
    CHECK(dnnl_engine_destroy(p.engine));
    return 2 * ib__conv_products(s) / best * 1e-9;
}

static void say(double ours, double openblas, double onednn, double peak) {
    printf("  %5.1f %%  ", 100 * ours / peak);
    if (openblas > 0)
        printf("%5.1f %%  ", 100 * openblas / peak);
    else
        printf("%9s", "");
    printf("%5.1f %%  %5.2f\n", 100 * onednn / peak, ours / fmax(openblas, onednn));
    fflush(stdout);
}

/* The libraries look at the environment when they are loaded, so the program starts anew with what they need:
 * the number of threads, and kernels with AVX-512 on processors that OpenBLAS does not know. */
static void ask_libraries(char **argv, const char *count) {
    if (getenv("OMP_NUM_THREADS") != NULL) return;
    setenv("OMP_NUM_THREADS", count, 1);
    if (ib__isa_default() == IB_ISA_AVX512) setenv("OPENBLAS_CORETYPE", "SKYLAKEX", 0);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 0.3;
    threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    ask_libraries(argv, argc > 2 ? argv[2] : "1");
    ib_pool *pool;
    if (threads == 0 || ib__pool_new(&pool, threads, NULL) != IB_OK) return 2;
    const ib_kernels *kernels = ib__kernels_for(ib__isa_default());
    double peak = ib__peak_gflops(ib__isa_default(), pool);
    const dnnl_version_t *version = dnnl_version();
    openblas_set_num_threads((int)threads);
    printf("%s, %zu threads, FMA peak %.1f GFLOP/s; %s; oneDNN %d.%d.%d\n", ib__isa_name(ib__isa_default()),
           threads, peak, openblas_get_config(), version->major, version->minor, version->patch);
    char text[IB_SHAPE_TEXT];
    ib__product_text(NULL, text);
    printf("%s    isobit OpenBLAS  oneDNN  ratio to the best\n", text);
    for (size_t i = 0; i < ib__product_shapes_count; i++) {
        const ib_product_shape *s = &ib__product_shapes[i];
        product p = {s, ib__speed_values(s->m * s->k), ib__speed_values(s->k * s->n),
                     ib__speed_values(s->m * s->n)};
        if (p.a == NULL || p.b == NULL || p.c == NULL) return 1;
        double work = 2e-9 * (double)(s->m * s->n * s->k);
        double ours = ib__product_gflops(kernels, s, pool, seconds);
        double openblas = work / ib__best_seconds(run_openblas, &p, threads, seconds);
        double onednn = work / ib__best_seconds(run_onednn, &p, threads, seconds);
        ib__product_text(s, text);
        printf("%-38s", text);
        say(ours, openblas, onednn, peak);
        ib__free(p.a);
        ib__free(p.b);
        ib__free(p.c);
    }
    ib__conv_text(NULL, IB_CONV_FORWARD, text);
    puts(text);
    for (size_t i = 0; i < ib__conv_shapes_count; i++)
        for (int pass = 0; pass < IB_CONV_PASSES; pass++) {
            const ib_conv_shape *s = &ib__conv_shapes[i];
            double ours = ib__conv_gflops(kernels, s, (ib_conv_pass)pass, pool, seconds);
            double onednn = onednn_conv(s, (ib_conv_pass)pass, seconds);
            ib__conv_text(s, (ib_conv_pass)pass, text);
            printf("%-39s", text);
            say(ours, 0, onednn, peak);
        }
    ib__pool_free(pool);
    return 0;
}
