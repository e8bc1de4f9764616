/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a mount has to say for the record: locks and unlocks, data that was
 * lost, what did not authenticate or was recovered.  It goes into the host's
 * audit log, beside what the volume's identity asked of the vault.
 */
#ifndef CMKFS_MOUNT_AUDIT_H
#define CMKFS_MOUNT_AUDIT_H

#include "fs/mount/session.h"

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

#endif
