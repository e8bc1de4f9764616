/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs vault key list` and `vault key show`.
 */
#include <stdio.h>

#include "fs/lib/table.h"
#include "vault_needs.h"

static bool json, deleted;

static const struct opt list_opts[] = {
	{ .name = "deleted", .help = "those that are deleted and can be recovered",
	  .flag = &deleted },
	OPT_JSON(&json), OPT_END
};

static const struct opt show_opts[] = { OPT_JSON(&json), OPT_END };

static const struct column key_columns[] = {
	{ .key = "uri", .heading = "URI" },
	{ .key = "enabled", .heading = "ENABLED" },
	{ .key = "versions", .heading = "VERSIONS", .right = true },
	{ .key = "created", .heading = "CREATED" },
	{ .key = "deleted", .heading = "DELETED" },
	{ .key = "purge_at", .heading = "PURGE-AT" },
	{ .key = "rotate_after", .heading = "ROTATE-AFTER" },
	{ .key = "expire_after" },
};

static const struct column version_columns[] = {
	{ .key = "version", .heading = "VERSION" },
	{ .key = "type", .heading = "TYPE" },
	{ .key = "bits", .heading = "BITS", .right = true },
	{ .key = "enabled", .heading = "ENABLED" },
	{ .key = "created", .heading = "CREATED" },
	{ .key = "not_before", .heading = "NOT-BEFORE" },
	{ .key = "expires", .heading = "EXPIRES" },
	{ .key = "deleted", .heading = "DELETED" },
	{ .key = "purge_at", .heading = "PURGE-AT" },
	{ .key = "needed_by", .heading = "NEEDED-BY" },
};

/* A span as it is given: "90d". */
static json_t *span(int64_t s)
{
	if (!s)
		return json_null();
	if (!(s % 86400))
		return json_sprintf("%lldd", (long long)s / 86400);
	return !(s % 3600) ? json_sprintf("%lldh", (long long)s / 3600) :
			     json_sprintf("%llds", (long long)s);
}

static json_t *key_row(const struct local_key *k)
{
	return json_pack("{ss sb si so so so so so}", "uri", k->uri, "enabled", k->enabled,
			 "versions", (int)k->versions, "created", table_time(k->created),
			 "deleted", table_time(k->deleted), "purge_at", table_time(k->purge_at),
			 "rotate_after", span(k->rotate_after), "expire_after",
			 span(k->expire_after));
}

static int add_key(void *arg, const struct local_key *k)
{
	json_array_append_new(arg, key_row(k));
	return 0;
}

static int list(const struct cmd *c)
{
	json_t *rows = json_array();
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = vault_session(c, VAULT_NEEDED, &s);

	if (!r)
		r = vault_result(local_key_list(s.l, c->argv[0], deleted, add_key, rows, &e), &e);
	return vault_print(&s, r, rows, key_columns, ARRAY_SIZE(key_columns), json);
}

const struct verb verb_vault_key_list = {
	.name = "vault key list",
	.args = "VAULT",
	.summary = "List the keys of a vault",
	.opts = list_opts,
	.min_args = 1,
	.max_args = 1,
	.run = list,
};

/* ---- show ---------------------------------------------------------------------- */

static int add_version(void *arg, const struct local_version *v)
{
	const char *version = strrchr(v->kid, '/') + 1;

	json_array_append_new(arg,
			      json_pack("{ss ss ss si sb so so so so so}", "kid", v->kid, "version",
					version, "type", v->type, "bits", (int)v->bits, "enabled",
					v->enabled, "created", table_time(v->created),
					"not_before", table_time(v->not_before), "expires",
					table_time(v->expires), "deleted", table_time(v->deleted),
					"purge_at", table_time(v->purge_at)));
	return 0;
}

/* One document: the key, with its versions in it. */
static int print_json(const struct local_key *k, json_t *versions)
{
	json_t *doc = key_row(k);

	json_object_set(doc, "versions", versions);
	return table_record(stdout, doc, NULL, 0, true);
}

static int print_text(const struct local_key *k, json_t *versions)
{
	int r = table_record(stdout, key_row(k), key_columns, ARRAY_SIZE(key_columns), false);

	if (r)
		return r;
	printf("\n");
	return table_print(stdout, json_incref(versions), version_columns,
			   ARRAY_SIZE(version_columns), false);
}

static void add_needs(const struct vault_session *s, json_t *versions)
{
	json_t *v;
	size_t i;

	json_array_foreach(versions, i, v)
		json_object_set_new(v, "needed_by",
				    needs_of(s, json_string_value(json_object_get(v, "kid"))));
}

static int show(const struct cmd *c)
{
	json_t *versions = json_array();
	struct kp_error e = { 0 };
	struct local_key k;
	struct vault_session s;
	int r = vault_session(c, VAULT_NEEDED, &s);

	if (!r)
		r = vault_result(local_key_get(s.l, c->argv[0], &k, &e), &e);
	if (!r)
		r = vault_result(local_key_versions(s.l, c->argv[0], add_version, versions, &e),
				 &e);
	if (!r)
		add_needs(&s, versions);
	if (!r && (json ? print_json(&k, versions) : print_text(&k, versions)))
		r = CMD_FAILED;
	json_decref(versions);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_key_show = {
	.name = "vault key show",
	.args = "URI",
	.summary = "Show a key and its versions",
	.opts = show_opts,
	.min_args = 1,
	.max_args = 1,
	.run = show,
};
