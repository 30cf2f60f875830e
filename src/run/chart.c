/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts. Classes: grid, axis, s0 s1 ... (lines), dash.
 */
#include "run/chart.h"

#include <math.h>

#define WIDTH 620.0
#define HEIGHT 250.0
#define LEFT 58.0
#define RIGHT 14.0
#define TOP 12.0
#define BOTTOM 34.0

typedef struct frame {
    double x0, x1, y0, y1; /* values at the edges */
} frame;

static bool is_finite(double x) {
    return x - x == 0;
}

void ib__html_text(ib_buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        const char *name = *text == '&'   ? "&amp;"
                           : *text == '<' ? "&lt;"
                           : *text == '>' ? "&gt;"
                           : *text == '"' ? "&quot;"
                                          : NULL;
        if (name != NULL)
            ib__buf_text(out, name);
        else
            ib__buf_add(out, text, 1);
    }
}

static double place_x(const frame *f, double x) {
    return LEFT + (WIDTH - LEFT - RIGHT) * (f->x1 > f->x0 ? (x - f->x0) / (f->x1 - f->x0) : 0.5);
}

static double place_y(const frame *f, double y) {
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - f->y0) / (f->y1 - f->y0);
}

/* 1, 2 or 5 times a power of ten, so that about `wanted` steps cover the range. */
static double nice_step(double range, double wanted) {
    double rough = range / wanted, power = 1;
    while (power * 10 <= rough)
        power *= 10;
    while (power > rough)
        power /= 10;
    double ratio = rough / power;
    return power * (ratio > 5 ? 10 : ratio > 2 ? 5 : ratio > 1 ? 2 : 1);
}

/* The range of all finite values, with room to nice numbers. false: there is none. */
static bool make_frame(frame *f, const ib_series *series, size_t n) {
    bool any = false;
    *f = (frame){0};
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < series[i].n; k++) {
            double x = series[i].first + (double)k * series[i].step, y = series[i].y[k];
            if (!is_finite(y)) continue;
            f->x0 = !any || x < f->x0 ? x : f->x0;
            f->x1 = !any || x > f->x1 ? x : f->x1;
            f->y0 = !any || y < f->y0 ? y : f->y0;
            f->y1 = !any || y > f->y1 ? y : f->y1;
            any = true;
        }
    }
    if (!any || !is_finite(f->y1 - f->y0)) return false;
    if (!(f->y1 - f->y0 > 1e-300)) {
        double room = f->y0 == 0 ? 1 : fabs(f->y0) * 0.1;
        f->y0 -= room;
        f->y1 += room;
    }
    double step = nice_step(f->y1 - f->y0, 5);
    f->y0 = floor(f->y0 / step) * step;
    f->y1 = ceil(f->y1 / step) * step;
    return is_finite(f->y1 - f->y0) && f->y1 > f->y0;
}

static void put_grid(ib_buf *out, const frame *f, const char *x_name) {
    double step = nice_step(f->y1 - f->y0, 5);
    size_t lines = (size_t)((f->y1 - f->y0) / step + 0.5);
    for (size_t i = 0; i <= lines; i++) {
        double y = f->y0 + (double)i * step;
        double at = place_y(f, y);
        ib__buf_printf(out, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT,
                       WIDTH - RIGHT, at, at);
        ib__buf_printf(out, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n",
                       LEFT - 6, at + 3.5, fabs(y) < step / 1000 ? 0.0 : y);
    }
    step = f->x1 > f->x0 ? nice_step(f->x1 - f->x0, 8) : 1;
    if (step < 1) step = 1;
    double first = ceil(f->x0 / step) * step;
    size_t marks = f->x1 >= first ? (size_t)((f->x1 - first) / step + 0.001) + 1 : 0;
    for (size_t i = 0; i < marks; i++) {
        double x = first + (double)i * step;
        ib__buf_printf(out, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.0f</text>\n",
                       place_x(f, x), HEIGHT - BOTTOM + 16, x);
    }
    ib__buf_printf(out, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", WIDTH - RIGHT,
                   HEIGHT - 4);
    ib__html_text(out, x_name);
    ib__buf_text(out, "</text>\n");
}

static void put_line(ib_buf *out, const frame *f, const ib_series *s, size_t index) {
    bool open = false;
    ib__buf_printf(out, "<path class=\"s%zu%s\" d=\"", index, s->style == 1 ? " dash" : "");
    for (size_t k = 0; k < s->n; k++) {
        if (!is_finite(s->y[k])) {
            open = false;
            continue;
        }
        ib__buf_printf(out, "%s%.1f %.1f", open ? "L" : "M", place_x(f, s->first + (double)k * s->step),
                       place_y(f, s->y[k]));
        open = true;
    }
    ib__buf_text(out, "\"/>\n");
    for (size_t k = 0; k < s->n && s->n <= 40; k++)
        if (is_finite(s->y[k]))
            ib__buf_printf(out, "<circle class=\"s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>", index,
                           place_x(f, s->first + (double)k * s->step), place_y(f, s->y[k]));
    ib__buf_text(out, "\n");
}

void ib__chart_svg(ib_buf *out, const char *title, const char *x_name, const ib_series *series, size_t n) {
    frame f;
    if (n > IB_SERIES_MAX) n = IB_SERIES_MAX;
    if (!make_frame(&f, series, n)) return;
    ib__buf_text(out, "<figure><figcaption>");
    ib__html_text(out, title);
    for (size_t i = 0; i < n; i++) {
        ib__buf_printf(out,
                       " <span class=\"key\"><svg width=\"22\" height=\"8\"><path class=\"s%zu%s\" d=\"M1 "
                       "4L21 4\"/></svg> ",
                       i, series[i].style == 1 ? " dash" : "");
        ib__html_text(out, series[i].name);
        ib__buf_text(out, "</span>");
    }
    ib__buf_printf(out, "</figcaption>\n<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", WIDTH,
                   HEIGHT);
    ib__html_text(out, title);
    ib__buf_text(out, "\">\n");
    put_grid(out, &f, x_name);
    for (size_t i = 0; i < n; i++)
        put_line(out, &f, &series[i], i);
    ib__buf_text(out, "</svg></figure>\n");
}

void ib__chart_blocks(ib_buf *out, const double *y, size_t n, size_t width) {
    static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    double low = 0, high = 0;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!is_finite(y[i])) continue;
        low = !any || y[i] < low ? y[i] : low;
        high = !any || y[i] > high ? y[i] : high;
        any = true;
    }
    if (width > n) width = n;
    for (size_t c = 0; c < width; c++) {
        size_t from = c * n / width, to = (c + 1) * n / width;
        double sum = 0;
        size_t count = 0;
        for (size_t i = from; i < to; i++) {
            if (!is_finite(y[i])) continue;
            sum += y[i];
            count++;
        }
        if (count == 0) {
            ib__buf_text(out, " ");
            continue;
        }
        double share = high > low ? (sum / (double)count - low) / (high - low) : 0.5;
        size_t level = (size_t)(share * 8);
        ib__buf_text(out, blocks[level > 7 ? 7 : level]);
    }
}
