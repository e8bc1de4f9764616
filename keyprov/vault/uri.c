/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of keys in a transit engine.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "hashivault.h"

#define SCHEME "hashivault://"
#define VERSION_MAX 1000000000u

static bool word_char(unsigned char c)
{
	return c < 0x80 && (isalnum(c) || c == '_' || c == '-' || c == '.');
}

/* Length of the name at S; 0: none, or one that would be a step of a path. */
static size_t word_len(const char *s)
{
	size_t n = 0;

	while (word_char((unsigned char)s[n]))
		n++;
	return s[0] == '.' ? 0 : n;
}

static int take(const char *s, size_t n, char *ret, size_t cap)
{
	if (!n || n >= cap)
		return -EINVAL;
	memcpy(ret, s, n);
	ret[n] = '\0';
	return 0;
}

/* Digits alone, without a leading zero. */
static int parse_number(const char *s, size_t n, unsigned int max, unsigned int *ret)
{
	unsigned int v = 0;

	if (!n || n > 9 || s[0] == '0')
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		v = v * 10 + (unsigned int)(s[i] - '0');
	}
	if (v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

static size_t host_len(const char *s)
{
	size_t n;

	if (*s != '[')
		return word_len(s);
	n = 1 + strspn(s + 1, "0123456789abcdefABCDEF:.");
	return s[n] == ']' ? n + 1 : 0;
}

static int parse_host(const char **s, struct hv_uri *u)
{
	size_t n = host_len(*s);

	if (take(*s, n, u->host, sizeof(u->host)))
		return -EINVAL;
	for (char *p = u->host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	*s += n;
	u->port = HV_PORT;
	if (**s != ':')
		return 0;
	n = strcspn(*s, "/");
	if (parse_number(*s + 1, n - 1, 65535, &u->port))
		return -EINVAL;
	*s += n;
	return 0;
}

/* MOUNT/keys/NAME: the last "keys" is the engine's, so that a mount may be called so. */
static int parse_path(const char **s, struct hv_uri *u)
{
	const char *begin = *s + 1, *p = begin, *last[2] = { NULL, NULL };
	size_t n;

	if (**s != '/')
		return -EINVAL;
	for (;; p += n + 1) {
		n = word_len(p);
		if (!n)
			return -EINVAL;
		if (p[n] != '/')
			break;
		last[0] = last[1];
		last[1] = p;
	}
	/* P is the name, last[1] "keys", and before it is at least one part. */
	if (!last[0] || strncmp(last[1], "keys/", 5) != 0 || take(p, n, u->name, sizeof(u->name)))
		return -EINVAL;
	*s = p + n;
	return take(begin, (size_t)(last[1] - 1 - begin), u->mount, sizeof(u->mount));
}

static int parse(const char *s, struct hv_uri *u)
{
	memset(u, 0, sizeof(*u));
	if (strncasecmp(s, SCHEME, strlen(SCHEME)) != 0)
		return -EINVAL;
	s += strlen(SCHEME);
	if (parse_host(&s, u) || parse_path(&s, u))
		return -EINVAL;
	if (!*s)
		return 0;
	if (strncmp(s, "?version=", 9) != 0)
		return -EINVAL;
	return parse_number(s + 9, strlen(s + 9), VERSION_MAX, &u->version);
}

int hv_uri_parse(const char *s, struct hv_uri *ret, struct kp_error *e)
{
	struct hv_uri u;

	if (parse(s, &u)) {
		kp_fail(e, -EINVAL, NULL, "'%.150s' is not the URI of a transit key", s);
		return kp_hint(e, -EINVAL, "write hashivault://HOST[:PORT]/MOUNT/keys/NAME, and "
			       "?version=N after it to keep to one version");
	}
	*ret = u;
	return 0;
}

void hv_uri_format(const struct hv_uri *u, char ret[static KP_URI_MAX])
{
	char port[8] = "", version[24] = "";

	if (u->port != HV_PORT)
		snprintf(port, sizeof(port), ":%u", u->port & 0xffff);
	if (u->version)
		snprintf(version, sizeof(version), "?version=%u", u->version);
	snprintf(ret, KP_URI_MAX, SCHEME "%s%s/%s/keys/%s%s", u->host, port, u->mount, u->name,
		 version);
}

bool hv_uri_same_key(const struct hv_uri *a, const struct hv_uri *b)
{
	return !strcmp(a->host, b->host) && a->port == b->port && !strcmp(a->mount, b->mount) &&
	       !strcmp(a->name, b->name);
}
