/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the audit logs: an opened log, its head, its lines.
 */
#ifndef CMKFS_AUDIT_PRIV_H
#define CMKFS_AUDIT_PRIV_H

#include <limits.h>

#include "log.h"

#define AUDIT_PATH_MAX (PATH_MAX + 128)
#define LINE_BYTES 32768 /* of the longest line, with newline and NUL */
#define HEAD_BYTES 160

struct head {
	uint64_t count;		/* number of the last record; 0: none yet */
	uint64_t checkpoint;	/* number of the last one that is a checkpoint */
	uint64_t call;		/* see auditlog_append() */
	uint64_t segment;	/* of log.jsonl */
	uint64_t first_segment; /* oldest that is there */
	uint64_t first_seq;	/* its first record */
	uint64_t size;		/* of log.jsonl */
	uint8_t first_hash[AUDIT_HASH_LEN]; /* before that record */
	uint8_t hash[AUDIT_HASH_LEN];	    /* of the last record */
};

struct log {
	const struct audit_keys *k;
	const char *name;
	char dir[PATH_MAX];
	int head_fd, fd; /* -1: not open */
	struct head head;
};

/* ---- head.c: opening --------------------------------------------------------------- */

/* Directory of a log, or with NAME NULL of all of them. */
int log_dir(const char *state_dir, const char *id, const char *name, char ret[static PATH_MAX]);
/* PATH of a segment of it. */
void log_segment(const char *dir, uint64_t segment, bool current, char ret[static AUDIT_PATH_MAX]);
/*
 * Open and lock for WRITE, with what a crash left mended, or for reading.  With
 * CREATE it is made when it is not there.  -ENOENT; -EIO; -EBADMSG (reading
 * only): the head is not ours.  Close in every case.
 */
enum log_mode { LOG_READ, LOG_WRITE, LOG_CREATE };
int log_open(struct log *l, const char *state_dir, const char *name, const struct audit_keys *k,
	     enum log_mode mode, struct kp_error *e);
void log_close(struct log *l);
int head_store(struct log *l, struct kp_error *e);
int log_sync_dir(const struct log *l); /* 0, or -1 with errno */
/* What the first record of a log named NAME is chained to. */
int log_genesis(const char *name, uint8_t ret[static AUDIT_HASH_LEN]);
/* Take in what stands behind the head: lines whose head was not written, a torn one. */
int log_mend(struct log *l, uint64_t size, struct kp_error *e);

/* ---- read.c ------------------------------------------------------------------------ */

/* As auditlog_read(), of the log NAME in DIR. */
int log_read(const char *dir, const char *name, struct kp_audit_cursor *c, kp_audit_line_fn *fn,
	     void *arg, struct kp_error *e);

/* ---- write.c ----------------------------------------------------------------------- */

int log_write(struct log *l, const struct kp_record *r, struct kp_error *e);
int log_sign(struct log *l, struct kp_error *e);
int log_rotate(struct log *l, struct kp_error *e);
int log_failed(const struct log *l, const char *what, int err, struct kp_error *e);

/* ---- line.c ------------------------------------------------------------------------ */

struct signature {
	uint8_t public[SIGN_PUBLIC_LEN], sig[SIGN_LEN];
};

/*
 * Format record number SEQ, chained to HASH, which becomes its own, into RET
 * with a newline; S is NULL but for checkpoints.  Its length, or -errno.
 */
int line_format(const struct audit_keys *k, uint64_t seq, const struct kp_record *r,
		const struct signature *s, uint8_t hash[static AUDIT_HASH_LEN],
		char ret[static LINE_BYTES]);
/* Number and hash that a line says it has: where the chain of a copy begins. */
bool line_begin(const char *line, size_t n, uint64_t *ret_seq,
		uint8_t ret[static AUDIT_HASH_LEN]);
/*
 * Check a line without its newline, which must be number SEQ, chained to HASH,
 * which becomes its own.  K may be NULL: without its MAC.  NULL, or what is
 * wrong.  RET_SIGNED says whether it is a checkpoint, and RET is set then.
 */
const char *line_check(const struct audit_keys *k, uint64_t seq, const char *line, size_t n,
		       uint8_t hash[static AUDIT_HASH_LEN], bool *ret_signed,
		       struct signature *ret);
/* The value of `call` in a line, 0: none. */
uint64_t line_call(const char *line, size_t n);
/* What a checkpoint of the log NAME signs: all up to record SEQ with HASH. */
#define SIGNED_MAX (32 + AUDIT_NAME_MAX + 8 + AUDIT_HASH_LEN)
size_t line_signed(const char *name, uint64_t seq, const uint8_t hash[static AUDIT_HASH_LEN],
		   uint8_t ret[static SIGNED_MAX]);
#endif
