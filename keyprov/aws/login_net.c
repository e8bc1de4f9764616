/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials that are asked for: of STS, of a container's or of an instance's
 * metadata endpoint (version 2, with a session): see login.h.
 */
#include "login.h"

#include <errno.h>
#include <strings.h>

#include "call.h"
#include "crypto/secret.h"
#include "keyprov/net/file.h"
#include "keyprov/net/json.h"

#define METADATA "http://169.254.169.254"
#define CONTAINER "http://169.254.170.2"
#define ROLES "/latest/meta-data/iam/security-credentials/"

/* ---- STS ---------------------------------------------------------------------------- */

static int sts(struct aws_login *l, struct kp_error *e)
{
	struct http_options opt = { .ca_file = l->ca_file };

	return l->sts ? 0 : http_new(&opt, &l->sts, e);
}

static void sts_url(const struct aws_login *l, struct text *t)
{
	text_begin(t, 512);
	if (l->sts_endpoint)
		text_add(t, l->sts_endpoint);
	else
		text_addf(t, "https://sts.%s.%s/", l->key_region, aws_domain(l->key_region));
}

static void sts_form(struct text *t, const char *role, const char *session, const char *token)
{
	text_begin(t, 65536);
	text_add(t, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=");
	text_escape(t, role);
	text_add(t, "&RoleSessionName=");
	text_escape(t, session && *session ? session : "cmkfs");
	text_add(t, "&WebIdentityToken=");
	text_escape(t, token);
}

static int sts_ask(struct aws_login *l, const struct text *url, const struct text *form,
		   struct aws_creds *ret, struct kp_error *e)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded", NULL
	};
	struct http_request q = { .method = "POST", .url = url->s, .headers = headers,
				  .body = form->s, .body_len = form->n };
	_cleanup_reply_ struct http_reply reply = { 0 };
	enum aws_act act;
	int r = http_call(l->sts, &q, &reply, e);

	if (r)
		return r;
	if (reply.status != 200)
		return aws_refused(&reply, "STS", NULL, &act, e);
	return aws_creds_xml(reply.body, ret) ?
		kp_fail(e, -EPROTO, NULL, "STS gave no whole credentials") : 0;
}

int aws_assume_role(struct aws_login *l, const char *role, const char *session,
		    const char *token_file, struct aws_creds *ret, struct kp_error *e)
{
	_cleanup_secret_ char *token = secret_alloc(TOKEN_MAX);
	_cleanup_text_ struct text url = { 0 }, form = { 0 };
	int r = token ? net_read_word(token_file, false, token, TOKEN_MAX, e) :
			kp_fail(e, -EAGAIN, NULL, "no memory for a token");

	if (!r)
		r = sts(l, e);
	if (r)
		return r;
	sts_url(l, &url);
	sts_form(&form, role, session, token);
	if (!text_ok(&url) || !text_ok(&form))
		return kp_fail(e, -EIO, NULL, "the web identity token %.180s is too long",
			       token_file);
	return sts_ask(l, &url, &form, ret, e);
}

/* ---- metadata endpoints ----------------------------------------------------------- */

/* http to this host or its link alone, never by a proxy. */
static int near(struct aws_login *l, struct kp_error *e)
{
	struct http_options opt = { .ca_file = l->ca_file, .plain = true, .direct = true };

	return l->near ? 0 : http_new(&opt, &l->near, e);
}

static int ask(struct aws_login *l, const char *method, const char *url, const char *header,
	       struct http_reply *ret, struct kp_error *e)
{
	const char *headers[] = { header, NULL };
	struct http_request q = { .method = method, .url = url, .headers = headers };
	size_t n;
	const char *host = http_host(url, &n);
	int r = near(l, e);

	if (!r)
		r = http_call(l->near, &q, ret, e);
	if (r || ret->status == 200)
		return r;
	return kp_fail(e, http_status_busy(ret->status) ? -EAGAIN : -EKEYREJECTED,
		       "has this machine a role in IAM?", "%.*s gives no credentials (%ld)",
		       (int)MIN(n, 100U), host, ret->status);
}

static int take(const struct http_reply *reply, struct aws_creds *ret, struct kp_error *e)
{
	_cleanup_json_ json_t *answer = NULL;
	int r = js_parse(reply->body, reply->body_len, &answer, e);

	if (!r && aws_creds_json(answer, ret))
		r = kp_fail(e, -EPROTO, NULL, "the metadata endpoint gave no whole credentials");
	return r;
}

