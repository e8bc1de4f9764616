/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the server is and who we are: [vault] of the configuration, then the
 * variables that the tools of Vault know.
 *
 * The name of a server comes from a keyring, which whoever can write the store
 * can write.  A token is as good as the key to whoever gets hold of it, so none
 * is sent, and no login made, but to an address that the operator has named.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "hashivault.h"

#define SECTION "vault"
#define KUBERNETES_TOKEN "/var/run/secrets/kubernetes.io/serviceaccount/token"

const struct kp_conf_key hv_conf_keys[] = {
	{ "address", KP_CONF_TEXT, "VAULT_ADDR" },
	{ "namespace", KP_CONF_TEXT, "VAULT_NAMESPACE" },
	{ "ca-file", KP_CONF_PATH, "VAULT_CACERT, else the system's authorities" },
	{ "client-certificate", KP_CONF_PATH, "VAULT_CLIENT_CERT" },
	{ "client-key", KP_CONF_PATH, "VAULT_CLIENT_KEY" },
	{ "auth", KP_CONF_CHOICE, "token approle kubernetes jwt cert" },
	{ "auth-mount", KP_CONF_TEXT, "the word of auth" },
	{ "token-file", KP_CONF_PATH, "VAULT_TOKEN, else ~/.vault-token" },
	{ "role", KP_CONF_TEXT, NULL },
	{ "role-id", KP_CONF_TEXT, NULL },
	{ "secret-id-file", KP_CONF_PATH, NULL },
	{ "jwt-file", KP_CONF_PATH, KUBERNETES_TOKEN },
	{ 0 },
};

/* What each way to log in cannot do without. */
static const struct {
	const char *name;
	const char *needs[3]; /* keys of the section */
} methods[] = {
	[HV_TOKEN] = { "token", { NULL } },
	[HV_APPROLE] = { "approle", { "role-id", "secret-id-file", NULL } },
	[HV_KUBERNETES] = { "kubernetes", { "role", NULL } },
	[HV_JWT] = { "jwt", { "role", "jwt-file", NULL } },
	[HV_CERT] = { "cert", { "client-certificate", NULL } },
};

/* KEY of the section, or the variable NAME (NULL: none has it), or NULL. */
static const char *setting(const struct kp_context *ctx, const char *key, const char *name)
{
	const char *v = kp_conf(ctx, SECTION, key);

	if (!v && name)
		v = getenv(name);
	return v && *v ? v : NULL;
}

/* ---- which server ---------------------------------------------------------------- */

/* Whether ADDRESS, of N bytes, is http[s]://HOST[:PORT][/] of U.  *RET_PLAIN: http. */
static bool names(const char *address, size_t n, const struct hv_uri *u, bool *ret_plain)
{
	bool plain = n > 7 && !strncasecmp(address, "http://", 7);
	size_t skip = plain ? 7 : 8, host = strlen(u->host);
	char rest[16];

	if (n <= skip || (!plain && strncasecmp(address, "https://", 8) != 0))
		return false;
	address += skip;
	n -= skip;
	if (n && address[n - 1] == '/')
		n--;
	if (n < host || strncasecmp(address, u->host, host) != 0)
		return false;
	*ret_plain = plain;
	snprintf(rest, sizeof(rest), ":%u", u->port);
	if (n == host) /* no port: that of the scheme */
		return u->port == (plain ? 80 : 443);
	return n - host == strlen(rest) && !strncmp(address + host, rest, n - host);
}

static int find_server(const struct kp_context *ctx, const struct hv_uri *u,
		       struct hv_settings *s, struct kp_error *e)
{
	const char *list = setting(ctx, "address", "VAULT_ADDR");
	size_t n;

	for (const char *p = list; p && *p; p += n) {
		p += strspn(p, " ");
		n = strcspn(p, " ");
		if (!names(p, n, u, &s->plain))
			continue;
		snprintf(s->base, sizeof(s->base), "http%s://%s:%u/v1/", s->plain ? "" : "s",
			 u->host, u->port);
		return 0;
	}
	kp_fail(e, -EKEYREJECTED, NULL, "%s:%u is no server that may be given our credentials",
		u->host, u->port);
	return kp_hint(e, -EKEYREJECTED, "if it is yours, name it: address = https://%s:%u in "
		       "[vault] of cmkfs.conf(5), or VAULT_ADDR", u->host, u->port);
}

/* ---- who we are ------------------------------------------------------------------ */

static int find_method(const struct kp_context *ctx, struct hv_settings *s, struct kp_error *e)
{
	const char *name = setting(ctx, "auth", NULL);
	unsigned int m = HV_TOKEN;

	for (unsigned int i = 0; name && i < ARRAY_SIZE(methods); i++)
		if (!strcmp(name, methods[i].name))
			m = i;
	s->method = (enum hv_method)m;
	s->method_name = methods[m].name;
	for (const char *const *k = methods[m].needs; *k; k++)
		if (!setting(ctx, *k, NULL) &&
		    (strcmp(*k, "client-certificate") || !setting(ctx, *k, "VAULT_CLIENT_CERT"))) {
			kp_fail(e, -EINVAL, NULL, "auth = %s needs %s", s->method_name, *k);
			return kp_hint(e, -EINVAL, "set %s in [vault] of cmkfs.conf(5)", *k);
		}
	return 0;
}

/* Texts that go into a path or a header, and come from the environment as well. */
static int check_text(const char *key, const char *value, struct kp_error *e)
{
	const char *p = value;

	while (p && (isalnum((unsigned char)*p) || (*p && strchr("-_./", *p))))
		p++;
	if (!p || (p > value && !*p))
		return 0;
	return kp_fail(e, -EINVAL, "letters, digits, '-', '_', '.' and '/' can be in it",
		       "'%.100s' is no good value of %s", value, key);
}

int hv_settings_load(const struct kp_context *ctx, const struct hv_uri *u,
		     struct hv_settings *ret, struct kp_error *e)
{
	struct hv_settings s = { .plain = false };
	int r = find_server(ctx, u, &s, e);

	if (!r)
		r = find_method(ctx, &s, e);
	if (r)
		return r;
	s.namespace = setting(ctx, "namespace", "VAULT_NAMESPACE");
	s.ca_file = setting(ctx, "ca-file", "VAULT_CACERT");
	s.cert_file = setting(ctx, "client-certificate", "VAULT_CLIENT_CERT");
	s.key_file = setting(ctx, "client-key", "VAULT_CLIENT_KEY");
	s.auth_mount = setting(ctx, "auth-mount", NULL);
	if (!s.auth_mount)
		s.auth_mount = s.method_name;
	s.token_file = setting(ctx, "token-file", NULL);
	s.role = setting(ctx, "role", NULL);
	s.role_id = setting(ctx, "role-id", NULL);
	s.secret_id_file = setting(ctx, "secret-id-file", NULL);
	s.jwt_file = setting(ctx, "jwt-file", NULL);
	if (!s.jwt_file)
		s.jwt_file = KUBERNETES_TOKEN;
	r = check_text("namespace", s.namespace, e);
	if (!r)
		r = check_text("auth-mount", s.auth_mount, e);
	if (!r)
		*ret = s;
	return r;
}
