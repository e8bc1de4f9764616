/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the newest version of a key: a volume whose key was named without
 * a version is rewrapped by its mount when the vault has a newer one.
 */
#ifndef CMKFS_MOUNT_FOLLOW_H
#define CMKFS_MOUNT_FOLLOW_H

#include "fs/mount/session.h"
#include "keyprov/lease.h"

/*
 * Called with the vault key in hand, by the lease's thread.  True: the keyring
 * on disk has new slots, and the lease is to be given them.  What goes wrong
 * is logged, and the old version stays in use.
 */
bool follow_newest(struct mount *m, const struct kp_context *ctx, const struct lease_status *s,
		   const uint8_t vk[static KEY_LEN]);

#endif
