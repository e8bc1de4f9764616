/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sweeping: throwing out of the kernel what it holds of a zone's nodes.  The
 * work is dealt to threads that were made at the start, outside the workers,
 * with real-time priority where that is allowed.
 *
 * Throwing out a page writes it first if it is dirty, and waits for requests
 * in flight about it: a sweep needs workers that are free to answer, and must
 * hold no lock that a handler takes.
 */
#ifndef CMKFS_MOUNT_SWEEP_H
#define CMKFS_MOUNT_SWEEP_H

#include "fs/mount/session.h"

struct sweeper;

enum sweep_kind {
	SWEEP_ATTRS, /* attributes of directories and of nodes with pages; flags stay */
	SWEEP_PAGES, /* pages and attributes of nodes with pages, the biggest first */
	SWEEP_ALL,   /* pages and attributes of every node with any flag */
	SWEEP_LAST   /* the same, and nothing is taken to be under way any more */
};

/* N threads.  0, -ENOMEM, what pthread_create says. */
int sweeper_start(struct mount *m, unsigned int n, struct sweeper **ret);
void sweeper_stop(struct sweeper *s); /* NULL-safe; waits for the sweep at hand */

/*
 * Sweep the nodes of Z.  Waits TIMEOUT_MS (0: without end) for it.  0;
 * -ETIMEDOUT: it was told to stop, but a thread may still be waiting for the
 * kernel: the next call waits for it, within its own time.  One caller at a
 * time.
 */
int sweep(struct sweeper *s, struct zone *z, enum sweep_kind kind, unsigned int timeout_ms);

/*
 * How many nodes of the last sweep the kernel did not know: the reply that
 * names them is out, but who asked has not looked at it.  They keep their
 * flags, for a later sweep.
 */
unsigned int sweep_missed(const struct sweeper *s);

/* Run the calling thread before ordinary ones, if allowed. */
void sweep_priority(void);

#endif
