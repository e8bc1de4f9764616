/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc/self/mountinfo says.  Thread-safe; asks no filesystem anything.
 */
#ifndef CMKFS_MOUNT_MOUNTINFO_H
#define CMKFS_MOUNT_MOUNTINFO_H

#include "crypto/base.h"

/* The device numbers of the topmost mount at the absolute PATH.  0, -ENOENT, -errno. */
int mountinfo_find(const char *path, unsigned int *ret_major, unsigned int *ret_minor);

/* Whether what is mounted topmost at PATH has this device number. */
bool mountinfo_top_is(const char *path, unsigned int major, unsigned int minor);

/* Whether it is mounted anywhere that we see.  True when that cannot be found out. */
bool mountinfo_mounted(unsigned int major, unsigned int minor);

/* Whether a mount of SOURCE by filesystem TYPE is seen.  False when that cannot be found out. */
bool mountinfo_has_source(const char *type, const char *source);

#endif
