/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: the section [azure], then the variables that Microsoft's own
 * clients take.
 */
#include "azure.h"

#include <errno.h>

#define KINDS "auto managed workload secret certificate" /* by enum az_kind */

const struct kp_conf_key az_conf_keys[] = {
	{ "identity", KP_CONF_CHOICE, KINDS },
	{ "tenant-id", KP_CONF_TEXT, "AZURE_TENANT_ID, else any" },
	{ "client-id", KP_CONF_TEXT, "AZURE_CLIENT_ID" },
	{ "identity-resource-id", KP_CONF_TEXT, NULL },
	{ "client-secret-file", KP_CONF_PATH, NULL },
	{ "client-certificate", KP_CONF_PATH, "AZURE_CLIENT_CERTIFICATE_PATH" },
	{ "federated-token-file", KP_CONF_PATH, "AZURE_FEDERATED_TOKEN_FILE" },
	{ "authority", KP_CONF_TEXT, "that of the vault's cloud" },
	{ "vault-suffix", KP_CONF_TEXT, NULL },
	{ "metadata-endpoint", KP_CONF_TEXT, "http://169.254.169.254" },
	{ "ca-file", KP_CONF_PATH, "the system's authorities" },
	{ "connect-to", KP_CONF_TEXT, NULL },
	{ 0 },
};

struct source {
	const struct kp_context *ctx;
	bool failed; /* no memory */
};

/* KEY of the section, else VARIABLE of the environment; malloc'd, or NULL. */
static char *setting(struct source *s, const char *key, const char *variable)
{
	const char *v = kp_conf(s->ctx, AZ_SECTION, key);
	char *copy;

	if (!v && variable)
		v = getenv(variable);
	if (!v || !*v)
		return NULL;
	copy = strdup(v);
	s->failed |= !copy;
	return copy;
}

static enum az_kind kind_of(const struct kp_context *ctx)
{
	static const char *const words[] = { "auto", "managed", "workload", "secret", "certificate" };
	const char *v = kp_conf(ctx, AZ_SECTION, "identity");

	for (size_t i = 0; v && i < ARRAY_SIZE(words); i++)
		if (!strcmp(v, words[i]))
			return (enum az_kind)i;
	return AZ_AUTO;
}

/* Which there is, in the order of Microsoft's own clients. */
static enum az_kind choose(const struct az_conf *c)
{
	if (c->secret_file || c->env_secret)
		return AZ_SECRET;
	if (c->certificate)
		return AZ_CERTIFICATE;
	return c->token_file ? AZ_WORKLOAD : AZ_MANAGED;
}

static const char *lacking(const struct az_conf *c)
{
	if (c->identity == AZ_SECRET && !c->secret_file && !c->env_secret)
		return "client-secret-file";
	if (c->identity == AZ_CERTIFICATE && !c->certificate)
		return "client-certificate";
	if (c->identity == AZ_WORKLOAD && !c->token_file)
		return "federated-token-file";
	return c->identity != AZ_MANAGED && !c->client ? "client-id" : NULL;
}

static int check(const struct az_conf *c, const char *host, struct kp_error *e)
{
	const char *missing = lacking(c);

	if (missing)
		return kp_fail(e, -EKEYREJECTED, "cmkfs-providers(7) has what each identity needs",
			       "%s is not set in [azure]", missing);
	if (c->suffix ? !az_within(host, c->suffix) : !az_cloud_of(host))
		return kp_fail(e, -EKEYREJECTED,
			       "set vault-suffix and authority in [azure] if this is a cloud of its own",
			       "%.120s is not a vault of Azure", host);
	if (strncmp(c->authority, "https://", 8) != 0)
		return kp_fail(e, -EKEYREJECTED, "write https://HOST",
			       "the authority %.120s is no https URL", c->authority);
	return 0;
}

/* What is not set and has a usual value. */
static void fill_in(struct source *s, struct az_conf *c, const char *host)
{
	const struct az_cloud *cloud = az_cloud_of(host);

	if (c->identity == AZ_AUTO)
		c->identity = choose(c);
	if (!c->authority)
		c->authority = strdup(cloud ? cloud->authority : "https://login.microsoftonline.com");
	if (!c->metadata)
		c->metadata = strdup("http://169.254.169.254");
	s->failed |= !c->authority || !c->metadata;
}

int az_conf_load(const struct kp_context *ctx, const char *host, struct az_conf *ret,
		 struct kp_error *e)
{
	struct source s = { .ctx = ctx };
	const char *secret = getenv("AZURE_CLIENT_SECRET");
	int r;

	*ret = (struct az_conf){
		.identity = kind_of(ctx),
		.tenant = setting(&s, "tenant-id", "AZURE_TENANT_ID"),
		.client = setting(&s, "client-id", "AZURE_CLIENT_ID"),
		.resource_id = setting(&s, "identity-resource-id", NULL),
		.secret_file = setting(&s, "client-secret-file", NULL),
		.certificate = setting(&s, "client-certificate", "AZURE_CLIENT_CERTIFICATE_PATH"),
		.token_file = setting(&s, "federated-token-file", "AZURE_FEDERATED_TOKEN_FILE"),
		.authority = setting(&s, "authority", "AZURE_AUTHORITY_HOST"),
		.suffix = setting(&s, "vault-suffix", NULL),
		.metadata = setting(&s, "metadata-endpoint", "AZURE_POD_IDENTITY_AUTHORITY_HOST"),
		.ca_file = setting(&s, "ca-file", NULL),
		.connect_to = setting(&s, "connect-to", NULL),
	};
	ret->env_secret = !ret->secret_file && secret && *secret;
	fill_in(&s, ret, host);
	r = s.failed ? kp_fail(e, -EAGAIN, NULL, "no memory for settings") : check(ret, host, e);
	if (r)
		az_conf_done(ret);
	return r;
}

void az_conf_done(struct az_conf *c)
{
	char **texts[] = { &c->tenant, &c->client, &c->resource_id, &c->secret_file,
			   &c->certificate, &c->token_file, &c->authority, &c->suffix,
			   &c->ca_file, &c->connect_to, &c->metadata };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		free(*texts[i]);
		*texts[i] = NULL;
	}
}
