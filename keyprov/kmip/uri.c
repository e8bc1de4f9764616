/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key URIs of KMIP servers.
 */
#include "kmip.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#define SCHEME "kmip://"
#define SCHEME_LEN 7

static bool unreserved(unsigned char c)
{
	return c < 0x80 && (isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~');
}

/* Bytes of the host at S; 0: none, or one that is too long. */
static size_t host_len(const char *s, bool v6)
{
	size_t n = strspn(s, v6 ? "0123456789abcdefABCDEF:." :
				  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");

	return n < KMIP_HOST_MAX && s[0] != '-' && s[0] != '.' ? n : 0;
}

static const char *parse_host(const char *s, struct kmip_uri *u)
{
	bool v6 = *s == '[';
	size_t n;

	s += v6;
	n = host_len(s, v6);
	if (!n || (v6 && s[n] != ']'))
		return NULL;
	for (size_t i = 0; i < n; i++)
		u->host[i] = (char)tolower((unsigned char)s[i]);
	u->host[n] = '\0';
	return s + n + v6;
}

static const char *parse_port(const char *s, struct kmip_uri *u)
{
	unsigned int port = 0;

	u->port = KMIP_PORT;
	if (*s != ':')
		return s;
	for (s++; isdigit((unsigned char)*s); s++) {
		port = port * 10 + (unsigned int)(*s - '0');
		if (port > 65535)
			return NULL;
	}
	u->port = port;
	return port ? s : NULL;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Printable bytes alone: the identifier goes into messages. */
static int parse_uid(const char *s, struct kmip_uri *u)
{
	size_t n = 0;

	for (; *s; s++) {
		int c = (unsigned char)*s;

		if (*s == '%') {
			int hi = nibble(s[1]), lo = hi < 0 ? -1 : nibble(s[2]);

			if (lo < 0)
				return -EINVAL;
			c = hi << 4 | lo;
			s += 2;
		} else if (!unreserved((unsigned char)c)) {
			return -EINVAL;
		}
		if (c < 0x20 || c >= 0x7f || n == KMIP_UID_MAX - 1)
			return -EINVAL;
		u->uid[n++] = (char)c;
	}
	u->uid[n] = '\0';
	return n ? 0 : -EINVAL;
}

static int parse(const char *s, struct kmip_uri *u)
{
	memset(u, 0, sizeof(*u));
	if (strncasecmp(s, SCHEME, SCHEME_LEN) != 0)
		return -EINVAL;
	s = parse_host(s + SCHEME_LEN, u);
	if (s)
		s = parse_port(s, u);
	return s && *s == '/' ? parse_uid(s + 1, u) : -EINVAL;
}

int kmip_uri_parse(const char *s, struct kmip_uri *ret, struct kp_error *e)
{
	char normal[KP_URI_MAX];
	struct kmip_uri u;

	if (parse(s, &u) || kmip_uri_format(&u, normal))
		return kp_fail(e, -EINVAL, "write kmip://HOST/UID or kmip://HOST:PORT/UID, with the "
			       "key's unique identifier", "'%.150s' is not the URI of a key in a KMIP "
			       "server", s);
	*ret = u;
	return 0;
}

int kmip_uri_format(const struct kmip_uri *u, char ret[static KP_URI_MAX])
{
	bool v6 = strchr(u->host, ':');
	char port[8] = "";
	size_t n;

	if (u->port != KMIP_PORT)
		snprintf(port, sizeof(port), ":%u", u->port);
	n = (size_t)snprintf(ret, KP_URI_MAX, SCHEME "%s%s%s%s/", v6 ? "[" : "", u->host,
			     v6 ? "]" : "", port);
	for (const char *p = u->uid; *p; p++) {
		bool plain = unreserved((unsigned char)*p);

		if (n + 4 > KP_URI_MAX)
			return -EINVAL;
		n += (size_t)snprintf(ret + n, KP_URI_MAX - n, plain ? "%c" : "%%%02X", *p);
	}
	return 0;
}
