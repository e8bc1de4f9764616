/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages and hints, as a table; and which keys are refused.
 */
#include "words.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#define MIN_BITS 2048u
#define MAX_BITS 4096u

/* $K the key, $V the vault, $N the key's name, and what struct az_words says. */
static const struct {
	int code;
	const char *message, *hint;
} texts[] = {
	[AZ_BAD_CREDENTIAL] = { -EKEYREJECTED, "vault $V does not take the identity's token",
		"is the vault in the identity's tenant? tenant-id in [azure] names one" },
	[AZ_DISABLED] = { -EKEYREVOKED, "$K is disabled",
		"az keyvault key set-attributes --id $K --enabled true" },
	[AZ_EXPIRED] = { -EKEYEXPIRED, "$K has expired",
		"az keyvault key rotate --id $K, or az keyvault key set-attributes --id $K "
		"--expires 2030-01-01T00:00:00Z" },
	[AZ_EARLY] = { -EKEYEXPIRED, "$K is not valid yet",
		"wait, or az keyvault key set-attributes --id $K --not-before 2020-01-01T00:00:00Z" },
	[AZ_FIREWALL] = { -EACCES, "the firewall of vault $V keeps this host out",
		"let trusted services in: az keyvault update --name $V --bypass AzureServices; or "
		"this host: az keyvault network-rule add --name $V --ip-address ADDRESS" },
	[AZ_POLICY] = { -EACCES, "vault $V does not grant this identity $O on its keys",
		"az role assignment create --role 'Key Vault Crypto Service Encryption User' "
		"--assignee $I --scope VAULT-RESOURCE-ID, or az keyvault set-policy --name $V "
		"--object-id $I --key-permissions get wrapKey unwrapKey" },
	[AZ_OPERATION] = { -EACCES, "$K is not made for $O",
		"az keyvault key set-attributes --id $K --ops wrapKey unwrapKey" },
	[AZ_FORBIDDEN] = { -EACCES, "vault $V forbids $O of $N",
		"look at the vault's access control, networking and state in the portal" },
	[AZ_DELETED] = { -EKEYREVOKED, "$K is deleted",
		"az keyvault key recover --vault-name $V --name $N" },
	[AZ_GONE] = { -ENOENT, "there is no key $K, or it is deleted",
		"az keyvault key recover --vault-name $V --name $N brings a deleted one back" },
	[AZ_BAD_BLOB] = { -EBADMSG, "what the volume holds is not wrapped by $K",
		"cmkfs key show DIR; was the keyring of another volume copied?" },
	[AZ_THROTTLED] = { -EAGAIN, "vault $V throttles its callers",
		"it goes on by itself; a vault of its own for each application is throttled less" },
	[AZ_BUSY] = { -EAGAIN, "vault $V is busy ($S)", "try again later" },
	[AZ_STRANGE] = { -EPROTO, "unintelligible answer of vault $V to $O ($S)",
		"is it a key vault that answers there?" },
	[AZ_NO_SOFT_DELETE] = { -EKEYREJECTED, "vault $V has no soft delete",
		"az keyvault update --name $V --enable-soft-delete true" },
	[AZ_NO_PURGE_PROTECTION] = { -EKEYREJECTED, "vault $V has no purge protection",
		"az keyvault update --name $V --enable-purge-protection true" },
	[AZ_KIND] = { -EKEYREJECTED, "$K is of type $T; RSA is needed",
		"az keyvault key create --vault-name $V --name NEW-NAME --kty RSA --size 2048 "
		"--ops wrapKey unwrapKey" },
	[AZ_SIZE] = { -EKEYREJECTED, "$K has $B bits; 2048, 3072 or 4096 are needed",
		"az keyvault key create --vault-name $V --name NEW-NAME --kty RSA --size 2048 "
		"--ops wrapKey unwrapKey" },
	[AZ_TENANT] = { -EKEYREJECTED, "vault $V belongs to tenant $A, the volume to $W",
		"take a vault of that tenant, or set tenant in [host] to $A" },
};

/* What the letter C after '$' stands for. */
static void named(char c, const struct az_words *w, char *ret, size_t cap)
{
	switch (c) {
	case 'K':
		snprintf(ret, cap, "https://%s/keys/%s%s%s", w->uri->host, w->uri->name,
			 w->uri->version[0] ? "/" : "", w->uri->version);
		break;
	case 'V':
		snprintf(ret, cap, "%.*s", (int)strcspn(w->uri->host, "."), w->uri->host);
		break;
	case 'N':
		snprintf(ret, cap, "%s", w->uri->name);
		break;
	case 'S':
		snprintf(ret, cap, "%ld", w->status);
		break;
	case 'B':
		snprintf(ret, cap, "%u", w->bits);
		break;
	case 'A':
	case 'W':
		snprintf(ret, cap, "%.60s", c == 'A' ? w->tenant : w->wanted);
		break;
	default:
		snprintf(ret, cap, "%s", c == 'O' ? w->operation : c == 'T' ? w->type : w->object_id);
	}
}

static void expand(const char *s, const struct az_words *w, char *ret, size_t cap)
{
	size_t n = 0;

	for (ret[0] = 0; *s && n + 1 < cap; s++) {
		if (*s == '$') {
			named(*++s, w, ret + n, cap - n);
			n += strlen(ret + n);
			continue;
		}
		ret[n++] = *s;
		ret[n] = 0;
	}
}

int az_say(enum az_cause cause, const struct az_words *w, struct kp_error *e)
{
	char message[sizeof(e->message)], hint[sizeof(e->hint)];

	expand(texts[cause].message, w, message, sizeof(message));
	expand(texts[cause].hint, w, hint, sizeof(hint));
	return kp_fail(e, texts[cause].code, hint, "%s", message);
}

void az_judge(const struct az_key *k, const struct az_uri *u, const char *tenant,
	      const char *wanted, struct kp_error *ret)
{
	struct az_words w = { .uri = u, .operation = k->wraps ? "unwrapKey" : "wrapKey",
			      .type = k->type, .bits = k->bits, .tenant = tenant,
			      .wanted = wanted };
	int64_t now = time(NULL);

	memset(ret, 0, sizeof(*ret));
	if (*wanted && strcasecmp(tenant, wanted) != 0)
		az_say(AZ_TENANT, &w, ret);
	else if (!k->soft_delete)
		az_say(AZ_NO_SOFT_DELETE, &w, ret);
	else if (!k->purge_protection)
		az_say(AZ_NO_PURGE_PROTECTION, &w, ret);
	else if (strcmp(k->type, "RSA") != 0 && strcmp(k->type, "RSA-HSM") != 0)
		az_say(AZ_KIND, &w, ret);
	else if (k->bits < MIN_BITS || k->bits > MAX_BITS)
		az_say(AZ_SIZE, &w, ret);
	else if (!k->wraps || !k->unwraps)
		az_say(AZ_OPERATION, &w, ret);
	else if (!k->enabled)
		az_say(AZ_DISABLED, &w, ret);
	else if (k->expires && now >= k->expires)
		az_say(AZ_EXPIRED, &w, ret);
	else if (k->not_before && now < k->not_before)
		az_say(AZ_EARLY, &w, ret);
}
