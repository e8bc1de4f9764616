/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of what a session touched (cmkfs-format(5), Record of a session),
 * so that settling after an unclean end looks there and nowhere else.  It may
 * say too much, never too little: where it cannot be kept, it says "anything".
 *
 * Thread-safe.  touched_note() to touched_was() need the zone entered.
 */
#ifndef CMKFS_STORE_TOUCHED_H
#define CMKFS_STORE_TOUCHED_H

#include "fs/store/noteset.h"
#include "fs/store/volume.h"

#define TOUCHED_PREFIX "cmkfs.touched."
#define TOUCHED_UNIT 512u
#define TOUCHED_NOTES 28u /* in a unit */
#define TOUCHED_STEP 65536u /* by which the file grows, zeros first */
#define TOUCHED_MAX ((uint64_t)16 << 20)
#define TOUCHED_NAMES 32u /* single names of a directory; a further one means all of them */

enum touched_kind {
	TOUCHED_NAME = 1, /* a name whose object has, or is to have, a slot of this session */
	TOUCHED_MADE = 2, /* the same, and the object was made in this session */
	TOUCHED_ALL = 3,  /* any name of a directory */
	TOUCHED_DIR = 4	  /* a directory with any such note */
};

/* ---- writing ---- */

/* Of a store; nothing is noted before touched_begin().  NULL: -ENOMEM. */
struct touched *touched_new(void);
void touched_free(struct touched *t);
/*
 * Make the record of the session that B, which is to be written, has open; those
 * of no use any more go.  A record that cannot be made is no error.
 */
int touched_begin(struct store *st, const struct session_block *b,
		  const uint8_t sm[static KEY_LEN]);
/* There is none of SESSION, whatever lies there.  0, or it could not be removed. */
int touched_forgo(struct store *st, uint64_t session);
/* Note STORED (NULL: any name) in the directory of ID, before the change reaches the backing store. */
int touched_note(struct store *st, enum touched_kind kind, const uint8_t id[static ID_LEN],
		 const char *stored);
/* What was changed cannot be named: anything may have been. */
int touched_anything(struct store *st);
/* All that was noted so far is on disk when this returns. */
int touched_sync(struct store *st);
/* The same, in the background, for what was noted a second ago. */
void touched_sync_aged(struct store *st);

/* ---- reading what the unclean sessions wrote ---- */

/*
 * Whether the records know of KIND for STORED (NULL with TOUCHED_DIR) in the
 * directory of ID; TOUCHED_NAME includes the other kinds.  Without a whole
 * record of each unclean session: TOUCHED_NAME and TOUCHED_DIR are always true,
 * TOUCHED_MADE where a record says so.
 */
bool touched_was(struct store *st, enum touched_kind kind, const uint8_t id[static ID_LEN],
		 const char *stored);

/* The records say nothing any more: touched_was() as if there were none whole. */
void touched_distrust(struct store *st);
/* The unclean sessions, those of B's list, are settled: their records go. */
void touched_settled(struct store *st, const struct session_block *b);
/* So does that of session OWN, which has ended. */
void touched_end(struct store *st, uint64_t own);

/* ---- touch.c: by object ---- */

/*
 * Before a slot of L, pinned, is written: its path is noted, and the note is on
 * disk if a power cut could otherwise harm what is durable.
 */
int loaded_touch(struct loaded *l);
struct place;
/* P is to be a name of L (NULL: of what is about to be made): it is noted. */
int place_touch(const struct place *p, struct loaded *l);
/*
 * L is about to get the name of TAG, which its header has in memory, and which
 * is noted: both go out, and where nothing of L is durable it is marked as new
 * there.
 */
int loaded_name(struct loaded *l, const uint8_t tag[static TAG_LEN]);
/* P, one of LINKS names of L (NULL: not known), is to go: those that stay are noted. */
int place_untouch(const struct place *p, struct loaded *l, nlink_t links);
/* Whether an unclean session made O, so that it may never have reached the disk.  o->lock is held. */
bool object_was_made(struct object *o);

#endif
