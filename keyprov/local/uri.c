/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the embedded vault: URIs, vault names, principals, permissions.
 */
#include "local.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#define SCHEME "local://"
#define SCHEME_LEN 8

static bool name_char(unsigned char c)
{
	return c < 0x80 && (isalnum(c) || c == '-' || c == '_' || c == '.');
}

/* Length of the name at S, which begins with a letter or digit; 0: none, or CAP or longer. */
static size_t name_len(const char *s, size_t cap)
{
	size_t n = 0;

	if (!isalnum((unsigned char)s[0]) || (unsigned char)s[0] >= 0x80)
		return 0;
	while (name_char((unsigned char)s[n]))
		n++;
	return n < cap ? n : 0;
}

static void copy_lower(char *d, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		d[i] = (char)tolower((unsigned char)s[i]);
	d[n] = '\0';
}

static int parse_version(const char *s, char ret[static LOCAL_VERSION_MAX])
{
	if (strlen(s) != LOCAL_VERSION_MAX - 1)
		return -EINVAL;
	for (const char *p = s; *p; p++)
		if (!isxdigit((unsigned char)*p))
			return -EINVAL;
	copy_lower(ret, s, LOCAL_VERSION_MAX - 1);
	return 0;
}

static int parse(const char *s, struct local_uri *u)
{
	size_t n;

	memset(u, 0, sizeof(*u));
	if (strncasecmp(s, SCHEME, SCHEME_LEN) != 0)
		return -EINVAL;
	s += SCHEME_LEN;
	n = name_len(s, sizeof(u->vault));
	if (!n || strncmp(s + n, "/keys/", 6) != 0)
		return -EINVAL;
	copy_lower(u->vault, s, n);
	s += n + 6;
	n = name_len(s, sizeof(u->key));
	if (!n)
		return -EINVAL;
	memcpy(u->key, s, n);
	s += n;
	if (!*s)
		return 0;
	return *s == '/' ? parse_version(s + 1, u->version) : -EINVAL;
}

int local_uri_parse(const char *s, struct local_uri *ret, struct kp_error *e)
{
	struct local_uri u;

	if (parse(s, &u)) {
		kp_fail(e, -EINVAL, NULL, "'%.150s' is not the URI of a key in the embedded vault",
			s);
		return kp_hint(e, -EINVAL, "write local://VAULT/keys/NAME or "
			       "local://VAULT/keys/NAME/VERSION");
	}
	*ret = u;
	return 0;
}

void local_uri_format(const struct local_uri *u, char ret[static KP_URI_MAX])
{
	snprintf(ret, KP_URI_MAX, SCHEME "%s/keys/%s%s%s", u->vault, u->key,
		 u->version[0] ? "/" : "", u->version);
}

int local_vault_name(const char *s, char ret[static LOCAL_VAULT_MAX], struct kp_error *e)
{
	const char *p = s;
	size_t n;

	if (!strncasecmp(p, SCHEME, SCHEME_LEN))
		p += SCHEME_LEN;
	n = name_len(p, LOCAL_VAULT_MAX);
	if (!n || p[n]) {
		kp_fail(e, -EINVAL, NULL, "'%.150s' is not the name of a vault", s);
		return kp_hint(e, -EINVAL, "use 1 to %d letters, digits, '-', '_' or '.', "
			       "beginning with a letter or digit", LOCAL_VAULT_MAX - 1);
	}
	copy_lower(ret, p, n);
	return 0;
}

int local_principal_check(const char *s, struct kp_error *e)
{
	size_t n = name_len(s, LOCAL_PRINCIPAL_MAX);

	if (n && !s[n])
		return 0;
	kp_fail(e, -EINVAL, NULL, "'%.150s' is not the name of an identity", s);
	return kp_hint(e, -EINVAL, "cmkfs identity show DIR tells the name of a volume's identity");
}

static const struct {
	unsigned int bit;
	const char *word;
} permission_words[] = {
	{ PERM_GET, "get" },	     { PERM_LIST, "list" },	{ PERM_CREATE, "create" },
	{ PERM_IMPORT, "import" },   { PERM_DELETE, "delete" }, { PERM_RECOVER, "recover" },
	{ PERM_PURGE, "purge" },     { PERM_WRAP, "wrapKey" },	{ PERM_UNWRAP, "unwrapKey" },
	{ PERM_ROTATE, "rotate" },
};

static unsigned int permission_bit(const char *s, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(permission_words); i++)
		if (strlen(permission_words[i].word) == n &&
		    !strncasecmp(permission_words[i].word, s, n))
			return permission_words[i].bit;
	return 0;
}

int local_permissions_parse(const char *s, unsigned int *ret, struct kp_error *e)
{
	unsigned int bits = 0, b;
	size_t n;

	for (;; s += n + 1) {
		n = strcspn(s, ",");
		b = n == 3 && !strncasecmp(s, "use", 3) ? PERM_USE : permission_bit(s, n);
		if (!b) {
			kp_fail(e, -EINVAL, NULL, "'%.*s' is not a permission",
				(int)MIN(n, 60U), s);
			return kp_hint(e, -EINVAL, "permissions are get, list, create, import, "
				       "delete, recover, purge, wrapKey, unwrapKey, rotate; use is "
				       "get,wrapKey,unwrapKey");
		}
		bits |= b;
		if (!s[n])
			break;
	}
	*ret = bits;
	return 0;
}

void local_permissions_format(unsigned int bits, char ret[static LOCAL_PERMISSIONS_MAX])
{
	size_t n = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(permission_words); i++)
		if (bits & permission_words[i].bit)
			n += (size_t)snprintf(ret + n, LOCAL_PERMISSIONS_MAX - n, "%s%s",
					      n ? "," : "", permission_words[i].word);
}
