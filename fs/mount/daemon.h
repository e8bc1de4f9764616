/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming a daemon that can tell the command how it went, and hardening the
 * process before it holds secrets.
 */
#ifndef CMKFS_MOUNT_DAEMON_H
#define CMKFS_MOUNT_DAEMON_H

#include "fs/mount/mount.h"

/*
 * Fork.  In the child: 1, and *RET_FD to tell the parent by.  In the parent:
 * waits for the child's word and returns its exit code negated and F filled,
 * or 0 when the mount is usable.  -CMD_FAILED: the child died.
 */
int daemon_fork(struct mount_failure *f, int *ret_fd);

/* In the child: all is well, let the parent go; closes FD, leaves the terminal. */
void daemon_ready(int fd);
/* In the child: it failed. */
void daemon_failed(int fd, const struct mount_failure *f);

/* No core, no ptrace, no terminal's signals; as many descriptors as may be. */
void daemon_harden(void);
/* Lock all memory, if that cannot make later allocations fail. */
void daemon_lock_memory(void);

#endif
