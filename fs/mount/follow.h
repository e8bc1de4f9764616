/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the newest version of a key: a slot whose key was named without a
 * version is rewrapped by the mount when the vault has a newer one.
 */
#ifndef CMKFS_MOUNT_FOLLOW_H
#define CMKFS_MOUNT_FOLLOW_H

#include "fs/mount/grant_set.h"

/*
 * Called with what the slot of P holds in hand, by its lease's thread; neither
 * lock of G is held.  The keyring on disk and the lease get the new slot.
 * What goes wrong is logged, and the old version stays in use.
 */
void follow_newest(struct grant *g, struct part *p, const struct lease_status *s,
		   const uint8_t secret[static KEY_LEN]);

#endif
