/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount: from the opening of the volume to its end.  The verbs `mount` and
 * mount.cmkfs parse options and call mount_run(); everything else of fs/mount
 * is behind it.
 */
#ifndef CMKFS_MOUNT_H
#define CMKFS_MOUNT_H

#include "fs/lib/config.h"

struct mount_options {
	const char *dir;	/* backing directory */
	const char *mountpoint; /* an existing directory */
	const struct conf *conf; /* outlives the call; state directory, tenant, providers */

	bool read_only;
	bool allow_other;
	bool writeback;	      /* kernel's writeback cache; ignored (off) when read_only */
	bool io_uring;	      /* requests over io_uring, where the kernel offers it */
	bool no_acl;	      /* the kernel decides by modes alone */
	bool nonempty;	      /* mount over a directory that has something in it */
	bool locked_ok;	      /* mount although the key is denied: locked */
	bool foreground;      /* do not become a daemon; log to standard error */
	bool debug;	      /* libfuse's own debug output; only in the foreground */
	bool allow_deployments; /* subtrees may be kept readable through a lock (deploy.h) */
	bool accept_rollback; /* see struct store_options */
	int binding, crash;   /* -1: as the volume says */

	unsigned int drain_ms; /* longest drain of a lock */
	unsigned int lease_ms, grace_ms;
	unsigned int threads; /* 0: by the number of processors, 2 … 4 */
	unsigned int audit_required; /* 1: what cannot be recorded may not be accessed */

	/* Absolute path of what opens recovery slots (recovery.h), or NULL: none is used. */
	const char *recovery;

	/* More options for mount(2), joined by commas ("noatime,suid,dev"), or NULL. */
	const char *kernel_options;
};

/* As the command's defaults: everything from CONF, writeback on, the rest off. */
void mount_options_init(struct mount_options *o, const struct conf *conf);

struct mount_failure {
	int exit_code; /* enum cmd_exit */
	char message[512], hint[512]; /* the two lines, without prefix; hint may be empty */
};

/*
 * Mount and serve.  Unless in the foreground, returns in the calling process
 * as soon as the mount is usable (0) or cannot be made (exit code, *RET_FAILURE
 * filled, nothing left mounted); the daemon is a child, for which this call
 * returns as well, when the mount has ended: *RET_DAEMON says so, and its
 * caller exits with the code and prints nothing.  In the foreground it returns
 * when the mount has ended.
 *
 * Call it before any thread and any secret exists: it forks.
 */
int mount_run(const struct mount_options *o, struct mount_failure *ret_failure, bool *ret_daemon);

#endif
