/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels of a short-time Fourier transform: cos or sin of -2 pi t f / N for the times t of a frame and the
 * frequencies f = 0 .. N / 2, times a window, divided by its scale.
 */
#include <math.h>

#include "base/mem.h"
#include "initializers/internal.h"
#include "initializers/window.h"
#include "numerics/double.h"

/* The window's values; a window that is null is all ones. */
static ib_status make_window(double *out, size_t n, const ib_stft *s, const char *path, ib_error *err) {
    ib_numbers numbers;
    for (size_t t = 0; t < n; t++)
        out[t] = 1.0;
    if (s->window->kind == IB_NULL) return IB_OK;
    if (s->window->kind == IB_STRING) {
        ib__window(out, n, s->window->string, s->periodic);
        return IB_OK;
    }
    ib_status status = ib__numbers_read(&numbers, s->window, path, err);
    if (status != IB_OK) return status;
    if (numbers.shape.rank != 1 || (size_t)numbers.shape.dims[0] != n)
        return ib__fail(err, IB_BAD_INPUT, path, "expected a window of %zu numbers", n);
    for (size_t t = 0; t < n; t++)
        out[t] = ib__numbers_at(&numbers, &(int64_t){(int64_t)t});
    return IB_OK;
}

static double scale_of(const double *window, size_t n, const ib_stft *s) {
    double sum = 0.0;
    if (s->window->kind == IB_NULL || s->scaling == 0) return 1.0;
    for (size_t t = 0; t < n; t++)
        sum += s->scaling == 1 ? window[t] * window[t] : fabs(window[t]);
    return s->scaling == 1 ? sqrt(sum) : sum;
}

ib_status ib__stft_kernel(float *data, const ib_shape *shape, const ib_stft *s, const char *path,
                          ib_error *err) {
    if (shape->rank != 3 || shape->dims[1] != 1 || shape->dims[2] < 2) {
        char found[128];
        ib__shape_print(found, shape);
        return ib__fail(err, IB_BAD_INPUT, path,
                        "initializer STFT needs the shape (frame, 1, frequencies of 2 or more), found %s",
                        found);
    }
    size_t frame = (size_t)shape->dims[0], frequencies = (size_t)shape->dims[2],
           length = 2 * (frequencies - 1);
    double *window = ib__alloc(frame, sizeof *window);
    if (!window) return ib__fail_memory(err);
    ib_status status = make_window(window, frame, s, path, err);
    double scale = scale_of(window, frame, s);
    for (size_t t = 0; status == IB_OK && t < frame; t++)
        for (size_t f = 0; f < frequencies; f++) {
            /* whole turns are taken out before anything is rounded */
            double angle = -6.283185307179586 * ((double)(t * f % length) / (double)length);
            double wave = s->imaginary ? ib__double_sin(angle) : ib__double_cos(angle);
            data[t * frequencies + f] = (float)(wave * window[t] / scale);
        }
    ib__free(window);
    return status;
}
