/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution and its gradients. The reference is held against loops of another order (taps outermost, the
 * outputs running through the chain in step) and against double; every instruction set against the
 * reference, bit for bit, over odd shapes, strides, dilations, paddings, groups and lanes, special values,
 * parts in several orders, scratch full of NaN, and the done callback.
 *
 * A case names itself in one line; `test_kernels_conv SEED` runs only the case of that seed.
 */
#include "check.h"

#include <math.h>

typedef enum pass { FORWARD, GRAD_INPUT, GRAD_KERNEL, PASSES } pass;
static const char *const pass_names[] = {"forward", "grad_input", "grad_kernel"};

/* g.x, g.k, g.y are set for a pass by arguments(). */
typedef struct problem {
    ib_conv_args g;
    uint64_t seed;
    char name[200];
    float *x, *k, *y; /* input, kernel, output's gradient; in block */
    float *block[3];
} problem;

/* What the done callback saw. */
typedef struct seen {
    const ib_conv_args *g;
    const char *what;
    size_t rows, cols;
    unsigned char *covered;
    float *value;
} seen;

static size_t count_of(const ib_conv_args *g, pass p) {
    return p == FORWARD      ? g->n * g->od * g->oh * g->ow * g->co
           : p == GRAD_INPUT ? g->n * g->d * g->h * g->w * g->ci
                             : g->kd * g->kh * g->kw * (g->ci / g->groups) * g->co;
}

static void name_problem(problem *p) {
    const ib_conv_args *g = &p->g;
    snprintf(p->name, sizeof p->name,
             "conv n%zu %zux%zux%zux%zu k%zux%zux%zu s%zux%zux%zu d%zux%zux%zu p%zux%zux%zu out %zux%zux%zu "
             "co%zu groups%zu lanes%zu seed%llu",
             g->n, g->d, g->h, g->w, g->ci, g->kd, g->kh, g->kw, g->sd, g->sh, g->sw, g->dd, g->dh, g->dw,
             g->pd, g->ph, g->pw, g->od, g->oh, g->ow, g->co, g->groups, g->lanes,
             (unsigned long long)p->seed);
}

/* n numbers, `shift` floats behind an aligned place; they end where the block ends, so that a checker of
 * memory sees a read beyond them. */
static float *exact_new(float **block, size_t n, size_t shift, float (*number)(void)) {
    *block = malloc((n + shift) * sizeof(float) + 1);
    assert_non_null(*block);
    fill(*block, n + shift, number);
    return *block + shift;
}

static problem problem_new(const ib_conv_args *g, uint64_t seed, float (*number)(void)) {
    problem p = {.g = *g, .seed = seed};
    name_problem(&p);
    p.x = exact_new(&p.block[0], count_of(g, GRAD_INPUT), seed % 5, number);
    p.k = exact_new(&p.block[1], count_of(g, GRAD_KERNEL), seed % 3, number);
    p.y = exact_new(&p.block[2], count_of(g, FORWARD), seed % 4, number);
    return p;
}

static void problem_free(problem *p) {
    for (int i = 0; i < 3; i++)
        free(p->block[i]);
}

static ib_conv_args arguments(const problem *p, pass what, float *out) {
    ib_conv_args g = p->g;
    g.x = what == GRAD_INPUT ? p->y : p->x;
    g.k = what == GRAD_KERNEL ? p->y : p->k;
    g.y = out;
    return g;
}

static void note_done(void *context, size_t row0, size_t row1, size_t col0, size_t col1, size_t worker) {
    seen *s = context;
    if (row0 >= row1 || row1 > s->rows || col0 >= col1 || col1 > s->cols || worker != 3)
        fail_msg("%s: done(%zu, %zu, %zu, %zu) by worker %zu", s->what, row0, row1, col0, col1, worker);
    for (size_t i = row0; i < row1; i++)
        for (size_t j = col0; j < col1; j++) {
            s->covered[i * s->cols + j]++;
            s->value[i * s->cols + j] = s->g->y[i * s->cols + j];
        }
}

