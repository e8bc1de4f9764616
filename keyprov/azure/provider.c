/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Azure Key Vault and Managed HSM as a key provider.
 *
 * wrapKey is asked of the vault, though the public key would do: it proves that
 * the identity has been granted it, the vault's log shows it, and an expired
 * key or one not made for it is refused by the vault itself.
 *
 * Only unwrapping proves access: a disabled key goes on wrapping, an expired
 * one goes on unwrapping, so that its times are judged by us.
 *
 * Deadline of a call: three times HTTP_CALL_MS, when a token is due as well.
 */
#include <errno.h>
#include <stdio.h>

#include "azure.h"
#include "crypto/secret.h"
#include "keyprov/net/json.h"

struct kp {
	struct az_uri uri;
	char tenant[AZ_TENANT_MAX]; /* the volume's, or "" */
	struct az_conf conf;
	struct http *vault;
	struct az_identity identity; /* tenant "": the vault has not been asked yet */
};

static int check(const char *uri, char ret[static KP_URI_MAX], struct kp_error *e)
{
	struct az_uri u;
	int r = az_uri_parse(uri, &u, e);

	if (!r)
		az_uri_format(&u, ret);
	return r;
}

static void kp_close(struct kp *kp)
{
	if (!kp)
		return;
	az_identity_done(&kp->identity);
	http_free(kp->vault);
	az_conf_done(&kp->conf);
	free(kp);
}

static int open_key(const struct kp_context *ctx, const char *uri, struct kp **ret,
		    struct kp_error *e)
{
	struct kp *kp = calloc(1, sizeof(*kp));
	struct http_options opt = { 0 };
	int r;

	if (!kp)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	r = az_uri_parse(uri, &kp->uri, e);
	snprintf(kp->tenant, sizeof(kp->tenant), "%s", ctx->tenant ? ctx->tenant : "");
	if (!r)
		r = az_conf_load(ctx, kp->uri.host, &kp->conf, e);
	if (!r) {
		opt.ca_file = kp->conf.ca_file;
		opt.connect_to = kp->conf.connect_to;
		r = http_new(&opt, &kp->vault, e);
	}
	if (r) {
		kp_close(kp);
		return r;
	}
	kp->identity.conf = &kp->conf;
	*ret = kp;
	return 0;
}

/* ---- one call of the vault ----------------------------------------------------------- */

struct call {
	struct az_uri u;
	const char *operation; /* "get", "wrapKey", "unwrapKey" */
	const struct text *body;
	struct http_reply reply;
};

static void call_done(struct call *c)
{
	http_reply_done(&c->reply);
}

#define _cleanup_call_ __attribute__((cleanup(call_done)))

static void add_url(const struct call *c, struct text *t)
{
	text_begin(t, 1024);
	text_addf(t, "https://%s/keys/%s", c->u.host, c->u.name);
	if (c->u.version[0])
		text_addf(t, "/%s", c->u.version);
	if (c->body)
		text_addf(t, "/%s", c->operation);
	text_add(t, "?api-version=" AZ_API);
}

/* TOKEN NULL: to be told where to sign in. */
static int send_call(struct kp *kp, struct call *c, const char *token, struct kp_error *e)
{
	_cleanup_text_ struct text url = { 0 }, header = { 0 };
	const char *headers[] = { "Accept: application/json", "Content-Type: application/json",
				  NULL, NULL };
	struct http_request q = { .method = c->body ? "POST" : "GET", .headers = headers };
	int r;

	add_url(c, &url);
	text_begin(&header, TOKEN_MAX + 64);
	text_add(&header, "Authorization: Bearer ");
	text_add(&header, token ? token : "");
	if (!text_ok(&url) || !text_ok(&header))
		return kp_fail(e, -EAGAIN, NULL, "no memory for a call");
	headers[2] = token ? header.s : NULL;
	q.url = url.s;
	if (c->body && token) {
		q.body = c->body->s;
		q.body_len = c->body->n;
	}
	http_reply_done(&c->reply);
	r = http_call(kp->vault, &q, &c->reply, e);
	if (r == -EAGAIN)
		kp_hint(e, r, "try again later; a deleted vault's name is not found: az keyvault "
			"recover --name %.*s", (int)strcspn(c->u.host, "."), c->u.host);
	return r;
}

