/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locking and unlocking of a mount's zone: one thread that takes what is asked
 * one after the other, from the lease, the control socket and the end of the
 * mount.  A zone is unlocked when the lease grants it, no operator has locked
 * it, and the mount has not ended.
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

/* Made before workers_start(), as the zone is locked.  0, -ENOMEM, pthread_create. */
int locker_start(struct mount *m, struct locker **ret);
void locker_stop(struct locker *l); /* NULL-safe */

/* The lease says no: lock with APP_ERRNO. */
void lock_deny(struct locker *l, int app_errno);
/*
 * The lease says yes: unlock with VK, unless an operator has locked.
 * 0, or as zone_unlock() with ERR filled.
 */
int lock_grant(struct locker *l, const uint8_t vk[static KEY_LEN], struct store_error *err);

/* An operator locks: ENOKEY until he unlocks. */
void lock_operator(struct locker *l, struct lock_report *ret);
/*
 * He unlocks.  VK was just unwrapped, or is NULL: only his lock is taken away.
 * 0; as zone_unlock(); -EACCES: the lease does not grant it.
 */
int unlock_operator(struct locker *l, const uint8_t *vk, struct store_error *err);

/* The mount ends: lock for good. */
void lock_end(struct locker *l, struct lock_report *ret);

struct lock_status {
	bool operator_locked, granted;
	int app_errno;	 /* of a lease that does not grant */
	uint64_t locks;	 /* how often it was locked */
	struct lock_report last;
};
/* Any thread; waits for nothing. */
void lock_status(struct locker *l, struct lock_status *ret);

#endif
