/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the embedded vault: the database, the call that frames every
 * operation, and the rows that the operations share.  Not for callers.
 */
#ifndef CMKFS_LOCAL_DB_H
#define CMKFS_LOCAL_DB_H

#include <sqlite3.h>
#include <sys/types.h>

#include "local.h"
#include "master.h"

#define VAULT_DB "vault.db"
#define IDENTITY_DIR "identities"

struct local {
	char *state_dir, *path;
	char principal[LOCAL_PRINCIPAL_MAX]; /* "": the operator */
	sqlite3 *db;
	uint64_t unrecorded; /* calls that could not be, in best effort */
	dev_t dev;	/* of the file that DB has open */
	ino_t ino;
	struct master *master; /* only within local_call() */
};

/* ---- db.c: statements ---------------------------------------------------------- */

static inline void cleanup_stmt(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}

#define _cleanup_stmt_ __attribute__((cleanup(cleanup_stmt)))

/* The last error of SQLite as one of ours. */
int db_error(struct local *l, int rc, struct kp_error *e);
/*
 * Prepare SQL and bind by FMT: 's' const char * (NULL: null), 'i' int64_t,
 * 'b' const void *, size_t.
 */
int db_prepare(struct local *l, sqlite3_stmt **ret, struct kp_error *e, const char *sql,
	       const char *fmt, ...);
/* 1: a row; 0: no more; else an error. */
int db_step(struct local *l, sqlite3_stmt *s, struct kp_error *e);
/* Prepare, bind, run to the end. */
int db_run(struct local *l, struct kp_error *e, const char *sql, const char *fmt, ...);
/* Copy a text column (NULL: ""). */
void db_text(sqlite3_stmt *s, int col, char *ret, size_t cap);

/* ---- file.c -------------------------------------------------------------------- */

/* Open what PATH names now, unless it is what is open. */
int db_attach(struct local *l, struct kp_error *e);
/* The counter of changes by administration; also tells whether the file is another one. */
int db_changes(struct local *l, int64_t *ret, bool *ret_other_file);

/* ---- schema.c ------------------------------------------------------------------ */

/* Set a connection up, and see that the schema is ours. */
int schema_check(struct local *l, struct kp_error *e);
/* Fill an empty database; makes the master key too when there is none. */
int schema_make(struct local *l, struct kp_error *e);

/* ---- call.c -------------------------------------------------------------------- */

struct call {
	const char *operation;
	const char *object; /* of the audit record */
	const char *detail; /* may be NULL; may be filled by FN */
	bool changes;	    /* wakes those who watch, when it succeeds */
	bool operator_only;
	bool use;	    /* of a key, not administration: see kp_audit_set_best_effort() */
	struct repeat *repeat; /* NULL: every call is recorded */
};

/* The last call of its kind by one handle: recorded again only when something is different. */
struct repeat {
	bool known;
	int result;
	char object[KP_URI_MAX], detail[KP_URI_MAX];
};

/*
 * One transaction: who asks, FN, the audit record with FN's outcome.  What FN
 * wrote before it failed is undone; the record stays.  When 0 is returned all
 * is durable; outputs of FN count only then.
 */
typedef int call_fn(struct local *l, void *arg, struct kp_error *e);
int local_call(struct local *l, const struct call *c, call_fn *fn, void *arg, struct kp_error *e);
/* FN in a transaction with the master key, without identity and audit record. */
int local_transaction(struct local *l, call_fn *fn, void *arg, struct kp_error *e);
/* The same for an FN that only reads; holds nobody up. */
int local_snapshot(struct local *l, call_fn *fn, void *arg, struct kp_error *e);

/* ---- record.c ------------------------------------------------------------------ */

/*
 * Record a call by L's principal, before its transaction is committed.  The log
 * is that of the vault or volume that OBJECT names, else the host's.  KID: the
 * version concerned, if it is one.
 */
int record_call(struct local *l, const char *operation, const char *object, const char *kid,
		const char *outcome, const char *detail, struct kp_error *e);
/* Whether one could be recorded: for calls that are left out because nothing has changed. */
int record_probe(struct local *l, const char *object, struct kp_error *e);
/* Without a call and by the vault itself. */
int record_note(struct local *l, const char *principal, const char *operation, const char *object,
		const char *detail, struct kp_error *e);

/* ---- identity.c ---------------------------------------------------------------- */

/* Whether the principal of L is known, on, and has its credential. */
int identity_check(struct local *l, struct kp_error *e);
/* Within a call. */
int identity_make(struct local *l, const char *principal, struct kp_error *e);

/* ---- vault_row.c, policy.c ----------------------------------------------------- */

struct vault_row {
	int64_t id;
	struct local_vault v;
};

