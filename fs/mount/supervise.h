/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main thread of a mount: waits for its end.
 */
#ifndef CMKFS_MOUNT_SUPERVISE_H
#define CMKFS_MOUNT_SUPERVISE_H

#include "fs/mount/session.h"

/* The signals that end a mount are read, not handled.  Before any thread. */
void supervise_block_signals(void);

/*
 * Return when the mount is to end: by SIGTERM, SIGINT or SIGHUP, by the
 * control socket, because somebody took it off the tree (lazily, perhaps), or
 * because the kernel ended the session.
 */
void supervise(struct mount *m);

/* What only root may set of a mount: readahead.  After workers_start(). */
void supervise_tune(struct mount *m);

#endif
