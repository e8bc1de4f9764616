/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nodes that the kernel knows: dense numbers from 1 (the root), so that a
 * number finds its node without a lock, a lock of the volume walks them as an
 * array, and the janitor can name them all without knowing any.
 *
 * A node holds one reference of its object, from the first reply that names
 * it to the kernel's last FORGET.  In between a handler that got the number
 * from the kernel may use the node without any lock: the kernel forgets a
 * number only after its last request about it was answered.
 *
 * Flags say what the kernel may hold of a node, and are set before the reply
 * that lets it in; a sweep clears them before it throws out.  A regular file
 * without a flag has nothing cached: with its attributes gone, a write(2)
 * asks for them first, and a store into a map faults and reads first.  But a
 * write(2) that has just asked may dirty pages after the sweep: files that
 * were written, or are about to be, are swept again (INODE_WRITTEN).
 *
 * Lock order: shard of the object, then the list of free numbers.  Neither is
 * held over a call into the store or the kernel.
 */
#ifndef CMKFS_MOUNT_INODE_H
#define CMKFS_MOUNT_INODE_H

#include <stdatomic.h>

#include "fs/store/store.h"

#define INODE_ROOT 1
#define INODE_MAX (1u << 24) /* numbers in use at the same time */
#define REACH_SHIFT 20	     /* of inode_shared.reach: MiB */

enum {
	INODE_ATTRS = 1, /* attributes, and names in it if a directory */
	INODE_PAGES = 2, /* contents, listing or target */
	INODE_WRITTEN = 4 /* a write(2) may be under way; stays until the end of a lock */
};

struct inode {
	struct object *object; /* one reference; protected by the shard, stable while known */
	struct zone *_Atomic zone; /* NULL: not in use.  Compared by sweeps, never followed */
	uint64_t nlookup;	   /* protected by the shard */
	_Atomic uint64_t stamp;	   /* read-only mounts: what the pages were read from; 0: unknown */
	_Atomic uint64_t told;	   /* read-only mounts: attributes that the kernel was given last */
	uint32_t id, generation;   /* generation: protected by the shard */
	uint32_t next_free;	   /* protected by the list's lock */
	_Atomic uint8_t flags;
	uint8_t dir; /* a directory; written before zone */
	_Atomic bool stale_size; /* the kernel was told one that the header denies */
};

/* Shared with the janitor: a mapping that outlives the daemon. */
struct inode_shared {
	_Atomic uint32_t high_water; /* largest number ever used */
	_Atomic int lock_errno;	     /* positive: what the janitor answers */
	_Atomic bool uring;	     /* requests come over io_uring (uring.h) */
	_Atomic uint32_t reach[];    /* by number: MiB that may have pages, rounded up */
};

struct inode_table;

/*
 * Make the table with ROOT as number 1; takes a reference of its own.
 * Called before the janitor is forked.  0, -ENOMEM.
 */
int inode_table_new(struct object *root, struct inode_table **ret);
/* Drop every reference.  No other call may be under way.  NULL-safe. */
void inode_table_free(struct inode_table *t);

struct inode_shared *inode_shared(struct inode_table *t);
uint32_t inode_high_water(const struct inode_table *t);
uint64_t inode_count(const struct inode_table *t); /* known to the kernel now */

/* The node of a number that the kernel knows; NULL: there never was one. */
struct inode *inode_of(const struct inode_table *t, uint64_t id);

/*
 * The node of O with one lookup more, made if need be.  Takes over the
 * caller's reference of O, also on failure.  0; -ENFILE: INODE_MAX; -ENOMEM.
 */
int inode_take(struct inode_table *t, struct object *o, struct inode **ret);
/* O, if the kernel knows it, is of another zone now. */
void inode_rezone(struct inode_table *t, struct object *o);
/* N lookups less; at the last one the number becomes free. */
void inode_forget(struct inode_table *t, uint64_t id, uint64_t n);

/* Note that the kernel is about to hold FLAGS of I. */
static inline void inode_touch(struct inode *i, unsigned int flags)
{
	if ((atomic_load_explicit(&i->flags, memory_order_seq_cst) & flags) != flags)
		atomic_fetch_or(&i->flags, (uint8_t)flags);
}

/* Note pages up to END bytes. */
void inode_touch_pages(struct inode_table *t, struct inode *i, uint64_t end);

#endif
