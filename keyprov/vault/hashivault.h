/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the vault provider share: names of keys in the transit
 * engine of HashiCorp Vault and OpenBao, what the server answers, what its
 * refusals mean, and the session with it.
 *
 * Source: the HTTP API of both (transit, sys/capabilities-self, auth/…), and
 * what OpenBao 2.7.2 was seen to answer.
 */
#ifndef CMKFS_VAULT_HASHIVAULT_H
#define CMKFS_VAULT_HASHIVAULT_H

#include <jansson.h>

#include "keyprov/net/http.h"
#include "keyprov/net/token.h"

extern const struct kp_ops kp_vault;

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
 * Each takes the object of an answer.  0; -EPROTO: not what the documentation
 * says.  Outputs are untouched on failure, secrets wiped; texts are borrowed
 * from J.
 */

struct hv_key {
	char type[32];		     /* "rsa-2048", "aes256-gcm96" … */
	unsigned int latest, oldest; /* versions that decrypt */
	bool soft_deleted;	     /* OpenBao only */
	bool deletion_allowed, exportable, plaintext_backup;
	bool decrypts;
};
int hv_read_key(const json_t *j, struct hv_key *ret, struct kp_error *e);

/* "vault:vN:BASE64", of less than KP_BLOB_MAX bytes. */
int hv_read_ciphertext(const json_t *j, const char **ret, struct kp_error *e);
/* Its version, and where its base64 begins.  -EPROTO. */
int hv_ciphertext_split(const char *s, unsigned int *ret_version, const char **ret_b64);
int hv_read_plaintext(const json_t *j, uint8_t ret[static KP_SECRET_LEN], struct kp_error *e);

enum hv_capability { HV_READ = 1, HV_UPDATE = 2, HV_OTHER = 4 };
/* What sys/capabilities-self says of PATH, in enum hv_capability; root has all. */
int hv_read_capabilities(const json_t *j, const char *path, unsigned int *ret,
			 struct kp_error *e);

#define HV_TOKEN_MAX 8192
bool hv_token_ok(const char *s);

struct hv_lifetime {
	int64_t ttl; /* seconds; 0: does not expire */
	bool renewable;
};
/* A login or a renewal. */
int hv_read_login(const json_t *j, const char **ret_token, struct hv_lifetime *ret_life,
		  struct kp_error *e);
/* auth/token/lookup-self */
int hv_read_lookup(const json_t *j, struct hv_lifetime *ret, struct kp_error *e);

/* The texts of "errors", as one line; "" when there is none.  J may be NULL. */
void hv_read_errors(const json_t *j, char *ret, size_t cap);

/* ---- refusals (refusal.c) -------------------------------------------------------- */

/*
 * The meaning of an answer that is no success: by its texts, then by STATUS.
 * J may be NULL: no JSON.  Fills E (may be NULL) with a message and hint about
 * the key U and returns the code.
 */
int hv_refusal(long status, const json_t *j, const struct hv_uri *u, struct kp_error *e);

/* ---- settings (settings.c) ------------------------------------------------------- */

enum hv_method { HV_TOKEN, HV_APPROLE, HV_KUBERNETES, HV_JWT, HV_CERT };

extern const struct kp_conf_key hv_conf_keys[];

struct hv_settings { /* texts live as long as the process */
	char base[HV_HOST_MAX + 24]; /* "https://HOST:PORT/v1/" */
	bool plain;		     /* http, which the configuration names */
	const char *namespace, *ca_file, *cert_file, *key_file; /* NULL: none */
	enum hv_method method;
	const char *method_name, *auth_mount; /* "approle", and where it is mounted */
	const char *role, *role_id, *secret_id_file, *jwt_file, *token_file; /* NULL: none */
};

/*
 * From the section [vault] and the environment, for the server of U.
 * 0; -EKEYREJECTED: it is none of those that may have our credentials;
 * -EINVAL: something is missing.
 */
int hv_settings_load(const struct kp_context *ctx, const struct hv_uri *u,
		     struct hv_settings *ret, struct kp_error *e);

/* ---- the session (session.c, login.c) ---------------------------------------------- */

struct hv_session {
	struct hv_uri uri; /* for messages */
	struct hv_settings set;
	struct http *http;
	struct token token;
	bool renewable;	  /* the token, which nobody but its file gives us */
	bool token_dead;  /* the server does not know it any more */
};

/*
 * Ask PATH of the API, with a token: *RET (to be freed by the caller) is what a
 * success answers, {} if that is nothing.  BODY: JSON, or NULL for GET.  403 is
 * believed after the credential was taken anew.
 * 0; -EACCES: the policy; -EKEYREJECTED: the credential; else by hv_refusal() or
 * http_call().
 */
int hv_ask(struct hv_session *s, const char *path, const char *body, json_t **ret,
	   struct kp_error *e);
/* The same once, with TOKEN (NULL: none), and without judging: *RET may be NULL. */
int hv_send(struct hv_session *s, const char *path, const char *token, const char *body,
	    long *ret_status, json_t **ret, struct kp_error *e);
/* A token_fn of a struct hv_session: from its file, or by a login. */
int hv_log_in(void *arg, char *ret, int64_t *ret_life_ms, struct kp_error *e);

#endif
