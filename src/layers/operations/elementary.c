/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations computed element by element in float64 (numerics/double.h) and rounded once: Power; sine, cosine
 * and tangent, circular and hyperbolic, and their inverses; Exp2, Log2, Log10.
 */
#include <math.h>

#include "layers/operations/operation.h"
#include "numerics/double.h"
#include "numerics/wide.h"

#define NO IB_NO_NODE
#define LN2 0x1.62e42fefa39efp-1
#define LN10 0x1.26bb1bbb55516p+1

/* ---- Functions of a float ---- */

/* x = k pi/2 + r, |r| <= pi/4. 2/pi: five words of 64 bits behind a zero. Of x * 2/pi, x = m 2^e with a whole
 * m below 2^24, only the remainder modulo 4 matters: the 128 bits of 2/pi from the one that counts 2 after
 * the multiplication by 2^e on. They leave a remainder that is exact to 2^-102. */
static double large_quarter(float x, unsigned *quadrant) {
    static const uint64_t words[6] = {0,
                                      0xa2f9836e4e441529u,
                                      0xfc2757d1f534ddc0u,
                                      0xdb6295993c439041u,
                                      0xfe5163abdebbc561u,
                                      0xb7246e3a424dd2e0u};
    int e;
    double m = frexp(fabs((double)x), &e) * 0x1p24;
    unsigned from = (unsigned)(e - 24 - 2 + 64), word = from / 64, bit = from % 64;
    ib_u128 window = {words[word], words[word + 1]};
    if (bit)
        window = (ib_u128){window.high << bit | window.low >> (64 - bit),
                           window.low << bit | words[word + 2] >> (64 - bit)};
    window = ib__u128_multiply(window, (ib_u128){0, (uint64_t)m});
    window.high += (uint64_t)1 << 61; /* to the nearest quarter */
    *quadrant = (unsigned)(window.high >> 62);
    ib_u128 rest = {(window.high & (((uint64_t)1 << 62) - 1)) - ((uint64_t)1 << 61), window.low};
    bool below = rest.high >> 63;
    if (below) rest = ib__u128_add((ib_u128){~rest.high, ~rest.low}, (ib_u128){0, 1});
    double r = ((double)rest.high * 0x1p-62 + (double)rest.low * 0x1p-126) * 0x1.921fb54442d18p+0;
    if (below) r = -r;
    if (x < 0) *quadrant = (4 - *quadrant) % 4;
    return x < 0 ? -r : r;
}

static double sine(float x, unsigned ahead) {
    if (!(fabsf(x) < INFINITY)) return (double)NAN;
    unsigned quadrant = 0;
    double r = (double)x;
    if (fabsf(x) > 0x1p19f) r = large_quarter(x, &quadrant);
    quadrant = (quadrant + ahead) % 4;
    double y = quadrant % 2 ? ib__double_cos(r) : ib__double_sin(r);
    return quadrant >= 2 ? -y : y;
}

static double f_sin(double x) {
    return sine((float)x, 0);
}

static double f_cos(double x) {
    return sine((float)x, 1);
}

static double f_tan(double x) {
    return f_sin(x) / f_cos(x);
}

static double f_arcsin(double x) {
    return ib__double_atan2(x, sqrt((1.0 - x) * (1.0 + x)));
}

static double f_arccos(double x) {
    return ib__double_atan2(sqrt((1.0 - x) * (1.0 + x)), x);
}

static double f_arctan(double x) {
    return ib__double_atan2(x, 1.0);
}

/* Below this, two or three terms of a series in x are exact to 2^-60, where differences would cancel. */
#define SMALL 0x1p-10

static double f_sinh(double x) {
    if (fabs(x) < SMALL) return x + x * x * x / 6.0 * (1.0 + x * x / 20.0);
    return (ib__double_exp(x) - ib__double_exp(-x)) / 2.0;
}

static double f_cosh(double x) {
    return (ib__double_exp(x) + ib__double_exp(-x)) / 2.0;
}

