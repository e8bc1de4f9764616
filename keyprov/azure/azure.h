/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the azure provider share: names of keys in Azure Key Vault
 * and Managed HSM, the settings, what the services answer, and tokens.
 *
 * Source: the documented REST contract (Key Vault api-version 7.4, Entra ID's
 * v2.0 token endpoint, the metadata endpoints of managed identities), and what
 * Microsoft's own client libraries send and take.
 */
#ifndef CMKFS_AZURE_H
#define CMKFS_AZURE_H

#include <jansson.h>

#include "keyprov/keyprov.h"
#include "keyprov/net/http.h"
#include "keyprov/net/text.h"
#include "keyprov/net/token.h"

extern const struct kp_ops kp_azure;

#define AZ_SECTION "azure"
#define AZ_API "7.4"

/* ---- names (uri.c) --------------------------------------------------------------- */

#define AZ_HOST_MAX 128
#define AZ_NAME_MAX 128
#define AZ_VERSION_MAX 33 /* 32 hex digits */

struct az_uri { /* https://HOST/keys/NAME[/VERSION] */
	char host[AZ_HOST_MAX]; /* in lower case */
	char name[AZ_NAME_MAX];
	char version[AZ_VERSION_MAX]; /* in lower case; "": none named */
};

/* 0; -EINVAL. */
int az_uri_parse(const char *s, struct az_uri *ret, struct kp_error *e);
void az_uri_format(const struct az_uri *u, char ret[static KP_URI_MAX]);
bool az_uri_same_key(const struct az_uri *a, const struct az_uri *b); /* in any version */

/*
 * The cloud to which a vault's host belongs: the end of its name, which is the
 * resource of its tokens as well, and where one signs in.
 */
struct az_cloud {
	const char *suffix;    /* "vault.azure.net" */
	const char *authority; /* "https://login.microsoftonline.com" */
};
/* NULL: HOST is in none that is known. */
const struct az_cloud *az_cloud_of(const char *host);
/* Whether HOST is a name within the domain SUFFIX. */
bool az_within(const char *host, const char *suffix);

/* ---- settings (conf.c) ------------------------------------------------------------- */

enum az_kind { AZ_AUTO, AZ_MANAGED, AZ_WORKLOAD, AZ_SECRET, AZ_CERTIFICATE };

struct az_conf { /* of the configuration, else of the environment; NULL: not set */
	enum az_kind identity;
	char *tenant, *client, *resource_id;
	char *secret_file, *certificate, *token_file;
	char *authority;     /* "https://HOST" of the sign-in */
	char *suffix;	     /* of the vault's host */
	char *ca_file, *connect_to;
	char *metadata;	     /* URL of the host of IMDS */
	bool env_secret;     /* AZURE_CLIENT_SECRET is set, and no file */
};

extern const struct kp_conf_key az_conf_keys[];

/*
 * For the vault HOST.  0; -EKEYREJECTED: HOST is in no cloud that is known, or
 * the settings do not go together; -EAGAIN: no memory.
 */
int az_conf_load(const struct kp_context *ctx, const char *host, struct az_conf *ret,
		 struct kp_error *e);
void az_conf_done(struct az_conf *c);

/* ---- the vault's challenge (challenge.c) ------------------------------------------- */

#define AZ_TENANT_MAX 64

/*
 * Of WWW-Authenticate: the tenant, once the resource has been seen to be the
 * domain that HOST is in.  0; -EPROTO: no such challenge; -EKEYREJECTED: it
 * asks for a token of another service, which HOST could then use elsewhere.
 */
int az_challenge(const char *header, const char *host, char ret_tenant[static AZ_TENANT_MAX],
		 char ret_resource[static AZ_HOST_MAX], struct kp_error *e);

/* ---- answers (reply.c) --------------------------------------------------------------- */

struct az_key {
	char version[AZ_VERSION_MAX];
	char type[16]; /* as the service says: "RSA", "RSA-HSM", "EC" … */
	unsigned int bits;
	bool enabled, wraps, unwraps;
	int64_t not_before, expires;
	bool soft_delete, purge_protection;
};

/*
 * Each takes a whole answer of status 200 about the key U; the version that it
 * names must be that of U, if U has one.  0; -EPROTO; -EAGAIN: no memory.
 */
int az_read_key(const char *p, size_t n, const struct az_uri *u, struct az_key *ret,
		struct kp_error *e);
int az_read_wrapped(const char *p, size_t n, const struct az_uri *u, uint8_t ret[static KP_BLOB_MAX],
		    size_t *ret_n, char ret_version[static AZ_VERSION_MAX], struct kp_error *e);
int az_read_secret(const char *p, size_t n, const struct az_uri *u,
		   uint8_t ret[static KP_SECRET_LEN], struct kp_error *e);
/*
 * A token (TOKEN_MAX bytes) and for how long it is good; NOW: the server's
 * clock, or ours.
 */
int az_read_token(const char *p, size_t n, int64_t now, char *ret, int64_t *ret_life_ms,
		  struct kp_error *e);

/* ---- refusals (refusal.c) ---------------------------------------------------------------- */

/*
 * The meaning of a vault's answer other than 200 to OPERATION ("get",
 * "wrapKey", "unwrapKey") on the key U.
 */
int az_refusal(const struct http_reply *r, const char *operation, const struct az_uri *u,
	       struct kp_error *e);
/* The same of a sign-in (WHO: its host); of a metadata endpoint. */
int az_sign_in_refusal(const struct http_reply *r, const char *who, struct kp_error *e);
int az_metadata_refusal(const struct http_reply *r, struct kp_error *e);

/*
 * What may not protect a volume, in the words of Azure: see kp_info.refusal.
 * TENANT is the vault's, WANTED the volume's ("": any).
 */
void az_judge(const struct az_key *k, const struct az_uri *u, const char *tenant,
	      const char *wanted, struct kp_error *ret);

/* ---- tokens (identity.c and what it asks) ---------------------------------------------- */

struct az_identity {
	const struct az_conf *conf;
	char tenant[AZ_TENANT_MAX];   /* of the vault's challenge */
	char resource[AZ_HOST_MAX];   /* "vault.azure.net" */
	struct http *sign_in, *metadata; /* made when they are needed */
	struct token token;
};

/* A token for the vault.  0 and *RET, good until the next call; see token.h. */
int az_token(struct az_identity *i, const char **ret, struct kp_error *e);
void az_identity_done(struct az_identity *i);

/* token_fn of each kind; ARG is a struct az_identity. */
int az_managed_token(void *arg, char *ret, int64_t *ret_life_ms, struct kp_error *e);
int az_entra_token(void *arg, char *ret, int64_t *ret_life_ms, struct kp_error *e);

/*
 * The answer to an Arc challenge "Basic realm=FILE": FILE's content, if it is
 * one that only Arc's agent can have put there.  0; -EKEYREJECTED; -EIO.
 */
int az_arc_secret(const char *challenge, char *ret, size_t cap, struct kp_error *e);

/*
 * A JWT (RFC 7519) that says that the owner of the certificate in the file PEM,
 * which holds the private key as well, is CLIENT: for AUDIENCE, at NOW for ten
 * minutes, signed by PS256, with x5t#S256.  Added to T.
 * 0; -EIO: the file; -EAGAIN.
 */
int az_jwt(const char *pem, const char *client, const char *audience, int64_t now, struct text *t,
	   struct kp_error *e);

#endif
