/* SPDX-License-Identifier: Apache-2.0
 *
 * Random graphs. Each is run node by node (every node alone in a graph of its own, whose operands are inputs,
 * with the ref kernels), and then as a plan: fusion, epilogues and shared memory, all instruction sets, other
 * numbers of threads, scrambled parts, filled scratch memory, repeated runs must all give those bits. Each
 * node alone is compared with the interpreter in double precision, and gradients with differences.
 *
 * test_graph_fuzz [graphs [first seed]]; a graph that fails prints its seed and its nodes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/random_graph.h"

static size_t graphs = 2000, first_seed = 1;

/* ---- Node by node ---- */

static const ib_stream_at position = {.step = 3, .epoch = 2, .first_sample = 5};

typedef struct truth {
    uint32_t *words[MAX_NODES];
    interpreter exact;
} truth;

/* A node alone: a graph of that node, its operands inputs. */
static uint32_t *run_alone(const ib_graph *g, ib_node a, const truth *t, ib_pool *pool) {
    const ib_node_data *n = &g->nodes[a];
    size_t count = elements(&n->shape);
    uint32_t *out = calloc(count + 1, sizeof *out);
    ib_graph *alone;
    ib_plan *plan;
    ib_node *in = calloc((size_t)n->n_in + 1, sizeof *in), node;
    assert_int_equal(ib__graph_new(&alone, g->samples, g->lanes, NULL), IB_OK);
    for (int k = 0; k < n->n_in; k++) {
        const ib_node_data *operand = &g->nodes[n->many ? n->many[k] : n->in[k]];
        in[k] = ib__op_input(alone, "x", operand->type, &operand->shape, operand->batched);
    }
    if (n->op == IB_OP_constant_array) {
        node = ib__op_constant_array(alone, n->u.values, &n->shape);
    } else {
        ib_node_data *made = ib__node_add(alone, n->op, n->type, &n->shape, in, n->n_in);
        assert_non_null(made);
        made->map = n->map;
        made->u = n->u;
        made->batched = n->batched;
        if (n->many) {
            made->many = ib__arena_alloc(&alone->arena, (size_t)n->n_in * sizeof *in);
            memcpy(made->many, in, (size_t)n->n_in * sizeof *in);
        }
        node = ib__node_last(alone, made);
    }
    ib__graph_output(alone, node);
    assert_int_equal(ib__plan_new(&plan, alone, ib__kernels_for(IB_ISA_REF), pool, NULL), IB_OK);
    for (int k = 0; k < n->n_in; k++) {
        ib_node from = n->many ? n->many[k] : n->in[k];
        memcpy(ib__plan_input(plan, in[k]), t->words[from], elements(&g->nodes[from].shape) * 4);
    }
    if (n->op == IB_OP_input) memcpy(ib__plan_input(plan, node), t->words[a], count * 4);
    ib__plan_run(plan, &position);
    memcpy(out, ib__plan_value(plan, node), count * 4);
    ib__plan_free(plan);
    ib__graph_free(alone);
    free(in);
    return out;
}

static double as_double(ib_type type, uint32_t word) {
    float f;
    memcpy(&f, &word, 4);
    return type == IB_TYPE_F32   ? (double)f
           : type == IB_TYPE_I32 ? (double)(int32_t)word
                                 : (double)(word != 0);
}

/* How large the terms of a node's results can be together; more where long chains add up their rounding. */
static double size_of(const ib_graph *g, const truth *t, ib_node a) {
    const ib_node_data *n = &g->nodes[a];
    double product = 1, terms = 1, sum = 0;
    for (int k = 0; k < n->n_in; k++) {
        ib_node from = n->many ? n->many[k] : n->in[k];
        double most = 0;
        for (size_t i = 0; i < elements(&g->nodes[from].shape); i++)
            most = fmax(most, fabs(t->exact.value[from][i]));
        product *= most;
        sum += most;
        terms = fmax(terms, (double)elements(&g->nodes[from].shape));
    }
    terms *= 1 + terms / 500;
    bool products = n->op != IB_OP_map && n->op != IB_OP_reduce && n->n_in == 2;
    return fmax(products || n->map == IB_MAP_fma ? product * terms : 0,
                sum * (n->op == IB_OP_map ? 1 : terms));
}

