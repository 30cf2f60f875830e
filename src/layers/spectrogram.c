/* SPDX-License-Identifier: Apache-2.0
 *
 * STFTSpectrogram: frames of a signal times waves, as convolutions whose kernels are weights that begin as
 * those of a short-time Fourier transform. Each channel on its own.
 */
#include <math.h>

#include "layers/window.h"
#include "numerics/double.h"

typedef enum mode { LOG, MAGNITUDE, PSD, REAL, IMAGINARY, ANGLE, STFT } mode;

typedef struct spectrogram {
    ib_window_settings window; /* taps: the frame's length; strides: its step */
    int64_t step, length;      /* -1: Keras's choice */
    int mode;
    bool periodic, expand;
} spectrogram;

#define AT(member) .offset = offsetof(spectrogram, member)
#define LENGTH(key_, fallback_, reader, member)                                                              \
    { .key = key_, .fallback = fallback_, .read = reader, AT(member), .low = 1, .high = 0x1p24 }

/* null, or one of the choices */
static ib_status read_scaling(const ib_field *field, const ib_value *value, const char *where, void *out,
                              ib_value **canonical, ib_error *err) {
    int choice;
    (void)out;
    return value->kind == IB_NULL ? IB_OK : ib__read_choice(field, value, where, &choice, canonical, err);
}

static const ib_field fields[] = {
    IB_LAYER_FIELDS,
    {.key = "mode",
     .fallback = "\"log\"",
     .read = ib__read_choice,
     AT(mode),
     .choices = "log magnitude psd real imag angle stft"},
    LENGTH("frame_length", "256", ib__read_int, window.taps),
    LENGTH("frame_step", "null", ib__read_optional_int, step),
    LENGTH("fft_length", "null", ib__read_optional_int, length),
    {.key = "window", .fallback = "\"hann\"", .read = ib__read_anything},
    {.key = "periodic", .fallback = "false", .read = ib__read_bool, AT(periodic)},
    {.key = "scaling", .fallback = "\"density\"", .read = read_scaling, .choices = "density spectrum"},
    {.key = "padding",
     .fallback = "\"valid\"",
     .read = ib__read_choice,
     AT(window.padding),
     .choices = "valid same"},
    IB_WINDOW_FORMAT,
    {.key = "expand_dims", .fallback = "false", .read = ib__read_bool, AT(expand)}};

/* The config of a kernel's initializer, yours. NULL: no memory. */
static ib_value *initializer(const ib_layer *layer, const char *side) {
    static const char *const keys[] = {"window", "periodic", "scaling"};
    ib_value *config = ib__value_map();
    bool good = ib__value_set(config, "side", ib__value_string(side));
    for (size_t i = 0; good && i < sizeof keys / sizeof *keys; i++)
        good = ib__value_set(config, keys[i], ib__value_copy(ib__value_get(layer->config, keys[i])));
    if (good) return ib__serialized("keras.initializers", "STFT", config);
    ib__value_free(config);
    return NULL;
}

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    spectrogram *s = layer->settings;
    s->window.axes = 1;
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status != IB_OK) return status;
    int64_t frame = s->window.taps[0];
    if (s->step > frame)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "frame_step: expected at most the frame_length %lld, found %lld", (long long)frame,
                        (long long)s->step);
    if (s->step < 0) s->step = frame / 2;
    if (s->length >= 0 && s->length < frame)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "fft_length: expected at least the frame_length %lld, found %lld", (long long)frame,
                        (long long)s->length);
    for (int64_t power = 1; s->length < frame; power *= 2)
        if (power >= frame) s->length = power;
    if (s->step < 1 || s->length < 2)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "frame_length: expected 2 or more");
    s->window.strides[0] = s->step;
    ib_value *sample = initializer(layer, "real");
    status = sample ? ib__initializer_check(sample, layer->place, err) : ib__fail_memory(err);
    ib__value_free(sample);
    return status;
}

static int64_t frequencies(const spectrogram *s) {
    return s->length / 2 + 1;
}

/* [n, times, frequencies] with these channels, in the layer's own form. */
static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    const spectrogram *s = layer->settings;
    ib_shape x, y, form;
    ib_status status = ib__window_input(layer, inputs, n, &x, err);
    if (status != IB_OK) return status;
    (void)ib__window_of(&s->window, &x, &y);
    status = ib__window_output(layer, &inputs[0], &y, &form, err); /* are there frames? */
    if (status != IB_OK) return status;
    int64_t f = frequencies(s) * (s->mode == STFT ? 2 : 1), channels = x.dims[2], times = y.dims[1];
    bool first = s->window.data_format;
    if (s->expand)
        *out = first ? (ib_shape){4, {x.dims[0], channels, times, f}}
                     : (ib_shape){4, {x.dims[0], times, f, channels}};
    else
        *out = first ? (ib_shape){3, {x.dims[0], channels * f, times}}
                     : (ib_shape){3, {x.dims[0], times, channels * f}};
    return IB_OK;
}

static ib_status add_kernel(ib_layer *layer, const char *name, const char *side, ib_error *err) {
    const spectrogram *s = layer->settings;
    ib_shape kernel = {3, {s->window.taps[0], 1, frequencies(s)}};
    const ib_value *config = ib__layer_keep(layer, initializer(layer, side));
    if (!config) return ib__fail_memory(err);
    return ib__layer_add_weight(layer, name, &kernel, true, config, NULL, NULL, NULL, err);
}

static ib_status build(ib_layer *layer, const ib_shape *inputs, size_t n, ib_error *err) {
    (void)inputs, (void)n;
    const spectrogram *s = layer->settings;
    ib_status status = s->mode == IMAGINARY ? IB_OK : add_kernel(layer, "real_kernel", "real", err);
    if (status == IB_OK && s->mode != REAL) status = add_kernel(layer, "imag_kernel", "imag", err);
    return status;
}