static void run(const ib_kernels *k, pass what, const ib_conv_args *g, size_t parts, unsigned order) {
    size_t size = what == FORWARD      ? k->conv_scratch(g, parts)
                  : what == GRAD_INPUT ? k->conv_grad_input_scratch(g, parts)
                                       : k->conv_grad_kernel_scratch(g, parts);
    void *scratch = malloc(size ? size : 1);
    assert_non_null(scratch);
    ib__isa_assume_halved(order % 2 == 1);
    for (size_t i = 0; i < parts; i++) {
        size_t part = part_in_order(i, parts, order);
        memset(scratch, 0xff, size);
        if (what == FORWARD) k->conv(g, part, parts, scratch, 3);
        if (what == GRAD_INPUT) k->conv_grad_input(g, part, parts, scratch, 3);
        if (what == GRAD_KERNEL) k->conv_grad_kernel(g, part, parts, scratch, 3);
    }
    free(scratch);
}

/* Runs with the callback set and checks that it saw each element once, with its final value. */
static void run_seen(const ib_kernels *k, pass what, ib_conv_args *g, size_t parts, unsigned order,
                     const char *name) {
    size_t cols = what == FORWARD ? g->co : g->ci, rows = cols ? count_of(g, what) / cols : 0;
    seen s = {g, name, rows, cols, calloc(rows * cols + 1, 1), calloc(rows * cols + 1, sizeof(float))};
    assert_non_null(s.covered);
    assert_non_null(s.value);
    g->done = what == GRAD_KERNEL ? NULL : note_done;
    g->context = &s;
    run(k, what, g, parts, order);
    if (g->done) {
        for (size_t i = 0; i < rows * cols; i++)
            if (s.covered[i] != 1) fail_msg("%s: done covered element %zu %d times", name, i, s.covered[i]);
        same_bits(name, s.value, g->y, rows * cols, false);
    }
    free(s.covered);
    free(s.value);
}

/* ---- The definition once more, in another order ---- */

/* A sum in float, in double, and of absolute values. */
typedef struct sums {
    float *chain;
    double *exact, *size;
} sums;

static sums sums_new(size_t n) {
    sums s = {calloc(n + 1, sizeof(float)), calloc(n + 1, sizeof(double)), calloc(n + 1, sizeof(double))};
    assert_true(s.chain && s.exact && s.size);
    return s;
}

static void sums_free(sums *s) {
    free(s->chain);
    free(s->exact);
    free(s->size);
}

static void add(sums *s, size_t at, float a, float b) {
    s->chain[at] = fmaf(a, b, s->chain[at]);
    s->exact[at] += (double)a * (double)b;
    s->size[at] += fabs((double)a * (double)b);
}

/* Where a tap reads along one axis; negative or n and more: outside. */
static int64_t reads(size_t place, size_t stride, size_t tap, size_t dilation, size_t pad) {
    return (int64_t)(place * stride + tap * dilation) - (int64_t)pad;
}

/* The pixel of an image that a tap of an output place reads; false: outside. */
static bool pixel_of(const ib_conv_args *g, size_t place, size_t tap, size_t *pixel) {
    size_t ow = g->ow, oh = g->oh, kw = g->kw, kh = g->kh;
    int64_t plane = reads(place / ow / oh, g->sd, tap / kw / kh, g->dd, g->pd);
    int64_t row = reads(place / ow % oh, g->sh, tap / kw % kh, g->dh, g->ph);
    int64_t col = reads(place % ow, g->sw, tap % kw, g->dw, g->pw);
    if (plane < 0 || row < 0 || col < 0) return false;
    *pixel = ((size_t)plane * g->h + (size_t)row) * g->w + (size_t)col;
    return (size_t)plane < g->d && (size_t)row < g->h && (size_t)col < g->w;
}

/* Visits every product of a pass; the chains see theirs in the contract's order because the loops go: image,
 * tap, channel, place for the first two passes, and image, place, tap, channels for the third. */