/* Words are what the node's op gives in double precision, but for rounding. Uniform numbers are taken. */
static const char *check_exact(const ib_graph *g, truth *t, ib_node a, size_t *compared) {
    const ib_node_data *n = &g->nodes[a];
    size_t count = elements(&n->shape);
    double *kept = calloc(count + 1, sizeof *kept), size = size_of(g, t, a);
    const char *wrong = NULL;
    for (size_t i = 0; i < count; i++)
        kept[i] = as_double(n->type, t->words[a][i]);
    if (n->op != IB_OP_input && n->op != IB_OP_uniform && size < 1e30) {
        eval_node(&t->exact, a);
        for (size_t i = 0; i < count; i++, ++*compared) {
            double want = t->exact.value[a][i];
            if (isnan(want) ? !isnan(kept[i]) : isinf(want) ? kept[i] != want && fabs(kept[i]) < 1e37 : false)
                wrong = "not finite where it should be, or the other way round";
            if (isfinite(want) && fabs(want) < 1e37 &&
                !(fabs(kept[i] - want) <= 1e-6 * (fabs(want) + size) + 1e-37))
                wrong = "far from the interpreter";
        }
    }
    free(t->exact.value[a]);
    t->exact.value[a] = kept;
    return wrong;
}

static const char *find_truth(random_graph *r, truth *t, ib_pool *pool, ib_node *bad, size_t *compared) {
    const ib_graph *g = r->g;
    *t = (truth){.exact.g = g};
    restore_variables(r);
    const char *wrong = NULL;
    for (ib_node a = 0; a < (ib_node)g->n_nodes; a++) {
        size_t n = elements(&g->nodes[a].shape);
        if (g->nodes[a].op == IB_OP_input) {
            t->words[a] = calloc(n + 1, 4);
            for (size_t i = 0; i < n; i++) {
                float x = number(r);
                memcpy(&t->words[a][i], &x, 4);
            }
        } else {
            t->words[a] = run_alone(g, a, t, pool);
        }
        const char *here = check_exact(g, t, a, compared);
        if (here && !wrong) {
            wrong = here;
            *bad = a;
        }
    }
    return wrong;
}

static void drop_truth(const random_graph *r, truth *t) {
    for (size_t a = 0; a < r->g->n_nodes; a++) {
        free(t->words[a]);
        free(t->exact.value[a]);
    }
}

/* ---- Plans ---- */

static bool same_words(ib_type type, const void *x, const uint32_t *want, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t word;
        memcpy(&word, (const char *)x + 4 * i, 4);
        bool both_nan =
            type == IB_TYPE_F32 && (word & 0x7fffffff) > 0x7f800000 && (want[i] & 0x7fffffff) > 0x7f800000;
        if (word != want[i] && !both_nan) return false;
    }
    return true;
}

/* After a run: outputs, assigned variables and what effects were given. */
static const char *check_results(const random_graph *r, const ib_plan *plan, const truth *t, ib_node *bad,
                                 size_t *compared) {
    const ib_graph *g = r->g;
    for (size_t i = 0; i < g->n_outputs; i++, ++*compared) {
        const ib_node_data *n = &g->nodes[ *bad = g->outputs[i]];
        if (g->nodes[ib__alias_base(g, *bad)].op == IB_OP_variable) continue;
        if (!same_words(n->type, ib__plan_value(plan, *bad), t->words[*bad], elements(&n->shape)))
            return "output has other bits";
    }
    for (size_t i = 0; i < g->n_assignments; i++, ++*compared) {
        const ib_variable *v = g->assignments[i].variable;
        *bad = g->assignments[i].value;
        if (!same_words(IB_TYPE_F32, v->data, t->words[*bad], elements(&v->shape)))
            return "assigned variable has other bits";
    }
    for (size_t i = 0; i < g->n_effects; i++, ++*compared) {
        const ib_node_data *n = &g->nodes[ *bad = g->effects[i].value];
        if (!same_words(n->type, r->seen[i], t->words[*bad], elements(&n->shape)))
            return "effect got other bits";
    }
    return NULL;
}

