/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to whoever called.
 */
#ifndef IB_RUN_SAY_H
#define IB_RUN_SAY_H

#include "isobit.h"

/* Gives text to options->text; options may be NULL. */
void ib__say(const ib_options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A float from its bits. */
double ib__bits_value(uint32_t bits);

#endif
