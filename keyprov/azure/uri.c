/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of keys in Azure, and the clouds they are in.
 */
#include "azure.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#define SCHEME "https://"
#define SCHEME_LEN 8

static const struct az_cloud clouds[] = {
	{ "vault.azure.net", "https://login.microsoftonline.com" },
	{ "managedhsm.azure.net", "https://login.microsoftonline.com" },
	{ "vault.usgovcloudapi.net", "https://login.microsoftonline.us" },
	{ "managedhsm.usgovcloudapi.net", "https://login.microsoftonline.us" },
	{ "vault.azure.cn", "https://login.partner.microsoftonline.cn" },
	{ "managedhsm.azure.cn", "https://login.partner.microsoftonline.cn" },
	{ "vault.sovcloud-api.fr", "https://login.sovcloud-identity.fr" },
	{ "managedhsm.sovcloud-api.fr", "https://login.sovcloud-identity.fr" },
	{ "vault.sovcloud-api.de", "https://login.sovcloud-identity.de" },
	{ "managedhsm.sovcloud-api.de", "https://login.sovcloud-identity.de" },
};

bool az_within(const char *host, const char *suffix)
{
	size_t n = strlen(host), k = strlen(suffix);

	return k && n > k + 1 && host[n - k - 1] == '.' && !strcasecmp(host + n - k, suffix);
}

const struct az_cloud *az_cloud_of(const char *host)
{
	for (size_t i = 0; i < ARRAY_SIZE(clouds); i++)
		if (az_within(host, clouds[i].suffix))
			return &clouds[i];
	return NULL;
}

static void copy_lower(char *ret, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = (char)tolower((unsigned char)s[i]);
	ret[n] = 0;
}

/* Letters, digits and '-' in parts between single dots; at least two parts. */
static int parse_host(const char *s, size_t n, char ret[static AZ_HOST_MAX])
{
	unsigned int dots = 0;

	if (n > 4 && !strncmp(s + n - 4, ":443", 4))
		n -= 4;
	if (!n || n >= AZ_HOST_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		bool edge = !i || s[i - 1] == '.' || i + 1 == n;

		if (s[i] == '.' && !edge)
			dots++;
		else if (!isalnum((unsigned char)s[i]) && (s[i] != '-' || edge))
			return -EINVAL;
	}
	copy_lower(ret, s, n);
	return dots ? 0 : -EINVAL;
}

static int parse(const char *s, struct az_uri *u)
{
	const char *p;
	size_t n;

	memset(u, 0, sizeof(*u));
	if (strncasecmp(s, SCHEME, SCHEME_LEN) != 0)
		return -EINVAL;
	s += SCHEME_LEN;
	n = strcspn(s, "/");
	if (parse_host(s, n, u->host) || strncasecmp(s + n, "/keys/", 6) != 0)
		return -EINVAL;
	s += n + 6;
	for (p = s; isalnum((unsigned char)*p) || *p == '-'; p++)
		;
	n = (size_t)(p - s);
	if (!n || n >= AZ_NAME_MAX)
		return -EINVAL;
	memcpy(u->name, s, n);
	if (!*p)
		return 0;
	s = p + 1;
	for (n = 0; isxdigit((unsigned char)s[n]); n++)
		;
	if (*p != '/' || n != AZ_VERSION_MAX - 1 || s[n])
		return -EINVAL;
	copy_lower(u->version, s, n);
	return 0;
}

int az_uri_parse(const char *s, struct az_uri *ret, struct kp_error *e)
{
	struct az_uri u;

	if (parse(s, &u)) {
		kp_fail(e, -EINVAL, NULL, "'%.150s' is not the URI of a key in Azure", s);
		return kp_hint(e, -EINVAL, "write https://VAULT.vault.azure.net/keys/NAME or "
			       "https://VAULT.vault.azure.net/keys/NAME/VERSION");
	}
	*ret = u;
	return 0;
}

void az_uri_format(const struct az_uri *u, char ret[static KP_URI_MAX])
{
	snprintf(ret, KP_URI_MAX, SCHEME "%s/keys/%s%s%s", u->host, u->name,
		 u->version[0] ? "/" : "", u->version);
}

bool az_uri_same_key(const struct az_uri *a, const struct az_uri *b)
{
	return !strcmp(a->host, b->host) && !strcasecmp(a->name, b->name);
}
