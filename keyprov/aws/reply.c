/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is taken from answers: see aws.h.
 */
#include "aws.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "keyprov/net/json.h"

/* The text at KEY into RET; "" where it is missing, no text, or too long. */
static void text_at(const json_t *d, const char *key, char *ret, size_t cap)
{
	const char *s = json_string_value(json_object_get(d, key));
	size_t n = s ? strlen(s) : 0;

	if (n >= cap)
		n = 0;
	memcpy(ret, s ? s : "", n);
	ret[n] = '\0';
}

static int64_t time_at(const json_t *d, const char *key)
{
	double t = json_number_value(json_object_get(d, key));

	return t > 0 && t < 1e12 ? (int64_t)t : 0;
}

int aws_key_take(const json_t *answer, struct aws_key *ret, struct kp_error *e)
{
	json_t *m;
	struct aws_key k = { .arn = "" };
	int r = js_object(answer, "KeyMetadata", &m, e);

	if (r)
		return r;
	text_at(m, "Arn", k.arn, sizeof(k.arn));
	text_at(m, "KeySpec", k.spec, sizeof(k.spec));
	if (!k.spec[0]) /* its name until 2021 */
		text_at(m, "CustomerMasterKeySpec", k.spec, sizeof(k.spec));
	text_at(m, "KeyState", k.state, sizeof(k.state));
	text_at(m, "KeyUsage", k.usage, sizeof(k.usage));
	text_at(m, "KeyManager", k.manager, sizeof(k.manager));
	k.deletion = time_at(m, "DeletionDate");
	k.valid_to = time_at(m, "ValidTo");
	if (aws_arn_parse(k.arn, &k.name) || aws_is_alias(&k.name) || !k.spec[0] || !k.state[0])
		return kp_fail(e, -EPROTO, "is it KMS that answers there?",
			       "unintelligible answer: the description of a key is not whole");
	*ret = k;
	return 0;
}

void aws_failure_take(const json_t *answer, const char *text, const char *error_type,
		      struct aws_failure *ret)
{
	memset(ret, 0, sizeof(*ret));
	text_at(answer, "__type", ret->type, sizeof(ret->type));
	text_at(answer, "message", ret->message, sizeof(ret->message));
	if (!ret->message[0])
		text_at(answer, "Message", ret->message, sizeof(ret->message));
	if (!answer && aws_xml_text(text, "Code", ret->type, sizeof(ret->type)))
		ret->type[0] = '\0';
	if (!answer && aws_xml_text(text, "Message", ret->message, sizeof(ret->message)))
		ret->message[0] = '\0';
	if (!ret->type[0])
		snprintf(ret->type, sizeof(ret->type), "%.*s", (int)sizeof(ret->type) - 1,
			 error_type);
}

/* "2026-01-31T12:00:00Z", with or without a fraction; 0: no such time. */
static int64_t when(const char *s)
{
	struct tm tm = { 0 };
	const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t t;

	if (rest && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (!rest || strcmp(rest, "Z") != 0)
		return 0;
	t = timegm(&tm);
	return t > 0 ? t : 0;
}

static int complete(struct aws_creds *c, const char *expires)
{
	c->expires = when(expires);
	return c->id[0] && c->secret[0] && c->token[0] && c->expires ? 0 : -EPROTO;
}

int aws_creds_json(const json_t *answer, struct aws_creds *ret)
{
	char expires[40];

	text_at(answer, "AccessKeyId", ret->id, sizeof(ret->id));
	text_at(answer, "SecretAccessKey", ret->secret, sizeof(ret->secret));
	text_at(answer, "Token", ret->token, sizeof(ret->token));
	text_at(answer, "Expiration", expires, sizeof(expires));
	return complete(ret, expires);
}

int aws_creds_xml(const char *text, struct aws_creds *ret)
{
	char expires[40];

	if (aws_xml_text(text, "AccessKeyId", ret->id, sizeof(ret->id)) ||
	    aws_xml_text(text, "SecretAccessKey", ret->secret, sizeof(ret->secret)) ||
	    aws_xml_text(text, "SessionToken", ret->token, sizeof(ret->token)) ||
	    aws_xml_text(text, "Expiration", expires, sizeof(expires)))
		return -EPROTO;
	return complete(ret, expires);
}
