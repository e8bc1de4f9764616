/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audit logs: one JSON object a line, appended, chained by hashes, one log for
 * each volume, each embedded vault and the host.
 *
 * A log is a directory STATE/audit/ID/NAME (ID names the keys that it is under)
 * with the file log.jsonl, older segments log.000001.jsonl …, and `head`.  Each
 * line ends with `hash`, the SHA-256 of the hash before it and of its own
 * bytes, and `mac`, a MAC of that hash; `head` holds number and hash of the
 * last line under a MAC.  So every change, removal, insertion, swap and
 * truncation is found by who has the keys, and by nobody without them
 * recomputed.  Checkpoints, every CHECKPOINT_EVERY records, are signed: up to
 * the last one a copy can be checked by the public key alone.  What is not
 * found: a whole older copy of the directory put back, or all of it removed.
 *
 * Threads and processes: a call locks the log for its length (flock on head).
 */
#ifndef CMKFS_AUDIT_LOG_H
#define CMKFS_AUDIT_LOG_H

#include "crypto/sign.h"
#include "keyprov/keyprov.h"

#define AUDIT_HASH_LEN 32
#define AUDIT_MAC_LEN 16
#define AUDIT_NAME_MAX 80
#define CHECKPOINT_EVERY 64
#define SEGMENT_MAX (16u << 20) /* bytes; then the log begins a new file */

struct audit_keys { /* in secret memory */
	uint8_t mac[32];
	uint8_t sign[SIGN_SEED_LEN];
	uint8_t public[SIGN_PUBLIC_LEN];
	char id[17]; /* of PUBLIC, in hex */
};

/*
 * Append R.  0; -EIO: it cannot be written, or the log is not as it was left
 * (it is never gone on from then).  What is written is on disk.
 *
 * CALL (may be NULL) numbers the caller's transactions, from 1: a record is
 * written before its transaction is committed, so when the log already has one
 * of this number or a later one, a record says that they were not kept, and
 * *CALL is set past them.
 */
int auditlog_append(const char *state_dir, const char *name, const struct audit_keys *k,
		    const struct kp_record *r, uint64_t *call, struct kp_error *e);
/* Whether a record could be written: 0 or as above.  Takes room for it where it can. */
int auditlog_probe(const char *state_dir, const char *name, const struct audit_keys *k,
		   struct kp_error *e);
/* Sign what there is, unless it is signed.  0 also when there is no log. */
int auditlog_checkpoint(const char *state_dir, const char *name, const struct audit_keys *k,
			struct kp_error *e);
/*
 * Begin a new file, if the present one has more than MIN_BYTES; then remove
 * the oldest until KEEP old ones are left (0: all stay).  0 also when there is
 * no log.  RET_REMOVED may be NULL.
 */
int auditlog_rotate(const char *state_dir, const char *name, const struct audit_keys *k,
		    uint64_t min_bytes, unsigned int keep, unsigned int *ret_removed,
		    struct kp_error *e);

/* -ENOENT: no such log.  -EBADMSG: RET->first_bad, and E says what is wrong with it. */
int auditlog_verify(const char *state_dir, const char *name, const struct audit_keys *k,
		    struct kp_audit_report *ret, struct kp_error *e);
/*
 * The same of a copy of a log's directory, by the public key alone: its chain,
 * and the signatures of its checkpoints.  What comes after the last one is only
 * known to be whole: RET->checkpoint says which that is.
 */
int auditlog_verify_copy(const char *dir, const uint8_t public[static SIGN_PUBLIC_LEN],
			 struct kp_audit_report *ret, struct kp_error *e);
/*
 * The complete lines from C on, oldest first, and C past them.  FN returns 0
 * to go on.  Needs no keys but their ID, and does not lock.
 */
int auditlog_read(const char *state_dir, const char *name, const char *id,
		  struct kp_audit_cursor *c, kp_audit_line_fn *fn, void *arg,
		  struct kp_error *e);
/* The log of a principal: its volume's, or the host's. */
void audit_name_of(const char *principal, char ret[static AUDIT_NAME_MAX]);
int auditlog_names(const char *state_dir, const char *id, kp_audit_name_fn *fn, void *arg,
		   struct kp_error *e);

/* SHA-256 of A ‖ B.  0 or -EIO. */
int audit_sha256(const void *a, size_t na, const void *b, size_t nb,
		 uint8_t ret[static AUDIT_HASH_LEN]);

#endif