/* Inputs for a run: in the plan's own memory, or bound to others while that holds nothing of use. */
static void set_inputs(const random_graph *r, const truth *t, ib_plan *plan, bool bound) {
    for (size_t i = 0; i < r->g->n_nodes; i++) {
        if (r->g->nodes[i].op != IB_OP_input) continue;
        ib_node input = (ib_node)i;
        size_t bytes = elements(&r->g->nodes[i].shape) * 4;
        assert_true(ib__plan_bind_input(plan, input, NULL));
        void *own = ib__plan_input(plan, input);
        memcpy(own, t->words[i], bytes);
        if (!bound) continue;
        memset(own, 0xff, bytes);
        assert_true(ib__plan_bind_input(plan, input, t->words[i]));
        assert_ptr_equal(ib__plan_input(plan, input), t->words[i]);
    }
}

static const char *run_plan(random_graph *r, const truth *t, ib_isa isa, ib_pool *pool, uint32_t fill,
                            ib_node *bad, size_t *compared) {
    ib_plan *plan;
    ib_error err = {0};
    *bad = IB_NO_NODE;
    if (ib__plan_new(&plan, r->g, ib__kernels_for(isa), pool, &err) != IB_OK) return "no plan";
    ib__plan_fill(plan, fill);
    const char *wrong = NULL;
    for (int run = 0; run < 3 && !wrong; run++) {
        set_inputs(r, t, plan, run == 1);
        restore_variables(r);
        ib__plan_run(plan, &position);
        wrong = check_results(r, plan, t, bad, compared);
    }
    ib__plan_free(plan);
    return wrong;
}

static void print_graph(const ib_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ib_node_data *n = &g->nodes[i];
        char shape[128];
        ib__shape_print(shape, &n->shape);
        fprintf(stderr, "%4zu %-24s %-20s%s", i, ib__op_name(n), shape, n->batched ? " batched" : "");
        for (int k = 0; k < n->n_in; k++)
            fprintf(stderr, " %d", n->many ? n->many[k] : n->in[k]);
        if (n->op == IB_OP_reduce) fprintf(stderr, " axes %x", n->u.reduce.axes);
        if (n->op == IB_OP_broadcast_in_dim || n->op == IB_OP_transpose)
            for (int d = 0; d < g->nodes[n->in[0]].shape.rank; d++)
                fprintf(stderr, "%s%d", d ? "," : " dims ", n->u.dims[d]);
        fprintf(stderr, "\n");
    }
    for (size_t i = 0; i < g->n_outputs; i++)
        fprintf(stderr, "output %d\n", g->outputs[i]);
    for (size_t i = 0; i < g->n_assignments; i++)
        fprintf(stderr, "assign %d\n", g->assignments[i].value);
    for (size_t i = 0; i < g->n_effects; i++)
        fprintf(stderr, "effect %d\n", g->effects[i].value);
}

static const uint32_t fills[] = {0x7fc00000u, 0xc2f6e979u, 0x7f7fffffu, 0};

/* The graph of a seed in all ways; the last time with every node as an output. */
static void fuzz_one(uint64_t seed, ib_pool **pools, size_t *compared) {
    random_graph r;
    ib_error err = {0};
    make_graph(&r, seed);
    bool refused = ib__graph_status(r.g, &err) != IB_OK;
    if (refused && err.code == IB_UNSUPPORTED) { /* a product's rank, a second gradient */
        drop_graph(&r);
        return;
    }
    if (refused) print_graph(r.g);
    if (refused) fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    assert_true(r.g->n_nodes < MAX_NODES);
    truth *t = malloc(sizeof *t);
    ib_node bad = IB_NO_NODE;
    const char *wrong = find_truth(&r, t, pools[0], &bad, compared), *way = "alone";
    for (int pass = 0; pass <= IB_ISA_COUNT && !wrong; pass++) {
        ib_isa isa = pass < IB_ISA_COUNT ? (ib_isa)pass : ib__isa_default();
        if (!ib__isa_available(isa)) continue;
        if (pass == IB_ISA_COUNT)
            for (size_t i = 0; i < r.g->n_nodes; i++)
                ib__graph_output(r.g, (ib_node)i);
        ib_pool *pool = pools[below(&r, 3)];
        ib__pool_scramble(pool, (unsigned)below(&r, 4));
        wrong = run_plan(&r, t, isa, pool, fills[below(&r, 4)], &bad, compared);
        way = pass < IB_ISA_COUNT ? ib__isa_name(isa) : "all nodes are outputs";
    }
    if (wrong) print_graph(r.g);
    if (wrong) fail_msg("seed %llu, node %d, %s: %s", (unsigned long long)seed, bad, way, wrong);
    drop_truth(&r, t);
    free(t);
    drop_graph(&r);
}

