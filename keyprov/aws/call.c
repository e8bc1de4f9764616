/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signed call of KMS, and what its answer means: see call.h.
 */
#include "call.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "keyprov/net/json.h"

const char *aws_domain(const char *region)
{
	return strncmp(region, "cn-", 3) ? "amazonaws.com" : "amazonaws.com.cn";
}

/* ---- answers that refuse ---------------------------------------------------------- */

static const struct aws_verdict *judge(const struct http_reply *reply, struct aws_failure *ret)
{
	_cleanup_json_ json_t *answer = NULL;

	if (js_parse(reply->body, reply->body_len, &answer, NULL))
		answer = NULL;
	aws_failure_take(answer, reply->body, reply->error_type, ret);
	return aws_verdict(ret->type, ret->message, reply->status);
}

/* An http_request's `busy`: AWS throttles with a status of 400. */
bool aws_busy(const struct http_reply *reply)
{
	struct aws_failure f;

	return reply->status != 200 && judge(reply, &f)->act == AWS_RETRY;
}

static void tell_clock(const struct http_reply *reply, struct kp_error *e)
{
	int64_t off = reply->date ? time(NULL) - reply->date : 0;
	char by[48] = "";

	if (off)
		snprintf(by, sizeof(by), "; this machine's clock is off by %lld s", (long long)off);
	kp_fail(e, -EAGAIN, "set the clock right: timedatectl set-ntp true",
		"AWS refuses the time of the signature%s", by);
}

int aws_refused(const struct http_reply *reply, const char *who, const char *key,
		enum aws_act *ret_act, struct kp_error *e)
{
	struct aws_failure f;
	const struct aws_verdict *v = judge(reply, &f);
	size_t n = v->hint ? strlen(v->hint) : 0;

	*ret_act = v->act;
	if (v->act == AWS_CLOCK) {
		tell_clock(reply, e);
		return v->code;
	}
	if (f.type[0])
		kp_fail(e, v->code, v->hint, "%s: %.60s%s%.110s", who, f.type,
			f.message[0] ? ": " : "", f.message);
	else
		kp_fail(e, v->code, v->hint, "%s answers %ld without an error of AWS", who,
			reply->status);
	if (n && v->hint[n - 1] == ' ')
		kp_hint(e, v->code, "%s%s", v->hint, key ? key : "KEY");
	return v->code;
}

/* ---- calls --------------------------------------------------------------------------- */

static int prepare(struct aws_call *c, const struct aws_creds *creds, struct text *user,
		   struct text *session, struct kp_error *e)
{
	text_begin(user, sizeof(creds->id) + sizeof(creds->secret));
	text_addf(user, "%s:%s", creds->id, creds->secret);
	text_begin(session, AWS_TOKEN_MAX + 32);
	text_addf(session, "X-Amz-Security-Token: %s", creds->token);
	if (!text_ok(user) || !text_ok(session) || !text_ok(c->body) ||
	    strpbrk(session->s, "\r\n"))
		return kp_fail(e, -EIO, NULL, "the credentials of AWS are not what they should be");
	return 0;
}

/* One call with the credentials that there are. */
static int once(struct aws_call *c, const struct aws_creds *creds, json_t **ret,
		enum aws_act *ret_act, struct kp_error *e)
{
	_cleanup_text_ struct text user = { 0 }, session = { 0 };
	_cleanup_reply_ struct http_reply reply = { 0 };
	char target[64], sign[64];
	const char *headers[] = { "Content-Type: application/x-amz-json-1.1", target,
				  creds->token[0] ? "" : NULL, NULL };
	struct http_request q = { .method = "POST", .url = c->url, .headers = headers,
				  .sigv4 = sign, .busy = aws_busy };
	int r = prepare(c, creds, &user, &session, e);

	*ret_act = AWS_FINAL;
	if (r)
		return r;
	snprintf(target, sizeof(target), "X-Amz-Target: TrentService.%s", c->operation);
	snprintf(sign, sizeof(sign), "aws:amz:%s:kms", c->login->key_region);
	if (headers[2])
		headers[2] = session.s;
	q.credentials = user.s;
	q.body = c->body->s;
	q.body_len = c->body->n;
	r = http_call(c->http, &q, &reply, e);
	if (r)
		return r;
	if (reply.status != 200)
		return aws_refused(&reply, c->operation, c->key, ret_act, e);
	return js_parse(reply.body, reply.body_len, ret, e);
}

int aws_call(struct aws_call *c, json_t **ret, struct kp_error *e)
{
	const struct aws_creds *creds;
	enum aws_act act;
	int r = aws_login(c->login, &creds, e);

	if (r)
		return r;
	r = once(c, creds, ret, &act, e);
	if (r && act == AWS_CREDENTIALS) {
		if (token_refused(&c->login->token) && !aws_login(c->login, &creds, NULL))
			r = once(c, creds, ret, &act, e);
		if (r && act == AWS_CREDENTIALS)
			kp_hint(e, r, "look at the credentials of AWS: aws sts get-caller-identity");
	}
	return r;
}