static void literal_image(const problem *p, pass what, size_t n, sums *s) {
    const ib_conv_args *g = &p->g;
    size_t in_group = g->ci / g->groups, out_group = g->co / g->groups;
    size_t taps = g->kd * g->kh * g->kw, places = g->od * g->oh * g->ow, pixel;
    size_t outer = what == GRAD_KERNEL ? places : taps;
    for (size_t u = 0; u < outer; u++)
        for (size_t i = 0; i < (what == GRAD_INPUT ? g->co : in_group); i++)
            for (size_t o = 0; o < (what == GRAD_INPUT ? in_group : g->co); o++)
                for (size_t v = 0; v < taps * places / outer; v++) {
                    size_t tap = what == GRAD_KERNEL ? v : u, place = what == GRAD_KERNEL ? u : v;
                    size_t co = what == GRAD_INPUT ? i : o, c = what == GRAD_INPUT ? o : i;
                    if (!pixel_of(g, place, tap, &pixel)) continue;
                    size_t x = (n * g->d * g->h * g->w + pixel) * g->ci + co / out_group * in_group + c;
                    size_t k = (tap * in_group + c) * g->co + co, y = (n * places + place) * g->co + co;
                    if (what == FORWARD) add(s, y, p->x[x], p->k[k]);
                    if (what == GRAD_INPUT) add(s, x, p->y[y], p->k[k]);
                    if (what == GRAD_KERNEL) add(s, k, p->x[x], p->y[y]);
                }
}

static float tree(const float *x, size_t n) {
    if (n == 1) return x[0];
    size_t half = 1;
    while (2 * half < n)
        half *= 2;
    return tree(x, half) + tree(x + half, n - half);
}

static void literal_kernel_gradient(const problem *p, sums *s) {
    size_t count = count_of(&p->g, GRAD_KERNEL), lanes = p->g.lanes;
    float *lane = calloc(count * lanes + 1, sizeof(float));
    assert_non_null(lane);
    for (size_t l = 0; l < lanes; l++)
        for (size_t n = l * p->g.n / lanes; n < (l + 1) * p->g.n / lanes; n++) {
            memset(s->chain, 0, count * sizeof(float));
            literal_image(p, GRAD_KERNEL, n, s);
            for (size_t e = 0; e < count; e++)
                lane[e * lanes + l] =
                    n == l * p->g.n / lanes ? s->chain[e] : lane[e * lanes + l] + s->chain[e];
        }
    for (size_t e = 0; e < count; e++)
        s->chain[e] = tree(lane + e * lanes, lanes);
    free(lane);
}

static void check_reference(const problem *p) {
    const ib_kernels *ref = ib__kernels_for(IB_ISA_REF);
    for (pass what = 0; what < PASSES; what++) {
        size_t count = count_of(&p->g, what);
        sums s = sums_new(count);
        if (what == GRAD_KERNEL)
            literal_kernel_gradient(p, &s);
        else
            for (size_t n = 0; n < p->g.n; n++)
                literal_image(p, what, n, &s);
        guarded out = guarded_new(count, 1);
        ib_conv_args g = arguments(p, what, out.at);
        char name[260];
        snprintf(name, sizeof name, "%s %s isa=ref", p->name, pass_names[what]);
        run_seen(ref, what, &g, 1 + p->seed % 3, (unsigned)p->seed % 3, name);
        same_bits(name, out.at, s.chain, count, false);
        double terms = (double)(g.kd * g.kh * g.kw * (g.ci + g.co) + g.n * g.od * g.oh * g.ow);
        for (size_t i = 0; i < count; i++)
            if (!(fabs((double)out.at[i] - s.exact[i]) <= s.size[i] * terms * 0x1p-23))
                fail_msg("%s: element %zu is %g, exactly %g", name, i, (double)out.at[i], s.exact[i]);
        guarded_free(&out);
        sums_free(&s);
    }
}

/* ---- Every instruction set against the reference ---- */

