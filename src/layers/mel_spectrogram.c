/* SPDX-License-Identifier: Apache-2.0
 *
 * MelSpectrogram: the powers of a signal's frames in bands that are even on the mel scale, in decibels.
 */
#include <math.h>

#include "initializers/numbers.h"
#include "initializers/window.h"
#include "layers/internal.h"
#include "numerics/double.h"

/* The longest transform: its waves stand in the graph as an array. */
enum { FFT_MAX = 8192 };

typedef struct mel {
    int64_t fft, stride, frame, bands, rate;
    double low, high, range, exponent, least, reference;
    bool decibels;
} mel;

#define AT(member) .offset = offsetof(mel, member)
#define COUNT(key_, fallback_, reader, member, most)                                                         \
    { .key = key_, .fallback = fallback_, .read = reader, AT(member), .low = 1, .high = most }
#define REAL(key_, fallback_, member, least_, most)                                                          \
    { .key = key_, .fallback = fallback_, .read = ib__read_real, AT(member), .low = least_, .high = most }

static const ib_field fields[] = {
    IB_LAYER_FIELDS,
    COUNT("fft_length", "2048", ib__read_int, fft, FFT_MAX),
    COUNT("sequence_stride", "512", ib__read_int, stride, 0x1p30),
    COUNT("sequence_length", "null", ib__read_optional_int, frame, FFT_MAX),
    {.key = "window", .fallback = "\"hann\"", .read = ib__read_anything},
    COUNT("sampling_rate", "16000", ib__read_int, rate, 0x1p30),
    COUNT("num_mel_bins", "128", ib__read_int, bands, 4096),
    REAL("min_freq", "20.0", low, 0, 0x1p30),
    {.key = "max_freq",
     .fallback = "null",
     .read = ib__read_optional_real,
     AT(high),
     .low = 0,
     .high = 0x1p30},
    {.key = "power_to_db", .fallback = "true", .read = ib__read_bool, AT(decibels)},
    REAL("top_db", "80.0", range, 0, 0x1p30),
    REAL("mag_exp", "2.0", exponent, 0x1p-10, 0x1p10),
    REAL("min_power", "1e-10", least, 0x1p-126, 0x1p127),
    REAL("ref_power", "1.0", reference, -0x1p127, 0x1p127)};

/* The window's values; out NULL: only checked. */
static ib_status make_window(const ib_layer *layer, double *out, ib_error *err) {
    const mel *s = layer->settings;
    const ib_value *window = ib__value_get(layer->config, "window");
    size_t n = (size_t)s->frame;
    ib_numbers numbers;
    for (size_t i = 0; out && i < n; i++)
        out[i] = 1.0;
    if (window->kind == IB_NULL) return IB_OK;
    if (ib__value_is_string(window, "hann") || ib__value_is_string(window, "hamming")) {
        if (out) ib__window(out, n, window->string, true);
        return IB_OK;
    }
    if (window->kind == IB_STRING)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "window: expected hann, hamming, null or numbers, found \"%.60s\"", window->string);
    ib_status status = ib__numbers_read(&numbers, window, layer->place, err);
    if (status != IB_OK) return status;
    if (numbers.shape.rank != 1 || (size_t)numbers.shape.dims[0] != n)
        return ib__fail(err, IB_BAD_INPUT, layer->place, "window: expected %zu numbers", n);
    for (size_t i = 0; out && i < n; i++)
        out[i] = ib__numbers_at(&numbers, &(int64_t){(int64_t)i});
    return IB_OK;
}

/* What is not given is written as what Keras takes instead. */
static ib_status fill_in(ib_layer *layer, ib_error *err) {
    mel *s = layer->settings;
    bool good = true;
    if (s->frame < 0) {
        s->frame = s->fft;
        good = ib__value_set(layer->config, "sequence_length", ib__value_int(s->fft));
    }
    if (good && !(s->high > 0)) {
        int64_t high = s->rate / 2;
        s->high = (double)high;
        good = ib__value_set(layer->config, "max_freq", ib__value_int(high));
    }
    return good ? IB_OK : ib__fail_memory(err);
}