void vault_read(sqlite3_stmt *s, struct vault_row *ret);
/* A statement over all vaults that are (not) deleted, by name. */
int vault_select(struct local *l, sqlite3_stmt **ret, bool deleted, struct kp_error *e);
/* By name, deleted or not.  -ENOENT. */
int vault_find(struct local *l, const char *name, struct vault_row *ret, struct kp_error *e);
/* For PERM of the principal: not deleted, firewall, policy. */
int vault_enter(struct local *l, const char *name, unsigned int perm, struct vault_row *ret,
		struct kp_error *e);
int vault_insert(struct local *l, const struct local_vault *v, struct kp_error *e);
/* Each thing that has been deleted for longer than its vault's retention. */
typedef int vault_overdue_fn(struct local *l, void *arg, const char *object, struct kp_error *e);
int vault_overdue(struct local *l, vault_overdue_fn *fn, void *arg, struct kp_error *e);
/* Drop it, and put that on record. */
int vault_sweep(struct local *l, struct kp_error *e);
int policy_of(struct local *l, int64_t vault_id, const char *principal, unsigned int *ret,
	      struct kp_error *e);
int policy_put(struct local *l, int64_t vault_id, const char *principal, unsigned int permissions,
	       struct kp_error *e);

/* ---- key_row.c ----------------------------------------------------------------- */

struct key_row {
	int64_t id;
	struct local_key k;
	char owner[LOCAL_PRINCIPAL_MAX]; /* only this identity may use it; "": any */
};

struct version_row {
	int64_t id;
	char version[LOCAL_VERSION_MAX];
	struct local_version v; /* `enabled`: of the version alone */
};

void key_read(sqlite3_stmt *s, const char *vault, struct key_row *ret);
/* A statement over the keys of V that are (not) deleted, by name. */
int key_select(struct local *l, sqlite3_stmt **ret, const struct vault_row *v, bool deleted,
	       struct kp_error *e);
/* By name, deleted or not.  -ENOENT. */
int key_find(struct local *l, const struct vault_row *v, const char *name, struct key_row *ret,
	     struct kp_error *e);
/* The same; -EKEYREVOKED when it is deleted, -EACCES when it is another's. */
int key_enter(struct local *l, const struct vault_row *v, const char *name, struct key_row *ret,
	      struct kp_error *e);
/*
 * The version that U names, deleted or not; without one the newest that can be
 * used, else the newest enabled, else the newest, of those not deleted.
 */
int version_find(struct local *l, const struct local_uri *u, const struct key_row *k,
		 struct version_row *ret, struct kp_error *e);
/* The same; -EKEYREVOKED when it is deleted. */
int version_enter(struct local *l, const struct local_uri *u, const struct key_row *k,
		  struct version_row *ret, struct kp_error *e);
/* Enabled and within its times.  -EKEYREVOKED, -EKEYEXPIRED. */
int version_usable(const struct key_row *k, const struct version_row *v, struct kp_error *e);
void version_read(sqlite3_stmt *s, const struct local_uri *u, struct version_row *ret);
#define VERSION_COLUMNS                                                                          \
	"id, version, type, bits, enabled, created, not_before, expires, deleted, purge_at"

/* ---- wrapping.c ---------------------------------------------------------------- */

/* Of what may be done; the outputs as in struct kp_ops. */
int version_wrap(struct local *l, const struct version_row *v, const uint8_t *secret, size_t n,
		 uint8_t *ret, size_t *ret_n, struct kp_error *e);
int version_unwrap(struct local *l, const struct local_uri *u, const struct version_row *v,
		   const uint8_t *blob, size_t n, uint8_t *ret, struct kp_error *e);

/* ---- material.c ---------------------------------------------------------------- */

struct material { /* of one version */
	char type[16];
	unsigned int bits;
	uint8_t *public; /* SubjectPublicKeyInfo */
	size_t public_len;
	uint8_t *private; /* PKCS#8, secret; NULL: none kept */
	size_t private_len;
};

/* -EKEYREJECTED: not a size that is made. */
int material_generate(unsigned int bits, struct material *ret, struct kp_error *e);
/*
 * PEM or DER, encrypted under PASS or not (NULL).  -EINVAL: no key; -EACCES:
 * the passphrase; of one that is not RSA, only the public half is taken.
 */
int material_parse(const void *p, size_t n, const char *pass, size_t pass_len,
		   struct material *ret, struct kp_error *e);
void material_clear(struct material *m);

/* ---- key_make.c ---------------------------------------------------------------- */

/* Within a call: a new key that only OWNER may use ("": any).  -EEXIST. */
int key_make(struct local *l, const struct local_uri *u, const char *owner,
	     const struct material *m, const struct local_key_options *o,
	     char ret_kid[static KP_URI_MAX], struct kp_error *e);

int64_t now_seconds(void);

#endif