static void check_variants(const problem *p) {
    for (pass what = 0; what < PASSES; what++) {
        guarded want = guarded_new(count_of(&p->g, what), 0), found = guarded_new(want.n, p->seed % 7);
        ib_conv_args g = arguments(p, what, want.at);
        run(ib__kernels_for(IB_ISA_REF), what, &g, 1, 0);
        for (int isa = IB_ISA_AVX2; isa < IB_ISA_COUNT; isa++) {
            const ib_kernels *k = ib__kernels_for((ib_isa)isa);
            if (!k) continue;
            for (size_t cut = 0; cut < LENGTH(part_counts); cut++) {
                char name[260];
                snprintf(name, sizeof name, "%s %s isa=%s parts=%zu", p->name, pass_names[what],
                         ib__isa_name((ib_isa)isa), part_counts[cut]);
                g = arguments(p, what, found.at);
                memset(found.at, 0xa5, found.n * sizeof(float));
                run_seen(k, what, &g, part_counts[cut], (unsigned)(p->seed + cut) % 3, name);
                same_bits(name, found.at, want.at, want.n, false);
            }
        }
        guarded_free(&want);
        guarded_free(&found);
    }
}

/* ---- Cases ---- */

static uint64_t only_seed = UINT64_MAX;

static size_t below(size_t n) {
    return random_word() % n;
}

/* Output size along one axis when `end` places of padding follow the input. */
static size_t output_size(size_t n, size_t k, size_t s, size_t d, size_t begin, size_t end) {
    size_t reach = (k - 1) * d + 1, all = n + begin + end;
    return all < reach ? 0 : (all - reach) / s + 1;
}

static ib_conv_args geometry(size_t h, size_t w, size_t k, size_t s, size_t d, size_t begin, size_t end) {
    return (ib_conv_args){.n = 1,
                          .d = 1,
                          .od = 1,
                          .kd = 1,
                          .sd = 1,
                          .dd = 1,
                          .h = h,
                          .w = w,
                          .oh = output_size(h, k, s, d, begin, end),
                          .ow = output_size(w, k, s, d, begin, end),
                          .kh = k,
                          .kw = k,
                          .sh = s,
                          .sw = s,
                          .dh = d,
                          .dw = d,
                          .ph = begin,
                          .pw = begin,
                          .groups = 1,
                          .lanes = 1};
}

/* A third axis, `planes` long, like the rows of g. */
static ib_conv_args deep(ib_conv_args g, size_t planes, size_t k, size_t s, size_t d, size_t begin,
                         size_t end) {
    g.d = planes;
    g.kd = k;
    g.sd = s;
    g.dd = d;
    g.pd = begin;
    g.od = output_size(planes, k, s, d, begin, end);
    return g;
}

/* Everything at random, small. */
static ib_conv_args random_geometry(size_t most_channels) {
    ib_conv_args g = {.n = 1 + below(5), .h = 1 + below(12), .w = 1 + below(12), .lanes = 1 + below(6)};
    g.kh = 1 + below(4);
    g.kw = 1 + below(4);
    g.sh = 1 + below(3);
    g.sw = 1 + below(3);
    g.dh = 1 + below(3);
    g.dw = 1 + below(3);
    g.ph = below(2) ? below(g.kh) : below(7);
    g.pw = below(2) ? below(g.kw) : below(7);
    g.oh = output_size(g.h, g.kh, g.sh, g.dh, g.ph, below(5));
    g.ow = output_size(g.w, g.kw, g.sw, g.dw, g.pw, below(5));
    g.groups = below(4) ? 1 : 1 + below(4);
    g.ci = g.groups * (1 + below(most_channels));
    g.co = g.groups * (1 + below(below(2) ? 2 * most_channels : 3));
    if (below(4)) return deep(g, 1, 1, 1, 1, 0, 0);
    size_t k = 1 + below(3);
    return deep(g, 1 + below(4), k, 1 + below(3), 1 + below(2), below(2) ? below(k) : below(4), below(3));
}

static void check(ib_conv_args g, uint64_t seed, bool awkward, void (*how)(const problem *)) {
    if (only_seed != UINT64_MAX && only_seed != seed) return;
    random_state = seed * 1000003;
    problem p = problem_new(&g, seed, awkward ? awkward_number : ordinary_number);
    how(&p);
    problem_free(&p);
}

