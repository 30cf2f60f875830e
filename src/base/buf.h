/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing byte buffer. Zero-initialise; `failed` stays set after the first allocation that fails, so a
 * writer may check once at the end. data is NUL-terminated after any text was added.
 */
#ifndef IB_BASE_BUF_H
#define IB_BASE_BUF_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct ib_buf {
    char *data;
    size_t length, capacity;
    bool failed;
} ib_buf;

bool ib__buf_add(ib_buf *buf, const void *bytes, size_t n);
bool ib__buf_text(ib_buf *buf, const char *text);
/* Numbers are written with a point, whatever the locale. */
bool ib__buf_printf(ib_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for n bytes more and a NUL. */
bool ib__buf_reserve(ib_buf *buf, size_t n);
void ib__buf_free(ib_buf *buf); /* the buffer may be used again */

/* The locale "C", made once; 0: no memory. */
locale_t ib__c_locale(void);

#endif
