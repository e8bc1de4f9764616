/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zones of a mount: each has its own leases, its own thread that locks and
 * unlocks it, and threads to sweep it, so that none waits for another's
 * provider or drain.
 */
#ifndef CMKFS_MOUNT_ZONES_H
#define CMKFS_MOUNT_ZONES_H

#include "fs/mount/lock.h"
#include "fs/mount/session.h"

struct grant;

struct mzone {
	struct mount *m; /* immutable from here … */
	struct zone *zone;
	struct locker *locker;
	char id[2 * ID_LEN + 1]; /* … to here */
	struct grant *_Atomic grant; /* NULL: not asked for yet */
	struct mzone *_Atomic next;
	_Atomic bool gone; /* destroyed */
	unsigned int missing; /* looks of the watch without its keyring */
	_Atomic bool unrecorded; /* locked because the audit log cannot be written */
};

/* The lockers of all zones there are, before workers_start().  0, -errno. */
int zones_start(struct mount *m);
/*
 * Ask for the keys: the root's answer is waited for, the others' a moment.
 * -errno with F: the mount cannot be; -ENOKEY: the root's key is denied.
 */
int zones_ask(struct mount *m, struct mount_failure *f);
/* Take in a zone that was just made, or found.  0, -errno. */
int zones_adopt(struct mount *m, struct zone *z, struct mzone **ret);

/* A zone that had nothing to be asked for may have by now.  0, -errno. */
int zones_retry(struct mzone *z);

/* Z is unlocked: zones in it that waited for that may be, too. */
void zones_unlocked(struct mzone *z);
/* Z is locked: so are zones that still take files over from it, with LOCK_ERRNO. */
void zones_locked(struct mzone *z, int lock_errno);
bool zones_all_locked(struct mount *m);

/* zones_watch.c: keep an eye on the keyrings on disk; end that, and let no zone come any more. */
int zones_watch(struct mount *m);
void zones_unwatch(struct mount *m);
/* A keyring has changed, and somebody waits for that: look now.  With any lock held. */
void zones_hurry(struct mount *m);

/* The mount ends: lock all for good. */
void zones_end(struct mount *m, struct lock_report *ret);
/* Stop the leases, then the lockers, and free all. */
void zones_stop(struct mount *m);

/* The root's first. */
static inline struct mzone *zones_next(struct mount *m, struct mzone *z)
{
	return z ? atomic_load(&z->next) : m->zones;
}

/* For messages: "zone HEX: ", or nothing where there is only the root's. */
const char *zones_label(const struct mzone *z);

#endif
