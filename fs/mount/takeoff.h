/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking our own mount off the tree, and no other.  A device number is the
 * mount's only as long as the kernel has its superblock: the next mount gets it
 * again, most likely at the same place.  Thread-safe.
 */
#ifndef CMKFS_MOUNT_TAKEOFF_H
#define CMKFS_MOUNT_TAKEOFF_H

#include "crypto/base.h"

/*
 * Whether the kernel keeps the connection of DEVICE, a descriptor of /dev/fuse:
 * then its superblock is there.  False as well when it was only aborted.
 */
bool connection_lives(int device);

/*
 * A descriptor that holds our own mount, by DEVICE and of this number, if it is
 * topmost at PATH, else -1.  While it is open nobody else gets the number, and an
 * umount(2) that is not lazy finds the mount busy.  If the connection has ended,
 * what is there is asked whether it answers.
 */
int mount_hold(const char *path, unsigned int major, unsigned int minor, int device);

/* umount2() of exactly what HELD holds, wherever it is by now.  0, -errno. */
int mount_take_off(int held, int flags);

#endif
