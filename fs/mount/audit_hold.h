/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What audit=required does to a mount whose log cannot be written: its zones
 * are locked as by an operator, and unlocked when it can be.  A zone that an
 * operator locks or has locked stays his.  One thread calls these, the log's.
 */
#ifndef CMKFS_MOUNT_AUDIT_HOLD_H
#define CMKFS_MOUNT_AUDIT_HOLD_H

#include "fs/mount/session.h"

/* Lock what is not locked; again for what was unlocked meanwhile. */
void audit_hold(struct mount *m);
void audit_release(struct mount *m);

#endif
