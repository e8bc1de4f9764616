/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key set` moves a volume to a customer's key, `cmkfs key reset` back
 * to the service-managed one.
 */
#include "keyprov/local/local.h"
#include "volkeys.h"

static int run_set(const struct cmd *c)
{
	struct volkeys k;
	int r = volkeys_load(c, c->argv[0], &k);

	if (!r)
		r = volkeys_replace(&k, c->argv[1], ROLE_CUSTOMER, "key.set");
	volkeys_done(&k);
	return r;
}

const struct verb verb_key_set = {
	.name = "key set",
	.args = "DIR URI",
	.summary = "Move a volume to a customer's key",
	.min_args = 2,
	.max_args = 2,
	.run = run_set,
};

static int run_reset(const struct cmd *c)
{
	char uri[KP_URI_MAX], name[2 * ID_LEN + 1];
	struct kp_error e = { 0 };
	struct volkeys k;
	int r = volkeys_load(c, c->argv[0], &k);

	if (!r) {
		state_hex(k.vol.root.vol, ID_LEN, name);
		r = local_service_key(&k.ctx.kp, name, uri, &e);
		r = r ? cmd_fail_kp(&e, "cannot make the service-managed key") :
			volkeys_replace(&k, uri, ROLE_SERVICE, "key.reset");
	}
	volkeys_done(&k);
	return r;
}

const struct verb verb_key_reset = {
	.name = "key reset",
	.args = "DIR",
	.summary = "Move a volume back to the service-managed key",
	.min_args = 1,
	.max_args = 1,
	.run = run_reset,
};
