/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in KMIP servers as a key provider.
 *
 * Deadline of a call: that of http.h, for the question and for those that an
 * answer leaves open.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "client.h"
#include "crypto/rand.h"
#include "crypto/secret.h"

#define OBJECT_SYMMETRIC_KEY 2u
#define ALGORITHM_AES 3u
#define MIN_BITS 128u
#define MAX_BITS 256u

struct kp {
	struct kmip_uri uri;
	char kid[KP_URI_MAX];
	char *binding; /* or NULL */
	struct kmip_client *client;
};

static int check(const char *uri, char ret[static KP_URI_MAX], struct kp_error *e)
{
	struct kmip_uri u;
	int r = kmip_uri_parse(uri, &u, e);

	return r ? r : kmip_uri_format(&u, ret);
}

/* A key has no versions: a newer one is another identifier. */
static void split(const char *kid, char ret_uri[static KP_URI_MAX],
		  char ret_version[static KP_URI_MAX])
{
	snprintf(ret_uri, KP_URI_MAX, "%s", kid);
	ret_version[0] = '\0';
}

static void close_key(struct kp *kp)
{
	if (!kp)
		return;
	kmip_client_free(kp->client);
	free(kp->binding);
	free(kp);
}

static int open_key(const struct kp_context *ctx, const char *uri, struct kp **ret,
		    struct kp_error *e)
{
	struct kp *kp = calloc(1, sizeof(*kp));
	int r;

	if (!kp)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	r = kmip_uri_parse(uri, &kp->uri, e);
	if (!r)
		r = kmip_uri_format(&kp->uri, kp->kid);
	if (!r && ctx->binding) {
		kp->binding = strdup(ctx->binding);
		r = kp->binding ? 0 : kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	}
	if (!r)
		r = kmip_client_new(ctx, &kp->uri, &kp->client, e);
	if (r)
		close_key(kp);
	else
		*ret = kp;
	return r;
}

static int same_key(const struct kp *kp, const char *kid, struct kp_error *e)
{
	char normal[KP_URI_MAX];

	if (!kid || (!check(kid, normal, NULL) && !strcmp(normal, kp->kid)))
		return 0;
	return kp_fail(e, -EKEYREJECTED, NULL, "%.180s is another key", kid);
}

/* ---- describe ------------------------------------------------------------------------ */

static int get_attributes(struct kp *kp, struct kmip_attributes *ret, struct kp_error *e)
{
	struct kmip_request q = { .operation = KMIP_GET_ATTRIBUTES, .uid = kp->uri.uid };
	struct kmip_reply a;
	int r = kmip_call(kp->client, &q, &a, e);

	if (r)
		return r;
	if (a.status)
		return kmip_fail(e, &a, kmip_client_server(kp->client));
	if (!kmip_attributes(&a, kmip_client_major(kp->client), ret))
		return 0;
	return kp_fail(e, -EPROTO, NULL, "%s: the attributes of key %s cannot be understood",
		       kmip_client_server(kp->client), kp->uri.uid);
}

/* Why the key is none for a volume, in R; nothing if it is one. */
static void judge(const struct kp *kp, const struct kmip_attributes *a, struct kp_error *r)
{
	static const char make[] = "make an AES key of 256 bits with the usage Encrypt and Decrypt, "
				   "and activate it";

	if (a->object != OBJECT_SYMMETRIC_KEY || a->algorithm != ALGORITHM_AES)
		kp_fail(r, -EKEYREJECTED, make, "%.180s is not an AES key", kp->kid);
	else if (a->bits < MIN_BITS || a->bits > MAX_BITS)
		kp_fail(r, -EKEYREJECTED, make, "%.180s has %u bits; AES keys have %u to %u", kp->kid,
			a->bits, MIN_BITS, MAX_BITS);
	else if (a->state != KMIP_ACTIVE)
		kmip_fail_state(r, a, kp->kid);
	else if (~a->usage & (KMIP_USAGE_ENCRYPT | KMIP_USAGE_DECRYPT))
		kp_fail(r, -EACCES, make, "%.180s may not both encrypt and decrypt", kp->kid);
}

static int describe(struct kp *kp, const char *kid, struct kp_info *ret, struct kp_error *e)
{
	struct kmip_attributes a;
	int r = same_key(kp, kid, e);

	kmip_client_begin(kp->client);
	if (!r)
		r = get_attributes(kp, &a, e);
	if (r)
		return r;
	/*
	 * KMIP has no soft delete; what it has is that a key in use cannot be
	 * destroyed, but only revoked.
	 */
	*ret = (struct kp_info){
		.type = "oct",
		.bits = a.bits,
		.enabled = a.state == KMIP_ACTIVE,
		.not_before = a.activation,
		.expires = a.state == KMIP_ACTIVE ? a.deactivation : 0,
		.soft_delete = true,
		.purge_protection = true,
		.may_get = true,
		.may_wrap = a.usage & KMIP_USAGE_ENCRYPT,
		.may_unwrap = a.usage & KMIP_USAGE_DECRYPT,
		.may_more = a.extractable,
	};
	memcpy(ret->kid, kp->kid, sizeof(ret->kid));
	memcpy(ret->newest, kp->kid, sizeof(ret->newest));
	snprintf(ret->vault, sizeof(ret->vault), "%.127s", kmip_client_server(kp->client));
	judge(kp, &a, &ret->refusal);
	return 0;
}

/* ---- wrap, unwrap ------------------------------------------------------------------------ */

