/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The janitor: a small process that holds the device's descriptor and no key,
 * and waits for the daemon's end.  If the daemon dies without a word, it
 * answers every request with the lock errno, throws out of the kernel all that
 * it holds of the mount, takes the mount off the tree, and exits, which ends
 * the connection.  Without it, what was cached would stay readable to who
 * holds a descriptor or a map.
 */
#ifndef CMKFS_MOUNT_JANITOR_H
#define CMKFS_MOUNT_JANITOR_H

#include "fs/mount/session.h"

/*
 * Fork it: after session_mount(), before any thread and any secret.  In the
 * child this call does not return.  0, -errno.
 */
int janitor_start(struct mount *m, struct janitor **ret);

/* The daemon ends cleanly: send it home, wait until it is gone.  NULL-safe. */
void janitor_stop(struct janitor *j);

/* A descriptor that becomes readable when it has died, or -1. */
int janitor_fd(const struct janitor *j);
/* Its process, for `status`. */
pid_t janitor_pid(const struct janitor *j);

#endif
