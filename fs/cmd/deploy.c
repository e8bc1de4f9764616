/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs deploy create`, `delete`, `list`: subtrees of a mount that can be read
 * through a lock of their zone.
 */
#include <stdio.h>

#include "ask.h"
#include "fs/lib/state.h"
#include "fs/lib/table.h"

/* PATH in the mount at MNT, from its root, in hexadecimal; malloc'd. */
static int hex_path(const char *mnt, const char *path, char **ret)
{
	_cleanup_free_ char *top = ask_absolute(mnt);
	size_t n = top ? strlen(top) : 0;

	if (!top)
		return cmd_fail(CMD_FAILED, NULL, "out of memory");
	if (*path == '/') {
		if (strncmp(path, top, n) || (path[n] && path[n] != '/'))
			return cmd_fail(CMD_USAGE, "give it from the root of the mount",
					"%s is not in %s", path, mnt);
		path += n;
	}
	*ret = malloc(2 * strlen(path) + 1);
	if (!*ret)
		return cmd_fail(CMD_FAILED, NULL, "out of memory");
	state_hex((const uint8_t *)path, strlen(path), *ret);
	return CMD_OK;
}

static int request(const struct cmd *c, const char *what, json_t **ret)
{
	_cleanup_free_ char *hex = NULL;
	int r = hex_path(c->argv[0], c->argv[1], &hex);

	return r ? r : ask_request(c, c->argv[0], json_pack("{s:s, s:s}", "cmd", what, "path", hex),
				   ret, NULL);
}

/* ---- create ------------------------------------------------------------------------- */

static int run_create(const struct cmd *c)
{
	json_t *a, *d;
	int r = request(c, "deploy-create", &a);

	if (r)
		return r;
	d = json_object_get(a, "deployment");
	printf("deployed: %lld files, %lld directories\n",
	       (long long)json_integer_value(json_object_get(d, "files")),
	       (long long)json_integer_value(json_object_get(d, "directories")));
	cmd_note("this stays readable when the key is revoked, until cmkfs deploy delete or the end of the mount");
	json_decref(a);
	return CMD_OK;
}

const struct verb verb_deploy_create = {
	.name = "deploy create",
	.args = "MNT PATH",
	.summary = "Keep a subtree readable, also when its key is revoked",
	.min_args = 2,
	.max_args = 2,
	.run = run_create,
};

/* ---- delete -------------------------------------------------------------------------- */

static int run_delete(const struct cmd *c)
{
	json_t *a;
	int r = request(c, "deploy-delete", &a);

	if (!r)
		json_decref(a);
	return r;
}

const struct verb verb_deploy_delete = {
	.name = "deploy delete",
	.args = "MNT PATH",
	.summary = "End that at once",
	.min_args = 2,
	.max_args = 2,
	.run = run_delete,
};

/* ---- list ------------------------------------------------------------------------------ */

static bool json;

static const struct opt list_opts[] = { OPT_JSON(&json), OPT_END };

static const struct column columns[] = {
	{ .key = "path", .heading = "PATH" },
	{ .key = "state", .heading = "STATE" },
	{ .key = "files", .heading = "FILES", .right = true },
	{ .key = "bytes", .heading = "BYTES", .right = true },
	{ .key = "since", .heading = "SINCE" },
};

static int run_list(const struct cmd *c)
{
	json_t *a, *rows;
	int r = ask(c, c->argv[0], "deploy-list", &a, NULL);

	if (r)
		return r;
	rows = json_incref(json_object_get(a, "deployments"));
	json_decref(a);
	return table_print(stdout, rows, columns, ARRAY_SIZE(columns), json) ? CMD_FAILED : CMD_OK;
}

const struct verb verb_deploy_list = {
	.name = "deploy list",
	.args = "MNT",
	.summary = "List what stays readable",
	.opts = list_opts,
	.min_args = 1,
	.max_args = 1,
	.run = run_list,
};
