/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of keys in AWS KMS: see aws.h.
 */
#include "aws.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#define SCHEME "awskms://"
#define SCHEME_LEN 9

static bool all_of(const char *s, size_t n, const char *more)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr(more, s[i]))
			return false;
	return n > 0 && !memchr(s, '\0', n);
}

/* N characters of S into RET of CAP bytes: none, too many or a foreign one is -EINVAL. */
static int take(const char *s, size_t n, const char *more, char *ret, size_t cap)
{
	if (n >= cap || !all_of(s, n, more))
		return -EINVAL;
	memcpy(ret, s, n);
	ret[n] = '\0';
	return 0;
}

/* "HOST" or "HOST:PORT", also "[V6]:PORT"; empty: the service's own. */
static int parse_endpoint(const char *s, size_t n, struct aws_uri *u)
{
	if (!n)
		return 0;
	if (take(s, n, ".-:[]", u->endpoint, sizeof(u->endpoint)))
		return -EINVAL;
	for (char *p = u->endpoint; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

/* "key/ID" or "alias/NAME". */
static int parse_resource(const char *s, size_t n, struct aws_uri *u)
{
	bool alias = n > 6 && !strncmp(s, "alias/", 6);
	bool key = n > 4 && !strncmp(s, "key/", 4);

	if (alias)
		return take(s, n, "/_-", u->resource, sizeof(u->resource));
	return key && n - 4 < sizeof(u->key) && all_of(s + 4, n - 4, "-") ?
		take(s, n, "/-", u->resource, sizeof(u->resource)) : -EINVAL;
}

/* What follows "arn:". */
static int parse_arn(const char *s, size_t n, struct aws_uri *u)
{
	const char *end = s + n, *colon;
	struct {
		char *ret;
		size_t cap;
	} field[4];
	char service[8];

	field[0].ret = u->partition, field[0].cap = sizeof(u->partition);
	field[1].ret = service, field[1].cap = sizeof(service);
	field[2].ret = u->region, field[2].cap = sizeof(u->region);
	field[3].ret = u->account, field[3].cap = sizeof(u->account);
	for (unsigned int i = 0; i < ARRAY_SIZE(field); i++) {
		colon = memchr(s, ':', (size_t)(end - s));
		if (!colon || take(s, (size_t)(colon - s), "-", field[i].ret, field[i].cap))
			return -EINVAL;
		s = colon + 1;
	}
	return strcmp(service, "kms") ? -EINVAL : parse_resource(s, (size_t)(end - s), u);
}

static int parse_name(const char *s, size_t n, struct aws_uri *u)
{
	if (n > 4 && !strncmp(s, "arn:", 4))
		return parse_arn(s + 4, n - 4, u);
	if (n > 6 && !strncmp(s, "alias/", 6))
		return parse_resource(s, n, u);
	if (n >= sizeof(u->key) || !all_of(s, n, "-"))
		return -EINVAL;
	snprintf(u->resource, sizeof(u->resource), "key/%.*s", (int)n, s);
	return 0;
}

static int parse(const char *s, struct aws_uri *u)
{
	size_t n = strlen(s);
	const char *slash, *query;

	memset(u, 0, sizeof(*u));
	if (n >= KP_URI_MAX || strncasecmp(s, SCHEME, SCHEME_LEN) != 0)
		return -EINVAL;
	s += SCHEME_LEN;
	slash = strchr(s, '/');
	if (!slash || parse_endpoint(s, (size_t)(slash - s), u))
		return -EINVAL;
	s = slash + 1;
	query = strchrnul(s, '?');
	if (parse_name(s, (size_t)(query - s), u))
		return -EINVAL;
	if (!*query)
		return 0;
	if (!aws_is_alias(u) || strncmp(query, "?version=", 9) != 0)
		return -EINVAL;
	return take(query + 9, strlen(query + 9), "-", u->key, sizeof(u->key));
}

int aws_uri_parse(const char *s, struct aws_uri *ret, struct kp_error *e)
{
	struct aws_uri u;

	if (parse(s, &u)) {
		kp_fail(e, -EINVAL, NULL, "'%.150s' is not the URI of a key in AWS KMS", s);
		return kp_hint(e, -EINVAL, "write awskms:///arn:aws:kms:REGION:ACCOUNT:key/ID, "
			       "awskms:///KEY-ID or awskms:///alias/NAME; before the third slash "
			       "the host of an endpoint of your own may stand");
	}
	*ret = u;
	return 0;
}

int aws_arn_parse(const char *arn, struct aws_uri *ret)
{
	struct aws_uri u = { .endpoint = "" };

	if (strncmp(arn, "arn:", 4) != 0 || strlen(arn) >= AWS_NAME_MAX ||
	    parse_arn(arn + 4, strlen(arn) - 4, &u))
		return -EINVAL;
	*ret = u;
	return 0;
}

bool aws_is_alias(const struct aws_uri *u)
{
	return !strncmp(u->resource, "alias/", 6);
}

static void name_of(const struct aws_uri *u, const char *resource, char *ret, size_t cap)
{
	if (u->region[0])
		snprintf(ret, cap, "arn:%s:kms:%s:%s:%s", u->partition, u->region, u->account,
			 resource);
	else
		snprintf(ret, cap, "%s", strncmp(resource, "key/", 4) ? resource : resource + 4);
}

void aws_name(const struct aws_uri *u, char ret[static AWS_NAME_MAX])
{
	char key[sizeof(u->key) + 4];

	snprintf(key, sizeof(key), "key/%s", u->key);
	name_of(u, u->key[0] ? key : u->resource, ret, AWS_NAME_MAX);
}

void aws_alias(const struct aws_uri *u, char ret[static AWS_NAME_MAX])
{
	name_of(u, u->resource, ret, AWS_NAME_MAX);
}

int aws_uri_format(const struct aws_uri *u, char ret[static KP_URI_MAX])
{
	char name[AWS_NAME_MAX], text[KP_URI_MAX];
	int n;

	aws_alias(u, name);
	n = snprintf(text, sizeof(text), SCHEME "%s/%s%s%s", u->endpoint, name,
		     u->key[0] ? "?version=" : "", u->key);
	if (n >= (int)sizeof(text))
		return -EINVAL;
	memcpy(ret, text, sizeof(text));
	return 0;
}
