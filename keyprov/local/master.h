/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master key of the embedded vault: 32 bytes, from the systemd credential
 * `cmkfs-vault-key` if there is one, else from STATE/vault.key, which holds it
 * plain (mode 0600) or sealed under a passphrase.  Everything else is derived.
 *
 * It is in memory for the length of a call; one that needed a passphrase is
 * kept in secret memory as long as the process lives, since nobody is there to
 * be asked again.  Thread-safe.
 */
#ifndef CMKFS_LOCAL_MASTER_H
#define CMKFS_LOCAL_MASTER_H

#include "keyprov/audit/log.h"
#include "local.h"

#define VAULT_KEY_FILE "vault.key"
#define VAULT_CREDENTIAL "cmkfs-vault-key"
#define HASH_LEN 32
#define MASTER_LEN 32

struct master; /* keys derived from the master key, in secret memory */

/*
 * -EIO: missing, readable by others, of another length; -EACCES: the
 * passphrase is not known or wrong.  With CREATE a key file is made.
 */
int master_load(const char *state_dir, bool create, struct master **ret, struct kp_error *e);
void master_free(struct master *m);
int master_check_value(const struct master *m, uint8_t ret[static HASH_LEN]);
/* Seal N bytes, bound to a name of three parts; RET has N + SEALED_EXTRA bytes. */
int master_seal(const struct master *m, const struct local_uri *u, const uint8_t *p, size_t n,
		uint8_t *ret);
int master_open(const struct master *m, const struct local_uri *u, const uint8_t *sealed,
		size_t n, uint8_t *ret);
const struct audit_keys *master_audit(const struct master *m);
/* The same by itself.  With CREATE a key file is made if there is no database either. */
int master_audit_keys(const char *state_dir, bool create, struct audit_keys *ret,
		      struct kp_error *e);

/* ---- master_file.c ----------------------------------------------------------------- */

/* The key itself, into secret memory; CREATE as above. */
int master_read(const char *state_dir, bool create, uint8_t ret[static MASTER_LEN],
		struct kp_error *e);

/* ---- passphrase.c ------------------------------------------------------------------ */

/*
 * A key from a passphrase by scrypt (RFC 7914), with its cost as it is kept in
 * files: log2 N, r, p.  -EINVAL: a cost that we never take (more than 256 MiB).
 */
struct passphrase_cost {
	uint8_t log_n, r, p;
};
#define PASSPHRASE_SALT 32
#define PASSPHRASE_COST ((struct passphrase_cost){ 16, 8, 1 }) /* 64 MiB */
int passphrase_scrypt(const char *pass, size_t n, const uint8_t salt[static PASSPHRASE_SALT],
		   struct passphrase_cost cost, uint8_t *ret, size_t ret_n);
/* Ask where local_passphrase_from() said; RET is secret memory of LOCAL_PASSPHRASE_MAX bytes. */
int passphrase_ask(const char *what, char *ret, size_t *ret_n, struct kp_error *e);

#endif
