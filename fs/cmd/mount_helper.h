/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command as mount(8) calls it, under the names mount.cmkfs and
 * mount.fuse.cmkfs.
 */
#ifndef CMKFS_MOUNT_HELPER_H
#define CMKFS_MOUNT_HELPER_H

/* All of main(): returns the exit status that mount(8) understands. */
int mount_helper(int argc, char **argv);

#endif
