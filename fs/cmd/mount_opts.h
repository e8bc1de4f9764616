/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The -o options of a mount: one table for parser, --help and manual.  A table
 * of our own rather than fuse_opt's templates, so that an unknown or bad
 * option is named in the error, and times have units.
 */
#ifndef CMKFS_MOUNT_OPTS_H
#define CMKFS_MOUNT_OPTS_H

#include "fs/mount/mount.h"

struct mount_parsed {
	struct mount_options o;
	char *kernel; /* what o.kernel_options points to; owned */
};

/*
 * Parse TEXT ("ro,lease=30s", commas between; NULL: none) over what P has.
 * Options of mount(8) that mean nothing here (defaults, noauto, nofail, user,
 * _netdev, x-*) are left out.  Prints errors; returns an enum cmd_exit.
 */
int mount_opts_parse(struct mount_parsed *p, const char *text);
void mount_opts_help(void); /* the lines of --help */

#endif
