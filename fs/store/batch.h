/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a batch share: the slots it writes and the held bytes that
 * go with them.  loaded.flush is held throughout, so one thread has a batch.
 */
#ifndef CMKFS_STORE_BATCH_H
#define CMKFS_STORE_BATCH_H

#include "fs/store/content.h"

struct held_ref {
	struct group *grp;
	struct held *h;
	uint32_t slot;
	bool hard; /* the durable slot names the place */
};

struct batch {
	struct loaded *l;
	struct group **groups;
	uint32_t ngroups;
	struct held_ref *held;
	size_t nheld, cap;
	bool hard;
	bool overwriting; /* the hard ones are on their way to their places */
};

/* ---- batch_slot.c ---- */

/* Write GRP's next slot, if it is dirty; its held bytes belong to the batch from then on. */
int write_group_slot(struct batch *b, struct group *grp);
/* The header's next generation as H describes it, whose gen, base and session are set; FD: header_fd(). */
int write_header(struct batch *b, struct header *h, int fd);
/* All that was written of GRP's newest slot is in the file. */
void pair_whole(struct group *grp);

/* ---- batch_held.c ---- */

/* The held bytes of SLOT, which the newest slot names, go with B.  group.lock is held for writing. */
int batch_add_held(struct batch *b, struct group *grp, uint32_t slot);
/* Write the held chunks of one kind, neighbours by one write. */
int write_held(struct batch *b, bool hard);
/* The bytes are down (or failed): let go of them; a newer version may have taken their place. */
void release_held(struct batch *b, int error);
/*
 * A place that is overwritten lies within the length before the barrier: of a
 * write that also moves the end, a power cut can leave the bytes without the
 * length, and so neither version whole.
 */
int reach_hard(struct batch *b);

#endif
