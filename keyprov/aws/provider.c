/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS KMS as a key provider: DescribeKey, Encrypt and Decrypt.
 *
 * AWS names no version of a key: after a rotation old blobs go on being
 * decrypted.  A version here is the key that an alias names (aws.h), so that a
 * volume whose key was named by an alias follows it to another key.
 *
 * Symmetric keys carry the volume and the zone as encryption context.  RSA
 * keys, which take none, are accepted too: that a blob is another zone's is then
 * seen by the key check of the keyring alone.
 *
 * Deadline of a call: that of aws_call(), twice where the kind of the key or what
 * its alias names is asked for as well.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "key.h"
#include "keyprov/net/json.h"

#define OAEP "RSAES_OAEP_SHA_256"

static int check(const char *uri, char ret[static KP_URI_MAX], struct kp_error *e)
{
	struct aws_uri u;
	int r = aws_uri_parse(uri, &u, e);

	return r ? r : aws_uri_format(&u, ret);
}

static void kp_close(struct kp *kp)
{
	if (!kp)
		return;
	aws_login_done(&kp->login);
	http_free(kp->http);
	free(kp->binding);
	free(kp);
}

/* ---- opening ------------------------------------------------------------------------- */

static int open_key(const struct kp_context *ctx, const char *uri, struct kp **ret,
		    struct kp_error *e)
{
	struct kp *kp = calloc(1, sizeof(*kp));
	int r;

	if (!kp)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	r = aws_uri_parse(uri, &kp->uri, e);
	if (!r)
		r = aws_key_setup(kp, ctx, e);
	if (r)
		kp_close(kp);
	else
		*ret = kp;
	return r;
}

/* ---- calls ----------------------------------------------------------------------------- */

static int call(struct kp *kp, const char *operation, const char *key, struct text *body,
		json_t **ret, struct kp_error *e)
{
	struct aws_call c = { .login = &kp->login, .http = kp->http, .url = kp->url,
			      .operation = operation, .key = key, .body = body };

	text_add(body, "}");
	return aws_call(&c, ret, e);
}

/* {"KeyId":"…" without its end, which call() adds. */
static void begin(struct text *body, const char *key)
{
	text_begin(body, 2 * KP_BLOB_MAX);
	text_add(body, "{\"KeyId\":");
	text_json(body, key);
}

/* What is bound into the blob, or the algorithm of a key that binds nothing. */
static void bind(const struct kp *kp, struct text *body)
{
	int half = kp->binding ? (int)strlen(kp->binding) / 2 : 0;

	if (kp->kind == KIND_RSA)
		text_add(body, ",\"EncryptionAlgorithm\":\"" OAEP "\"");
	else if (half)
		text_addf(body, ",\"EncryptionContext\":{\"cmkfs-volume\":\"%.*s\","
			  "\"cmkfs-zone\":\"%s\"}", half, kp->binding, kp->binding + half);
}

static int ask_key(struct kp *kp, const char *name, struct aws_key *ret, struct kp_error *e)
{
	_cleanup_text_ struct text body = { 0 };
	_cleanup_json_ json_t *answer = NULL;
	int r;

	begin(&body, name);
	r = call(kp, "DescribeKey", name, &body, &answer, e);
	return r ? r : aws_key_take(answer, ret, e);
}

static void note_kind(struct kp *kp, const char *name, const struct aws_key *k)
{
	snprintf(kp->name, sizeof(kp->name), "%s", name);
	snprintf(kp->arn, sizeof(kp->arn), "%s", k->arn);
	kp->kind = strncmp(k->spec, "RSA_", 4) ? KIND_SYMMETRIC : KIND_RSA;
}

