/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the vault provider share: names of keys in the transit
 * engine of HashiCorp Vault and OpenBao, what the server answers, and what its
 * refusals mean.
 *
 * Source: the HTTP API of both (transit, sys/capabilities-self, auth/token),
 * and what OpenBao 2.7.2 was seen to answer.
 */
#ifndef CMKFS_VAULT_HASHIVAULT_H
#define CMKFS_VAULT_HASHIVAULT_H

#include <jansson.h>

#include "keyprov/keyprov.h"

/* ---- names (uri.c) --------------------------------------------------------------- */

#define HV_PORT 8200u
#define HV_HOST_MAX 254
#define HV_MOUNT_MAX 96
#define HV_NAME_MAX 96

struct hv_uri { /* hashivault://HOST[:PORT]/MOUNT/keys/NAME[?version=N] */
	char host[HV_HOST_MAX]; /* in lower case; an IPv6 address in brackets */
	unsigned int port;
	char mount[HV_MOUNT_MAX]; /* may have several parts; a namespace can be the first ones */
	char name[HV_NAME_MAX];
	unsigned int version; /* 0: none named */
};

/* 0; -EINVAL. */
int hv_uri_parse(const char *s, struct hv_uri *ret, struct kp_error *e);
void hv_uri_format(const struct hv_uri *u, char ret[static KP_URI_MAX]);
bool hv_uri_same_key(const struct hv_uri *a, const struct hv_uri *b); /* in any version */

/* ---- answers (reply.c) ----------------------------------------------------------- */

/*
 * Each takes a whole answer; JSON may be NULL (no JSON).  0; -EPROTO: not what
 * the documentation says.  Outputs are untouched on failure; secrets are wiped.
 */

struct hv_key {
	char type[32];		     /* "rsa-2048", "aes256-gcm96" … */
	unsigned int latest, oldest; /* versions that decrypt */
	bool soft_deleted;	     /* OpenBao only */
	bool deletion_allowed, exportable, plaintext_backup;
	bool derived;		     /* a context is needed with every use */
	bool decrypts;
};
int hv_read_key(const json_t *j, struct hv_key *ret);

/* "vault:vN:BASE64", in two parts. */
int hv_read_ciphertext(const json_t *j, unsigned int *ret_version,
		       uint8_t ret[static KP_BLOB_MAX], size_t *ret_n);
/* N: the length it must have. */
int hv_read_plaintext(const json_t *j, uint8_t *ret, size_t n);

enum hv_capability { HV_READ = 1, HV_UPDATE = 2, HV_CREATE = 4, HV_OTHER = 8 };
/* enum hv_capability of PATH, as sys/capabilities-self answers; root has all. */
int hv_read_capabilities(const json_t *j, const char *path, unsigned int *ret);

#define HV_TOKEN_MAX 4096
struct hv_auth { /* of a login, a renewal, or lookup-self; in secret memory */
	char token[HV_TOKEN_MAX];
	int64_t ttl; /* seconds; 0: does not expire */
	bool renewable;
};
int hv_read_login(const json_t *j, struct hv_auth *ret);
/* The same of auth/token/lookup-self, without the token. */
int hv_read_lookup(const json_t *j, struct hv_auth *ret);

/* The texts of "errors", as one line; "" when there is none. */
void hv_read_errors(const json_t *j, char *ret, size_t cap);

/* ---- refusals (refusal.c) -------------------------------------------------------- */

/*
 * The meaning of an answer that is no success: by its texts, then by STATUS.
 * Fills E (may be NULL) with a message and hint about the key U and returns the
 * code.
 */
int hv_refusal(long status, const json_t *j, const struct hv_uri *u, struct kp_error *e);

#endif
