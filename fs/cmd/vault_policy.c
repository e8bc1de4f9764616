/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs vault policy set`, `delete`, `list`: what an identity may do with the
 * keys of a vault.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/lib/table.h"
#include "vault_needs.h"

static bool json;

static int set(const struct cmd *c)
{
	struct local_identity id;
	unsigned int permissions;
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = local_permissions_parse(c->argv[2], &permissions, &e);

	if (r)
		return vault_result(r, &e);
	r = vault_session(c, VAULT_NEEDED, &s);
	if (!r)
		r = vault_result(local_policy_set(s.l, c->argv[0], c->argv[1], permissions, &e),
				 &e);
	if (!r && local_identity_get(s.l, c->argv[1], &id, NULL) == -ENOENT)
		cmd_note("there is no identity %s on this host yet", c->argv[1]);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_policy_set = {
	.name = "vault policy set",
	.args = "VAULT PRINCIPAL PERMISSION,...",
	.summary = "Grant an identity exactly these permissions",
	.min_args = 3,
	.max_args = 3,
	.run = set,
};

static int delete(const struct cmd *c)
{
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = vault_session(c, VAULT_NEEDED, &s);

	if (!r)
		r = vault_result(local_policy_delete(s.l, c->argv[0], c->argv[1], &e), &e);
	if (!r)
		needs_tell_policy(&s, c->argv[0], c->argv[1]);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_policy_delete = {
	.name = "vault policy delete",
	.args = "VAULT PRINCIPAL",
	.summary = "Take all permissions from an identity",
	.min_args = 2,
	.max_args = 2,
	.run = delete,
};

/* ---- list ---------------------------------------------------------------------- */

static const struct opt list_opts[] = { OPT_JSON(&json), OPT_END };

static const struct column columns[] = {
	{ .key = "principal", .heading = "PRINCIPAL" },
	{ .key = "permissions", .heading = "PERMISSIONS" },
};

static json_t *words(char *list)
{
	json_t *a = json_array();
	char *save, *w;

	for (w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save))
		json_array_append_new(a, json_string(w));
	return a;
}

static int add(void *arg, const char *principal, unsigned int permissions)
{
	char list[LOCAL_PERMISSIONS_MAX];

	local_permissions_format(permissions, list);
	json_array_append_new(arg, json_pack("{ss so}", "principal", principal, "permissions",
					     words(list)));
	return 0;
}

static int list(const struct cmd *c)
{
	json_t *rows = json_array();
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = vault_session(c, VAULT_NEEDED, &s);

	if (!r)
		r = vault_result(local_policy_list(s.l, c->argv[0], add, rows, &e), &e);
	return vault_print(&s, r, rows, columns, ARRAY_SIZE(columns), json);
}

const struct verb verb_vault_policy_list = {
	.name = "vault policy list",
	.args = "VAULT",
	.summary = "List who may do what with the keys of a vault",
	.opts = list_opts,
	.min_args = 1,
	.max_args = 1,
	.run = list,
};
