/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs identity show`, `on`, `off`: the identity as which a volume asks the
 * embedded vault.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/lib/table.h"
#include "vault_common.h"

static bool json;

static int principal_of(const char *dir, char ret[static STATE_PRINCIPAL_LEN])
{
	struct store_error err = { .message = "" };
	struct volume_block v;
	int r = volume_peek(dir, &v, NULL, &err);

	if (r)
		return cmd_fail_store(r, &err, dir);
	state_principal(v.root.vol, ret);
	return CMD_OK;
}

static int turn(const struct cmd *c, bool on)
{
	char principal[STATE_PRINCIPAL_LEN];
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = principal_of(c->argv[0], principal);

	if (r)
		return r;
	r = vault_session(c, on ? VAULT_MAKE : VAULT_NEEDED, &s);
	if (!r)
		r = vault_result(local_identity_switch(s.l, principal, on, &e), &e);
	vault_session_done(&s);
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
	.summary = "Switch a volume's identity on",
	.min_args = 1,
	.max_args = 1,
	.run = on,
};

const struct verb verb_identity_off = {
	.name = "identity off",
	.args = "DIR",
	.summary = "Switch a volume's identity off: its mounts lock",
	.min_args = 1,
	.max_args = 1,
	.run = off,
};

/* ---- show ---------------------------------------------------------------------- */

static const struct opt show_opts[] = { OPT_JSON(&json), OPT_END };

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
	char principal[STATE_PRINCIPAL_LEN];
	struct kp_error e = { 0 };
	struct vault_session s;
	int found = -ENOENT, r = principal_of(c->argv[0], principal);

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