/* The header with the authorization of a container, from a file that may change. */
static int container_header(struct text *t, struct kp_error *e)
{
	const char *path = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *value = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	_cleanup_secret_ char *word = secret_alloc(TOKEN_MAX);
	int r = 0;

	if (!word)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a token");
	if (path && *path) {
		r = net_read_word(path, false, word, TOKEN_MAX, e);
		value = word;
	}
	if (r)
		return r;
	text_begin(t, TOKEN_MAX + 32);
	if (value && *value && !strpbrk(value, "\r\n")) {
		text_add(t, "Authorization: ");
		text_add(t, value);
	}
	return 0;
}

int aws_from_container(struct aws_login *l, struct aws_creds *ret, struct kp_error *e)
{
	const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	_cleanup_text_ struct text url = { 0 }, header = { 0 };
	_cleanup_reply_ struct http_reply reply = { 0 };
	int r;

	text_begin(&url, 1024);
	if (relative && *relative == '/') {
		text_add(&url, CONTAINER);
		text_add(&url, relative);
	} else if (full && *full) {
		text_add(&url, full);
	} else {
		return -ENOENT;
	}
	r = container_header(&header, e);
	if (!r && (!text_ok(&url) || !text_ok(&header)))
		r = kp_fail(e, -EIO, NULL, "the URI of the container's credentials is too long");
	if (!r)
		r = ask(l, "GET", url.s, header.n ? header.s : NULL, &reply, e);
	return r ? r : take(&reply, ret, e);
}

/* The session, as the header that is sent with the other calls. */
static int instance_session(struct aws_login *l, const char *base, struct text *ret,
			    struct kp_error *e)
{
	_cleanup_reply_ struct http_reply reply = { 0 };
	_cleanup_text_ struct text url = { 0 };
	int r;

	text_begin(&url, 1024);
	text_add(&url, base);
	text_add(&url, "/latest/api/token");
	if (!text_ok(&url))
		return kp_fail(e, -EIO, NULL, "metadata-endpoint is too long");
	r = ask(l, "PUT", url.s, "X-aws-ec2-metadata-token-ttl-seconds: 300", &reply, e);
	if (r)
		return r;
	text_begin(ret, 2048);
	text_add(ret, "X-aws-ec2-metadata-token: ");
	text_add(ret, reply.body);
	return !text_ok(ret) || !reply.body_len || strpbrk(reply.body, "\r\n") ?
		kp_fail(e, -EPROTO, NULL, "the metadata endpoint gave no session") : 0;
}

/* The instance has one role; its name is the first line. */
static int instance_role(struct aws_login *l, const struct text *session, struct text *url,
			 struct kp_error *e)
{
	_cleanup_reply_ struct http_reply reply = { 0 };
	int r = ask(l, "GET", url->s, session->s, &reply, e);
	size_t n;

	if (r)
		return r;
	n = strcspn(reply.body, "\r\n");
	if (!n || n > 128 || strspn(reply.body, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789+=,.@_-") != n)
		return kp_fail(e, -EPROTO, NULL, "the metadata endpoint gave no name of a role");
	text_add_n(url, reply.body, n);
	return 0;
}

int aws_from_instance(struct aws_login *l, struct aws_creds *ret, struct kp_error *e)
{
	const char *off = getenv("AWS_EC2_METADATA_DISABLED");
	const char *base = l->metadata_endpoint ? l->metadata_endpoint : METADATA;
	_cleanup_text_ struct text session = { 0 }, url = { 0 };
	_cleanup_reply_ struct http_reply reply = { 0 };
	size_t n = strlen(base);
	int r;

	if (off && !strcasecmp(off, "true"))
		return -ENOENT;
	text_begin(&url, 1024);
	text_add_n(&url, base, n && base[n - 1] == '/' ? n - 1 : n);
	r = instance_session(l, url.s, &session, e);
	text_add(&url, ROLES);
	if (!r)
		r = instance_role(l, &session, &url, e);
	if (!r && !text_ok(&url))
		r = kp_fail(e, -EIO, NULL, "metadata-endpoint is too long");
	if (!r)
		r = ask(l, "GET", url.s, session.s, &reply, e);
	return r ? r : take(&reply, ret, e);
}
