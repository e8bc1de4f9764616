/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a mount has to say for the record: locks and unlocks, data that was
 * lost, what did not authenticate or was recovered, what its leases were
 * answered.  It goes into the volume's audit log.
 */
#ifndef CMKFS_MOUNT_AUDIT_H
#define CMKFS_MOUNT_AUDIT_H

#include <jansson.h>

#include "fs/mount/session.h"
#include "keyprov/keyprov.h"

struct audit;

/* Starts a thread of its own; a record waits for the disk, its caller does not. */
int audit_start(struct mount *m, const char *state_dir, struct audit **ret);
/* Writes what is waiting.  NULL-safe. */
void audit_stop(struct audit *a);

/*
 * Record OPERATION of the inode numbered INO (0: none) with OUTCOME, and a
 * detail.  Any thread, any lock; never waits for the disk.  When too many are
 * waiting they are counted, and the count is recorded.  A may be NULL.
 */
void audit_note(struct audit *a, const char *operation, uint64_t ino, const char *outcome,
		const char *detail, ...) __attribute__((format(printf, 5, 6)));
/* The same about a key, KID. */
void audit_note_key(struct audit *a, const char *operation, const char *kid, const char *outcome,
		    const char *detail, ...) __attribute__((format(printf, 5, 6)));

/*
 * The same of what the request REQ of the control socket asked for: by its
 * peer.  KID may be NULL.
 */
void audit_note_by(struct audit *a, const char *operation, const json_t *req, const char *kid,
		   const char *outcome, const char *detail, ...)
	__attribute__((format(printf, 6, 7)));

/* Where records are required: 0, or F says why none can be written. */
int audit_required(struct audit *a, struct mount_failure *f);
/* From now on a log that cannot be written locks the mount, where records are required. */
void audit_arm(struct audit *a);

struct audit_state {
	struct kp_error failed; /* why the log cannot be written; code 0: it can */
	uint64_t lost;		/* records that could not be, and that the log has not said yet */
};
void audit_state(struct audit *a, struct audit_state *ret);

#endif
