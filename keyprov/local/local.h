/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded vault, administered: what `cmkfs vault`, `identity` and `audit`
 * stand on.  One SQLite database, STATE/vault.db (0600), holds all embedded
 * vaults of a host; their private keys are in it only sealed under the master
 * key, which is the systemd credential `cmkfs-vault-key` when there is one,
 * else STATE/vault.key (0600, made with the database).
 *
 * Every call is one transaction: permission, change and audit record together.
 * Errors are those of keyprov.h, and besides
 *   -EEXIST  there is one of this name already (deleted ones keep their name)
 *   -EPERM   protection forbids it (purge protection, soft delete)
 *   -EBUSY   the state does not fit: recover of what is not deleted …
 * with message and hint in E (may be NULL).  Times are unix seconds.
 *
 * Threads: a struct local belongs to one thread at a time, and must not be
 * carried over a fork.  Different ones are independent, in one process or many.
 */
#ifndef CMKFS_LOCAL_H
#define CMKFS_LOCAL_H

#include "keyprov/keyprov.h"

extern const struct kp_ops kp_local;

#define LOCAL_VAULT_MAX 64 /* with NUL */
#define LOCAL_KEY_MAX 128
#define LOCAL_VERSION_MAX 33
#define LOCAL_PRINCIPAL_MAX 65
#define LOCAL_SERVICE_VAULT "service"
#define LOCAL_RETENTION_MIN 7
#define LOCAL_RETENTION_MAX 90
#define LOCAL_UNCHANGED (-1) /* in an update: leave as it is */

/* ---- names --------------------------------------------------------------------- */

struct local_uri { /* local://VAULT/keys/NAME[/VERSION] */
	char vault[LOCAL_VAULT_MAX];	 /* lower case */
	char key[LOCAL_KEY_MAX];
	char version[LOCAL_VERSION_MAX]; /* 32 hex digits, or "" */
};

/* 0; -EINVAL.  Untrusted input. */
int local_uri_parse(const char *s, struct local_uri *ret, struct kp_error *e);
/* Normal form, with the version if there is one. */
void local_uri_format(const struct local_uri *u, char ret[static KP_URI_MAX]);
/* NAME or local://NAME. */
int local_vault_name(const char *s, char ret[static LOCAL_VAULT_MAX], struct kp_error *e);
int local_principal_check(const char *s, struct kp_error *e);

enum local_permission {
	PERM_GET = 1, PERM_LIST = 2, PERM_CREATE = 4, PERM_IMPORT = 8, PERM_DELETE = 16,
	PERM_RECOVER = 32, PERM_PURGE = 64, PERM_WRAP = 128, PERM_UNWRAP = 256, PERM_ROTATE = 512
};
#define PERM_USE (PERM_GET | PERM_WRAP | PERM_UNWRAP)

/* "get,wrapKey" → bits ("use" is PERM_USE), and back.  -EINVAL: unknown word or none. */
int local_permissions_parse(const char *s, unsigned int *ret, struct kp_error *e);
#define LOCAL_PERMISSIONS_MAX 96
void local_permissions_format(unsigned int bits, char ret[static LOCAL_PERMISSIONS_MAX]);

/* ---- the database -------------------------------------------------------------- */

struct local;

/*
 * Open the database of STATE_DIR as PRINCIPAL (NULL: the operator, who may do
 * all).  With CREATE it is made when it is not there, its master key as well.
 * -EIO: missing, damaged, or key and database do not belong together.
 */
int local_open(const char *state_dir, const char *principal, bool create, struct local **ret,
	       struct kp_error *e);
void local_close(struct local *l); /* NULL-safe */
/* Whether there is a database at all. */
bool local_exists(const char *state_dir);

/* ---- vaults -------------------------------------------------------------------- */

struct local_vault {
	char name[LOCAL_VAULT_MAX], tenant[64], region[64];
	bool soft_delete, purge_protection, firewall, trusted_services;
	bool service;		    /* cmkfs's own */
	int retention_days;
	int64_t created;
	int64_t deleted, purge_at;  /* 0: not deleted */
	unsigned int keys;	    /* not deleted ones; an output */
};

/* Of V: name, tenant, region, soft_delete, purge_protection, retention_days (0: 90). */
int local_vault_create(struct local *l, const struct local_vault *v, struct kp_error *e);

struct local_vault_change { /* LOCAL_UNCHANGED or NULL: as it is */
	int soft_delete, purge_protection; /* 1: on; 0 is refused: never switched off */
	int retention_days;
	const char *tenant, *region;
};
int local_vault_update(struct local *l, const char *vault, const struct local_vault_change *c,
		       struct kp_error *e);
