/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE interface between the filesystem and key vaults.  fs/ sees providers
 * only through this header, lease.h and open.h; a new provider is one file or
 * folder with a const struct kp_ops and one line in providers.c.  net/ has what
 * those share that speak HTTPS.
 *
 * Words: a *key* is the customer-managed key (CMK) in a vault, named by a URI;
 * its *kid* is the URI with the key version.  A *principal* is the identity as
 * which a volume asks the vault.
 *
 * Threads: a struct kp may be used by one thread at a time; different ones are
 * independent.  Every call may block up to the provider's documented deadline
 * and is never made with a lock of the filesystem held.
 */
#ifndef CMKFS_KEYPROV_H
#define CMKFS_KEYPROV_H

#include "crypto/base.h"

#define KP_URI_MAX 512
#define KP_BLOB_MAX 4096
#define KP_SECRET_LEN 32 /* what is wrapped: a vault key or a share */

/*
 * What every provider call may return, beside 0.  One table for all; the errno
 * an application sees while the zone is locked for that reason, and the exit
 * code of the command, follow from it (kp_error_table).
 */
struct kp_error {
	int code;	/* the negative errno returned */
	bool retryable; /* asking again later may help */
	char message[256]; /* what happened; no secret, no newline */
	char hint[320];	/* what to do: a command where there is one; may be empty */
};

struct kp_error_row {
	int code;	  /* -errno from a provider */
	const char *name; /* "EKEYREVOKED" */
	int app_errno;	  /* errno at the application; 0: does not lock at once (grace) */
	bool denied;	  /* a final denial */
	int exit_code;	  /* of the command */
	const char *meaning;
};
/*
 * -ENOENT        no such vault, key or version                → EKEYREVOKED, denied
 * -EKEYREJECTED  not a key we accept, or not ours (wrong VK)  → EKEYREVOKED, denied
 * -EACCES        the policy or firewall does not allow it     → EKEYREVOKED, denied
 * -EKEYREVOKED   key disabled or deleted, vault deleted, identity off → EKEYREVOKED, denied
 * -EKEYEXPIRED   key expired or not yet valid                 → EKEYEXPIRED, denied
 * -EAGAIN        unreachable, throttled, busy                 → grace, then ENOKEY
 * -EPROTO        unintelligible answer                        → grace, then ENOKEY
 * -EBADMSG       the blob does not unwrap under this key      → EKEYREVOKED, denied
 * -EINVAL        malformed URI                                → exit 2
 * -ENOTSUP       scheme not built in or unknown               → exit 2
 * -EIO           the provider's own store fails               → grace, then ENOKEY
 */
extern const struct kp_error_row kp_error_table[]; /* ends with code 0 */
const struct kp_error_row *kp_error_row(int code); /* never NULL: unknown codes are like -EIO */

