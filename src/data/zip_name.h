/* SPDX-License-Identifier: Apache-2.0
 *
 * What a member of a zip archive may be called.
 */
#ifndef IB_DATA_ZIP_NAME_H
#define IB_DATA_ZIP_NAME_H

/* NULL for a good name (relative, parts joined by '/', a '/' at the end for a folder), else what it does
 * wrong
 * ("is empty"). A program that extracts the archive must not write outside its folder. */
const char *ib__zip_name_problem(const char *name);

#endif
