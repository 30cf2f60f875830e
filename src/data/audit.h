/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit of data: what is in a source, seen by reading all of it once.
 */
#ifndef IB_DATA_AUDIT_H
#define IB_DATA_AUDIT_H

#include "data/source.h"

#define IB_AUDIT_CLASSES 1000

/* Of one field. */
typedef struct ib_field_audit {
    uint64_t values, nans, infinities;
    double low, high; /* of the finite values; 0 and 0 if there are none */
    bool whole;       /* all finite values are integers */
    /* How many samples have the number 0, 1, ... n_classes - 1: of a field that is one number, all of them
     * integers from 0 to below IB_AUDIT_CLASSES. n_classes 0: it is no such field. */
    uint64_t classes[IB_AUDIT_CLASSES];
    size_t n_classes;
} ib_field_audit;

/* Reads the part with this many threads (0: one for each CPU); what comes out does not depend on them. *out:
 * one a field, yours, free(). */
ib_status ib__source_audit(ib_field_audit **out, const ib_source_part *part, size_t threads, ib_error *err);

/* What numbers are: classes are integers; of rows the fraction is cut off. */
typedef enum ib_numbering { IB_CLASSES, IB_ROWS } ib_numbering;
/* Is x the number of one of so many? */
bool ib__number_of(ib_numbering what, double x, int64_t count);
/* The first value of a field that is no such number; *sample UINT64_MAX: there is none. */
ib_status ib__source_find_no_number(const ib_source_part *part, size_t field, ib_numbering what,
                                    int64_t count, uint64_t *sample, double *value, ib_error *err);
/* The first value that is not finite, in any field: which one, in which sample, at which place in it. */
ib_status ib__source_find_not_finite(const ib_source_part *part, size_t *field, uint64_t *sample, size_t *at,
                                     double *value, ib_error *err);

#endif
