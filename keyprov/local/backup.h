/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vault as one encrypted file.
 *
 * File: header 64 ("CMKFSVB1" 8 · log2 N, r, p of scrypt 3 · zero 5 · salt 32 ·
 * length of the body 8 · zero 8) · body sealed by AES-256-GCM (nonce 12, text,
 * tag 16) with the header as associated data.  scrypt gives two keys: of the
 * body, and of the private keys in it, which are sealed one by one, so that the
 * body itself is no secret that needs locked memory.
 *
 * Body: records, type 1 · length 4 · fields; numbers little-endian, texts with
 * their length in 2 bytes before them, bytes with 4.  The vault; its policies;
 * its keys, each followed by its versions; the end, with the numbers of keys
 * and versions.
 */
#ifndef CMKFS_LOCAL_BACKUP_H
#define CMKFS_LOCAL_BACKUP_H

#include "crypto/aead.h"
#include "db.h"

#define BACKUP_HEADER 64
#define BACKUP_EXTRA (BACKUP_HEADER + SEALED_EXTRA)

struct backup_keys { /* in secret memory */
	uint8_t body[AEAD_KEY_LEN], private[AEAD_KEY_LEN];
};

struct backup_version {
	char version[LOCAL_VERSION_MAX];
	struct local_version v; /* without kid */
	const uint8_t *public, *sealed;
	size_t public_len, sealed_len;
};

/* ---- backup_body.c ----------------------------------------------------------------- */

enum record { R_VAULT = 1, R_POLICY, R_KEY, R_VERSION, R_END };

struct backup_body { /* being written */
	uint8_t *p;
	size_t n, cap;
	bool failed; /* out of memory */
	uint32_t keys, versions;
};

void backup_put_vault(struct backup_body *b, const struct local_vault *v);
void backup_put_policy(struct backup_body *b, const char *principal, unsigned int permissions);
void backup_put_key(struct backup_body *b, const struct key_row *k);
void backup_put_version(struct backup_body *b, const struct backup_version *v);
void backup_put_end(struct backup_body *b);

/* What is in a body, in its order.  NULL: not of interest.  Not 0 ends it. */
struct backup_visitor {
	int (*vault)(void *arg, const struct local_vault *v, struct kp_error *e);
	int (*policy)(void *arg, const char *principal, unsigned int permissions,
		      struct kp_error *e);
	int (*key)(void *arg, const struct key_row *k, struct kp_error *e);
	int (*version)(void *arg, const struct backup_version *v, struct kp_error *e);
};
/*
 * 0; -EBADMSG: not a body; what a visitor returned.  All names and numbers are
 * ones that a vault could have.  Untrusted input.
 */
int backup_parse(const uint8_t *p, size_t n, const struct backup_visitor *v, void *arg,
		 struct kp_error *e);

/* ---- backup_file.c ----------------------------------------------------------------- */

/* HEADER of a file that is to be opened; -EBADMSG: none of ours. */
int backup_keys(const uint8_t header[static BACKUP_HEADER], const char *pass, size_t pass_len,
		struct backup_keys *ret, struct kp_error *e);
/* A fresh header, without the length. */
int backup_header(uint8_t ret[static BACKUP_HEADER], struct kp_error *e);
/* Check length and header of a file of N bytes. */
int backup_check(const uint8_t *p, size_t n, struct kp_error *e);
/* What a private key in a backup is bound to; into AAD, its length. */
size_t backup_aad(const char *vault, const char *key, const char *version, char *aad, size_t cap);

#endif
