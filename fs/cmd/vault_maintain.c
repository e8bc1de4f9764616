/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs vault maintain`: what time brings, called by a timer.
 */
#include <stdio.h>

#include "vault_common.h"

static bool json, dry;
static const char *keep;

static const struct opt opts[] = {
	{ .name = "dry-run", .letter = 'n', .help = "only say what would be done", .flag = &dry },
	{ .name = "audit-keep", .arg = "N", .help = "of each audit log, remove old files but for N",
	  .value = &keep },
	OPT_JSON(&json), OPT_END
};

static const struct column columns[] = {
	{ .key = "action", .heading = "ACTION" }, { .key = "object", .heading = "OBJECT" },
	{ .key = "version", .heading = "VERSION" }, { .key = "error", .heading = "ERROR" },
};

struct run {
	json_t *rows;
	struct kp_audit *log;
	unsigned int keep;
	int failed; /* exit code of the first failure */
};

static void add(struct run *u, const char *action, const char *object, const char *kid,
		int code, const char *why)
{
	const char *version = kid ? strrchr(kid, '/') + 1 : NULL;

	json_array_append_new(u->rows, json_pack("{ss ss ss? ss?}", "action", action, "object",
						 object, "version", version, "error",
						 code ? why : NULL));
	if (code && !u->failed)
		u->failed = kp_error_row(code)->exit_code;
}

static int add_done(void *arg, const struct local_done *d)
{
	add(arg, d->action, d->object, d->kid, d->code, d->why);
	return 0;
}

/* Every log is signed, and loses what is not to be kept. */
static int tidy(void *arg, const char *name)
{
	struct run *u = arg;
	struct kp_error e = { 0 };
	unsigned int removed = 0;
	int r = kp_audit_tidy(u->log, name, false, u->keep, &removed, &e);

	if (r || removed)
		add(u, "audit.shorten", name, NULL, r, e.message);
	return 0;
}

static int tidy_logs(const char *state_dir, struct run *u)
{
	struct kp_error e = { 0 };
	int r = kp_audit_open(state_dir, &u->log, &e);

	if (!r)
		r = kp_audit_logs(u->log, tidy, u, &e);
	kp_audit_close(u->log);
	return vault_result(r, &e);
}

static int maintain(const struct cmd *c)
{
	struct run u = { .rows = json_array() };
	struct kp_error e = { 0 };
	struct vault_session s;
	uint64_t n = 0;
	int r;

	if (keep && conf_number(keep, 1, 1000000, &n)) {
		json_decref(u.rows);
		return cmd_fail(CMD_USAGE, "give the number of old files that stay, from 1",
				"--audit-keep: '%s' is not possible", keep);
	}
	u.keep = (unsigned int)n;
	r = vault_session(c, VAULT_MAY_MISS, &s);
	if (!r && s.l)
		r = vault_result(local_maintain(s.l, dry, add_done, &u, &e), &e);
	if (!r && s.l && !dry)
		r = tidy_logs(s.ctx.dir, &u);
	r = vault_print(&s, r, u.rows, columns, ARRAY_SIZE(columns), json);
	if (!r && u.failed)
		return cmd_fail(u.failed, "the listing says which and why; it is tried again next "
					  "time",
				"not everything could be done");
	return r;
}

const struct verb verb_vault_maintain = {
	.name = "vault maintain",
	.args = "",
	.summary = "Rotate the keys that are due, and purge what is past its retention",
	.opts = opts,
	.run = maintain,
};
