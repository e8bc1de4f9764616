/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a zone: a lease for each provider's slot of its keyring, and what
 * their answers together do to the zone.  Any way into the zone keeps it open:
 * a slot alone, or all shares of a group.  Secrets pass through here from the
 * leases to the zone, and a share is kept only while it waits for the others.
 * A recovery slot is used only by a mount that was told to.
 */
#ifndef CMKFS_MOUNT_GRANT_H
#define CMKFS_MOUNT_GRANT_H

#include <jansson.h>

#include "fs/mount/zones.h"
#include "keyprov/lease.h"

/*
 * Read the keyring and start the leases; their answers come in the background.
 * -errno with ERR filled: the keyring has no slot to be asked for, no memory.
 */
int grant_start(struct mzone *z, struct grant **ret, struct store_error *err);
/* Joins the leases' threads; the locker must still run.  NULL-safe. */
void grant_stop(struct grant *g);

/* The zone is to stay closed: ask no more, and end the leases. */
void grant_retire(struct grant *g);

/* Wait until it is decided whether the zone opens, TIMEOUT_MS at most (0: without end). */
void grant_wait(struct grant *g, unsigned int timeout_ms);
/* Whether the zone is closed by its providers, or by what their keys opened; F says why. */
bool grant_denied(struct grant *g, struct mount_failure *f);

/* The zone as a whole: of the way that keeps it open, or of the refusal that closes it. */
void grant_status(struct grant *g, struct lease_status *ret);
/* Each slot: id, role, kid, provider, group, state, reason, confirmed_ms_ago.  A new reference. */
json_t *grant_slots(struct grant *g);
/* Id of the recovery slot that opened the zone, or 0. */
unsigned int grant_recovered(struct grant *g);

/* Read the keyring again (a command changed it) and ask now.  0, -errno with ERR. */
int grant_reload(struct grant *g, struct store_error *err);
/*
 * The keyring on disk is as STAMP says now: if it is another than the one in
 * force, ask by its slots, and go over to them when it is decided what they
 * mean.  From one thread; does not wait for a provider.
 */
void grant_look(struct grant *g, uint64_t stamp);
/* The zone is locked with the one above, until that is unlocked.  Never waits. */
void grant_suspend(struct grant *g);
/* The zone above has been unlocked: perhaps this one can be now.  Never waits. */
void grant_retry(struct grant *g);

/*
 * The vault key of RING's active generation, from the providers, now, in the
 * calling thread.  RET_VK is secret, wiped on failure.
 */
int grant_unwrap(struct grant *g, struct keyring *ring, uint8_t ret_vk[static KEY_LEN],
		 struct kp_error *e);

/* An operator unlocks: asks the providers in the calling thread.  0, -errno with F. */
int grant_unlock(struct grant *g, struct mount_failure *f);

#endif
