/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the server, with a token.
 */
#include <errno.h>

#include "hashivault.h"
#include "keyprov/net/json.h"
#include "keyprov/net/text.h"

#define PATH_MAX_BYTES 1024
#define HEADERS 4

/* The answer as an object; without one NULL, which only a refusal may have. */
static int parse(const struct http_reply *reply, json_t **ret, struct kp_error *e)
{
	struct kp_error own = { 0 };
	int r;

	*ret = NULL;
	if (!reply->body_len && reply->status / 100 == 2) {
		*ret = json_object();
		return *ret ? 0 : kp_fail(e, -EAGAIN, NULL, "no memory for an answer");
	}
	r = js_parse(reply->body, reply->body_len, ret, &own);
	if (!r || (r == -EPROTO && reply->status / 100 != 2))
		return 0;
	if (e)
		*e = own;
	return r;
}

static int transfer(struct hv_session *s, const char *url, const char *const *headers,
		    const char *body, long *ret_status, json_t **ret, struct kp_error *e)
{
	const struct http_request q = {
		.method = body ? "POST" : "GET",
		.url = url,
		.headers = headers,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.final_500 = true, /* what a damaged ciphertext gets */
	};
	_cleanup_reply_ struct http_reply reply = { 0 };
	int r = http_call(s->http, &q, &reply, e);

	if (r)
		return r;
	*ret_status = reply.status;
	return parse(&reply, ret, e);
}

int hv_send(struct hv_session *s, const char *path, const char *token, const char *body,
	    long *ret_status, json_t **ret, struct kp_error *e)
{
	_cleanup_text_ struct text url = { 0 }, secret = { 0 }, namespace = { 0 };
	/* A proxy in front of the server may insist on the first. */
	const char *headers[HEADERS + 1] = { "X-Vault-Request: true",
					     "Content-Type: application/json" };
	unsigned int n = 2;

	text_begin(&url, PATH_MAX_BYTES);
	text_begin(&secret, HV_TOKEN_MAX + 32);
	text_begin(&namespace, PATH_MAX_BYTES);
	text_addf(&url, "%s%s", s->set.base, path);
	if (token) {
		text_addf(&secret, "X-Vault-Token: %s", token);
		headers[n++] = secret.s;
	}
	if (s->set.namespace) {
		text_addf(&namespace, "X-Vault-Namespace: %s", s->set.namespace);
		headers[n++] = namespace.s;
	}
	if (!text_ok(&url) || !text_ok(&secret) || !text_ok(&namespace))
		return kp_fail(e, -EAGAIN, NULL, "no memory for a question");
	return transfer(s, url.s, headers, body, ret_status, ret, e);
}

static int dead(const struct hv_session *s, struct kp_error *e)
{
	return kp_fail(e, -EKEYREJECTED,
		       "put a new one into its file: vault token create -policy=POLICY",
		       "the token is none of %s: it was revoked, or has expired", s->uri.host);
}

int hv_ask(struct hv_session *s, const char *path, const char *body, json_t **ret,
	   struct kp_error *e)
{
	_cleanup_json_ json_t *j = NULL;
	const char *token;
	long status = 0;
	int r;

	for (bool again = false;; again = true) {
		r = token_get(&s->token, hv_log_in, s, &token, e);
		if (!r && s->token_dead) {
			token_refused(&s->token); /* look at its file again next time */
			return dead(s, e);
		}
		if (!r)
			r = hv_send(s, path, token, body, &status, &j, e);
		if (r)
			return r;
		if (status != 403 || again || !token_refused(&s->token))
			break;
		json_decref(j);
		j = NULL;
	}
	if (status / 100 != 2)
		return hv_refusal(status, j, &s->uri, e);
	*ret = j;
	j = NULL;
	return 0;
}