int local_vault_firewall(struct local *l, const char *vault, bool on, bool trusted_services,
			 struct kp_error *e);
int local_vault_get(struct local *l, const char *vault, struct local_vault *ret,
		    struct kp_error *e);
/* Callbacks return 0 to go on; they must not call into L. */
typedef int local_vault_fn(void *arg, const struct local_vault *v);
int local_vault_list(struct local *l, bool deleted, local_vault_fn *fn, void *arg,
		     struct kp_error *e);
int local_vault_delete(struct local *l, const char *vault, struct kp_error *e);
int local_vault_recover(struct local *l, const char *vault, struct kp_error *e);
int local_vault_purge(struct local *l, const char *vault, struct kp_error *e);

/*
 * A vault with its keys, versions and policies as one file, encrypted under a
 * passphrase; *RET is malloc'd.  The identities in its policies are not in it:
 * `identity on` makes one anew.  A deleted vault is not backed up.
 */
int local_vault_backup(struct local *l, const char *vault, const char *pass, size_t pass_len,
		       uint8_t **ret, size_t *ret_n, struct kp_error *e);

struct local_restored {
	char vault[LOCAL_VAULT_MAX];
	unsigned int keys, versions; /* put back */
	unsigned int left;	     /* keys that were there, and are as they were */
};
/*
 * -EEXIST: there is a vault of this name, unless MERGE: then the keys missing
 * in it are added.  -EBADMSG: no backup, or a damaged one; -EACCES: the
 * passphrase.  Nothing is changed then.
 */
int local_vault_restore(struct local *l, const uint8_t *p, size_t n, const char *pass,
			size_t pass_len, bool merge, struct local_restored *ret,
			struct kp_error *e);

/* ---- keys ---------------------------------------------------------------------- */

struct local_key {
	char uri[KP_URI_MAX]; /* without version */
	char name[LOCAL_KEY_MAX];
	bool enabled;	      /* of the key as a whole; versions have their own */
	int64_t created, deleted, purge_at;
	unsigned int versions; /* not deleted ones */
	int64_t rotate_after, expire_after; /* see local_key_rotation() */
};

struct local_version {
	char kid[KP_URI_MAX];
	char type[16];
	unsigned int bits;
	bool enabled;
	int64_t created, not_before, expires; /* 0: none */
	int64_t deleted, purge_at;	      /* 0: not deleted */
};

struct local_key_options {
	unsigned int bits;	     /* 0: 2048; on rotate: as before */
	int64_t not_before, expires; /* 0: none */
	const char *pass;	     /* of a file to import; NULL: none */
	size_t pass_len;
};

/* A new RSA key of 2048, 3072 or 4096 bits.  -EKEYREJECTED: other size. */
int local_key_create(struct local *l, const char *uri, const struct local_key_options *o,
		     char ret_kid[static KP_URI_MAX], struct kp_error *e);
/*
 * Take a key from PEM or DER, encrypted under O->pass or not.  -EACCES: it is
 * encrypted, and the passphrase is missing or wrong.  A key that cannot protect
 * anything (shorter than 2048 bits, or not RSA, of which only the public half is
 * kept) is taken as well, and refused by kp_acceptable().  An existing key gets
 * a new version.
 */
int local_key_import(struct local *l, const char *uri, const void *pem, size_t n,
		     const struct local_key_options *o, char ret_kid[static KP_URI_MAX],
		     struct kp_error *e);
/* Whether a file to import needs a passphrase. */
bool local_key_encrypted(const void *p, size_t n);
int local_key_rotate(struct local *l, const char *uri, const struct local_key_options *o,
		     char ret_kid[static KP_URI_MAX], struct kp_error *e);
/* Without a version in URI: the key as a whole.  It and update take the permission to create. */
int local_key_enable(struct local *l, const char *uri, bool on, struct kp_error *e);
/* Times of a version, without one of the newest; LOCAL_UNCHANGED, 0: none. */
int local_key_update(struct local *l, const char *uri, int64_t not_before, int64_t expires,
		     struct kp_error *e);
int local_key_get(struct local *l, const char *uri, struct local_key *ret, struct kp_error *e);
typedef int local_key_fn(void *arg, const struct local_key *k);
int local_key_list(struct local *l, const char *vault, bool deleted, local_key_fn *fn, void *arg,
		   struct kp_error *e);
typedef int local_version_fn(void *arg, const struct local_version *v);
/* Newest first. */
int local_key_versions(struct local *l, const char *uri, local_version_fn *fn, void *arg,
		       struct kp_error *e);
