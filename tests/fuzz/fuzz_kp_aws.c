/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the provider of AWS KMS reads: the first byte says what the rest is: a
 * URI, a file of profiles, an answer in JSON or in XML.  Any bytes give 0 or an
 * error; what was taken is within its limits and, of a URI, comes back.
 */
#include <assert.h>
#include <stdio.h>

#include "keyprov/aws/aws.h"
#include "keyprov/net/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool ends(const char *s, size_t cap)
{
	return memchr(s, '\0', cap) != NULL;
}

static void try_uri(const char *text)
{
	char once[KP_URI_MAX], again[KP_URI_MAX], name[AWS_NAME_MAX];
	struct aws_uri u;

	if (aws_uri_parse(text, &u, NULL) || aws_uri_format(&u, once))
		return;
	aws_name(&u, name);
	assert(*name && !aws_uri_parse(once, &u, NULL) && !aws_uri_format(&u, again));
	assert(!strcmp(once, again));
}

static void try_profile(const char *text, size_t n, bool config)
{
	struct aws_profile p = { .region = "" };

	aws_profile_parse(text, n, config, "default", &p);
	assert(ends(p.creds.id, sizeof(p.creds.id)) && ends(p.creds.secret, sizeof(p.creds.secret)));
	assert(ends(p.creds.token, sizeof(p.creds.token)) && ends(p.region, sizeof(p.region)));
	assert(ends(p.web_identity_token_file, sizeof(p.web_identity_token_file)));
}

static void try_failure(const json_t *answer, const char *text)
{
	struct aws_failure f;

	aws_failure_take(answer, text, "", &f);
	assert(ends(f.type, sizeof(f.type)) && ends(f.message, sizeof(f.message)));
	assert(aws_verdict(f.type, f.message, 400)->code < 0);
}

static void try_json(const char *text, size_t n)
{
	_cleanup_json_ json_t *answer = NULL;
	struct kp_error e = { 0 };
	static const struct aws_place anywhere;
	struct aws_creds creds;
	struct kp_info info;
	struct aws_key key;
	int r = js_parse(text, n, &answer, &e);

	assert(r ? r == e.code && *e.message : json_is_object(answer));
	if (r)
		return;
	if (!aws_key_take(answer, &key, &e)) {
		assert(key.name.account[0] && !aws_is_alias(&key.name));
		aws_info(&key, &anywhere, &info);
		assert(info.refusal.code || info.enabled);
	}
	memset(&creds, 0, sizeof(creds));
	if (!aws_creds_json(answer, &creds))
		assert(creds.id[0] && creds.expires > 0);
	try_failure(answer, text);
}

static void try_xml(const char *text)
{
	struct aws_creds creds = { .expires = 0 };

	if (!aws_creds_xml(text, &creds))
		assert(creds.secret[0] && creds.expires > 0);
	try_failure(NULL, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	switch (data[0]) {
	case 'u':
		try_uri(text);
		break;
	case 'p':
	case 'c':
		try_profile((const char *)data + 1, size - 1, data[0] == 'c');
		break;
	case 'j':
		try_json((const char *)data + 1, size - 1);
		break;
	default:
		try_xml(text);
	}
	free(text);
	return 0;
}
