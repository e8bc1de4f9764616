/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key set` moves a zone to a customer's key, `cmkfs key reset` back to
 * the service-managed one.
 */
#include <stdio.h>

#include "ask.h"
#include "keyprov/local/local.h"
#include "volkeys.h"

static const char *zone, *open_with;

static const struct opt opts[] = { OPT_ZONE(&zone), OPT_OPEN_WITH(&open_with), OPT_END };

static int begin(const struct cmd *c, struct volkeys *k)
{
	int r = volkeys_load(c, c->argv[0], zone, k);

	return r ? r : volkeys_open_with(k, open_with);
}

static int run_set(const struct cmd *c)
{
	struct volkeys k;
	int r = begin(c, &k);

	if (!r)
		r = volkeys_replace(&k, c->argv[1], ROLE_CUSTOMER, "key.set");
	volkeys_done(&k);
	return r;
}

const struct verb verb_key_set = {
	.name = "key set",
	.args = "DIR URI",
	.summary = "Move a volume, or a zone of it, to a customer's key",
	.opts = opts,
	.min_args = 2,
	.max_args = 2,
	.run = run_set,
};

static int run_reset(const struct cmd *c)
{
	char uri[KP_URI_MAX], name[2 * ID_LEN + 1];
	struct kp_error e = { 0 };
	struct volkeys k;
	int r = begin(c, &k);

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
	.summary = "Move a volume, or a zone of it, back to the service-managed key",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run_reset,
};
