/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is refused before anything is opened.
 */
#ifndef CMKFS_MOUNT_CHECK_H
#define CMKFS_MOUNT_CHECK_H

#include "fs/mount/session.h"

/*
 * Whether m->dir can be mounted at m->mountpoint (absolute paths): a directory,
 * empty unless asked otherwise, not within each other.  0, -errno with F.
 */
int check_places(const struct mount *m, struct mount_failure *f);

#endif