/* Fill E (may be NULL) and return CODE.  HINT: NULL: what is commonly done about CODE. */
int kp_fail(struct kp_error *e, int code, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Set the hint of E (may be NULL) by a format, and return CODE. */
int kp_hint(struct kp_error *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What a provider needs to know of its surroundings. */
struct kp_context {
	const char *state_dir;	    /* host state (0700), exists; the embedded vault is in it */
	const char *principal;	    /* identity of the volume; NULL: the operator (all rights) */
	const char *tenant, *region; /* the volume's, or NULL: not set */
	/*
	 * Binding of what is wrapped (confused deputy, K12): vol_id ‖ zone_id in
	 * hex, passed as encryption context where the provider has one.
	 */
	const char *binding;
	/*
	 * Provider's section of the configuration: the value of KEY, which lives
	 * as long as the process, or NULL.  NULL: there is no configuration;
	 * kp_conf() looks.
	 */
	const char *(*conf)(void *arg, const char *section, const char *key);
	void *conf_arg;
};

/* The value of KEY in SECTION, or NULL: not set. */
const char *kp_conf(const struct kp_context *ctx, const char *section, const char *key);

/* A key and its vault, as described by the provider: for the refusals of cmkfs-security(7). */
struct kp_info {
	char kid[KP_URI_MAX];	  /* URI with the version described */
	char newest[KP_URI_MAX];  /* URI with the newest enabled version */
	char type[16];		  /* "RSA", or "oct": a symmetric wrapping key; "EC" … */
	unsigned int bits;
	bool enabled;
	int64_t not_before, expires; /* unix seconds; 0: none */
	bool soft_delete, purge_protection;
	bool may_get, may_wrap, may_unwrap; /* granted to the principal */
	bool may_more;		  /* more than these is granted: allowed but said */
	bool firewall_blocks;	  /* firewall on, trusted services not let in */
	bool service_managed;	  /* cmkfs's own service vault: exempt from purge protection */
	char vault[128], tenant[64], region[64];
	/*
	 * What the provider itself refuses about this key, in its own words and
	 * with the command of its own field that mends it; code 0: nothing.  Goes
	 * before all other refusals, whose hints are those of the embedded vault.
	 */
	struct kp_error refusal;
};

/*
 * A key of the provider's section of the configuration, which has the
 * provider's name: [azure].  One that no table has is an error with file and line.
 */
struct kp_conf_key {
	const char *name;	/* "client-id" */
	/* A path is absolute; seconds are a whole number from 1 to 600. */
	enum { KP_CONF_TEXT, KP_CONF_PATH, KP_CONF_CHOICE, KP_CONF_SECONDS } type;
	/*
	 * Of KP_CONF_CHOICE: words with single spaces between, the default first.
	 * Of others what holds where it is not set, for people; NULL: nothing.
	 */
	const char *choices;
};

struct kp; /* an opened key; defined by the provider */

struct kp_ops {
	const char *name;	/* "local" */
	const char *summary;	/* one line for `cmkfs providers` */
	const char *const *schemes; /* e.g. {"local://", NULL} */
	bool watched;		/* has a watch descriptor: lease expiry need not poll */
	const struct kp_conf_key *conf_keys; /* ends with name NULL; NULL: no section */

	/* Check URI alone, and give it its normal form.  0, -EINVAL. */
	int (*check)(const char *uri, char ret[static KP_URI_MAX], struct kp_error *e);
	/*
	 * KID, which check() takes, as the URI of the key and its version ("": none).
	 * NULL: the version is what comes after "/keys/NAME/" or "?version=".
	 */
	void (*split)(const char *kid, char ret_uri[static KP_URI_MAX],
		      char ret_version[static KP_URI_MAX]);
	int (*open)(const struct kp_context *ctx, const char *uri, struct kp **ret,
		    struct kp_error *e);
	/* KID: a version, or NULL for the one that the URI names (the newest if it names none). */
	int (*describe)(struct kp *kp, const char *kid, struct kp_info *ret, struct kp_error *e);
	/* Wrap N = KP_SECRET_LEN bytes by the version the URI names; RET_KID tells which. */
	int (*wrap)(struct kp *kp, const uint8_t *secret, size_t n, uint8_t ret[static KP_BLOB_MAX],
		    size_t *ret_n, char ret_kid[static KP_URI_MAX], struct kp_error *e);
	/* Unwrap a blob made under KID.  RET (KP_SECRET_LEN bytes) is wiped on failure. */
	int (*unwrap)(struct kp *kp, const char *kid, const uint8_t *blob, size_t n, uint8_t *ret,
		      struct kp_error *e);
	/*
	 * A descriptor that becomes readable when something changed, or -1.
	 * Owned by KP.  NULL where there is none.
	 */
	int (*watch_fd)(struct kp *kp);
	/*
	 * Take note of the change: drains the descriptor; *RET_CHANGED is false
	 * when it was nobody's but our own audit record.  May be NULL.
	 */
	int (*watch_read)(struct kp *kp, bool *ret_changed);
	void (*close)(struct kp *kp); /* NULL-safe */
};

/*
 * Where a provider gets a PIN that is in no file: FN fills RET, secret memory of
 * KP_PIN_MAX bytes, with that of WHAT ("token prod").  Set before threads; FN may
 * be called by any.
 */
#define KP_PIN_MAX 256
typedef int kp_pin_fn(void *arg, const char *what, char *ret, size_t *ret_n, struct kp_error *e);
void kp_pin_from(kp_pin_fn *fn, void *arg);
/* Ask there.  0; -EACCES: there is none. */
int kp_pin_ask(const char *what, char *ret, size_t *ret_n, struct kp_error *e);

/* Registry.  Providers built in, in order; ends with NULL (providers.c). */
extern const struct kp_ops *const kp_providers[];
/* Those that are not, for want of a library; ends with name NULL (providers.c). */
struct kp_lack {
	const char *name, *scheme, *library;
};
extern const struct kp_lack kp_lacking[];
/* By a URI's scheme.  NULL: none has it (E says which are there). */
const struct kp_ops *kp_provider_of(const char *uri, struct kp_error *e);
const struct kp_ops *kp_provider_named(const char *name);

/*
 * Whether a key described by INFO may protect a volume: the refusals of
 * design section 2, each with its reason and the mending command in E.
 * NOW in unix seconds.  0; -EKEYREJECTED (kind, size, vault without soft
 * delete or purge protection, tenant, region), -EACCES (a permission of get,
 * wrapKey, unwrapKey is missing; firewall), -EKEYREVOKED (disabled),
 * -EKEYEXPIRED (expired, not yet valid); or INFO's own refusal.
 */
int kp_acceptable(const struct kp_info *info, const struct kp_context *ctx, int64_t now,
		  struct kp_error *e);

/* ---- audit logs ---------------------------------------------------------------- */

/*
 * One append-only, hash-chained log of JSON lines for each volume, each
 * embedded vault, and the host, in STATE_DIR; cmkfs(1) has the fields.  A
 * record of a volume's principal ("cmkfs-" and its ID) goes to the volume's.
 * One thread at a time.
 */
struct kp_audit;

struct kp_actor {
	unsigned int uid;
	int pid;
	const char *exe;
};

struct kp_record { /* no secret and no plain name in any of it; texts may be NULL */
	const char *principal; /* identity, or "operator:UID" */
	const char *operation; /* "mount.lock" */
	const char *object;    /* what was acted on */
	const char *key;       /* URI of the key concerned */
	const char *outcome;   /* "ok", or the name of the error */
	const char *detail;
	const struct kp_actor *actor; /* NULL: this process */
	int64_t time_ms;	      /* unix milliseconds; 0: now */
	uint64_t call;		      /* of the embedded vault; 0: none */
};

/*
 * 0; -EAGAIN; -EIO: the master key of the host, which is made when it is not
 * there, cannot be read.
 */
int kp_audit_open(const char *state_dir, struct kp_audit **ret, struct kp_error *e);
void kp_audit_close(struct kp_audit *a); /* NULL-safe */

/* Append to the log of R->principal.  0: it is on disk; -EIO, with the reason in E. */
int kp_audit_write(struct kp_audit *a, const struct kp_record *r, struct kp_error *e);
/* The same of five texts: OPERATION, e.g. "mount.lock", of OBJECT, OUTCOME, DETAIL. */
int kp_audit_note(struct kp_audit *a, const char *principal, const char *operation,
		  const char *object, const char *outcome, const char *detail, struct kp_error *e);
/* Whether a record of PRINCIPAL could be written: 0, -EIO. */
int kp_audit_probe(struct kp_audit *a, const char *principal, struct kp_error *e);

/*
 * Whether what cannot be recorded may be done all the same: only using keys
 * ever may, never administration.  Of the process; set before threads.
 * Without a call records are required.
 */
void kp_audit_set_best_effort(bool on);
bool kp_audit_best_effort(void);

struct kp_audit_report {
	uint64_t records;     /* in the log, without those that were removed by rotation */
	uint64_t first;	      /* number of the first one there is */
	uint64_t first_bad;   /* 0: all are sound */
	uint64_t checkpoints; /* signatures that were checked */
	uint64_t checkpoint;  /* number of the last signed one */
};

struct kp_audit_cursor { /* zeros: the beginning */
	uint64_t segment, offset;
};

/* Names of logs are "volume-ID", "vault-NAME", "host". */
typedef int kp_audit_name_fn(void *arg, const char *name);
typedef int kp_audit_line_fn(void *arg, const char *line, size_t n); /* without newline */

int kp_audit_logs(struct kp_audit *a, kp_audit_name_fn *fn, void *arg, struct kp_error *e);
/* Lines of the log NAME from *C on, and *C past them; a log that is not there has none. */
int kp_audit_read(struct kp_audit *a, const char *name, struct kp_audit_cursor *c,
		  kp_audit_line_fn *fn, void *arg, struct kp_error *e);
/* 0; -EBADMSG: changed, removed, swapped or cut off; -ENOENT: no such log; -EIO. */
int kp_audit_verify(struct kp_audit *a, const char *name, struct kp_audit_report *ret,
		    struct kp_error *e);
/*
 * The same of DIR, a copy of a log's directory under its name, without keys of
 * this host: its chain, and the signatures by PUBLIC (hex) of its checkpoints.
 * -EINVAL: PUBLIC; -EBADMSG also when nothing is signed.
 */
int kp_audit_verify_copy(const char *dir, const char *public, struct kp_audit_report *ret,
			 struct kp_error *e);
/*
 * Sign what there is of the log NAME; with ROTATE begin a new file, and with
 * KEEP not 0 remove old ones but for KEEP.  *RET_REMOVED (may be NULL): files.
 */
int kp_audit_tidy(struct kp_audit *a, const char *name, bool rotate, unsigned int keep,
		  unsigned int *ret_removed, struct kp_error *e);
/* The public key of signatures, in hex. */
#define KP_AUDIT_PUBLIC_MAX 65
void kp_audit_public(struct kp_audit *a, char ret[static KP_AUDIT_PUBLIC_MAX]);

/*
 * A statement of N bytes signed by the same key, KIND (e.g. "erasure
 * certificate") before it so that no signature serves for another purpose:
 * Ed25519 over "cmkfs ", KIND, a newline and the statement; in hex.
 */
#define KP_SIGNATURE_MAX 129
int kp_audit_sign(struct kp_audit *a, const char *kind, const void *p, size_t n,
		  char ret[static KP_SIGNATURE_MAX]);
/* 0; -EBADMSG: not signed by PUBLIC (in hex); -EINVAL: no hex; -EIO. */
int kp_audit_signed(const char *public, const char *kind, const void *p, size_t n,
		    const char *signature);

#endif
