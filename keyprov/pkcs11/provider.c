/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in tokens as a key provider.  Nothing is asked before the first call,
 * and each call finds the token, the session and the key again when they are
 * not what they were: a token may be pulled and put back, a server end and
 * come back.
 *
 * Deadline of a call: `timeout` of the configuration.  A call that the module
 * holds longer is left to a thread of its own, and the key is unreachable
 * until the module lets go of it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "p11.h"

#define DEFAULT_TIMEOUT_S "10"
#define CLOSE_MS 1000u

struct kp {
	atomic_uint refs; /* the owner's, and that of a call that was left behind */
	atomic_bool busy; /* such a call has USER still */
	unsigned int timeout_ms;
	struct p11_user user;
};

static int check(const char *uri, char ret[static KP_URI_MAX], struct kp_error *e)
{
	P11KitUri *u;
	int r = p11_uri_parse(uri, &u, e);

	if (r)
		return r;
	r = p11_uri_format(u, ret, e);
	p11_kit_uri_free(u);
	return r;
}

/* The id tells keys of one label apart. */
static void split(const char *kid, char ret_uri[static KP_URI_MAX],
		  char ret_version[static KP_URI_MAX])
{
	const struct ck_attribute *id;
	char version[KP_URI_MAX] = "";
	P11KitUri *u;

	snprintf(ret_uri, KP_URI_MAX, "%s", kid);
	if (!p11_uri_parse(kid, &u, NULL)) {
		id = p11_kit_uri_get_attribute(u, CKA_ID);
		for (size_t i = 0; id && i < id->value_len; i++)
			sprintf(version + 2 * i, "%02x", ((uint8_t *)id->value)[i]);
		if (p11_kit_uri_get_attribute(u, CKA_LABEL))
			p11_kit_uri_clear_attribute(u, CKA_ID);
		else
			version[0] = '\0'; /* it is the name */
		p11_uri_format(u, ret_uri, NULL);
		p11_kit_uri_free(u);
	}
	memcpy(ret_version, version, sizeof(version));
}

static int open_key(const struct kp_context *ctx, const char *uri, struct kp **ret,
		    struct kp_error *e)
{
	const char *t = kp_conf(ctx, "pkcs11", "timeout");
	struct kp *kp = calloc(1, sizeof(*kp));
	int r = kp ? p11_user_init(&kp->user, ctx, uri, e) :
		     kp_fail(e, -EAGAIN, NULL, "no memory for a key");

	if (r) {
		free(kp);
		return r;
	}
	kp->timeout_ms = 1000 * (unsigned int)strtoul(t ? t : DEFAULT_TIMEOUT_S, NULL, 10);
	atomic_init(&kp->refs, 1);
	*ret = kp;
	return 0;
}

static void kp_unref(void *arg)
{
	struct kp *kp = arg;

	if (atomic_fetch_sub(&kp->refs, 1) != 1)
		return;
	p11_user_done(&kp->user);
	free(kp);
}

/* ---- calls ------------------------------------------------------------------------- */

struct call {
	struct kp *kp; /* a reference */
	P11KitUri *uri; /* the version that is meant */
	p11_use_fn *fn;
	uint8_t *secret; /* KP_SECRET_LEN bytes of secret memory: what is wrapped or unwrapped */
	uint8_t blob[KP_BLOB_MAX];
	size_t blob_n;
	struct kp_info info;
	char kid[KP_URI_MAX];
};

static void call_free(struct call *c)
{
	if (!c)
		return;
	p11_kit_uri_free(c->uri);
	secret_free(c->secret);
	free(c);
}

static int call_run(void *arg, struct kp_error *e)
{
	struct call *c = arg;

	return p11_use(&c->kp->user, c->uri, c->fn, c, e);
}

/* By the thread of a call that came back too late. */
static void call_end(void *arg)
{
	struct call *c = arg;
	struct kp *kp = c->kp;

	call_free(c);
	atomic_store(&kp->busy, false);
	kp_unref(kp);
}

/* KID: a version of the key that KP is, or NULL. */
static int call_new(struct kp *kp, const char *kid, p11_use_fn *fn, struct call **ret,
		    struct kp_error *e)
{
	struct call *c = calloc(1, sizeof(*c));
	char text[KP_URI_MAX];
	int r = 0;

	if (c)
		c->secret = secret_alloc(KP_SECRET_LEN);
	if (!c || !c->secret)
		r = kp_fail(e, -EAGAIN, NULL, "no memory for a call");
	if (!r && !kid) {
		r = p11_uri_format(kp->user.uri, text, e);
		kid = text;
	}
	if (!r)
		r = p11_uri_parse(kid, &c->uri, e);
	if (!r && !p11_uri_same_key(c->uri, kp->user.uri))
		r = kp_fail(e, -EKEYREJECTED, NULL, "%.180s is not a version of the key", kid);
	if (r) {
		call_free(c);
		return r;
	}
	c->kp = kp;
	c->fn = fn;
	*ret = c;
	return 0;
}

