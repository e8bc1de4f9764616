/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs info`: what a volume is, read without any key.
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "fs/lib/state.h"
#include "fs/lib/table.h"
#include "fs/mount/control.h"

static bool json;

static const struct opt opts[] = { OPT_JSON(&json), OPT_END };

static const struct column columns[] = {
	{ .key = "dir", .heading = "directory" },
	{ .key = "volume", .heading = "volume" },
	{ .key = "mountpoint", .heading = "mounted at" },
	{ .key = "format", .heading = "format" },
	{ .key = "cipher", .heading = "cipher" },
	{ .key = "tamper_detection", .heading = "detects tampering" },
	{ .key = "names", .heading = "names" },
	{ .key = "binding", .heading = "binding" },
	{ .key = "crash", .heading = "crash" },
	{ .key = "principal", .heading = "identity" },
	{ .key = "generation", .heading = "generation" },
	{ .key = "created", .heading = "created" },
};

/* The volume of a path: of the mount above it, or the directory itself or one above it. */
struct place {
	char *path;	  /* absolute */
	char *dir, *mnt;  /* owned; mnt NULL: not by a mount */
};

static bool is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return !strncmp(path, top, n) && (!path[n] || path[n] == '/' || n == 1);
}

/* A control_each_fn: the deepest mount point above the path, or the mount of the directory. */
static void match(void *arg, json_t *status)
{
	const char *mnt = json_string_value(json_object_get(status, "mountpoint"));
	const char *dir = json_string_value(json_object_get(status, "dir"));
	struct place *p = arg;

	if (!mnt || !dir || (!is_below(p->path, mnt) && strcmp(p->path, dir)))
		return;
	if (p->mnt && strlen(p->mnt) >= strlen(mnt))
		return;
	free(p->mnt);
	free(p->dir);
	p->mnt = strdup(mnt);
	p->dir = strdup(dir);
}

/* The directory at or above the path that holds a volume. */
static void climb(struct place *p)
{
	_cleanup_free_ char *d = strdup(p->path);

	while (d && *d) {
		_cleanup_free_ char *file = NULL;
		char *slash;

		if (asprintf(&file, "%s/cmkfs.volume", d) < 0)
			file = NULL;
		else if (!access(file, F_OK)) {
			p->dir = d;
			d = NULL;
			return;
		}
		slash = strrchr(d, '/');
		if (!slash)
			return;
		*slash = 0;
	}
}

static json_t *describe(const struct place *p, const struct volume_block *v,
			const struct keyring *ring)
{
	static const char *const bindings[] = { "off", "audit", "enforce" };
	static const char *const crashes[] = { "relaxed", "ordered" };
	char id[2 * ID_LEN + 1], principal[STATE_PRINCIPAL_LEN];
	bool gcm = v->suite == SUITE_GCM;

	state_hex(v->root.vol, ID_LEN, id);
	state_principal(v->root.vol, principal);
	return json_pack("{ss ss ss? ss ss sb ss ss ss ss si so}", "dir", p->dir, "volume", id,
			 "mountpoint", p->mnt, "format",
			 v->version == FORMAT_DRAFT ? "1 (draft)" : "1", "cipher",
			 gcm ? "gcm" : "xts", "tamper_detection", gcm, "names",
			 v->name_mode == NAME_ENCRYPTED ? "encrypted" : "plain", "binding",
			 bindings[v->binding % ARRAY_SIZE(bindings)], "crash",
			 crashes[v->crash % ARRAY_SIZE(crashes)], "principal", principal, "generation",
			 (int)ring->active, "created", table_time((int64_t)v->created));
}

static int show(const struct place *p)
{
	struct store_error err = { "", "" };
	struct keyring *ring = NULL;
	struct volume_block v;
	int r;

	if (!p->dir)
		return cmd_fail(CMD_NOT_VOLUME, "cmkfs init makes a volume", "%s is not in a volume",
				p->path);
	r = volume_peek(p->dir, &v, &ring, &err);
	if (r)
		return cmd_fail_store(r, &err, p->dir);
	if (v.suite == SUITE_XTS)
		cmd_note_xts();
	r = table_record(stdout, describe(p, &v, ring), columns, ARRAY_SIZE(columns), json);
	keyring_free(ring);
	return r ? CMD_FAILED : CMD_OK;
}

static int run(const struct cmd *c)
{
	struct place p = { .path = ask_absolute(c->argv[0]) };
	_cleanup_free_ char *state = NULL;
	int r;

	if (!p.path)
		return cmd_fail(CMD_FAILED, NULL, "out of memory");
	if (access(p.path, F_OK) < 0 && errno == ENOENT) {
		r = cmd_fail(CMD_USAGE, "give a volume, or a path below its mount point", "%s: %s",
			     c->argv[0], strerror(ENOENT));
	} else {
		if (!state_dir(c->conf, &state))
			control_each(state, match, &p);
		if (!p.dir)
			climb(&p);
		r = show(&p);
	}
	free(p.path);
	free(p.dir);
	free(p.mnt);
	return r;
}

const struct verb verb_info = {
	.name = "info",
	.args = "PATH",
	.summary = "Show what a volume is",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