static double f_arcsinh(double x) {
    double a = fabs(x), square = x * x;
    if (a < SMALL)
        return x - x * square / 6.0 * (1.0 - square * (9.0 / 20.0) * (1.0 - square * (25.0 / 42.0)));
    return copysign(ib__double_log(a + sqrt(square + 1.0)), x);
}

static double f_arccosh(double x) {
    return ib__double_log(x + sqrt((x - 1.0) * (x + 1.0)));
}

static double f_arctanh(double x) {
    double square = x * x;
    if (fabs(x) < SMALL) return x + x * square * (1.0 / 3.0 + square * (1.0 / 5.0 + square / 7.0));
    return 0.5 * ib__double_log((1.0 + x) / (1.0 - x));
}

static double f_exp2(double x) {
    return ib__double_exp(x * LN2);
}

static double f_log2(double x) {
    return ib__double_log(x) / LN2;
}

static double f_log10(double x) {
    return ib__double_log(x) / LN10;
}

/* As C's pow: a negative base has powers with whole exponents only. */
static double f_power(double x, double y) {
    if (y == 0.0 || x == 1.0) return 1.0;
    if (x != x || y != y) return (double)NAN;
    bool whole = y == floor(y), odd = whole && fabs(y) < 0x1p53 && y != 2.0 * floor(y / 2.0);
    if (x == -1.0 && whole) return odd ? -1.0 : 1.0;
    if (x < 0.0 && !whole) return x == -(double)INFINITY ? (y < 0.0 ? 0.0 : (double)INFINITY) : (double)NAN;
    double a = ib__double_pow(fabs(x), y);
    return odd && signbit(x) ? -a : a;
}

/* ---- Rows ---- */

typedef double one_fn(double x);
typedef double two_fn(double x, double y);
typedef struct function {
    one_fn *one;
    two_fn *two;
    ib_gradient_fn *gradient;
} function;

static void run(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    const function *f = context;
    const float *a = rows->in[0], *b = rows->in[1];
    float *out = rows->out;
    for (size_t i = first * rows->out_width; i < end * rows->out_width; i++)
        out[i] = (float)(f->one ? f->one((double)a[i]) : f->two((double)a[i], (double)b[i]));
}

/* of(x), or of(x, y); a scalar is a row of one. */
static ib_node of(ib_graph *g, const function *f, ib_node x, ib_node y) {
    ib_shape shape = ib__node_shape(g, x);
    const ib_shape one = {1, {1}};
    if (shape.rank == 0) {
        ib_node row = of(g, f, ib__op_reshape(g, x, &one), y == NO ? NO : ib__op_reshape(g, y, &one));
        return ib__op_reshape(g, row, &shape);
    }
    return ib__op_function_call(g, &(ib_rows_function){run, f->gradient, f}, x, y, &shape);
}

/* ---- Gradients ---- */

static ib_node one_less_square(ib_graph *g, ib_node x) {
    return ib__op_subtract(g, ib__op_constant(g, 1.0f), ib__op_square(g, x));
}

static ib_node one_more_square(ib_graph *g, ib_node x) {
    return ib__op_offset(g, ib__op_square(g, x), 1.0f);
}

#define GRADIENT(name, value)                                                                                \
    static ib_node name(ib_graph *g, const ib_node in[2], ib_node y, ib_node dy, int i) {                    \
        (void)i, (void)y;                                                                                    \
        ib_node x = in[0];                                                                                   \
        (void)x;                                                                                             \
        return value;                                                                                        \
    }
#define FUNCTION(name) static const function name;
FUNCTION(sin_of)
FUNCTION(cos_of)
FUNCTION(sinh_of)
FUNCTION(cosh_of)
FUNCTION(power_of)