static void test_reference(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        random_state = seed;
        check(random_geometry(3), seed, false, check_reference);
    }
}

static void test_random_shapes(void **state) {
    (void)state;
    for (uint64_t seed = 1000; seed < 1500; seed++) {
        random_state = seed;
        check(random_geometry(seed % 3 ? 9 : 40), seed, seed % 4 == 0, check_variants);
    }
}

/* Widths of the output around each height of a tile, channels around each number of vectors. */
static void test_tiles(void **state) {
    (void)state;
    static const size_t channels[] = {1, 3, 8, 13, 16, 17, 31, 32, 33, 47, 64, 70};
    uint64_t seed = 2000;
    for (size_t w = 1; w <= 36; w++) {
        ib_conv_args g = geometry(3, w, 3, 1, 1, 1, 1);
        g.ci = channels[w * 5 % LENGTH(channels)];
        g.co = channels[w % LENGTH(channels)];
        check(g, seed++, false, check_variants);
        g = geometry(w, 2, 2, 1 + w % 2, 1, 0, w % 2);
        g.ci = channels[w % LENGTH(channels)];
        g.co = channels[w * 7 % LENGTH(channels)];
        check(g, seed++, w % 6 == 0, check_variants);
    }
    for (size_t i = 1; i <= 35; i++) {
        ib_conv_args g = geometry(5, 4, 3, 1 + i % 2, 1, i % 3 == 0, 1);
        g.n = 3;
        g.lanes = 2;
        g.ci = i;
        g.co = 36 - i;
        check(g, seed++, false, check_variants);
    }
}

/* The layers of small networks, with few images. */
static void test_layers(void **state) {
    (void)state;
    static const size_t layers[][8] = {
        /* h, ci, co, k, s, begin, end, lanes */
        {28, 1, 32, 3, 1, 0, 0, 2},  {13, 32, 64, 3, 1, 0, 0, 2}, {32, 3, 16, 3, 1, 1, 1, 2},
        {32, 16, 16, 3, 1, 1, 1, 3}, {32, 16, 32, 3, 2, 0, 1, 2}, {16, 32, 32, 3, 1, 1, 1, 1},
        {16, 32, 64, 1, 2, 0, 0, 3}, {8, 64, 64, 3, 1, 1, 1, 2},  {17, 3, 24, 7, 2, 3, 3, 2},
        {9, 6, 20, 5, 1, 2, 2, 2},   {4, 130, 70, 3, 1, 1, 1, 1}, {1, 40, 33, 3, 1, 1, 1, 2},
        {41, 40, 24, 3, 1, 1, 1, 1}, /* larger than a block and than a band of rows */
        {60, 17, 30, 3, 2, 0, 1, 2}};
    for (size_t i = 0; i < LENGTH(layers); i++) {
        const size_t *l = layers[i];
        ib_conv_args g = geometry(l[0], l[0], l[3], l[4], 1, l[5], l[6]);
        g.n = 3;
        g.ci = l[1];
        g.co = l[2];
        g.lanes = l[7];
        check(g, 3000 + i, false, check_variants);
    }
}

/* Volumes: planes larger than a block, planes of which many fit, and images of which many fit. */
static void test_volumes(void **state) {
    (void)state;
    static const size_t volumes[][8] = {/* d, h, ci, co, k, s, begin, end */
                                        {3, 41, 20, 40, 3, 1, 1, 1}, {5, 12, 17, 30, 3, 1, 1, 1},
                                        {6, 20, 9, 36, 3, 2, 0, 1},  {4, 4, 5, 64, 2, 1, 0, 0},
                                        {8, 3, 33, 8, 3, 1, 1, 1},   {7, 9, 8, 8, 2, 3, 1, 0}};
    for (size_t i = 0; i < LENGTH(volumes); i++)
        for (size_t groups = 1; groups <= 8; groups += 7) {
            const size_t *l = volumes[i];
            ib_conv_args g = geometry(l[1], l[1] + 1, l[4], l[5], 1, l[6], l[7]);
            g = deep(g, l[0], l[4], l[5], 1, l[6], l[7]);
            g.n = 3;
            g.groups = groups;
            g.ci = groups > 1 ? groups : l[2];
            g.co = groups > 1 ? groups : l[3];
            g.lanes = 2;
            check(g, 3500 + 10 * i + groups, false, check_variants);
        }
}