/* Where to sign in: asked once without a token, and again when one is refused. */
static int take_challenge(struct kp *kp, struct call *c, struct kp_error *e)
{
	struct az_identity *i = &kp->identity;
	char tenant[AZ_TENANT_MAX], resource[AZ_HOST_MAX];
	int r = az_challenge(c->reply.www_authenticate, c->u.host, tenant, resource, e);

	if (r)
		return r;
	memcpy(i->tenant, tenant, sizeof(tenant));
	memcpy(i->resource, resource, sizeof(resource));
	return 0;
}

static int find_tenant(struct kp *kp, const struct az_uri *u, struct kp_error *e)
{
	_cleanup_call_ struct call c = { .u = *u, .operation = "get" };
	int r = kp->identity.tenant[0] ? 0 : send_call(kp, &c, NULL, e);

	if (r || kp->identity.tenant[0])
		return r;
	if (c.reply.status == 401)
		return take_challenge(kp, &c, e);
	r = az_refusal(&c.reply, c.operation, u, e);
	return r == -EAGAIN || r == -EACCES ? r :
	       kp_fail(e, -EPROTO, "is it a key vault that answers there?",
		       "%.100s asks for no token (%ld)", u->host, c.reply.status);
}

static int try_call(struct kp *kp, struct call *c, struct kp_error *e)
{
	const char *token;
	int r = az_token(&kp->identity, &token, e);

	return r ? r : send_call(kp, c, token, e);
}

/* 0: the answer is 200.  A token that is refused is replaced once. */
static int call_vault(struct kp *kp, struct call *c, struct kp_error *e)
{
	int r = find_tenant(kp, &c->u, e);

	if (!r)
		r = try_call(kp, c, e);
	if (!r && c->reply.status == 401 && token_refused(&kp->identity.token)) {
		r = take_challenge(kp, c, e); /* the vault may have moved */
		if (!r)
			r = try_call(kp, c, e);
	}
	if (!r && c->reply.status != 200)
		r = az_refusal(&c->reply, c->operation, &c->u, e);
	return r;
}

/* Which key KID means to this handle: one of the same name, in any version. */
static int resolve(const struct kp *kp, const char *kid, struct az_uri *ret, struct kp_error *e)
{
	int r = 0;

	*ret = kp->uri;
	if (kid)
		r = az_uri_parse(kid, ret, e);
	if (!r && !az_uri_same_key(ret, &kp->uri))
		r = kp_fail(e, -EKEYREJECTED, NULL, "%.180s is not a version of key %s", kid,
			    kp->uri.name);
	return r;
}

/* ---- describe ------------------------------------------------------------------------ */

static int get_key(struct kp *kp, const struct az_uri *u, struct az_key *ret, struct kp_error *e)
{
	_cleanup_call_ struct call c = { .u = *u, .operation = "get" };
	int r = call_vault(kp, &c, e);

	return r ? r : az_read_key(c.reply.body, c.reply.body_len, u, ret, e);
}

static void name_version(const struct az_uri *u, const char *version, char ret[static KP_URI_MAX])
{
	struct az_uri v = *u;

	memcpy(v.version, version, sizeof(v.version));
	az_uri_format(&v, ret);
}

