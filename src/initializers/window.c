/* SPDX-License-Identifier: Apache-2.0
 *
 * Windows: w(i) for i = 0 .. n-1 of n values, in float64. The coefficients are those of scipy.signal.windows
 * (F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", 1978; for
 * Taylor's window: W. G. Carrara et al., "Spotlight Synthetic Aperture Radar", 1995, appendix D).
 */
#include "initializers/window.h"

#include <math.h>
#include <string.h>

#include "base/nearest.h"
#include "numerics/double.h"

#define PI 3.141592653589793

/* a0 + a1 cos x + a2 cos 2x + ..., x from -pi to pi */
static double cosines(const double *a, int terms, double i, double n) {
    double x = 2.0 * PI * i / (n - 1.0) - PI, sum = 0.0;
    for (int k = 0; k < terms; k++)
        sum += a[k] * ib__double_cos((double)k * x);
    return sum;
}

static double blackman(double i, double n) {
    static const double a[] = {0.42, 0.50, 0.08};
    return cosines(a, 3, i, n);
}

static double blackman_harris(double i, double n) {
    static const double a[] = {0.35875, 0.48829, 0.14128, 0.01168};
    return cosines(a, 4, i, n);
}

static double nuttall(double i, double n) {
    static const double a[] = {0.3635819, 0.4891775, 0.1365995, 0.0106411};
    return cosines(a, 4, i, n);
}

static double flat_top(double i, double n) {
    static const double a[] = {0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368};
    return cosines(a, 5, i, n);
}

static double hamming(double i, double n) {
    static const double a[] = {0.54, 0.46};
    return cosines(a, 2, i, n);
}

static double hann(double i, double n) {
    static const double a[] = {0.5, 0.5};
    return cosines(a, 2, i, n);
}

static double bartlett(double i, double n) {
    return i <= (n - 1.0) / 2.0 ? 2.0 * i / (n - 1.0) : 2.0 - 2.0 * i / (n - 1.0);
}

static double bartlett_hann(double i, double n) {
    double x = fabs(i / (n - 1.0) - 0.5);
    return 0.62 - 0.48 * x + 0.38 * ib__double_cos(2.0 * PI * x);
}

static double bohman(double i, double n) {
    if (i == 0.0 || i == n - 1.0) return 0.0;
    double x = fabs(2.0 * i / (n - 1.0) - 1.0);
    return (1.0 - x) * ib__double_cos(PI * x) + ib__double_sin(PI * x) / PI;
}

static double boxcar(double i, double n) {
    (void)i, (void)n;
    return 1.0;
}

static double cosine(double i, double n) {
    return ib__double_sin(PI / n * (i + 0.5));
}

static double exponential(double i, double n) {
    return ib__double_exp(-fabs(i - (n - 1.0) / 2.0));
}

static double lanczos(double i, double n) {
    double x = 2.0 * i / (n - 1.0) - 1.0;
    return x == 0.0 ? 1.0 : ib__double_sin(PI * x) / (PI * x);
}

static double parzen(double i, double n) {
    double x = fabs(i - (n - 1.0) / 2.0), y = x / (n / 2.0);
    if (x <= (n - 1.0) / 4.0) return 1.0 - 6.0 * y * y + 6.0 * y * y * y;
    return 2.0 * (1.0 - y) * (1.0 - y) * (1.0 - y);
}

/* Four near-in side lobes at -30 dB. */
static double taylor(double i, double n) {
    enum { LOBES = 4 };
    static const double a = 1.319959391142106; /* acosh(10^(30/20)) / pi */
    double spread = (double)(LOBES * LOBES) / (a * a + (LOBES - 0.5) * (LOBES - 0.5));
    double sum = 1.0, middle = 1.0;
    for (int m = 1; m < LOBES; m++) {
        double f = m % 2 ? 0.5 : -0.5, square = (double)(m * m);
        for (int k = 1; k < LOBES; k++) {
            f *= 1.0 - square / spread / (a * a + (k - 0.5) * (k - 0.5));
            if (k != m) f /= 1.0 - square / (double)(k * k);
        }
        sum += 2.0 * f * ib__double_cos(2.0 * PI * (double)m * (i - n / 2.0 + 0.5) / n);
        middle += 2.0 * f;
    }
    return sum / middle;
}

