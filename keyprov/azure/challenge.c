/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The challenge of a vault that got no token (RFC 6750 section 3):
 *
 *	Bearer authorization="https://login.windows.net/TENANT", resource="https://vault.azure.net"
 *
 * Only the tenant is taken from it, never the place where one signs in: a
 * credential goes where the configuration or the cloud says.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "azure.h"

/* The value of NAME, quoted or not, into RET; false: there is none, or no room. */
static bool parameter(const char *p, const char *name, char *ret, size_t cap)
{
	size_t k = strlen(name), n;
	const char *end;

	while (*p) {
		p += strspn(p, " ,\t");
		n = strcspn(p, "= ,\t");
		end = p + n;
		if (*end != '=') { /* the scheme */
			p = end;
			continue;
		}
		end++;
		p = *end == '"' ? end + 1 : end;
		if (n == k && !strncasecmp(end - 1 - n, name, k)) {
			n = strcspn(p, *end == '"' ? "\"" : " ,\t");
			if (n >= cap)
				return false;
			snprintf(ret, cap, "%.*s", (int)n, p);
			return true;
		}
		p += strcspn(p, *end == '"' ? "\"" : " ,\t");
		p += *p == '"';
	}
	return false;
}

static int no_challenge(struct kp_error *e)
{
	return kp_fail(e, -EPROTO, "is it a key vault that answers there?",
		       "the vault does not say where to sign in");
}

/* The tenant: the first part of the path, a GUID or a domain. */
static int take_tenant(const char *url, char ret[static AZ_TENANT_MAX])
{
	size_t n;

	if (strncasecmp(url, "https://", 8) != 0)
		return -EPROTO;
	url += 8 + strcspn(url + 8, "/");
	if (*url != '/')
		return -EPROTO;
	n = strcspn(++url, "/?#");
	if (!n || n >= AZ_TENANT_MAX)
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)url[i]) && url[i] != '-' && url[i] != '.')
			return -EPROTO;
		ret[i] = (char)tolower((unsigned char)url[i]);
	}
	ret[n] = 0;
	return 0;
}

/* "https://vault.azure.net[/.default]" → "vault.azure.net" */
static int take_host(const char *url, char ret[static AZ_HOST_MAX])
{
	size_t n;

	if (strncasecmp(url, "https://", 8) != 0)
		return -EPROTO;
	n = strcspn(url + 8, "/?#");
	if (!n || n >= AZ_HOST_MAX)
		return -EPROTO;
	for (size_t i = 0; i < n; i++)
		ret[i] = (char)tolower((unsigned char)url[8 + i]);
	ret[n] = 0;
	return 0;
}

int az_challenge(const char *header, const char *host, char ret_tenant[static AZ_TENANT_MAX],
		 char ret_resource[static AZ_HOST_MAX], struct kp_error *e)
{
	char where[300], what[300], tenant[AZ_TENANT_MAX], resource[AZ_HOST_MAX];

	if (strncasecmp(header, "Bearer ", 7) != 0)
		return no_challenge(e);
	if (!parameter(header, "authorization", where, sizeof(where)) &&
	    !parameter(header, "authorization_uri", where, sizeof(where)))
		return no_challenge(e);
	if (!parameter(header, "resource", what, sizeof(what)) &&
	    !parameter(header, "scope", what, sizeof(what)))
		return no_challenge(e);
	if (take_tenant(where, tenant) || take_host(what, resource))
		return no_challenge(e);
	if (!az_within(host, resource))
		return kp_fail(e, -EKEYREJECTED, "is it a key vault that answers there?",
			       "%.100s asks for a token of another service: %.100s", host, resource);
	memcpy(ret_tenant, tenant, sizeof(tenant));
	memcpy(ret_resource, resource, sizeof(resource));
	return 0;
}