static void fill_info(const struct kp *kp, const struct az_uri *u, const struct az_key *k,
		      const struct az_key *newest, struct kp_info *i)
{
	struct az_uri v = *u;

	memset(i, 0, sizeof(*i));
	memcpy(v.version, k->version, sizeof(v.version));
	name_version(u, k->version, i->kid);
	name_version(u, newest->enabled ? newest->version : k->version, i->newest);
	/* In hardware or not is nothing to those who ask. */
	snprintf(i->type, sizeof(i->type), "%s", strncmp(k->type, "RSA", 3) ? k->type : "RSA");
	i->bits = k->bits;
	i->enabled = k->enabled;
	i->not_before = k->not_before;
	i->expires = k->expires;
	i->soft_delete = k->soft_delete;
	i->purge_protection = k->purge_protection;
	i->may_get = true; /* it has been got; the vault tells of the others when they are tried */
	i->may_wrap = k->wraps;
	i->may_unwrap = k->unwraps;
	snprintf(i->vault, sizeof(i->vault), "%.*s", (int)strcspn(u->host, "."), u->host);
	snprintf(i->tenant, sizeof(i->tenant), "%s", kp->identity.tenant);
	az_judge(k, &v, kp->identity.tenant, kp->tenant, &i->refusal);
}

static int describe(struct kp *kp, const char *kid, struct kp_info *ret, struct kp_error *e)
{
	struct az_key k, newest;
	struct az_uri u, any;
	int r = resolve(kp, kid, &u, e);

	if (r)
		return r;
	any = u;
	any.version[0] = 0;
	r = get_key(kp, &any, &newest, e);
	k = newest;
	if (!r && u.version[0] && strcmp(u.version, newest.version) != 0)
		r = get_key(kp, &u, &k, e);
	if (!r)
		fill_info(kp, &u, &k, &newest, ret);
	return r;
}

/* ---- wrap, unwrap ---------------------------------------------------------------------- */

static int make_body(struct text *t, const uint8_t *p, size_t n, struct kp_error *e)
{
	text_begin(t, 8192);
	text_add(t, "{\"alg\":\"RSA-OAEP-256\",\"value\":\"");
	text_b64url(t, p, n);
	text_add(t, "\"}");
	return text_ok(t) ? 0 : kp_fail(e, -EAGAIN, NULL, "no memory for a call");
}

static int wrap(struct kp *kp, const uint8_t *secret, size_t n, uint8_t ret[static KP_BLOB_MAX],
		size_t *ret_n, char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	_cleanup_text_ struct text body = { 0 };
	_cleanup_call_ struct call c = { .u = kp->uri, .operation = "wrapKey", .body = &body };
	char version[AZ_VERSION_MAX];
	int r = make_body(&body, secret, n, e);

	if (!r)
		r = call_vault(kp, &c, e);
	if (!r)
		r = az_read_wrapped(c.reply.body, c.reply.body_len, &kp->uri, ret, ret_n, version, e);
	if (!r)
		name_version(&kp->uri, version, ret_kid);
	return r;
}

static int unwrap(struct kp *kp, const char *kid, const uint8_t *blob, size_t n, uint8_t *ret,
		  struct kp_error *e)
{
	_cleanup_text_ struct text body = { 0 };
	_cleanup_call_ struct call c = { .operation = "unwrapKey", .body = &body };
	int r = resolve(kp, kid, &c.u, e);

	if (!r)
		r = make_body(&body, blob, n, e);
	if (!r)
		r = call_vault(kp, &c, e);
	if (!r)
		r = az_read_secret(c.reply.body, c.reply.body_len, &c.u, ret, e);
	if (r)
		secret_wipe(ret, KP_SECRET_LEN);
	return r;
}

static const char *const schemes[] = { "https://", NULL };

const struct kp_ops kp_azure = {
	.name = AZ_SECTION,
	.summary = "Azure Key Vault and Managed HSM",
	.schemes = schemes,
	.conf_keys = az_conf_keys,
	.check = check,
	.open = open_key,
	.describe = describe,
	.wrap = wrap,
	.unwrap = unwrap,
	.close = kp_close,
};