static void test_random_graphs(void **unused) {
    (void)unused;
    ib_pool *pools[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ib__pool_new(&pools[i], i + 1, NULL), IB_OK);
    size_t compared = 0;
    for (size_t i = 0; i < graphs; i++)
        fuzz_one(first_seed + i, pools, &compared);
    for (size_t i = 0; i < 3; i++)
        ib__pool_free(pools[i]);
    assert_true(compared > graphs);
}

/* Evaluates all but what is held: x, and what gradients stop at. */
static double evaluate_held(interpreter *t, const random_graph *r) {
    for (ib_node a = 0; a <= r->y; a++)
        if (a != r->x && t->g->nodes[a].op != IB_OP_stop_gradient && t->g->nodes[a].op != IB_OP_uniform)
            eval_node(t, a);
    return t->value[r->y][0];
}

/* The gradient along a random direction against differences of y: to both sides and with steps of several
 * lengths, since x may lie at a kink. false: wrong by all of them. */
static bool gradient_holds(random_graph *r, interpreter *t, size_t *compared) {
    size_t n = elements(&r->g->nodes[r->x].shape);
    double *base = calloc(n + 1, sizeof *base), *along = calloc(n + 1, sizeof *along), want = 0, size = 1;
    for (size_t i = 0; i < n; i++) {
        base[i] = t->value[r->x][i];
        along[i] = (double)number(r);
        want += along[i] * t->value[r->dx][i];
        size += fabs(along[i] * t->value[r->dx][i]);
    }
    size += fabs(t->value[r->y][0]) * 1e-3;
    bool holds = !(size < 1e6);
    *compared += !holds;
    for (double h = 1e-4; h > 1e-8 && !holds; h /= 10) {
        double y[3];
        for (int k = 0; k < 3; k++) {
            for (size_t i = 0; i < n; i++)
                t->value[r->x][i] = base[i] + (k - 1) * h * along[i];
            y[k] = evaluate_held(t, r);
        }
        for (int from = 0; from < 2; from++)
            for (int to = from + 1; to < 3; to++)
                holds |= fabs((y[to] - y[from]) / ((to - from) * h) - want) < 1e-4 * size;
    }
    free(base);
    free(along);
    return holds;
}

static void test_random_gradients(void **unused) {
    (void)unused;
    size_t compared = 0;
    for (uint64_t seed = first_seed; seed < first_seed + graphs / 4; seed++) {
        random_graph r;
        make_graph(&r, seed);
        bool good = r.dx != IB_NO_NODE && r.limit < 1000 && ib__graph_status(r.g, NULL) == IB_OK;
        interpreter *t = calloc(1, sizeof *t);
        t->g = r.g;
        restore_variables(&r);
        for (ib_node a = 0; a < (ib_node)r.g->n_nodes && good; a++) {
            size_t n = elements(&r.g->nodes[a].shape);
            bool drawn = r.g->nodes[a].op == IB_OP_input || r.g->nodes[a].op == IB_OP_uniform;
            if (drawn) t->value[a] = calloc(n + 1, sizeof(double));
            for (size_t i = 0; i < n && drawn; i++)
                t->value[a][i] = (double)(next(&r) >> 11) * 0x1p-52 - 1;
            if (!drawn) eval_node(t, a);
            bool held = a == r.x || r.g->nodes[a].op == IB_OP_stop_gradient;
            for (size_t i = 0; i < n && held; i++) /* away from kinks at round numbers */
                t->value[a][i] += (double)(next(&r) >> 11) * 0x1p-60;
        }
        if (good && !gradient_holds(&r, t, &compared)) {
            print_graph(r.g);
            fail_msg("seed %llu: gradient %d of %d for %d", (unsigned long long)seed, r.dx, r.y, r.x);
        }
        for (size_t a = 0; a < r.g->n_nodes; a++)
            free(t->value[a]);
        free(t);
        drop_graph(&r);
    }
    assert_true(compared > graphs / 40);
}

int main(int argc, char **argv) {
    if (argc > 1) graphs = strtoul(argv[1], NULL, 10);
    if (argc > 2) first_seed = strtoul(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_random_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
