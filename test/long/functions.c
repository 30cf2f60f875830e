/* SPDX-License-Identifier: Apache-2.0
 *
 * The proof of the elementary functions: each is tried at all 2^32 arguments, on every instruction set this
 * CPU has, against the correctly rounded value. Arguments: names of functions (default: all).
 *
 * The correctly rounded value comes from a double found with the C library, whose relative error is taken to
 * be below 2^-44 (two hundred times what the library promises). If all that lies within that error of it
 * rounds to one float, that is the value; otherwise MPFR says. Every 8191st argument is asked of MPFR in any
 * case, which also tests the assumed error. The reference kernel, which is slow, is tried at every 64th
 * argument, at the first and last 4096 of each binade, and wherever the double is within 2^-36 of a rounding
 * boundary.
 */
#include <math.h>
#include <mpfr.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kernels/kernels.h"

enum {
    BITS = 200,
    BLOCK = 1 << 14,
    MPFR_STRIDE = 8191,
    REF_STRIDE = 64,
    EDGE = 4096,
    SHOWN = 10,
    HARDEST = 4
};

typedef struct function {
    const char *name;
    ib_map_op op;
    double (*estimate)(double x);
    void (*exact)(mpfr_t y, mpfr_t x);
} function;

/* Doubles with a relative error below 2^-44. Ends of the range that the library is slow at are cut short. */
static double exp_cut(double x) {
    return x < -800 ? 0 : x > 800 ? (double)INFINITY : exp(x);
}
static double log_cut(double x) {
    return x < 0 ? (double)NAN : log(x);
}
/* The logarithm of 1 + x as rounded, and what the rounding lost. */
static double log1p_quick(double x) {
    if (x == 0 || !(x > -1 && x < (double)INFINITY)) {
        return x < -1 ? (double)NAN : log1p(x);
    }
    double u = 1 + x;
    return log(u) - ((u - 1) - x) / u;
}
/* Below 2^-24, x^2 / 3 is nothing beside 1; from 6 on, erf is 1. */
static double erf_cut(double x) {
    double a = fabs(x);
    return a < 0x1p-24 ? x * 0x1.20dd750429b6dp+0 : a > 6 ? copysign(1, x) : erf(x); /* 2 / sqrt(pi) */
}
static double logistic(double x) {
    return 1 / (1 + exp_cut(-x));
}
static double softplus(double x) {
    return fmax(x, 0) + log1p_quick(exp_cut(-fabs(x)));
}
static double rsqrt(double x) {
    return 1 / sqrt(x);
}

static void exact_exp(mpfr_t y, mpfr_t x) {
    mpfr_exp(y, x, MPFR_RNDN);
}
static void exact_expm1(mpfr_t y, mpfr_t x) {
    mpfr_expm1(y, x, MPFR_RNDN);
}
static void exact_log(mpfr_t y, mpfr_t x) {
    mpfr_log(y, x, MPFR_RNDN);
}
static void exact_log1p(mpfr_t y, mpfr_t x) {
    mpfr_log1p(y, x, MPFR_RNDN);
}
static void exact_tanh(mpfr_t y, mpfr_t x) {
    mpfr_tanh(y, x, MPFR_RNDN);
}
static void exact_erf(mpfr_t y, mpfr_t x) {
    mpfr_erf(y, x, MPFR_RNDN);
}

static void exact_logistic(mpfr_t y, mpfr_t x) {
    mpfr_neg(y, x, MPFR_RNDN);
    mpfr_exp(y, y, MPFR_RNDN);
    mpfr_add_ui(y, y, 1, MPFR_RNDN);
    mpfr_ui_div(y, 1, y, MPFR_RNDN);
}

/* From 1000 on e^-x is nothing beside x, and below e^x could leave MPFR's range. */
static void exact_softplus(mpfr_t y, mpfr_t x) {
    if (mpfr_cmp_ui(x, 1000) > 0) {
        mpfr_set(y, x, MPFR_RNDN);
        return;
    }
    mpfr_exp(y, x, MPFR_RNDN);
    mpfr_log1p(y, y, MPFR_RNDN);
}

/* MPFR knows no -infinity for -0. */
static void exact_rsqrt(mpfr_t y, mpfr_t x) {
    if (mpfr_zero_p(x)) {
        mpfr_set_inf(y, mpfr_signbit(x) ? -1 : 1);
        return;
    }
    mpfr_rec_sqrt(y, x, MPFR_RNDN);
}

