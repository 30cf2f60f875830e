/* SPDX-License-Identifier: Apache-2.0
 *
 * Line charts: as SVG for pages, as block characters for terminals.
 */
#ifndef IB_RUN_CHART_H
#define IB_RUN_CHART_H

#include "base/buf.h"

#define IB_SERIES_MAX 8

typedef struct ib_series {
    const char *name;
    const double *y; /* values that are not finite leave a gap */
    size_t n;        /* at x = first, first + step, ... */
    double first, step;
    int style; /* 0: plain, 1: dashed (validation) */
} ib_series;

/* A figure element with a caption and a legend; colours come from the page's style sheet (chart.c lists the
 * classes).
 */
void ib__chart_svg(ib_buf *out, const char *title, const char *x_name, const ib_series *series, size_t n);
/* One row of `width` block characters that rise with the values; a blank where there is none. */
void ib__chart_blocks(ib_buf *out, const double *y, size_t n, size_t width);

/* Text in HTML: & < > " replaced. */
void ib__html_text(ib_buf *out, const char *text);

#endif