/* With a version in URI that version alone, else the key with all of them. */
int local_key_delete(struct local *l, const char *uri, struct kp_error *e);
int local_key_recover(struct local *l, const char *uri, struct kp_error *e);
int local_key_purge(struct local *l, const char *uri, struct kp_error *e);

/*
 * Rotation policy: local_maintain() makes a new version when the newest is
 * ROTATE_AFTER seconds old (0: never), to expire EXPIRE_AFTER seconds after it
 * was made (0: never).
 */
int local_key_rotation(struct local *l, const char *uri, int64_t rotate_after,
		       int64_t expire_after, struct kp_error *e);

/* ---- what time brings ------------------------------------------------------------ */

struct local_done {
	const char *action; /* "rotate", "purge" */
	const char *object;
	const char *kid;    /* of the new version, or NULL */
	int code;	    /* 0, or why it failed */
	const char *why;
};
typedef int local_done_fn(void *arg, const struct local_done *d);
/*
 * Rotate the keys that are due, and drop what has been deleted for longer than
 * its retention.  What fails is told to FN, and the rest done all the same.
 * With DRY only told what would be done.
 */
int local_maintain(struct local *l, bool dry, local_done_fn *fn, void *arg, struct kp_error *e);

/* ---- policies and identities --------------------------------------------------- */

int local_policy_set(struct local *l, const char *vault, const char *principal,
		     unsigned int permissions, struct kp_error *e);
int local_policy_delete(struct local *l, const char *vault, const char *principal,
			struct kp_error *e);
typedef int local_policy_fn(void *arg, const char *principal, unsigned int permissions);
int local_policy_list(struct local *l, const char *vault, local_policy_fn *fn, void *arg,
		      struct kp_error *e);

struct local_identity {
	char principal[LOCAL_PRINCIPAL_MAX];
	bool on;
	int64_t created;
};

/*
 * Make an identity: its secret goes to STATE/identities/PRINCIPAL.cred (0600),
 * the secret's SHA-256 to the database.  One that is there already: 0, nothing
 * changed but a missing credential, which is made anew.
 */
int local_identity_create(struct local *l, const char *principal, struct kp_error *e);
int local_identity_get(struct local *l, const char *principal, struct local_identity *ret,
		       struct kp_error *e);
int local_identity_switch(struct local *l, const char *principal, bool on, struct kp_error *e);

/*
 * The service-managed key of a volume, for `init` and `key reset`: makes, as
 * far as they are not there, the vault `service` (soft delete, purge
 * protection), the identity PRINCIPAL, the key `vol-NAME` that only PRINCIPAL
 * may use, and the grant of get, wrapKey and unwrapKey.  The operator's call:
 * CTX->principal is not looked at.  A key that is there but disabled or deleted
 * is left so, and its URI is returned.
 * NAME: vol_id in hex, 1 … 58 of [0-9a-z-]; PRINCIPAL: `cmkfs-NAME`.
 */
int local_service_key(const struct kp_context *ctx, const char *name,
		      char ret_uri[static KP_URI_MAX], struct kp_error *e);

/* ---- the master key ------------------------------------------------------------ */

enum local_master { LOCAL_MASTER_FILE, LOCAL_MASTER_PASSPHRASE, LOCAL_MASTER_CREDENTIAL };

int local_master_kind(const char *state_dir, enum local_master *ret, struct kp_error *e);
/*
 * Keep the master key under a passphrase of N bytes from now on, or, PASS being
 * NULL, plain in its file.  What it protects is not touched.  -EPERM: it is a
 * credential.
 */
int local_master_set(const char *state_dir, const char *pass, size_t n, struct kp_error *e);

/* Put on record what was done beside the database, by the operator, with OBJECT. */
int local_note(struct local *l, const char *operation, const char *object, const char *detail,
	       struct kp_error *e);

/*
 * Where passphrases come from: fill RET (secret memory of LOCAL_PASSPHRASE_MAX
 * bytes) with that of WHAT.  Set before threads; FN may be called by any.
 */
#define LOCAL_PASSPHRASE_MAX 1024
typedef int local_passphrase_fn(void *arg, const char *what, char *ret, size_t *ret_n,
				struct kp_error *e);
void local_passphrase_from(local_passphrase_fn *fn, void *arg);
/*
 * If the master key needs a passphrase, have a short-lived process ask for it,
 * and keep what it opens in a pipe for the process that this one forks: secrets
 * do not survive a fork.  Before threads and secrets; 0 when none is needed.
 */
int local_master_hand_over(const char *state_dir, struct kp_error *e);

#endif
