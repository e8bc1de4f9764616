/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs identity show`, `on`, `off`: the identity as which a volume, or a zone of
 * it, asks the embedded vault.
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "fs/lib/table.h"
#include "vault_common.h"
#include "volkeys.h"

static bool json;
static const char *zone;

static const struct opt turn_opts[] = { OPT_ZONE(&zone), OPT_END };

/* The principal of the volume, or of the zone that is named. */
static int principal_of(const struct volkeys *k, char ret[static STATE_ZONE_PRINCIPAL_LEN])
{
	if (strcmp(k->name, "0"))
		state_zone_principal(&k->zone, ret);
	else
		state_principal(k->vol.root.vol, ret);
	return CMD_OK;
}

static int turn(const struct cmd *c, bool on)
{
	char principal[STATE_ZONE_PRINCIPAL_LEN];
	struct kp_error e = { 0 };
	struct vault_session s;
	struct volkeys k;
	int r = volkeys_load(c, c->argv[0], zone, &k);

	if (!r)
		r = principal_of(&k, principal);
	if (!r) {
		r = vault_session(c, on ? VAULT_MAKE : VAULT_NEEDED, &s);
		if (!r)
			r = vault_result(local_identity_switch(s.l, principal, on, &e), &e);
		vault_session_done(&s);
	}
	if (!r && strcmp(k.name, "0")) { /* a mount asks as another from now on */
		printf("%s\n", principal);
		volkeys_reload(&k);
	}
	volkeys_done(&k);
	return r;
}

static int on(const struct cmd *c)
{
	return turn(c, true);
}

static int off(const struct cmd *c)
{
	return turn(c, false);
}

const struct verb verb_identity_on = {
	.name = "identity on",
	.args = "DIR",
	.summary = "Switch the identity of a volume, or of a zone, on",
	.opts = turn_opts,
	.min_args = 1,
	.max_args = 1,
	.run = on,
};

const struct verb verb_identity_off = {
	.name = "identity off",
	.args = "DIR",
	.summary = "Switch an identity off: its mounts lock",
	.opts = turn_opts,
	.min_args = 1,
	.max_args = 1,
	.run = off,
};

/* ---- show ---------------------------------------------------------------------- */

static const struct opt show_opts[] = { OPT_JSON(&json), OPT_ZONE(&zone), OPT_END };

static const struct column columns[] = {
	{ .key = "principal", .heading = "PRINCIPAL" },
	{ .key = "state", .heading = "STATE" },
	{ .key = "created", .heading = "CREATED" },
};

static int print(const struct local_identity *id, const char *state)
{
	json_t *row = json_pack("{ss ss so}", "principal", id->principal, "state", state,
				"created", table_time(id->created));

	return table_record(stdout, row, columns, ARRAY_SIZE(columns), json) ? CMD_FAILED : CMD_OK;
}

static int show(const struct cmd *c)
{
	struct local_identity id = { .created = 0 };
	char principal[STATE_ZONE_PRINCIPAL_LEN];
	struct kp_error e = { 0 };
	struct vault_session s;
	struct volkeys k;
	int found = -ENOENT, r = volkeys_load(c, c->argv[0], zone, &k);

	if (!r)
		r = principal_of(&k, principal);
	volkeys_done(&k);
	if (r)
		return r;
	r = vault_session(c, VAULT_MAY_MISS, &s);
	if (!r && s.l)
		found = local_identity_get(s.l, principal, &id, &e);
	if (!r && found && found != -ENOENT)
		r = vault_result(found, &e);
	snprintf(id.principal, sizeof(id.principal), "%s", principal);
	if (!r)
		r = print(&id, found ? "none" : id.on ? "on" : "off");
	vault_session_done(&s);
	return r;
}

const struct verb verb_identity_show = {
	.name = "identity show",
	.args = "DIR",
	.summary = "Show a volume's identity and whether it is on",
	.opts = show_opts,
	.min_args = 1,
	.max_args = 1,
	.run = show,
};
