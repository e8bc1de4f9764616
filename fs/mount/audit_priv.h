/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two halves of a mount's record share: a ring of records that wait
 * (audit_note.c), and the thread that writes them (audit.c).
 */
#ifndef CMKFS_MOUNT_AUDIT_PRIV_H
#define CMKFS_MOUNT_AUDIT_PRIV_H

#include <pthread.h>

#include "fs/lib/state.h"
#include "fs/mount/audit.h"

#define WAITING_MAX 512

struct note {
	const char *operation, *outcome; /* static */
	uint64_t ino;
	unsigned int uid; /* of who asked, if PID is set */
	int pid;
	char key[KP_URI_MAX], detail[320], exe[256];
};

struct audit {
	struct mount *m;
	char *state_dir;
	char principal[STATE_PRINCIPAL_LEN];
	pthread_t thread;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t wake;
	bool stop;
	bool armed;		/* the mount can be locked by now */
	unsigned int first, n;	/* of the ring */
	uint64_t left_out;	/* did not fit into it */
	uint64_t lost;		/* could not be written */
	struct kp_error failed;	/* why not, at the last try; code 0: it can */
	struct note ring[WAITING_MAX];
};

#endif
