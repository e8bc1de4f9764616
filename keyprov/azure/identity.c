/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which token is asked for where.
 */
#include <errno.h>
#include <strings.h>

#include "azure.h"

int az_token(struct az_identity *i, const char **ret, struct kp_error *e)
{
	const struct az_conf *c = i->conf;

	if (c->tenant && strcasecmp(c->tenant, i->tenant) != 0)
		return kp_fail(e, -EKEYREJECTED, "take a vault of that tenant, or set tenant-id in [azure]",
			       "the vault belongs to tenant %s, the identity to %.60s", i->tenant,
			       c->tenant);
	return token_get(&i->token, c->identity == AZ_MANAGED ? az_managed_token : az_entra_token, i,
			 ret, e);
}

void az_identity_done(struct az_identity *i)
{
	token_done(&i->token);
	http_free(i->sign_in);
	http_free(i->metadata);
	i->sign_in = i->metadata = NULL;
}
