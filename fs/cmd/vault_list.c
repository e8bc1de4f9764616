/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs vault list` and `vault show`.
 */
#include <stdio.h>

#include "fs/lib/table.h"
#include "vault_common.h"

static bool json, deleted;

static const struct opt list_opts[] = {
	{ .name = "deleted", .help = "those that are deleted and can be recovered",
	  .flag = &deleted },
	OPT_JSON(&json), OPT_END
};

static const struct opt show_opts[] = { OPT_JSON(&json), OPT_END };

static const struct column columns[] = {
	{ .key = "vault", .heading = "VAULT" },
	{ .key = "keys", .heading = "KEYS", .right = true },
	{ .key = "soft_delete", .heading = "SOFT-DELETE" },
	{ .key = "retention_days", .heading = "RETENTION", .right = true },
	{ .key = "purge_protection", .heading = "PURGE-PROTECTION" },
	{ .key = "firewall", .heading = "FIREWALL" },
	{ .key = "trusted_services", .heading = "TRUSTED-SERVICES" },
	{ .key = "tenant", .heading = "TENANT" },
	{ .key = "region", .heading = "REGION" },
	{ .key = "deleted", .heading = "DELETED" },
	{ .key = "purge_at", .heading = "PURGE-AT" },
	{ .key = "created" },
	{ .key = "role" },
};

static json_t *row(const struct local_vault *v)
{
	return json_pack("{ss si sb si sb ss sb ss? ss? so so so ss}", "vault", v->name, "keys",
			 (int)v->keys, "soft_delete", v->soft_delete, "retention_days",
			 v->retention_days, "purge_protection", v->purge_protection, "firewall",
			 v->firewall ? "on" : "off", "trusted_services", v->trusted_services,
			 "tenant", *v->tenant ? v->tenant : NULL, "region",
			 *v->region ? v->region : NULL, "created", table_time(v->created),
			 "deleted", table_time(v->deleted), "purge_at", table_time(v->purge_at),
			 "role", v->service ? "service" : "customer");
}

static int add(void *arg, const struct local_vault *v)
{
	json_array_append_new(arg, row(v));
	return 0;
}

static int list(const struct cmd *c)
{
	json_t *rows = json_array();
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = vault_session(c, VAULT_MAY_MISS, &s);

	if (!r && s.l)
		r = vault_result(local_vault_list(s.l, deleted, add, rows, &e), &e);
	return vault_print(&s, r, rows, columns, ARRAY_SIZE(columns), json);
}

const struct verb verb_vault_list = {
	.name = "vault list",
	.args = "",
	.summary = "List the vaults of this host",
	.opts = list_opts,
	.run = list,
};

static int show(const struct cmd *c)
{
	struct kp_error e = { 0 };
	struct local_vault v;
	struct vault_session s;
	int r = vault_session(c, VAULT_NEEDED, &s);

	if (!r)
		r = vault_result(local_vault_get(s.l, c->argv[0], &v, &e), &e);
	if (!r && table_record(stdout, row(&v), columns, ARRAY_SIZE(columns), json))
		r = CMD_FAILED;
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_show = {
	.name = "vault show",
	.args = "VAULT",
	.summary = "Show a vault",
	.opts = show_opts,
	.min_args = 1,
	.max_args = 1,
	.run = show,
};
