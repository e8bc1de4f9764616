/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys in the transit engine of HashiCorp Vault and OpenBao.
 *
 * AES and ChaCha20 keys: what is wrapped is bound to volume and zone, by
 * associated data and, where the key is derived, by the derivation context; the
 * blob is the text that the server gives.  RSA keys take no binding; the blob is
 * the plain RSA-OAEP-256 ciphertext.
 *
 * Deadline: HTTP_CALL_MS for each of at most four calls that a describe and an
 * unwrap make (login, key, rights, decrypt); the first that fails ends them.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/timerfd.h>

#include "crypto/b64.h"
#include "crypto/secret.h"
#include "describe.h"
#include "keyprov/clock.h"
#include "keyprov/net/json.h"
#include "keyprov/net/text.h"

#define BODY_MAX_BYTES 8192
#define NO_BINDING "cmkfs" /* of an operator's trial, without a volume */
#define RENEW_PAUSE_MS 1000

struct kp {
	struct hv_session s;
	char binding[128];
	int timer; /* to renew a token that is given to us, ahead of its end */
};

static int check(const char *uri, char ret[static KP_URI_MAX], struct kp_error *e)
{
	struct hv_uri u;
	int r = hv_uri_parse(uri, &u, e);

	if (!r)
		hv_uri_format(&u, ret);
	return r;
}

static void kp_close(struct kp *kp)
{
	if (!kp)
		return;
	if (kp->timer >= 0)
		close(kp->timer);
	token_done(&kp->s.token);
	http_free(kp->s.http);
	free(kp);
}

static int connect_to(struct hv_session *s, struct kp_error *e)
{
	const struct http_options opt = {
		.ca_file = s->set.ca_file,
		.cert_file = s->set.cert_file,
		.key_file = s->set.key_file,
		.plain = s->set.plain,
	};

	return http_new(&opt, &s->http, e);
}

static int open_key(const struct kp_context *ctx, const char *uri, struct kp **ret,
		    struct kp_error *e)
{
	struct kp *kp = calloc(1, sizeof(*kp));
	int r;

	if (!kp)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	kp->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	snprintf(kp->binding, sizeof(kp->binding), "%s", ctx->binding ? ctx->binding : NO_BINDING);
	r = hv_uri_parse(uri, &kp->s.uri, e);
	if (!r)
		r = hv_settings_load(ctx, &kp->s.uri, &kp->s.set, e);
	if (!r)
		r = connect_to(&kp->s, e);
	if (r)
		kp_close(kp);
	else
		*ret = kp;
	return r;
}

/* The version that KID names; NULL: the one of the URI, 0 for the newest. */
static int version_of(struct kp *kp, const char *kid, unsigned int *ret, struct kp_error *e)
{
	struct hv_uri u = kp->s.uri;
	int r = kid ? hv_uri_parse(kid, &u, e) : 0;

	if (!r && !hv_uri_same_key(&u, &kp->s.uri))
		r = kp_fail(e, -EKEYREJECTED, NULL, "%.180s is no version of key %s/%s", kid,
			    kp->s.uri.mount, kp->s.uri.name);
	if (!r)
		*ret = u.version;
	return r;
}

/* ---- renewal --------------------------------------------------------------------- */