/* A key that was asked for by its ARN or ID must be the one that answers. */
static int same_key(const struct aws_uri *asked, const struct aws_uri *got, struct kp_error *e)
{
	char name[AWS_NAME_MAX], arn[AWS_NAME_MAX];

	aws_name(asked, name);
	if (!strncmp(name, "arn:", 4))
		aws_alias(got, arn);
	else
		snprintf(arn, sizeof(arn), "%s", got->resource + 4);
	if (!strcmp(name, arn) || (aws_is_alias(asked) && !asked->key[0]))
		return 0;
	return kp_fail(e, -EPROTO, NULL, "asked for key %.100s, the server answers for %.100s", name,
		       arn);
}

/* ---- describe ---------------------------------------------------------------------------- */

/* The kid of the key KEY, which has been asked for by AS. */
static int make_kid(const struct aws_uri *as, const struct aws_key *k, char ret[static KP_URI_MAX],
		    struct kp_error *e)
{
	struct aws_uri u = k->name;

	memcpy(u.endpoint, as->endpoint, sizeof(u.endpoint));
	if (aws_is_alias(as)) {
		snprintf(u.key, sizeof(u.key), "%s", k->name.resource + 4);
		memcpy(u.resource, as->resource, sizeof(u.resource));
	}
	return aws_uri_format(&u, ret) ?
		kp_fail(e, -EINVAL, NULL, "the name of the key is too long") : 0;
}

/* Which key the alias names now; the one described where that cannot be told. */
static int find_newest(struct kp *kp, const struct aws_uri *u, const struct kp_info *info,
		       char ret[static KP_URI_MAX])
{
	char alias[AWS_NAME_MAX];
	struct aws_key k;

	memcpy(ret, info->kid, KP_URI_MAX);
	if (!aws_is_alias(u) || !u->key[0])
		return 0;
	aws_alias(u, alias);
	return ask_key(kp, alias, &k, NULL) ? 0 : make_kid(u, &k, ret, NULL);
}

static int describe(struct kp *kp, const char *kid, struct kp_info *ret, struct kp_error *e)
{
	struct aws_uri u = kp->uri;
	char name[AWS_NAME_MAX];
	struct kp_info info;
	struct aws_key k;
	int r = kid ? aws_uri_parse(kid, &u, e) : 0;

	if (r)
		return r;
	aws_name(&u, name);
	r = ask_key(kp, name, &k, e);
	if (!r)
		r = same_key(&u, &k.name, e);
	if (r)
		return r;
	note_kind(kp, name, &k);
	aws_info(&k, &kp->place, &info);
	snprintf(info.vault, sizeof(info.vault), "%.*s", (int)sizeof(info.vault) - 1,
		 kp->url + strlen("https://"));
	info.vault[strcspn(info.vault, "/")] = '\0';
	r = make_kid(&u, &k, info.kid, e);
	if (!r)
		find_newest(kp, &u, &info, info.newest);
	if (!r)
		*ret = info;
	return r;
}

/* ---- wrap, unwrap ------------------------------------------------------------------------ */

/* Make sure that kp->arn and kp->kind are those of the key U, called NAME. */
static int know_kind(struct kp *kp, const struct aws_uri *u, const char *name, struct kp_error *e)
{
	struct aws_key k;
	int r;

	if (kp->kind != KIND_UNKNOWN && !strcmp(kp->name, name))
		return 0;
	r = ask_key(kp, name, &k, e);
	if (!r)
		r = same_key(u, &k.name, e);
	if (!r)
		note_kind(kp, name, &k);
	return r;
}

/* That the answer is of the key U, and which it is. */
static int answer_key(const json_t *answer, const struct aws_uri *u, struct aws_key *ret,
		      struct kp_error *e)
{
	const char *arn;
	int r = js_text(answer, "KeyId", &arn, e);

	if (!r && (aws_arn_parse(arn, &ret->name) || aws_is_alias(&ret->name)))
		r = kp_fail(e, -EPROTO, NULL, "unintelligible answer: 'KeyId' is no ARN of a key");
	return r ? r : same_key(u, &ret->name, e);
}

