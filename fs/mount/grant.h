/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount's side of the lease: which slots of the keyring it is asked for,
 * and what its answers do to the zone.  The vault key passes through here from
 * the lease to zone_unlock() and is kept nowhere.
 */
#ifndef CMKFS_MOUNT_GRANT_H
#define CMKFS_MOUNT_GRANT_H

#include "fs/mount/session.h"
#include "keyprov/lease.h"

struct grant;

/*
 * Read the keyring and start the lease; its first check is made before the
 * return, and unlocks the zone if it grants.  0 also when it does not:
 * grant_denied().  -errno with F filled: the keyring has no slot of a provider,
 * no memory.
 */
int grant_start(struct mount *m, struct mount_failure *f, struct grant **ret);
/* Joins the lease's thread; the locker must still run.  NULL-safe. */
void grant_stop(struct grant *g);

/* Whether the zone is closed by the provider, or by what its key opened; F says why. */
bool grant_denied(struct grant *g, struct mount_failure *f);

void grant_status(struct grant *g, struct lease_status *ret);

/* Read the keyring again (a command changed it) and check now.  0, -errno with ERR. */
int grant_reload(struct grant *g, struct store_error *err);

/* An operator unlocks: asks the provider in the calling thread.  0, -errno with F. */
int grant_unlock(struct grant *g, struct mount_failure *f);

#endif
