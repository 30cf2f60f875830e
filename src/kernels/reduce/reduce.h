/* SPDX-License-Identifier: Apache-2.0
 *
 * The sizes of the blocks in which long sums are cut (contract reduce/1).
 */
#ifndef IB_KERNELS_REDUCE_REDUCE_H
#define IB_KERNELS_REDUCE_REDUCE_H

enum {
    IB_REDUCE_ROW_BLOCK = 16384,   /* elements of a sum over the innermost axis */
    IB_REDUCE_COLUMN_BLOCK = 1024, /* elements of any other sum */
    IB_REDUCE_TREE_DEPTH = 64      /* levels of a tree over any number of blocks */
};

#endif