static int wrap(struct kp *kp, const uint8_t *secret, size_t n, uint8_t ret[static KP_BLOB_MAX],
		size_t *ret_n, char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	_cleanup_text_ struct text body = { 0 };
	_cleanup_json_ json_t *answer = NULL;
	char name[AWS_NAME_MAX];
	struct aws_key k;
	int r;

	aws_name(&kp->uri, name);
	r = know_kind(kp, &kp->uri, name, e);
	if (r)
		return r;
	begin(&body, kp->arn);
	text_add(&body, ",\"Plaintext\":\"");
	text_b64(&body, secret, n);
	text_add(&body, "\"");
	bind(kp, &body);
	r = call(kp, "Encrypt", kp->arn, &body, &answer, e);
	if (!r)
		r = answer_key(answer, &kp->uri, &k, e);
	if (!r)
		r = js_b64(answer, "CiphertextBlob", ret, KP_BLOB_MAX, ret_n, e);
	return r ? r : make_kid(&kp->uri, &k, ret_kid, e);
}

static int decrypt(struct kp *kp, const struct aws_uri *u, const uint8_t *blob, size_t n,
		   uint8_t *ret, struct kp_error *e)
{
	_cleanup_text_ struct text body = { 0 };
	_cleanup_json_ json_t *answer = NULL;
	struct aws_key k;
	size_t len;
	int r;

	/* With the key named, no blob of another key can choose its own. */
	begin(&body, kp->arn);
	text_add(&body, ",\"CiphertextBlob\":\"");
	text_b64(&body, blob, n);
	text_add(&body, "\"");
	bind(kp, &body);
	r = call(kp, "Decrypt", kp->arn, &body, &answer, e);
	if (!r)
		r = answer_key(answer, u, &k, e);
	if (!r)
		r = js_b64(answer, "Plaintext", ret, KP_SECRET_LEN, &len, e);
	if (!r && len != KP_SECRET_LEN)
		r = kp_fail(e, -EPROTO, NULL, "the server gave a key of %zu bytes", len);
	return r;
}

static int unwrap(struct kp *kp, const char *kid, const uint8_t *blob, size_t n, uint8_t *ret,
		  struct kp_error *e)
{
	char name[AWS_NAME_MAX];
	struct aws_uri u;
	int r = aws_uri_parse(kid, &u, e);

	if (!r) {
		aws_name(&u, name);
		r = know_kind(kp, &u, name, e);
	}
	if (!r)
		r = decrypt(kp, &u, blob, n, ret, e);
	if (r)
		secret_wipe(ret, KP_SECRET_LEN);
	return r;
}

static const struct kp_conf_key conf_keys[] = {
	{ "region", KP_CONF_TEXT, "AWS_REGION, AWS_DEFAULT_REGION, else the profile's" },
	{ "profile", KP_CONF_TEXT, "AWS_PROFILE, else default" },
	{ "credentials", KP_CONF_CHOICE,
	  "auto environment web-identity profile container instance" },
	{ "credentials-file", KP_CONF_PATH, "~/.aws/credentials" },
	{ "config-file", KP_CONF_PATH, "~/.aws/config" },
	{ "role-arn", KP_CONF_TEXT, "AWS_ROLE_ARN" },
	{ "role-session-name", KP_CONF_TEXT, "cmkfs" },
	{ "web-identity-token-file", KP_CONF_PATH, "AWS_WEB_IDENTITY_TOKEN_FILE" },
	{ "sts-endpoint", KP_CONF_TEXT, "that of the key's region" },
	{ "metadata-endpoint", KP_CONF_TEXT, "http://169.254.169.254" },
	{ "ca-file", KP_CONF_PATH, "the system's authorities" },
	{ NULL, KP_CONF_TEXT, NULL },
};

static const char *const schemes[] = { "awskms://", NULL };

const struct kp_ops kp_aws = {
	.name = "aws",
	.summary = "AWS KMS",
	.schemes = schemes,
	.conf_keys = conf_keys,
	.check = check,
	.open = open_key,
	.describe = describe,
	.wrap = wrap,
	.unwrap = unwrap,
	.close = kp_close,
};