/* 0: what FN left is in C, the caller's; else C is not there any more. */
static int call_do(struct kp *kp, struct call *c, struct kp_error *e)
{
	bool left;
	int r;

	if (atomic_exchange(&kp->busy, true)) {
		call_free(c);
		return kp_fail(e, -EAGAIN, "see that the token and what serves it run",
			       "the PKCS #11 module has not answered an earlier call yet");
	}
	atomic_fetch_add(&kp->refs, 1);
	r = p11_bounded(kp->timeout_ms, call_run, call_end, c, &left, e);
	if (left)
		return r;
	atomic_store(&kp->busy, false);
	kp_unref(kp);
	if (r)
		call_free(c);
	return r;
}

static int use_describe(struct p11_user *u, const struct p11_key *k, void *arg, struct kp_error *e)
{
	struct call *c = arg;

	return p11_describe(u, c->uri, k, &c->info, e);
}

static int describe(struct kp *kp, const char *kid, struct kp_info *ret, struct kp_error *e)
{
	struct call *c;
	int r = call_new(kp, kid, use_describe, &c, e);

	if (!r)
		r = call_do(kp, c, e);
	if (r)
		return r;
	*ret = c->info;
	call_free(c);
	return 0;
}

static int use_wrap(struct p11_user *u, const struct p11_key *k, void *arg, struct kp_error *e)
{
	struct call *c = arg;
	int r = p11_key_kid(c->uri, k, c->kid, e);

	(void)u;
	return r ? r : p11_key_wrap(k, c->secret, c->blob, &c->blob_n, e);
}

static int wrap(struct kp *kp, const uint8_t *secret, size_t n, uint8_t ret[static KP_BLOB_MAX],
		size_t *ret_n, char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	struct call *c;
	int r = n == KP_SECRET_LEN ? call_new(kp, NULL, use_wrap, &c, e) :
				     kp_fail(e, -EINVAL, NULL, "%zu bytes are no vault key", n);

	if (r)
		return r;
	memcpy(c->secret, secret, n);
	r = call_do(kp, c, e);
	if (r)
		return r;
	memcpy(ret, c->blob, c->blob_n);
	*ret_n = c->blob_n;
	memcpy(ret_kid, c->kid, sizeof(c->kid));
	call_free(c);
	return 0;
}

static int use_unwrap(struct p11_user *u, const struct p11_key *k, void *arg, struct kp_error *e)
{
	struct call *c = arg;

	return p11_key_unwrap(&u->session, k, u->pin_file, c->blob, c->blob_n, c->secret, e);
}

static int unwrap(struct kp *kp, const char *kid, const uint8_t *blob, size_t n, uint8_t *ret,
		  struct kp_error *e)
{
	struct call *c;
	int r = n <= KP_BLOB_MAX ? call_new(kp, kid, use_unwrap, &c, e) :
				   kp_fail(e, -EBADMSG, NULL, "%zu bytes are no wrapped key", n);

	if (!r) {
		memcpy(c->blob, blob, n);
		c->blob_n = n;
		r = call_do(kp, c, e);
	}
	if (r) {
		secret_wipe(ret, KP_SECRET_LEN);
		return r;
	}
	memcpy(ret, c->secret, KP_SECRET_LEN);
	call_free(c);
	return 0;
}

/* ---- the rest -------------------------------------------------------------------------- */

static int close_run(void *arg, struct kp_error *e)
{
	(void)e;
	kp_unref(arg);
	return 0;
}

static void close_left(void *arg)
{
	(void)arg; /* close_run() has done it all */
}

/* The module is asked to close a session, and ended with its last: that may hang, too. */
static void close_key(struct kp *kp)
{
	bool left;

	if (!kp)
		return;
	if (atomic_load(&kp->busy) || !kp->user.session.m ||
	    (p11_bounded(CLOSE_MS, close_run, close_left, kp, &left, NULL) && !left))
		kp_unref(kp);
}

static const struct kp_conf_key conf_keys[] = {
	{ "module", KP_CONF_TEXT, "p11-kit-proxy.so" },
	{ "module-arguments", KP_CONF_TEXT, NULL },
	{ "pin-file", KP_CONF_PATH, NULL },
	{ "pin-prompt", KP_CONF_CHOICE, "no yes" },
	{ "imported-keys", KP_CONF_CHOICE, "no yes" },
	{ "timeout", KP_CONF_SECONDS, "10" },
	{ NULL, KP_CONF_TEXT, NULL },
};

static const char *const schemes[] = { "pkcs11:", NULL };

const struct kp_ops kp_pkcs11 = {
	.name = "pkcs11",
	.summary = "RSA keys in a token or HSM, by RFC 7512 URI",
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