static ib_status configure(ib_layer *layer, const ib_value *config, ib_error *err) {
    mel *s = layer->settings;
    ib_status status = ib__layer_configure(layer, fields, sizeof fields / sizeof *fields, config, err);
    if (status == IB_OK) status = fill_in(layer, err);
    if (status != IB_OK) return status;
    if (s->frame > s->fft)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "fft_length: expected at least the sequence_length %lld, found %lld",
                        (long long)s->frame, (long long)s->fft);
    if (!(s->low < s->high))
        return ib__fail(err, IB_BAD_INPUT, layer->place, "min_freq: expected less than max_freq, found %g",
                        s->low);
    return make_window(layer, NULL, err);
}

/* Frames whose middle lies at 0, stride, 2 stride ... of the signal; -1: unknown. */
static int64_t frames(const mel *s, int64_t length) {
    return length < 0 ? -1 : (length + s->fft / 2 * 2 - s->fft) / s->stride + 1;
}

static ib_status shape(const ib_layer *layer, const ib_shape *inputs, size_t n, ib_shape *out,
                       ib_error *err) {
    const mel *s = layer->settings;
    ib_status status = ib__layer_same_shape(layer, inputs, n, out, err);
    if (status == IB_OK) status = ib__layer_check_rank(layer, out, 2, err);
    if (status != IB_OK) return status;
    int64_t length = out->dims[1];
    if (length >= 0 && length <= s->fft / 2)
        return ib__fail(err, IB_BAD_INPUT, layer->place,
                        "expected signals longer than half of fft_length %lld, found %lld", (long long)s->fft,
                        (long long)length);
    *out = (ib_shape){3, {out->dims[0], s->bands, frames(s, length)}};
    return IB_OK;
}

/* ---- Running ---- */

/* Both ends of [n, length] mirrored outwards, half a transform each; their last places stand once. */
static ib_node mirrored(const mel *s, ib_graph *g, ib_node x) {
    int64_t n = ib__node_shape(g, x).dims[0], length = ib__node_shape(g, x).dims[1], half = s->fft / 2;
    if (half == 0) return x;
    if (length <= half)
        return ib__graph_fail(g, IB_BAD_INPUT, "expected signals longer than half of fft_length %lld",
                              (long long)s->fft);
    ib_node low = ib__op_slice(g, x, (int64_t[]){0, 1}, (int64_t[]){n, half + 1});
    ib_node high = ib__op_slice(g, x, (int64_t[]){0, length - 1 - half}, (int64_t[]){n, length - 1});
    return ib__op_concatenate(g, (ib_node[]){ib__op_reverse(g, low, 1), x, ib__op_reverse(g, high, 1)}, 3, 1);
}

/* [frame, 1, 2 frequencies]: cos and sin of -2 pi f t / N for the frequencies f = 0 .. N / 2, times the
 * window, which stands in the middle of the transform's N places t. */
static ib_node waves(const ib_layer *layer, ib_graph *g) {
    const mel *s = layer->settings;
    size_t frame = (size_t)s->frame, fft = (size_t)s->fft, f = fft / 2 + 1, first = (fft - frame) / 2;
    double *window = ib__alloc(frame, sizeof *window);
    float *values = ib__alloc(frame * 2 * f, sizeof *values);
    ib_node out = IB_NO_NODE;
    if (window && values && make_window(layer, window, NULL) == IB_OK) {
        for (size_t t = 0; t < frame; t++)
            for (size_t i = 0; i < f; i++) {
                /* whole turns are taken out before anything is rounded */
                double angle = -6.283185307179586 * ((double)((t + first) * i % fft) / (double)fft);
                values[t * 2 * f + i] = (float)(window[t] * ib__double_cos(angle));
                values[t * 2 * f + f + i] = (float)(window[t] * ib__double_sin(angle));
            }
        ib_shape shape = {3, {s->frame, 1, (int64_t)(2 * f)}};
        out = ib__op_constant_array(g, values, &shape);
    } else {
        (void)ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    }
    ib__free(window);
    ib__free(values);
    return out;
}

