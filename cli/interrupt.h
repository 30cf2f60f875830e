/* SPDX-License-Identifier: Apache-2.0
 *
 * Ctrl-C during training.
 */
#ifndef IB_CLI_INTERRUPT_H
#define IB_CLI_INTERRUPT_H

/* From now on SIGINT and SIGTERM make show_progress ask for a stop, so that training ends cleanly. */
void watch_interrupt(void);

#endif
