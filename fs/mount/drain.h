/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock procedure: drain, wipe, throw out.  Called by the locker's thread
 * alone.
 */
#ifndef CMKFS_MOUNT_DRAIN_H
#define CMKFS_MOUNT_DRAIN_H

#include "fs/mount/lock.h"
#include "fs/mount/sweep.h"

/*
 * Lock the zone with LOCK_ERRNO, and no other; of a locked one only the errno
 * changes.  Never fails; takes m->opt->drain_ms at most, but for what the
 * store itself has in hand: keys are wiped when nobody uses them any more.
 */
struct mzone;
void drain_zone(struct mzone *z, struct sweeper *s, int lock_errno, struct lock_report *rep);

#endif