static int wrap_once(struct kp *kp, const uint8_t *secret, uint8_t ret[static KMIP_BLOB_LEN],
		     struct kmip_reply *a, struct kp_error *e)
{
	uint8_t nonce[KMIP_NONCE_LEN];
	struct kmip_request q = { .operation = KMIP_ENCRYPT, .uid = kp->uri.uid,
				  .binding = kp->binding, .data = secret, .nonce = nonce };
	int r = rand_bytes(nonce, sizeof(nonce)) ?
			kp_fail(e, -EAGAIN, NULL, "no random numbers") :
			kmip_call(kp->client, &q, a, e);

	if (r || a->status)
		return r ? r : kmip_fail(e, a, kmip_client_server(kp->client));
	return kmip_encrypted(a, nonce, ret) ?
		       kp_fail(e, -EPROTO, NULL, "%s: what it encrypted cannot be understood",
			       kmip_client_server(kp->client)) : 0;
}

static int bad_blob(const struct kp *kp, struct kp_error *e)
{
	return kp_fail(e, -EBADMSG, "cmkfs key restore DIR FILE puts a backup of the keyring back",
		       "the wrapped key does not unwrap under %.150s", kp->kid);
}

static int unwrap_once(struct kp *kp, const uint8_t *blob, uint8_t *ret, struct kmip_reply *a,
		       struct kp_error *e)
{
	struct kmip_request q = { .operation = KMIP_DECRYPT, .uid = kp->uri.uid,
				  .binding = kp->binding, .nonce = blob + 1,
				  .data = blob + 1 + KMIP_NONCE_LEN,
				  .tag = blob + 1 + KMIP_NONCE_LEN + KP_SECRET_LEN };
	int r = kmip_call(kp->client, &q, a, e);

	if (r || a->status)
		return r ? r : kmip_fail(e, a, kmip_client_server(kp->client));
	return kmip_decrypted(a, ret) ?
		       kp_fail(e, -EPROTO, NULL, "%s: what it decrypted cannot be understood",
			       kmip_client_server(kp->client)) : 0;
}

/* Whether the key unwraps what is made for it now: then it is the blob that is bad. */
static bool key_works(struct kp *kp)
{
	_cleanup_secret_ uint8_t *secret = secret_alloc(2 * KP_SECRET_LEN);
	uint8_t blob[KMIP_BLOB_LEN];
	struct kmip_reply a;

	return secret && !rand_secret(secret, KP_SECRET_LEN) &&
	       !wrap_once(kp, secret, blob, &a, NULL) &&
	       !unwrap_once(kp, blob, secret + KP_SECRET_LEN, &a, NULL) &&
	       secret_equal(secret, secret + KP_SECRET_LEN, KP_SECRET_LEN);
}

/* A refusal, R, that may mean several things. */
static int explain(struct kp *kp, int r, const struct kmip_reply *a, struct kp_error *e)
{
	struct kmip_attributes now;

	switch (a->status ? kmip_error_row(a->reason)->remedy : KMIP_NONE) {
	case KMIP_ASK_STATE:
		if (!get_attributes(kp, &now, NULL) && now.state != KMIP_ACTIVE)
			return kmip_fail_state(e, &now, kp->kid);
		return r;
	case KMIP_DOUBT:
		return key_works(kp) ? bad_blob(kp, e) : r;
	default:
		return r;
	}
}

static int wrap(struct kp *kp, const uint8_t *secret, size_t n, uint8_t ret[static KP_BLOB_MAX],
		size_t *ret_n, char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	struct kmip_reply a = { .status = 0 };
	uint8_t blob[KMIP_BLOB_LEN];
	int r;

	if (n != KP_SECRET_LEN)
		return kp_fail(e, -EINVAL, NULL, "%zu bytes are no vault key", n);
	kmip_client_begin(kp->client);
	r = wrap_once(kp, secret, blob, &a, e);

	if (r && a.status && kmip_error_row(a.reason)->remedy == KMIP_ASK_STATE)
		r = explain(kp, r, &a, e);
	if (r)
		return r;
	memcpy(ret, blob, sizeof(blob));
	*ret_n = sizeof(blob);
	memcpy(ret_kid, kp->kid, sizeof(kp->kid));
	return 0;
}

static int unwrap(struct kp *kp, const char *kid, const uint8_t *blob, size_t n, uint8_t *ret,
		  struct kp_error *e)
{
	struct kmip_reply a = { .status = 0 };
	int r = same_key(kp, kid, e);

	kmip_client_begin(kp->client);
	if (!r && (n != KMIP_BLOB_LEN || blob[0] != 1))
		r = bad_blob(kp, e);
	if (!r)
		r = unwrap_once(kp, blob, ret, &a, e);
	if (r)
		r = explain(kp, r, &a, e);
	if (r)
		secret_wipe(ret, KP_SECRET_LEN);
	return r;
}

static const struct kp_conf_key conf_keys[] = {
	{ "client-certificate", KP_CONF_PATH, NULL },
	{ "client-key", KP_CONF_PATH, NULL },
	{ "ca-file", KP_CONF_PATH, NULL },
	{ "version", KP_CONF_CHOICE, "1.4 2.0 2.1" },
	{ "connect-to", KP_CONF_TEXT, NULL },
	{ NULL, KP_CONF_TEXT, NULL },
};

static const char *const schemes[] = { "kmip://", NULL };

const struct kp_ops kp_kmip = {
	.name = "kmip",
	.summary = "AES keys in a key server that speaks KMIP 1.4 or 2.x",
	.schemes = schemes,
	.conf_keys = conf_keys,
	.check = check,
	.split = split,
	.open = open_key,
	.describe = describe,
	.wrap = wrap,
	.unwrap = unwrap,
	.close = close_key,
};