GRADIENT(d_sin, ib__op_multiply(g, dy, of(g, &cos_of, x, NO)))
GRADIENT(d_cos, ib__op_negate(g, ib__op_multiply(g, dy, of(g, &sin_of, x, NO))))
GRADIENT(d_tan, ib__op_multiply(g, dy, one_more_square(g, y)))
GRADIENT(d_arcsin, ib__op_divide(g, dy, ib__op_sqrt(g, one_less_square(g, x))))
GRADIENT(d_arccos, ib__op_negate(g, ib__op_divide(g, dy, ib__op_sqrt(g, one_less_square(g, x)))))
GRADIENT(d_arctan, ib__op_divide(g, dy, one_more_square(g, x)))
GRADIENT(d_sinh, ib__op_multiply(g, dy, of(g, &cosh_of, x, NO)))
GRADIENT(d_cosh, ib__op_multiply(g, dy, of(g, &sinh_of, x, NO)))
GRADIENT(d_arcsinh, ib__op_divide(g, dy, ib__op_sqrt(g, one_more_square(g, x))))
GRADIENT(d_arccosh, ib__op_divide(g, dy, ib__op_sqrt(g, ib__op_negate(g, one_less_square(g, x)))))
GRADIENT(d_arctanh, ib__op_divide(g, dy, one_less_square(g, x)))
GRADIENT(d_exp2, ib__op_multiply(g, dy, ib__op_scale(g, y, (float)LN2)))
GRADIENT(d_log2, ib__op_divide(g, dy, ib__op_scale(g, x, (float)LN2)))
GRADIENT(d_log10, ib__op_divide(g, dy, ib__op_scale(g, x, (float)LN10)))

/* Of the angle of (x2, x1): x2 / (x1^2 + x2^2) and -x1 / (x1^2 + x2^2). */
static ib_node d_arctan2(ib_graph *g, const ib_node in[2], ib_node y, ib_node dy, int i) {
    (void)y;
    ib_node square = ib__op_add(g, ib__op_square(g, in[0]), ib__op_square(g, in[1]));
    ib_node d = ib__op_multiply(g, dy, ib__op_divide(g, in[1 - i], square));
    return i ? ib__op_negate(g, d) : d;
}

/* x2 x1^(x2 - 1); x1^x2 ln x1, which is 0 where x1 is not above 0, as in TensorFlow. */
static ib_node d_power(ib_graph *g, const ib_node in[2], ib_node y, ib_node dy, int i) {
    if (i == 0) {
        ib_node less = of(g, &power_of, in[0], ib__op_offset(g, in[1], -1.0f));
        return ib__op_multiply(g, dy, ib__op_multiply(g, in[1], less));
    }
    ib_node zero = ib__op_constant(g, 0.0f);
    ib_node above = ib__op_map(g, IB_MAP_greater, in[0], zero, NO);
    ib_node log = ib__op_select(g, above, ib__op_log(g, in[0]), zero);
    return ib__op_multiply(g, dy, ib__op_multiply(g, y, log));
}

/* ---- One operand ---- */

static ib_status infer(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                       ib_error *err) {
    ib_status status = ib__operation_same(layer, args, out, n, err);
    out[0].type = IB_TYPE_F32;
    return status;
}

#define ONE(symbol, stem, class_name)                                                                        \
    static const function stem##_of = {f_##stem, NULL, d_##stem};                                            \
    static void stem##_apply(ib_layer *layer, ib_build *b, const ib_args *args,                              \
                             ib_flow out[IB_OUTPUTS_MAX]) {                                                  \
        (void)layer;                                                                                         \
        ib_node x = ib__op_convert(b->g, ib__operand(b->g, args, "x"), IB_TYPE_F32);                         \
        out->node = of(b->g, &stem##_of, x, NO);                                                             \
    }                                                                                                        \
    const ib_layer_class ib__layer_##symbol = {.name = "keras.src.ops.numpy." class_name,                    \
                                               .arguments = "x",                                             \
                                               .configure = ib__operation_configure,                         \
                                               .infer = infer,                                               \
                                               .apply = stem##_apply};

ONE(op_sin, sin, "Sin")
ONE(op_cos, cos, "Cos")
ONE(op_tan, tan, "Tan")
ONE(op_arcsin, arcsin, "Arcsin")
ONE(op_arccos, arccos, "Arccos")
ONE(op_arctan, arctan, "Arctan")
ONE(op_sinh, sinh, "Sinh")
ONE(op_cosh, cosh, "Cosh")
ONE(op_arcsinh, arcsinh, "Arcsinh")
ONE(op_arccosh, arccosh, "Arccosh")
ONE(op_arctanh, arctanh, "Arctanh")
ONE(op_exp2, exp2, "Exp2")
ONE(op_log2, log2, "Log2")
ONE(op_log10, log10, "Log10")

/* ---- Two operands ---- */

static ib_status infer_two(const ib_layer *layer, const ib_args *args, ib_spec out[IB_OUTPUTS_MAX], size_t *n,
                           ib_error *err) {
    ib_spec a, b;
    if (!ib__operand_spec(args, "x1", &a) || !ib__operand_spec(args, "x2", &b))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "expected two operands, tensors or numbers");
    *n = 1;
    out[0].type = IB_TYPE_F32;
    return ib__operands_shape(layer, &a, &b, &out[0].shape, err);
}