static void test_groups_and_lanes(void **state) {
    (void)state;
    uint64_t seed = 4000;
    for (size_t groups = 1; groups <= 40; groups += groups < 6 ? 1 : 7)
        for (size_t each = 1; each <= 3; each++) {
            ib_conv_args g = geometry(7, 8, 3, 1 + each % 2, 1, 1, 1);
            g.groups = groups;
            g.ci = groups * (each == 3 ? 2 : 1);
            g.co = groups * each;
            g.n = 2 + each;
            g.lanes = 1 + groups % 3;
            check(g, seed++, groups % 5 == 0, check_variants);
        }
    for (size_t lanes = 1; lanes <= 11; lanes++)
        for (size_t n = 0; n <= 12; n += 3) {
            ib_conv_args g = geometry(4, 4, 2, 1, 1, 1, 0);
            g.n = n;
            g.lanes = lanes;
            g.ci = 3;
            g.co = 18;
            check(g, seed++, lanes == 5, check_variants);
        }
}

/* Groups of one channel under a window of three columns: tiles that slide, all paddings that they take and
 * larger ones, lines of several tiles, and a plane that is fetched ahead. */
static void test_by_channel(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 7, 16, 19, 30}, channels[] = {2, 16, 21, 40};
    uint64_t seed = 7000;
    for (size_t i = 0; i < LENGTH(sizes); i++)
        for (size_t pads = 0; pads < 16; pads++) {
            size_t begin = pads % 4, end = pads / 4;
            if (sizes[i] + begin + end < 3) continue;
            ib_conv_args g = geometry(sizes[i], sizes[i] + pads % 3, 3, 1, 1, begin, end);
            g.n = 2;
            g.groups = g.ci = g.co = channels[(i + pads) % LENGTH(channels)];
            g.lanes = 1 + pads % 2;
            check(g, seed++, pads % 5 == 0, check_variants);
        }
    ib_conv_args g = geometry(41, 33, 3, 1, 1, 1, 1);
    g.n = 2;
    g.groups = g.ci = g.co = 26;
    g.lanes = 2;
    check(g, seed, false, check_variants);
}

/* No taps inside, a kernel greater than the input, single pixels, padding and dilation beyond all need. */
static void test_edges(void **state) {
    (void)state;
    static const size_t cases[][6] = {/* h, k, s, d, begin, end */
                                      {1, 1, 1, 1, 0, 0}, {1, 3, 1, 1, 1, 1}, {1, 3, 1, 5, 5, 5},
                                      {2, 5, 1, 1, 4, 4}, {3, 2, 7, 1, 9, 9}, {3, 2, 4, 1, 5, 3},
                                      {4, 3, 1, 4, 4, 4}, {5, 1, 3, 1, 6, 6}, {6, 4, 2, 3, 8, 2},
                                      {2, 2, 3, 1, 0, 0}, {9, 9, 1, 1, 4, 4}, {3, 5, 2, 2, 1, 9}};
    for (size_t i = 0; i < LENGTH(cases); i++)
        for (size_t co = 1; co < 40; co += 13) {
            const size_t *c = cases[i];
            ib_conv_args g = geometry(c[0], c[0] + co % 3, c[1], c[2], c[3], c[4], c[5]);
            g.n = 2;
            g.ci = 1 + co % 5;
            g.co = co;
            check(g, 5000 + 10 * i + co / 13, i % 2, check_variants);
            check(g, 6000 + 10 * i + co / 13, false, check_reference);
        }
}

int main(int argc, char **argv) {
    if (argc > 1) only_seed = strtoull(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_random_shapes),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_groups_and_lanes),
        cmocka_unit_test(test_by_channel),
    };
    return cmocka_run_group_tests(tests, NULL, something_was_compared);
}