/* A lease may be longer than the token's life: it is woken for it. */
static void arm(struct kp *kp)
{
	const struct token *t = &kp->s.token;
	int64_t at = MAX(t->refresh, boottime_ms() + RENEW_PAUSE_MS);
	struct itimerspec when = { .it_value = { at / 1000, at % 1000 * 1000000 } };

	if (!t->value || t->refresh == INT64_MAX)
		memset(&when, 0, sizeof(when));
	timerfd_settime(kp->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static int ask(struct kp *kp, const char *path, const char *body, json_t **ret,
	       struct kp_error *e)
{
	int r = hv_ask(&kp->s, path, body, ret, e);

	arm(kp);
	return r;
}

static int watch_fd(struct kp *kp)
{
	return kp->timer;
}

static int watch_read(struct kp *kp, bool *ret_changed)
{
	const char *token;
	uint64_t n;

	*ret_changed = false;
	if (read(kp->timer, &n, sizeof(n)) == sizeof(n))
		token_get(&kp->s.token, hv_log_in, &kp->s, &token, NULL);
	arm(kp);
	return 0;
}

/* ---- describe -------------------------------------------------------------------- */

static int get_key(struct kp *kp, struct hv_key *ret, struct kp_error *e)
{
	_cleanup_json_ json_t *j = NULL;
	char path[HV_PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/keys/%s", kp->s.uri.mount, kp->s.uri.name);
	r = ask(kp, path, NULL, &j, e);
	return r ? r : hv_read_key(j, ret, e);
}

/* A token that may not ask what it may do is taken to be right: an unwrap will tell. */
static int get_rights(struct kp *kp, struct hv_rights *ret, struct kp_error *e)
{
	_cleanup_text_ struct text body = { 0 };
	_cleanup_json_ json_t *j = NULL;
	int r;

	*ret = (struct hv_rights){ .get = true, .wrap = true, .unwrap = true };
	text_begin(&body, BODY_MAX_BYTES);
	hv_rights_question(&kp->s.uri, &body);
	if (!text_ok(&body))
		return kp_fail(e, -EAGAIN, NULL, "no memory for a question");
	r = ask(kp, "sys/capabilities-self", body.s, &j, e);
	if (r == -EACCES)
		return 0;
	return r ? r : hv_read_rights(j, &kp->s.uri, ret, e);
}

static int describe(struct kp *kp, const char *kid, struct kp_info *ret, struct kp_error *e)
{
	struct hv_uri u = kp->s.uri;
	struct hv_rights rights;
	struct hv_key k;
	int r = version_of(kp, kid, &u.version, e);

	if (!r)
		r = get_key(kp, &k, e);
	if (!r)
		r = get_rights(kp, &rights, e);
	if (!r)
		hv_describe(&u, &k, &rights, ret);
	return r;
}

/* ---- wrap, unwrap ---------------------------------------------------------------- */

/* Members that bind an AEAD key's ciphertext; a key that is not derived ignores the second. */
static void add_binding(struct text *t, const char *binding)
{
	text_add(t, ",\"associated_data\":\"");
	text_b64(t, binding, strlen(binding));
	text_add(t, "\",\"context\":\"");
	text_b64(t, binding, strlen(binding));
	text_add(t, "\"");
}

/* Describes first: `encrypt` of a key that is not there would make one. */
static int find_to_wrap(struct kp *kp, unsigned int *ret_version, bool *ret_rsa,
			struct kp_error *e)
{
	struct kp_info info = { .type = "" };
	struct hv_key k;
	int r = get_key(kp, &k, e);

	if (r)
		return r;
	*ret_version = kp->s.uri.version ? kp->s.uri.version : k.latest;
	hv_describe(&kp->s.uri, &k, &(struct hv_rights){ true, true, true, false }, &info);
	*ret_rsa = !strcmp(info.type, "RSA");
	if (*ret_rsa || !strcmp(info.type, "oct"))
		return 0;
	return kp_fail(e, -EKEYREJECTED, info.refusal.hint, "%s", info.refusal.message);
}

static int blob_of(const char *ciphertext, unsigned int version, bool rsa,
		   uint8_t ret[static KP_BLOB_MAX], size_t *ret_n, struct kp_error *e)
{
	unsigned int got;
	const char *b64;

	if (hv_ciphertext_split(ciphertext, &got, &b64) || got != version)
		return kp_fail(e, -EAGAIN, NULL, "the key was rotated or made anew meanwhile");
	if (rsa)
		return b64_std_decode(b64, strlen(b64), ret, KP_BLOB_MAX, ret_n) ? -EPROTO : 0;
	*ret_n = strlen(ciphertext);
	memcpy(ret, ciphertext, *ret_n);
	return 0;
}

static int encrypt(struct kp *kp, const struct text *body, json_t **ret, struct kp_error *e)
{
	char path[HV_PATH_MAX];

	if (!text_ok(body))
		return kp_fail(e, -EAGAIN, NULL, "no memory to wrap a key");
	snprintf(path, sizeof(path), "%s/encrypt/%s", kp->s.uri.mount, kp->s.uri.name);
	return ask(kp, path, body->s, ret, e);
}

static int wrap(struct kp *kp, const uint8_t *secret, size_t n, uint8_t ret[static KP_BLOB_MAX],
		size_t *ret_n, char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	_cleanup_text_ struct text body = { 0 };
	_cleanup_json_ json_t *j = NULL;
	struct hv_uri u = kp->s.uri;
	const char *ciphertext = "";
	bool rsa;
	int r = find_to_wrap(kp, &u.version, &rsa, e);

	if (r)
		return r;
	text_begin(&body, BODY_MAX_BYTES);
	text_add(&body, "{\"plaintext\":\"");
	text_b64(&body, secret, n);
	text_addf(&body, "\",\"key_version\":%u", u.version);
	if (!rsa)
		add_binding(&body, kp->binding);
	text_add(&body, "}");
	r = encrypt(kp, &body, &j, e);
	if (!r)
		r = hv_read_ciphertext(j, &ciphertext, e);
	if (!r)
		r = blob_of(ciphertext, u.version, rsa, ret, ret_n, e);
	if (!r)
		hv_uri_format(&u, ret_kid);
	return r;
}

/* Whether BLOB is a text of version VERSION, as the server gives it for AEAD keys. */
static bool is_text(const uint8_t *blob, size_t n, unsigned int version)
{
	char begin[32];
	int len = snprintf(begin, sizeof(begin), "vault:v%u:", version);

	return n > (size_t)len && !memcmp(blob, begin, (size_t)len);
}

static int question(struct kp *kp, unsigned int version, const uint8_t *blob, size_t n,
		    struct text *body, struct kp_error *e)
{
	_cleanup_text_ struct text ciphertext = { 0 };
	bool aead = is_text(blob, n, version);

	text_begin(&ciphertext, BODY_MAX_BYTES);
	text_begin(body, 2 * BODY_MAX_BYTES);
	if (aead) {
		text_add_n(&ciphertext, blob, n);
	} else {
		text_addf(&ciphertext, "vault:v%u:", version);
		text_b64(&ciphertext, blob, n);
	}
	text_add(body, "{\"ciphertext\":");
	text_json(body, text_ok(&ciphertext) ? ciphertext.s : "");
	if (aead)
		add_binding(body, kp->binding);
	text_add(body, "}");
	return text_ok(&ciphertext) && text_ok(body) ?
		       0 : kp_fail(e, -EAGAIN, NULL, "no memory to unwrap a key");
}

static int decrypt(struct kp *kp, const char *kid, const uint8_t *blob, size_t n, uint8_t *ret,
		   struct kp_error *e)
{
	_cleanup_text_ struct text body = { 0 };
	_cleanup_json_ json_t *j = NULL;
	unsigned int named = kp->s.uri.version;
	char path[HV_PATH_MAX];
	int r = version_of(kp, kid, &kp->s.uri.version, e);

	if (!r)
		r = question(kp, kp->s.uri.version, blob, n, &body, e);
	snprintf(path, sizeof(path), "%s/decrypt/%s", kp->s.uri.mount, kp->s.uri.name);
	if (!r)
		r = ask(kp, path, body.s, &j, e); /* its refusals name the version */
	kp->s.uri.version = named;
	return r ? r : hv_read_plaintext(j, ret, e);
}

static int unwrap(struct kp *kp, const char *kid, const uint8_t *blob, size_t n, uint8_t *ret,
		  struct kp_error *e)
{
	int r = decrypt(kp, kid, blob, n, ret, e);

	if (r)
		secret_wipe(ret, KP_SECRET_LEN);
	return r;
}

static const char *const schemes[] = { "hashivault://", NULL };

const struct kp_ops kp_vault = {
	.name = "vault",
	.summary = "transit keys of HashiCorp Vault and OpenBao",
	.schemes = schemes,
	.conf_keys = hv_conf_keys,
	.check = check,
	.open = open_key,
	.describe = describe,
	.wrap = wrap,
	.unwrap = unwrap,
	.watch_fd = watch_fd,
	.watch_read = watch_read,
	.close = kp_close,
};