/* Both operands with the shape of the result. */
static ib_node of_two(ib_graph *g, const ib_args *args, const function *f) {
    ib_node x = ib__op_convert(g, ib__operand(g, args, "x1"), IB_TYPE_F32);
    ib_node y = ib__op_convert(g, ib__operand(g, args, "x2"), IB_TYPE_F32);
    const ib_shape a = ib__node_shape(g, x), b = ib__node_shape(g, y);
    ib_shape shape = {.rank = a.rank > b.rank ? a.rank : b.rank};
    for (int i = 1; i <= shape.rank; i++) {
        int64_t p = i <= a.rank ? a.dims[a.rank - i] : 1, q = i <= b.rank ? b.dims[b.rank - i] : 1;
        shape.dims[shape.rank - i] = p == 1 ? q : p;
    }
    return of(g, f, ib__op_broadcast_to(g, x, &shape), ib__op_broadcast_to(g, y, &shape));
}

static const function arctan2_of = {NULL, ib__double_atan2, d_arctan2};
static const function power_of = {NULL, f_power, d_power};

static void arctan2_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    (void)layer;
    out->node = of_two(b->g, args, &arctan2_of);
}

const ib_layer_class ib__layer_op_arctan2 = {.name = "keras.src.ops.numpy.Arctan2",
                                             .arguments = "x1 x2",
                                             .configure = ib__operation_configure,
                                             .infer = infer_two,
                                             .apply = arctan2_apply};

/* ---- Power: whole exponents up to 64 by repeated squaring, and halves, where they are numbers ---- */

enum { POWER_MAX = 64 };

/* x to the power n >= 0. */
static ib_node whole_power(ib_graph *g, ib_node x, int n) {
    ib_node y = IB_NO_NODE;
    for (; n; n >>= 1) {
        if (n & 1) y = y == IB_NO_NODE ? x : ib__op_multiply(g, y, x);
        if (n > 1) x = ib__op_square(g, x);
    }
    return y;
}

static bool exponent(const ib_args *args, double *out) {
    const ib_value *value = ib__args_setting(args, "x2");
    return value && ib__value_number(value, out) && fabs(*out) <= POWER_MAX && 2 * *out == floor(2 * *out) &&
           (*out == floor(*out) || fabs(*out) == 0.5);
}

static void power_apply(ib_layer *layer, ib_build *b, const ib_args *args, ib_flow out[IB_OUTPUTS_MAX]) {
    (void)layer;
    double k = 0;
    ib_graph *g = b->g;
    if (!exponent(args, &k)) {
        out->node = of_two(g, args, &power_of);
        return;
    }
    ib_node x = ib__op_convert(g, ib__operand(g, args, "x1"), IB_TYPE_F32), y;
    if (k == 0) {
        ib_shape shape = ib__node_shape(g, x);
        y = ib__op_broadcast_to(g, ib__op_constant(g, 1.0f), &shape);
    } else {
        y = k == floor(k) ? whole_power(g, x, (int)fabs(k)) : ib__op_sqrt(g, x);
    }
    out->node = k < 0 ? ib__op_divide(g, ib__op_constant(g, 1.0f), y) : y;
}

const ib_layer_class ib__layer_op_power = {.name = "keras.src.ops.numpy.Power",
                                           .arguments = "x1 x2",
                                           .configure = ib__operation_configure,
                                           .infer = infer_two,
                                           .apply = power_apply};
