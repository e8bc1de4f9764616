/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs vault create`, `update`, `firewall`, `recover`: the vaults embedded in
 * cmkfs.
 */
#include <stdio.h>

#include "vault_common.h"

static bool purge_protection, soft_delete, no_soft_delete, trusted_services;
static const char *retention, *tenant, *region;

#define OPT_PURGE                                                                                  \
	{ .name = "purge-protection", .help = "forbid to purge before the retention is over; for ever", \
	  .flag = &purge_protection }
#define OPT_RETENTION                                                                              \
	{ .name = "retention", .arg = "DAYS", .help = "keep what is deleted for 7 to 90 days",     \
	  .value = &retention }
#define OPT_TENANT                                                                                 \
	{ .name = "tenant", .arg = "T", .help = "for volumes of this tenant only", .value = &tenant }
#define OPT_REGION                                                                                 \
	{ .name = "region", .arg = "R", .help = "for volumes of this region only", .value = &region }

static int take_word(const char *s, const char *what, char *ret, size_t cap)
{
	if (!s)
		return CMD_OK;
	if (strlen(s) >= cap)
		return cmd_fail(CMD_USAGE, "choose a shorter one", "--%s: longer than %zu bytes",
				what, cap - 1);
	snprintf(ret, cap, "%s", s);
	return CMD_OK;
}

static int take_retention(int dflt, int *ret)
{
	uint64_t n;

	*ret = dflt;
	if (!retention)
		return CMD_OK;
	if (conf_number(retention, LOCAL_RETENTION_MIN, LOCAL_RETENTION_MAX, &n))
		return cmd_fail(CMD_USAGE, "give a number of days from 7 to 90",
				"--retention: '%s' is not possible", retention);
	*ret = (int)n;
	return CMD_OK;
}

/* ---- create -------------------------------------------------------------------- */

static const struct opt create_opts[] = {
	OPT_PURGE,
	{ .name = "no-soft-delete", .help = "delete at once and for good", .flag = &no_soft_delete },
	OPT_RETENTION, OPT_TENANT, OPT_REGION, OPT_END
};

static int create(const struct cmd *c)
{
	struct local_vault v = { .soft_delete = !no_soft_delete,
				 .purge_protection = purge_protection };
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = take_retention(LOCAL_RETENTION_MAX, &v.retention_days);

	if (!r)
		r = take_word(tenant, "tenant", v.tenant, sizeof(v.tenant));
	if (!r)
		r = take_word(region, "region", v.region, sizeof(v.region));
	if (r)
		return r;
	r = local_vault_name(c->argv[0], v.name, &e);
	if (r)
		return vault_result(r, &e);
	r = vault_session(c, VAULT_MAKE, &s);
	if (!r)
		r = vault_result(local_vault_create(s.l, &v, &e), &e);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_create = {
	.name = "vault create",
	.args = "VAULT",
	.summary = "Make a vault on this host",
	.opts = create_opts,
	.min_args = 1,
	.max_args = 1,
	.run = create,
};

/* ---- update -------------------------------------------------------------------- */

static const struct opt update_opts[] = {
	OPT_PURGE,
	{ .name = "soft-delete", .help = "keep what is deleted for the retention",
	  .flag = &soft_delete },
	OPT_RETENTION, OPT_TENANT, OPT_REGION, OPT_END
};

static int update(const struct cmd *c)
{
	struct local_vault_change ch = {
		.soft_delete = soft_delete ? 1 : LOCAL_UNCHANGED,
		.purge_protection = purge_protection ? 1 : LOCAL_UNCHANGED,
		.tenant = tenant,
		.region = region,
	};
	char checked[64];
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = take_retention(LOCAL_UNCHANGED, &ch.retention_days);

	if (!r)
		r = take_word(tenant, "tenant", checked, sizeof(checked));
	if (!r)
		r = take_word(region, "region", checked, sizeof(checked));
	if (r)
		return r;
	r = vault_session(c, VAULT_NEEDED, &s);
	if (!r)
		r = vault_result(local_vault_update(s.l, c->argv[0], &ch, &e), &e);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_update = {
	.name = "vault update",
	.args = "VAULT",
	.summary = "Change a vault",
	.opts = update_opts,
	.min_args = 1,
	.max_args = 1,
	.run = update,
};

/* ---- firewall ------------------------------------------------------------------ */

static const struct opt firewall_opts[] = {
	{ .name = "trusted-services", .help = "let the identities of volumes pass",
	  .flag = &trusted_services },
	OPT_END
};

static int firewall(const struct cmd *c)
{
	bool on = !strcmp(c->argv[1], "on");
	struct kp_error e = { 0 };
	struct vault_session s;
	int r;

	if (!on && strcmp(c->argv[1], "off") != 0)
		return cmd_fail(CMD_USAGE, "cmkfs vault firewall VAULT on|off [--trusted-services]",
				"'%s' is neither on nor off", c->argv[1]);
	r = vault_session(c, VAULT_NEEDED, &s);
	if (!r)
		r = vault_result(local_vault_firewall(s.l, c->argv[0], on, trusted_services, &e),
				 &e);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_firewall = {
	.name = "vault firewall",
	.args = "VAULT on|off",
	.summary = "Switch the firewall of a vault",
	.opts = firewall_opts,
	.min_args = 2,
	.max_args = 2,
	.run = firewall,
};

/* ---- recover ------------------------------------------------------------------- */

static int recover(const struct cmd *c)
{
	return vault_simple(c, local_vault_recover);
}

const struct verb verb_vault_recover = {
	.name = "vault recover",
	.args = "VAULT",
	.summary = "Take a deletion back, within the retention",
	.min_args = 1,
	.max_args = 1,
	.run = recover,
};
