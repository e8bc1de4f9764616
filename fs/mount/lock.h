/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locking and unlocking of a zone of a mount: a thread for each, that takes what
 * is asked one after the other, from the leases, the control socket and the end
 * of the mount.  A zone is unlocked when its leases grant it, no operator has
 * locked it, and the mount has not ended.
 *
 * All calls wait until what they ask has been done; none may be made from a
 * request's handler, and none with a lock held that a handler takes.
 */
#ifndef CMKFS_MOUNT_LOCK_H
#define CMKFS_MOUNT_LOCK_H

#include "fs/mount/session.h"

struct lock_report {
	bool locked;	     /* it was unlocked before */
	double ms;	     /* from the request's turn to the end */
	uint64_t refused;    /* requests refused meanwhile */
	uint64_t lost;	     /* pages and ranges that could not be stored */
	unsigned int failed; /* objects that could not be made durable */
	bool timed_out;	     /* the drain's time was over */
};

struct mzone;
struct locker;

/* Made before workers_start(), as the zone is locked.  0, -ENOMEM, pthread_create. */
int locker_start(struct mzone *z, struct locker **ret);
void locker_stop(struct locker *l); /* NULL-safe */

/* The leases say no: lock with APP_ERRNO. */
void lock_deny(struct locker *l, int app_errno);
/*
 * The leases say yes: unlock with the keys of N generations, unless an operator
 * has locked.  0, or as zone_unlock_all() with ERR filled.
 */
int lock_grant(struct locker *l, const struct zone_vk *vks, unsigned int n,
	       struct store_error *err);

/* An operator locks N zones, at the same time: ENOKEY until he unlocks.  RET: a report each. */
void lock_operator(struct locker *const *l, unsigned int n, struct lock_report *ret);
/*
 * He unlocks.  The keys were just unwrapped; N 0: only his lock is taken away.
 * 0; as zone_unlock_all(); -EACCES: the leases do not grant it.
 */
int unlock_operator(struct locker *l, const struct zone_vk *vks, unsigned int n,
		    struct store_error *err);

/* The mount ends: lock N zones for good.  A destroyed zone, too. */
void lock_end(struct locker *const *l, unsigned int n, struct lock_report *ret);

struct lock_status {
	bool operator_locked, granted;
	int app_errno;	 /* of a lease that does not grant */
	uint64_t locks;	 /* how often it was locked */
	struct lock_report last;
};
/* Any thread; waits for nothing. */
void lock_status(struct locker *l, struct lock_status *ret);

#endif
