/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking a volume without FUSE, beside a mount or alone: its structure, and
 * with `contents` every chunk of it.  It reads slots and ciphertext by itself
 * and not by what a mount would have in memory, so that it is a second opinion.
 *
 * The store is open and its root zone unlocked, with `binding` off: names that
 * do not fit their objects are found here.  One check at a time and nothing
 * else on this store; the calls below come from the caller's thread, but
 * `finding`, which comes from any, one at a time.
 */
#ifndef CMKFS_STORE_CHECK_H
#define CMKFS_STORE_CHECK_H

#include "fs/store/store.h"

enum check_kind {
	CHECK_UNKNOWN,		/* a file that is no part of the volume */
	CHECK_UNCLEAN,		/* sessions that did not end */
	CHECK_HEADER,		/* no valid header */
	CHECK_NEVER_WRITTEN,	/* its header never reached the disk */
	CHECK_DIR_HEADER,	/* a directory without its header */
	CHECK_SPARE_SLOT,	/* the slot beside the one that counts is damaged */
	CHECK_GROUP,		/* a present group without a valid slot */
	CHECK_CHUNK,		/* a chunk that does not authenticate, or is cut off */
	CHECK_LENGTH,		/* the backing length tells another size than the header */
	CHECK_BINDING,		/* an object that does not belong to its name */
	CHECK_NAME,		/* a name that does not authenticate */
	CHECK_SIDECAR_MISSING,	/* a long name without a valid sidecar */
	CHECK_SIDECAR_ORPHAN,	/* a sidecar without its object */
	CHECK_TEMPORARY,	/* left by an operation that was interrupted */
	CHECK_SYMLINK,		/* a symlink that does not authenticate */
	CHECK_XATTR,		/* an attribute that does not authenticate */
	CHECK_UNREADABLE,	/* it could not be checked */
	CHECK_KINDS
};

enum check_level {
	CHECK_NOTE,   /* harmless: no data is concerned */
	CHECK_DAMAGE,
	CHECK_FAILED  /* nothing can be said */
};

/* The word for a kind in reports: stable. */
const char *check_word(enum check_kind k);
enum check_level check_level(enum check_kind k);

struct check_finding {
	enum check_kind kind;
	bool repaired;
	const char *stored;	/* path in the backing directory */
	const char *name;	/* plain path from the root of a mount; NULL: not known */
	uint64_t offset, length; /* of the plaintext; length 0: all of it */
	const char *detail;	/* may be NULL */
};

struct check_result {
	uint64_t objects, bytes;
	uint64_t notes, damaged, failed, repaired; /* findings; what is repaired is in no other */
};

/* How far it is: all before it has been checked. */
struct check_position {
	const char *stored; /* below tree/; "" at the beginning */
	uint64_t unit;	    /* of that object: where to go on; UINT64_MAX: it is done */
};

struct check_options {
	bool contents;	 /* read and authenticate everything */
	bool repair;	 /* the store is read-write: mend what is certain */
	bool rebind;	 /* with repair: objects get the names that they have */
	uint8_t binding; /* the volume's enum binding_mode */
	unsigned int threads;
	struct check_position from; /* stored NULL: the beginning */
	void (*finding)(void *arg, const struct check_finding *f);
	/* A few times a second.  Not 0: stop, and that is what store_check() returns. */
	int (*tick)(void *arg, const struct check_result *now);
	/* Every few seconds and at the end, unless NULL. */
	void (*checkpoint)(void *arg, const struct check_position *p, const struct check_result *now);
	void *arg;
	const _Atomic bool *stop; /* set from anywhere: -EINTR; may be NULL */
};

/* 0: all was seen, whatever was found; what TICK said; -ENOMEM; the lock errno. */
int store_check(struct store *st, const struct check_options *opt, struct check_result *ret);

/* Bytes that the backing files occupy: about what store_check() will read. */
uint64_t check_estimate(struct store *st);

#endif
