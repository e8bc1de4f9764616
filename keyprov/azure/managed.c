/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of a managed identity, from the endpoint that the platform has beside
 * the program: the identity endpoint of App Service, Functions and Container
 * Apps (IDENTITY_ENDPOINT and IDENTITY_HEADER), that of Arc (IDENTITY_ENDPOINT
 * and IMDS_ENDPOINT), or the metadata service of virtual machines.
 */
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "azure.h"
#include "crypto/secret.h"

enum place { VIRTUAL_MACHINE, APP_SERVICE, ARC };

static const char *variable(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static enum place place_of(void)
{
	if (!variable("IDENTITY_ENDPOINT"))
		return VIRTUAL_MACHINE;
	return variable("IDENTITY_HEADER") ? APP_SERVICE :
	       variable("IMDS_ENDPOINT")   ? ARC : VIRTUAL_MACHINE;
}

static int make_url(const struct az_identity *i, enum place p, struct text *t, struct kp_error *e)
{
	static const char *const version[] = { "2018-02-01", "2019-08-01", "2019-11-01" };

	text_begin(t, 2048);
	text_add(t, p == VIRTUAL_MACHINE ? i->conf->metadata : variable("IDENTITY_ENDPOINT"));
	if (p == VIRTUAL_MACHINE)
		text_add(t, "/metadata/identity/oauth2/token");
	text_addf(t, "?api-version=%s&resource=https%%3A%%2F%%2F", version[p]);
	text_escape(t, i->resource);
	if (i->conf->client) {
		text_add(t, "&client_id=");
		text_escape(t, i->conf->client);
	} else if (i->conf->resource_id) {
		text_add(t, p == APP_SERVICE ? "&mi_res_id=" : "&msi_res_id=");
		text_escape(t, i->conf->resource_id);
	}
	return text_ok(t) ? 0 : kp_fail(e, -EAGAIN, NULL, "no memory for a URL");
}

/* HEADER is the second one: the platform's secret, or Arc's. */
static int ask(struct az_identity *i, const char *url, const char *header,
	       struct http_reply *ret, struct kp_error *e)
{
	const char *headers[] = { "Metadata: true", header, NULL };
	const struct http_request q = { .method = "GET", .url = url, .headers = headers };

	return http_call(i->metadata, &q, ret, e);
}

/* The first answer of Arc names a file that only a local administrator can read. */
static int answer_arc(struct az_identity *i, const char *url, struct http_reply *reply,
		      struct kp_error *e)
{
	_cleanup_text_ struct text header = { 0 };
	_cleanup_secret_ char *secret = secret_alloc(8192);
	int r;

	if (!secret)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a secret");
	r = az_arc_secret(reply->www_authenticate, secret, 8192, e);
	if (r)
		return r;
	text_begin(&header, 8192);
	text_add(&header, "Authorization: Basic ");
	text_add(&header, secret);
	http_reply_done(reply);
	return text_ok(&header) ? ask(i, url, header.s, reply, e) :
				  kp_fail(e, -EAGAIN, NULL, "no memory for a secret");
}

static int call(struct az_identity *i, enum place p, const char *url, struct http_reply *reply,
		struct kp_error *e)
{
	_cleanup_text_ struct text header = { 0 };
	int r;

	if (p != APP_SERVICE) {
		r = ask(i, url, NULL, reply, e);
		return !r && p == ARC && reply->status == 401 ? answer_arc(i, url, reply, e) : r;
	}
	text_begin(&header, 4096);
	text_add(&header, "X-IDENTITY-HEADER: ");
	text_add(&header, variable("IDENTITY_HEADER"));
	return text_ok(&header) ? ask(i, url, header.s, reply, e) :
				  kp_fail(e, -EAGAIN, NULL, "no memory for a secret");
}

int az_managed_token(void *arg, char *ret, int64_t *ret_life_ms, struct kp_error *e)
{
	static const struct http_options opt = { .plain = true, .direct = true };
	struct az_identity *i = arg;
	enum place p = place_of();
	_cleanup_text_ struct text url = { 0 };
	_cleanup_reply_ struct http_reply reply = { 0 };
	int r = i->metadata ? 0 : http_new(&opt, &i->metadata, e);

	if (!r)
		r = make_url(i, p, &url, e);
	if (!r)
		r = call(i, p, url.s, &reply, e);
	if (r == -EAGAIN)
		return kp_hint(e, r, "is this a machine of Azure with a managed identity? else set "
			       "identity in [azure], see cmkfs-providers(7)");
	if (r)
		return r;
	if (reply.status != 200)
		return az_metadata_refusal(&reply, e);
	return az_read_token(reply.body, reply.body_len, reply.date ? reply.date : time(NULL), ret,
			     ret_life_ms, e);
}
