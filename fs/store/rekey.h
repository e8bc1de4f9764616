/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing objects to the zone's active generation (cmkfs-format(5), Rotation,
 * re-key, erasure): their data keys wrapped anew, or new data keys and all
 * contents sealed under them.  Reads and writes go on beside it; whatever is
 * interrupted goes on where it was, since each header and slot says its epoch
 * and generation.
 */
#ifndef CMKFS_STORE_REKEY_H
#define CMKFS_STORE_REKEY_H

#include "fs/store/store.h"

struct loaded;

/* Told of each object that is left because of damage; NULL: what was told so far is looked at again. */
typedef void rekey_left_fn(void *arg, struct object *o);
/* Told after each step of so many bytes of contents, perhaps none: 0, or -errno to stop there. */
typedef int rekey_pace_fn(void *arg, uint64_t bytes);

enum { REKEY_NONE, REKEY_WRAP, REKEY_UNFINISHED };
/* Whether the header of O is under an older generation, or the object half re-keyed.  Or -errno. */
int object_needs_rekey(struct object *o);

/* The same of what is loaded; loaded.lock is held, or a race of no consequence. */
bool rekey_is_due(const struct loaded *l);

/*
 * Wrap the data key of O under the active generation.  One slot of its header
 * is written, and is not durable yet: object_rewrap_rest() is due after a sync.
 * 0; 1: nothing was to be done; -EIO; errors of writing.
 */
int object_rewrap(struct object *o, uint64_t *ret_gen);
/*
 * The header's other slot too, so that none is left under an older generation.
 * GEN: as object_rewrap() gave it; all of the filesystem was synced since then.
 */
int object_rewrap_rest(struct object *o, uint64_t gen);

/*
 * A new data key for the file O, all of it sealed anew and durable.  Also
 * finishes what was interrupted.  -EIO: part of it does not authenticate, and
 * is left as it is, with the old key; -EACCES: it may only be read; -EFBIG: an
 * XTS file of more than 16 TiB.  What PACE gives.
 */
int object_rekey(struct object *o, rekey_pace_fn *pace, void *arg);

/* ---- rekey_walk.c: a whole zone ---- */

struct zone_rekey {
	bool contents;		   /* new data keys and contents too, not only the wraps */
	const _Atomic bool *stop;
	rekey_pace_fn *pace;	   /* also told of headers */
	rekey_left_fn *left;	   /* may be NULL */
	void *arg;
	/* So far: objects looked at in this pass, changed, bytes sealed, left because of damage. */
	_Atomic uint64_t seen, changed, bytes, failed;
	_Atomic unsigned int pass;
};

/*
 * Bring all objects of the zone Z to its active generation, in passes, until
 * one finds nothing to do.  No zone is entered: each object is done under its
 * gate.
 * 0: nothing of an older generation is left; -EUCLEAN: but for what is damaged
 * (FAILED); -EINTR: by STOP; the lock errno; -EROFS; -EAGAIN: too many names
 * moved in each of many passes; other errors of the store.
 */
int zone_rekey(struct zone *z, struct zone_rekey *k);

#endif