/* ---- Running ---- */

/* [n, channels, times, frequencies] */
static ib_node project(ib_layer *layer, ib_graph *g, ib_node x, const char *kernel) {
    const spectrogram *s = layer->settings;
    ib_node k = ib__layer_weight(layer, g, kernel);
    if (k == IB_NO_NODE) return k;
    if (!s->window.data_format) x = ib__op_transpose(g, x, (int[]){0, 2, 1});
    ib_shape from = ib__node_shape(g, x), rows = {3, {from.dims[0] * from.dims[1], from.dims[2], 1}};
    ib_window window = ib__window_of(&s->window, &rows, NULL);
    ib_node y = ib__op_convolution(g, ib__op_reshape(g, x, &rows), k, &window, 1);
    ib_shape made = ib__node_shape(g, y), to = {4, {from.dims[0], from.dims[1], made.dims[1], made.dims[2]}};
    return ib__op_reshape(g, y, &to);
}

/* Each number is the angle of b + a i. */
static void angle_rows(const void *context, const ib_call_rows *rows, size_t first, size_t end) {
    (void)context;
    const float *a = rows->in[0], *b = rows->in[1];
    for (size_t i = first * rows->out_width; i < end * rows->out_width; i++)
        ((float *)rows->out)[i] = (float)ib__double_atan2((double)a[i], (double)b[i]);
}

/* The angle of re + im i. Its gradient is that of (re0 im - im0 re) / (re0^2 + im0^2), where re0 and im0 are
 * the values of re and im taken as constants; that itself, less its value, is added. */
static ib_node angle(ib_graph *g, ib_node re, ib_node im) {
    ib_shape shape = ib__node_shape(g, re);
    ib_node value = ib__op_custom_call(g, angle_rows, NULL, ib__op_stop_gradient(g, im),
                                       ib__op_stop_gradient(g, re), IB_TYPE_F32, &shape);
    ib_node re0 = ib__op_stop_gradient(g, re), im0 = ib__op_stop_gradient(g, im);
    ib_node power = ib__op_add(g, ib__op_square(g, re0), ib__op_square(g, im0));
    ib_node zero = ib__op_constant(g, 0.0f);
    ib_node slope_im = ib__op_divide(g, re0, power), slope_re = ib__op_divide(g, im0, power);
    ib_node linear = ib__op_subtract(g, ib__op_multiply(g, slope_im, im), ib__op_multiply(g, slope_re, re));
    ib_node rest = ib__op_subtract(g, linear, ib__op_stop_gradient(g, linear));
    ib_node known = ib__op_map(g, IB_MAP_greater, power, zero, IB_NO_NODE);
    return ib__op_add(g, value, ib__op_select(g, known, rest, ib__op_broadcast_to(g, zero, &shape)));
}

/* All frequencies but the first and the last count twice. */
static ib_node doubled(ib_graph *g, ib_node power) {
    ib_shape from = ib__node_shape(g, power);
    int64_t start[4] = {0, 0, 0, 1}, limit[4], ends[4] = {0, 0, 0, 1};
    memcpy(limit, from.dims, sizeof limit);
    limit[3]--;
    return ib__op_add(g, power, ib__op_pad(g, ib__op_slice(g, power, start, limit), 0.0f, ends, ends));
}

/* Keras's epsilon keeps roots and logarithms away from 0. */
static ib_node above_epsilon(ib_graph *g, ib_node x) {
    return ib__op_maximum(g, x, ib__op_constant(g, 1e-7f));
}

static ib_node of_power(const spectrogram *s, ib_graph *g, ib_node re, ib_node im) {
    ib_node power = ib__op_add(g, ib__op_square(g, re), ib__op_square(g, im));
    if (s->mode == PSD) return doubled(g, power);
    ib_node y = ib__op_sqrt(g, above_epsilon(g, power));
    return s->mode == LOG ? ib__op_log(g, above_epsilon(g, y)) : y;
}

/* [n, channels, times, frequencies] in the layer's own form */
static ib_node arrange(const spectrogram *s, ib_graph *g, ib_node y) {
    bool first = s->window.data_format;
    if (s->expand) return first ? y : ib__op_transpose(g, y, (int[]){0, 2, 3, 1});
    y = ib__op_transpose(g, y, first ? (int[]){0, 1, 3, 2} : (int[]){0, 2, 1, 3});
    ib_shape from = ib__node_shape(g, y);
    ib_shape to = {3, {from.dims[0], from.dims[1], from.dims[2] * from.dims[3]}};
    if (first) to = (ib_shape){3, {from.dims[0], from.dims[1] * from.dims[2], from.dims[3]}};
    return ib__op_reshape(g, y, &to);
}

static ib_node call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const spectrogram *s = layer->settings;
    ib_graph *g = b->g;
    ib_node re = project(layer, g, inputs[0], "real_kernel"),
            im = project(layer, g, inputs[0], "imag_kernel");
    ib_node y;
    if (s->mode == REAL || s->mode == IMAGINARY)
        y = s->mode == REAL ? re : im;
    else if (s->mode == ANGLE)
        y = angle(g, re, im);
    else if (s->mode == STFT)
        y = ib__op_concatenate(g, (ib_node[]){re, im}, 2, 3);
    else
        y = of_power(s, g, re, im);
    return arrange(s, g, y);
}

const ib_layer_class ib__layer_stft_spectrogram = {.name = "STFTSpectrogram",
                                                   .settings = sizeof(spectrogram),
                                                   .configure = configure,
                                                   .shape = shape,
                                                   .build = build,
                                                   .call = call};