/* [n, frames, frequencies]: the magnitudes to the power of mag_exp */
static ib_node spectrum(const ib_layer *layer, ib_graph *g, ib_node x) {
    const mel *s = layer->settings;
    int64_t n = ib__node_shape(g, x).dims[0], count = frames(s, ib__node_shape(g, x).dims[1]);
    int64_t first = (s->fft - s->frame) / 2, end = first + (count - 1) * s->stride + s->frame;
    int64_t f = s->fft / 2 + 1;
    x = ib__op_slice(g, mirrored(s, g, x), (int64_t[]){0, first}, (int64_t[]){n, end});
    ib_window window = {.taps = {s->frame}, .strides = {s->stride}, .dilation = {1}};
    x = ib__op_reshape(g, x, &(ib_shape){3, {n, end - first, 1}});
    ib_node y = ib__op_convolution(g, x, waves(layer, g), &window, 1);
    ib_node re = ib__op_slice(g, y, (int64_t[]){0, 0, 0}, (int64_t[]){n, count, f});
    ib_node im = ib__op_slice(g, y, (int64_t[]){0, 0, f}, (int64_t[]){n, count, 2 * f});
    y = ib__op_add(g, ib__op_square(g, re), ib__op_square(g, im));
    if (s->exponent == 2.0) return y;
    if (s->exponent == 1.0) return ib__op_sqrt(g, y);
    return ib__op_exp(g, ib__op_scale(g, ib__op_log(g, y), (float)(s->exponent / 2)));
}

static double mel_of(double hertz) {
    return 1127.0 * ib__double_log(1.0 + hertz / 700.0);
}

/* [frequencies, bands]: triangles over the mel scale, each as wide as two distances of the bands' middles;
 * the frequency 0 belongs to none. */
static ib_node bands(const mel *s, ib_graph *g) {
    size_t f = (size_t)(s->fft / 2 + 1), n = (size_t)s->bands;
    float *values = ib__alloc(f * n, sizeof *values);
    if (!values) return ib__graph_fail(g, IB_NO_MEMORY, "out of memory");
    double low = mel_of(s->low), width = (mel_of(s->high) - low) / (double)(n + 1);
    for (size_t i = 1; i < f; i++) {
        double at = mel_of((double)s->rate / 2 * (double)i / (double)(f - 1));
        for (size_t k = 0; k < n; k++) {
            double middle = low + width * (double)(k + 1), side = 1.0 - fabs(at - middle) / width;
            values[i * n + k] = side > 0 ? (float)side : 0.0f;
        }
    }
    ib_node out = ib__op_constant_array(g, values, &(ib_shape){2, {(int64_t)f, (int64_t)n}});
    ib__free(values);
    return out;
}

/* 10 log10(x / ref_power), not more than top_db below the sample's largest. */
static ib_node decibels(const mel *s, ib_graph *g, ib_node x) {
    const double scale = 4.3429448190325175; /* 10 / ln 10 */
    double reference = fabs(s->reference) > s->least ? fabs(s->reference) : s->least;
    ib_node y = ib__op_maximum(g, x, ib__op_constant(g, (float)s->least));
    y = ib__op_scale(g, ib__op_log(g, y), (float)scale);
    y = ib__op_offset(g, y, (float)(-scale * ib__double_log(reference)));
    ib_node top = ib__op_reduce(g, IB_REDUCE_MAX, y, 6, true);
    return ib__op_maximum(g, y, ib__op_offset(g, top, (float)-s->range));
}

static ib_node call(ib_layer *layer, ib_build *b, const ib_node *inputs, size_t n) {
    (void)n;
    const mel *s = layer->settings;
    ib_node y = ib__op_matmul(b->g, spectrum(layer, b->g, inputs[0]), bands(s, b->g));
    if (s->decibels) y = decibels(s, b->g, y);
    return ib__op_transpose(b->g, y, (int[]){0, 2, 1});
}

const ib_layer_class ib__layer_mel_spectrogram = {
    .name = "MelSpectrogram", .settings = sizeof(mel), .configure = configure, .shape = shape, .call = call};