static const function functions[] = {
    {"exp", IB_MAP_exp, exp_cut, exact_exp},
    {"expm1", IB_MAP_expm1, expm1, exact_expm1},
    {"log", IB_MAP_log, log_cut, exact_log},
    {"log1p", IB_MAP_log1p, log1p_quick, exact_log1p},
    {"tanh", IB_MAP_tanh, tanh, exact_tanh},
    {"logistic", IB_MAP_logistic, logistic, exact_logistic},
    {"softplus", IB_MAP_softplus, softplus, exact_softplus},
    {"erf", IB_MAP_erf, erf_cut, exact_erf},
    {"rsqrt", IB_MAP_rsqrt, rsqrt, exact_rsqrt},
};

/* An argument whose value lies near a rounding boundary: relative distance 2^-closeness. */
typedef struct hard_case {
    double closeness;
    float x, y;
} hard_case;

/* One function's proof, shared by its threads. */
typedef struct proof {
    const function *f;
    pthread_mutex_t lock; /* of hardest, in descending order */
    hard_case hardest[HARDEST];
    atomic_uint_fast64_t next, comparisons, references, asked, wrong, loose;
} proof;

/* What a thread works on. */
typedef struct block {
    float x[BLOCK], expected[BLOCK], found[BLOCK], few_x[BLOCK], few_expected[BLOCK];
    mpfr_t mx, my, work;
} block;

static uint32_t word(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return x != x ? 0x7fc00000 : u;
}

static float number(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void report(proof *p, const char *isa, float x, float found, float expected) {
    if (atomic_fetch_add(&p->wrong, 1) < SHOWN) {
        printf("%s %s: argument %08x (%a): found %a, expected %a\n", p->f->name, isa, word(x), (double)x,
               (double)found, (double)expected);
    }
}

static bool rounds_to_one(double y, double error) {
    return word((float)(y * (1 - error))) == word((float)(y * (1 + error)));
}

/* Keeps the HARDEST arguments. y is the float nearest to the value v; the boundary lies between y and the
 * next float on v's side. Values that are floats, and those beyond the largest float, have none near. */
static void remember(proof *p, float x, float y, mpfr_t v, mpfr_t work) {
    int side = mpfr_cmp_d(v, (double)y);
    if (side == 0 || !isfinite(y) || mpfr_nan_p(v)) {
        return;
    }
    double next = (double)nextafterf(y, side > 0 ? INFINITY : -INFINITY);
    mpfr_sub_d(work, v, ((double)y + next) / 2, MPFR_RNDN);
    mpfr_div(work, work, v, MPFR_RNDN);
    hard_case c = {mpfr_zero_p(work) ? BITS : -(double)mpfr_get_exp(work), x, y};
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < HARDEST; i++) {
        if (c.closeness > p->hardest[i].closeness) {
            hard_case t = p->hardest[i];
            p->hardest[i] = c;
            c = t;
        }
    }
    pthread_mutex_unlock(&p->lock);
}

/* The right result at x by MPFR; tells too whether the estimate y was as good as is assumed. mpfr_get_flt
 * rounds once, also to a subnormal. */
static float ask(proof *p, float x, double y, block *b) {
    mpfr_set_flt(b->mx, x, MPFR_RNDN);
    p->f->exact(b->my, b->mx);
    double exact = mpfr_get_d(b->my, MPFR_RNDN);
    if (isfinite(exact) && fabs(exact) > 0x1p-1000 && !(fabs(y - exact) <= 0x1p-45 * fabs(exact))) {
        atomic_fetch_add(&p->loose, 1);
    }
    float result = mpfr_get_flt(b->my, MPFR_RNDN);
    remember(p, x, result, b->my, b->work);
    return result;
}

/* Expected results of one block, and which arguments the reference is tried at. Their number is returned. */
static size_t expect(proof *p, block *b, uint32_t first) {
    size_t few = 0, asked = 0;
    for (uint32_t i = 0; i < BLOCK; i++) {
        uint32_t u = first + i, place = u & 0x7fffff;
        float x = b->x[i];
        double y = x != x ? (double)NAN : p->f->estimate((double)x);
        bool known = x != x || (rounds_to_one(y, 0x1p-44) && u % MPFR_STRIDE != 0);
        b->expected[i] = known ? (float)y : ask(p, x, y, b);
        asked += !known;
        if (u % REF_STRIDE == 0 || place < EDGE || place >= 0x800000 - EDGE ||
            (y == y && !rounds_to_one(y, 0x1p-36))) {
            b->few_x[few] = x;
            b->few_expected[few++] = b->expected[i];
        }
    }
    atomic_fetch_add(&p->asked, asked);
    return few;
}

