/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of Entra ID by the client-credentials grant (RFC 6749 section 4.4):
 * with a client secret, with a certificate, or with another issuer's token
 * (workload identity federation).
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "azure.h"
#include "crypto/secret.h"
#include "keyprov/net/file.h"

#define FORM_MAX 32768
#define ASSERTION "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* https://AUTHORITY/TENANT/oauth2/v2.0/token */
static int token_url(const struct az_identity *i, struct text *t, struct kp_error *e)
{
	const char *a = i->conf->authority;
	size_t n = strlen(a);

	while (n && a[n - 1] == '/')
		n--;
	text_begin(t, 512);
	text_add_n(t, a, n);
	text_add(t, "/");
	text_escape(t, i->tenant);
	text_add(t, "/oauth2/v2.0/token");
	return text_ok(t) ? 0 : kp_fail(e, -EAGAIN, NULL, "no memory for a URL");
}

static int add_secret(const struct az_conf *c, struct text *form, struct kp_error *e)
{
	_cleanup_secret_ char *secret = secret_alloc(4096);
	int r;

	text_add(form, "&client_secret=");
	if (c->env_secret) {
		text_escape(form, getenv("AZURE_CLIENT_SECRET"));
		return 0;
	}
	if (!secret)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a secret");
	r = net_read_word(c->secret_file, true, secret, 4096, e);
	if (!r)
		text_escape(form, secret);
	return r;
}

/* The file is read every time: the platform replaces it. */
static int add_federated(const struct az_conf *c, struct text *form, struct kp_error *e)
{
	_cleanup_secret_ char *jwt = secret_alloc(TOKEN_MAX);
	int r;

	if (!jwt)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a token");
	r = net_read_word(c->token_file, false, jwt, TOKEN_MAX, e);
	if (!r)
		text_escape(form, jwt);
	return r;
}

static int add_credential(const struct az_conf *c, const char *url, struct text *form,
			  struct kp_error *e)
{
	if (c->identity == AZ_SECRET)
		return add_secret(c, form, e);
	text_add(form, "&client_assertion_type=");
	text_escape(form, ASSERTION);
	text_add(form, "&client_assertion=");
	if (c->identity == AZ_WORKLOAD)
		return add_federated(c, form, e);
	return az_jwt(c->certificate, c->client, url, time(NULL), form, e);
}

static int make_form(const struct az_identity *i, const char *url, struct text *form,
		     struct kp_error *e)
{
	int r;

	text_begin(form, FORM_MAX);
	text_add(form, "grant_type=client_credentials&client_id=");
	text_escape(form, i->conf->client);
	text_add(form, "&scope=https%3A%2F%2F");
	text_escape(form, i->resource);
	text_add(form, "%2F.default");
	r = add_credential(i->conf, url, form, e);
	return r || text_ok(form) ? r : kp_fail(e, -EAGAIN, NULL, "no memory for a form");
}

static int connection(struct az_identity *i, struct kp_error *e)
{
	const struct http_options opt = { .ca_file = i->conf->ca_file,
					  .connect_to = i->conf->connect_to };

	return i->sign_in ? 0 : http_new(&opt, &i->sign_in, e);
}

int az_entra_token(void *arg, char *ret, int64_t *ret_life_ms, struct kp_error *e)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
					       "Accept: application/json", NULL };
	struct az_identity *i = arg;
	_cleanup_text_ struct text url = { 0 }, form = { 0 };
	_cleanup_reply_ struct http_reply reply = { 0 };
	struct http_request q = { .method = "POST", .headers = headers };
	char who[100];
	size_t n;
	int r = connection(i, e);

	if (!r)
		r = token_url(i, &url, e);
	if (!r)
		r = make_form(i, url.s, &form, e);
	if (r)
		return r;
	q.url = url.s;
	q.body = form.s;
	q.body_len = form.n;
	r = http_call(i->sign_in, &q, &reply, e);
	if (r)
		return r;
	if (reply.status == 200)
		return az_read_token(reply.body, reply.body_len, reply.date ? reply.date : time(NULL),
				     ret, ret_life_ms, e);
	q.url = http_host(url.s, &n);
	snprintf(who, sizeof(who), "%.*s", (int)n, q.url);
	return az_sign_in_refusal(&reply, who, e);
}
