/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: threads of a zone that keep asking the provider whether the vault key
 * may still be used, in the background, never on the path of a read or a
 * write.  Only a successful unwrap extends a lease; it counts from the unwrap,
 * on CLOCK_BOOTTIME, which runs during suspend.
 *
 * A check = describe (enabled, not-before, expiry, protection) and a real
 * unwrap of a slot, and happens: at three quarters of every `period`, so that a
 * lease is renewed before it ends; when the watch descriptor says that
 * something changed; at not-before and expiry times; on lease_kick(); and with
 * growing, jittered pauses while the provider cannot be reached.  A denial is
 * final at once; unreachable past the lease starts the grace.  The ends of
 * lease and grace are kept by a thread of their own, so that a provider that
 * hangs extends nothing.
 *
 * Threads do not survive a fork: start a lease after it.
 */
#ifndef CMKFS_LEASE_H
#define CMKFS_LEASE_H

#include "keyprov.h"

enum lease_state {
	LEASE_GRANTED, /* unwrapped and confirmed */
	LEASE_GRACE,   /* unreachable past the lease; still usable until the grace ends */
	LEASE_DENIED,  /* denied: app_errno says how the zone is locked */
	LEASE_LOST     /* the grace has ended: ENOKEY */
};

struct lease_slot { /* one way to open the zone (any-of); the list is copied */
	const char *kid;
	const uint8_t *blob;
	size_t blob_len;
};

struct lease_options {
	/* 60,000 by default, 1 s … 1 h; watched providers check by event, and by it too. */
	unsigned int period_ms;
	unsigned int grace_ms; /* 600,000 by default; 0: strict */
	bool background; /* the first check is made by the lease's own thread, too */
};

struct lease_status {
	enum lease_state state;
	int app_errno;		/* when denied or lost: errno for applications */
	struct kp_error error;	/* why, when not granted */
	char kid[KP_URI_MAX];	/* the slot that opened it last */
	char newest[KP_URI_MAX]; /* newest version of that key; other than KID after a rotation */
	int64_t expires;	/* the key's expiry, unix seconds, 0: none */
	unsigned int expiry_near; /* 2: in less than 7 days, 1: in less than 30, 0: later or never */
	int64_t confirmed_ms_ago; /* since the last successful unwrap, -1: never */
	int64_t grace_left_ms;	/* in LEASE_GRACE */
};

/*
 * Called by a thread of the lease on every change of state, and again in
 * LEASE_GRANTED when `newest` has changed, so that a volume that follows the
 * newest version can rewrap, when `expiry_near` has, and after lease_ask();
 * never concurrently with itself.  In
 * LEASE_GRANTED, VK is the unwrapped key (KP_SECRET_LEN bytes, wiped after the
 * call); else NULL.  Returning an error from a grant (-EKEYREJECTED: not the
 * key of this zone) makes it a denial.  It may call lease_replace(),
 * lease_kick() and lease_status(), but not lease_stop().
 */
typedef int lease_fn(void *arg, const struct lease_status *status, const uint8_t *vk);

struct lease;

/*
 * Start a lease on the slots and make the first check before returning, in the
 * caller's thread (FN is called), unless OPT says otherwise.  0 also when
 * denied: FN has the state.
 * -ENOMEM, or what pthread_create says.
 */
int lease_start(const struct kp_context *ctx, const struct lease_slot *slots, unsigned int n,
		const struct lease_options *opt, lease_fn *fn, void *arg, struct lease **ret);
/* Replace the slots (after a rotation) and check now, in the background. */
int lease_replace(struct lease *l, const struct lease_slot *slots, unsigned int n);
/* Check now, in the background. */
void lease_kick(struct lease *l);
/* The same, and FN is called with the key if it is granted, whatever it has been told before. */
void lease_ask(struct lease *l);
void lease_status(struct lease *l, struct lease_status *ret);
/*
 * NULL-safe.  Afterwards FN is not called any more, and all is wiped; waits for
 * an FN that runs, but not for a provider that hangs.
 */
void lease_stop(struct lease *l);

#endif