static void compare(proof *p, ib_isa isa, const float *x, float *found, const float *expected, size_t n) {
    ib__kernels_for(isa)->map[p->f->op](found, x, NULL, NULL, n);
    for (size_t i = 0; i < n; i++) {
        if (word(found[i]) != word(expected[i])) {
            report(p, ib__isa_name(isa), x[i], found[i], expected[i]);
        }
    }
    atomic_fetch_add(isa == IB_ISA_REF ? &p->references : &p->comparisons, n);
}

static void *prove(void *context) {
    proof *p = context;
    block *b = malloc(sizeof *b);
    if (b == NULL) {
        return NULL; /* the number of comparisons will tell */
    }
    mpfr_init2(b->mx, 24);
    mpfr_init2(b->my, BITS);
    mpfr_init2(b->work, BITS);
    uint64_t first;
    while ((first = atomic_fetch_add(&p->next, BLOCK)) < (uint64_t)1 << 32) {
        for (uint32_t i = 0; i < BLOCK; i++) {
            b->x[i] = number((uint32_t)first + i);
        }
        size_t few = expect(p, b, (uint32_t)first);
        for (int isa = IB_ISA_AVX2; isa < IB_ISA_COUNT; isa++) {
            if (ib__isa_available((ib_isa)isa)) {
                compare(p, (ib_isa)isa, b->x, b->found, b->expected, BLOCK);
            }
        }
        compare(p, IB_ISA_REF, b->few_x, b->found, b->few_expected, few);
    }
    mpfr_clear(b->mx);
    mpfr_clear(b->my);
    mpfr_clear(b->work);
    mpfr_free_cache();
    free(b);
    return NULL;
}

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Proves one function; true if every comparison due was made and none failed. */
static bool prove_function(const function *f) {
    enum { MOST = 64 };
    pthread_t threads[MOST];
    proof p = {.f = f, .lock = PTHREAD_MUTEX_INITIALIZER};
    double start = now(CLOCK_MONOTONIC), worked = now(CLOCK_PROCESS_CPUTIME_ID);
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    int started = 0;
    while (started < count - 1 && started < MOST && pthread_create(&threads[started], NULL, prove, &p) == 0) {
        started++;
    }
    prove(&p);
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    uint64_t vectors = (uint64_t)ib__isa_available(IB_ISA_AVX2) + ib__isa_available(IB_ISA_AVX512);
    bool complete = p.comparisons == vectors << 32 && p.references >= (uint64_t)1 << 26;
    printf("%-9s %.1f s (%.1f s of CPU time): %llu comparisons of vector kernels, %llu of the reference; "
           "MPFR asked %llu times; "
           "%llu wrong%s%s\n",
           f->name, now(CLOCK_MONOTONIC) - start, now(CLOCK_PROCESS_CPUTIME_ID) - worked,
           (unsigned long long)p.comparisons, (unsigned long long)p.references, (unsigned long long)p.asked,
           (unsigned long long)p.wrong, p.loose != 0 ? "; the double estimate is worse than assumed" : "",
           complete ? "" : "; incomplete");
    for (int i = 0; i < HARDEST; i++) {
        printf("    hard: {0x%08x, 0x%08x}, 2^-%.0f from a boundary\n", word(p.hardest[i].x),
               word(p.hardest[i].y), p.hardest[i].closeness);
    }
    fflush(stdout);
    return complete && p.wrong == 0 && p.loose == 0;
}

int main(int argc, char **argv) {
    int failed = 0, done = 0;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        bool wanted = argc == 1;
        for (int j = 1; j < argc; j++) {
            wanted = wanted || strcmp(argv[j], functions[i].name) == 0;
        }
        if (wanted) {
            done++;
            failed += !prove_function(&functions[i]);
        }
    }
    if (done == 0 || done < argc - 1) {
        printf("arguments are names of functions: exp expm1 log log1p tanh logistic softplus erf rsqrt\n");
        return 1;
    }
    return failed != 0;
}