static double triangle(double i, double n) {
    double k = fmin(i, n - 1.0 - i) + 1.0;
    return fmod(n, 2.0) == 0.0 ? (2.0 * k - 1.0) / n : 2.0 * k / (n + 1.0);
}

/* Half of it flat. */
static double tukey(double i, double n) {
    double width = floor(0.5 * (n - 1.0) / 2.0), x = fmin(i, n - 1.0 - i);
    if (x > width) return 1.0;
    return 0.5 * (1.0 + ib__double_cos(PI * (4.0 * x / (n - 1.0) - 1.0)));
}

static const struct row {
    const char *names; /* each followed by a blank; the first is the full one */
    double (*at)(double i, double n);
} rows[] = {
    {"barthann brthan bth ", bartlett_hann},
    {"bartlett bart brt ", bartlett},
    {"blackman black blk ", blackman},
    {"blackmanharris blackharr bkh ", blackman_harris},
    {"bohman bman bmn ", bohman},
    {"boxcar box ones rect rectangular ", boxcar},
    {"cosine halfcosine ", cosine},
    {"exponential poisson ", exponential},
    {"flattop flat flt ", flat_top},
    {"hamming hamm ham ", hamming},
    {"hann han ", hann},
    {"lanczos sinc ", lanczos},
    {"nuttall nutl nut ", nuttall},
    {"parzen parz par ", parzen},
    {"taylor taylorwin ", taylor},
    {"triangle triang tri ", triangle},
    {"tukey tuk ", tukey},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* The length of the name without an ending that it has. */
static size_t stem(const char *name, const char *ending) {
    size_t n = strlen(name), m = strlen(ending);
    return n > m && strcmp(name + n - m, ending) == 0 ? n - m : n;
}

static const struct row *find(const char *name, size_t length) {
    for (size_t i = 0; i < ROWS; i++)
        for (const char *at = rows[i].names; *at; at = strchr(at, ' ') + 1)
            if (strncmp(at, name, length) == 0 && at[length] == ' ') return &rows[i];
    return NULL;
}

static const struct row *find_named(const char *name, bool *periodic) {
    size_t length = strlen(name);
    if (stem(name, "_symmetric") < length) {
        *periodic = false;
        length = stem(name, "_symmetric");
    } else if (stem(name, "_periodic") < length) {
        *periodic = true;
        length = stem(name, "_periodic");
    }
    return length && !memchr(name, ' ', length) ? find(name, length) : NULL;
}

ib_status ib__window_check(const char *name, const char *where, ib_error *err) {
    bool periodic;
    if (find_named(name, &periodic)) return IB_OK;
    static const char *const full[] = {"barthann", "bartlett", "blackman", "blackmanharris", "bohman",
                                       "boxcar",   "cosine",   "flattop",  "exponential",    "hamming",
                                       "hann",     "lanczos",  "nuttall",  "parzen",         "taylor",
                                       "triangle", "tukey"};
    const char *near = ib__nearest(name, full, sizeof full / sizeof *full);
    return ib__fail(err, IB_BAD_INPUT, where, "unknown window \"%.60s\"%s%s", name,
                    near ? "; nearest is " : "", near ? near : "");
}

void ib__window(double *out, size_t n, const char *name, bool periodic) {
    const struct row *row = find_named(name, &periodic);
    double length = (double)n + (periodic ? 1.0 : 0.0);
    for (size_t i = 0; i < n; i++)
        out[i] = n == 1 || !row ? 1.0 : row->at((double)i, length);
}
