/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs volume destroy`: the keyrings of a volume go, and with them all that is
 * in it.
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "certificate.h"
#include "fs/lib/uses.h"
#include "fs/mount/control.h"
#include "fs/store/erase.h"

static bool yes;
static const char *file;

static const struct opt opts[] = {
	{ .name = "yes", .help = "what is in it is lost for good: this is meant", .flag = &yes },
	OPT_CERTIFICATE(&file), OPT_END
};

static bool is_mounted(const struct cmd *c, const char *what)
{
	_cleanup_free_ char *state = NULL;
	_cleanup_close_ int fd = -1;

	return !state_dir(c->conf, &state) && control_connect(state, what, &fd) != -ENOENT;
}

static void audit(const struct cmd *c, const struct volume_block *v, const char *outcome)
{
	struct kp_audit *log = NULL;
	struct state_context ctx;

	if (state_context(&ctx, c->conf, &v->root))
		return;
	if (!kp_audit_open(ctx.dir, &log, NULL))
		kp_audit_note(log, ctx.principal, "volume.destroy", NULL, outcome, "", NULL);
	kp_audit_close(log);
	state_context_done(&ctx);
}

static int destroy(const struct cmd *c, const char *dir, const struct volume_block *v)
{
	_cleanup_free_ char *state = NULL;
	struct store_error err = { "", "" };
	int r = state_dir(c->conf, &state);

	if (!r)
		r = volume_destroy(dir, state, &err);
	if (!r)
		uses_forget(state, v->root.vol);
	audit(c, v, r ? "failed" : "ok");
	return r ? cmd_fail_store(r, &err, dir) : CMD_OK;
}

/* What still opens a copy of the keyrings that somebody made before. */
static void warn_of_copies(const json_t *keys)
{
	const json_t *k, *kid;
	size_t i, n;

	cmd_note("copies of the keyrings made before are opened by these keys as long as they exist:");
	json_array_foreach(keys, i, k)
		json_array_foreach(json_object_get(k, "under"), n, kid)
			cmd_note("  %s", json_string_value(kid));
}

static int run(const struct cmd *c)
{
	struct store_error err = { "", "" };
	const char *dir = c->argv[0];
	struct certificate t;
	struct volume_block v;
	json_t *keys;
	int r = volume_peek(dir, &v, NULL, &err);

	if (r)
		return cmd_fail_store(r, &err, dir);
	if (!yes)
		return cmd_fail(CMD_USAGE, "say --yes if that is meant",
				"what is in the volume would be lost for good");
	if (is_mounted(c, dir))
		return cmd_fail(CMD_BUSY, "cmkfs umount it first", "%s is mounted", dir);
	r = certificate_open(file, &t);
	if (r)
		return r;
	keys = certificate_keys(c, dir, NULL); /* of what can be read of them */
	r = destroy(c, dir, &v);
	if (r || !file)
		certificate_drop(&t);
	else
		r = certificate_write(&t, c, dir, json_pack("{ss sb sO}", "method",
			"all keyrings of the volume overwritten, synchronised and removed", "complete",
			1, "keys", keys));
	if (!r) {
		cmd_note("its files stay in %s, and can be read by nobody", dir);
		warn_of_copies(keys);
	}
	json_decref(keys);
	return r;
}

const struct verb verb_volume_destroy = {
	.name = "volume destroy",
	.args = "DIR",
	.summary = "Destroy a volume: its keyrings, so that nothing in it can be read again",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
