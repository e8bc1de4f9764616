/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs zone create` and `zone destroy`: a directory with a key of its own.
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "key_generation.h"
#include "fs/lib/uses.h"
#include "fs/mount/control.h"
#include "keyprov/local/local.h"

static const char *key;
static struct generation_args work;
static bool yes;

static const struct opt create_opts[] = {
	{ .name = "key", .letter = 'k', .arg = "URI",
	  .help = "the zone's key (default: the volume's service-managed one)", .value = &key },
	{ .name = "bandwidth", .arg = "RATE",
	  .help = "take files over with so many bytes a second at most: 50M",
	  .value = &work.bandwidth },
	OPT_PROGRESS(&work.progress),
	OPT_END
};

/* The service-managed key of the volume mounted at MNT. */
static int service_key(const struct cmd *c, const char *mnt, char ret_uri[static KP_URI_MAX])
{
	struct state_context ctx;
	struct kp_error e = { 0 };
	const char *vol;
	json_t *status;
	int r = ask(c, mnt, "status", &status, NULL);

	if (r)
		return r;
	vol = json_string_value(json_object_get(status, "vol_id"));
	if (!vol || state_context(&ctx, c->conf, NULL)) {
		r = cmd_fail(CMD_FAILED, NULL, "cannot use the state directory");
	} else {
		r = local_service_key(&ctx.kp, vol, ret_uri, &e);
		r = r ? cmd_fail_kp(&e, "cannot make the service-managed key") : CMD_OK;
		state_context_done(&ctx);
	}
	json_decref(status);
	return r;
}

/* What was in the directory gets keys of the zone's own: a new generation, and data keys. */
static int take_over(const struct cmd *c, const char *mnt, const char *zone)
{
	struct volkeys k = { .ring = NULL };
	json_t *status;
	int r = ask(c, mnt, "status", &status, NULL);

	if (r)
		return r;
	r = volkeys_load(c, json_string_value(json_object_get(status, "dir")), zone, &k);
	if (!r) {
		work.reencrypt = k.vol.suite == SUITE_GCM;
		work.generation = !work.reencrypt;
		if (work.generation)
			cmd_note("in an XTS volume the files keep their data keys, which are wrapped anew");
		r = generation_run(&k, &work);
	}
	volkeys_done(&k);
	json_decref(status);
	return r;
}

static int create(const struct cmd *c, const char *mnt, const char *below)
{
	char service[KP_URI_MAX];
	json_t *a;
	int r;

	if (!*below)
		return cmd_fail(CMD_USAGE, "give a directory in it", "the mount's root is zone 0");
	r = key ? CMD_OK : service_key(c, mnt, service);
	if (!r)
		r = ask_request(c, mnt, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "zone-create", "path",
						  below, "uri", key ? key : service, "role",
						  key ? "customer" : "service"), &a, NULL);
	if (r)
		return r;
	if (key && json_is_true(json_object_get(a, "may_more")))
		cmd_note("the policy of vault %s grants the volume more than get, wrapKey and unwrapKey",
			 json_string_value(json_object_get(a, "vault")));
	printf("zone: %s\nkey:  %s\n", json_string_value(json_object_get(a, "zone")),
	       json_string_value(json_object_get(a, "kid")));
	fflush(stdout);
	if (json_is_true(json_object_get(a, "takes")))
		r = take_over(c, mnt, json_string_value(json_object_get(a, "zone")));
	json_decref(a);
	return r;
}

static int run_create(const struct cmd *c)
{
	_cleanup_free_ char *mnt = NULL, *below = NULL;
	int r = ask_mount_of(c->argv[0], &mnt, &below);

	return r ? r : create(c, mnt, below);
}

const struct verb verb_zone_create = {
	.name = "zone create",
	.args = "PATH",
	.summary = "Make a directory of a mount a zone with its own key",
	.opts = create_opts,
	.min_args = 1,
	.max_args = 1,
	.run = run_create,
};

/* ---- destroy --------------------------------------------------------------------------- */

static const struct opt destroy_opts[] = {
	{ .name = "yes", .help = "what is in it is lost for good: this is meant", .flag = &yes },
	OPT_END
};

static void audit(const struct volkeys *k)
{
	struct kp_audit *log = NULL;

	if (kp_audit_open(k->ctx.dir, &log, NULL))
		return;
	kp_audit_note(log, k->ctx.principal, "zone.destroy", k->name, "ok", "", NULL);
	kp_audit_close(log);
}

/* A zone that another lies in opens that: no volkeys_fn may leave it an orphan. */
static int is_parent(void *arg, struct volkeys *k)
{
	const struct zone_id *z = arg;

	return memcmp(k->ring->parent, z->zone, ID_LEN) ? CMD_OK :
	       cmd_fail(CMD_BUSY, "destroy that one first", "another zone lies in it");
}

static int destroy_unmounted(const struct cmd *c, const char *dir, const char *zone)
{
	struct store_error err = { "", "" };
	struct volkeys k;
	int r = volkeys_load(c, dir, zone, &k);

	if (!r && !strcmp(k.name, "0"))
		r = cmd_fail(CMD_USAGE, "remove the volume's directory",
			     "the root zone is the volume itself");
	if (!r)
		r = volkeys_each(c, dir, is_parent, &k.zone);
	if (!r) {
		int e = volume_destroy_zone(dir, &k.zone, k.ctx.dir, &err);

		r = e ? cmd_fail_store(e, &err, dir) : CMD_OK;
	}
	if (!r) {
		uses_note(k.ctx.dir, dir);
		audit(&k);
		cmd_note("its directory stays in the volume, where nothing can open it any more");
	}
	volkeys_done(&k);
	return r;
}

static bool is_mounted(const struct cmd *c, const char *what)
{
	_cleanup_free_ char *state = NULL;
	_cleanup_close_ int fd = -1;

	return !state_dir(c->conf, &state) && control_connect(state, what, &fd) != -ENOENT;
}

static int run_destroy(const struct cmd *c)
{
	json_t *a;
	int r;

	if (!yes)
		return cmd_fail(CMD_USAGE, "say --yes if that is meant",
				"what is in the zone would be lost for good");
	if (!is_mounted(c, c->argv[0]))
		return destroy_unmounted(c, c->argv[0], c->argv[1]);
	r = ask_request(c, c->argv[0], ask_about_zone("zone-destroy", c->argv[1]), &a, NULL);
	if (!r)
		json_decref(a);
	return r;
}

const struct verb verb_zone_destroy = {
	.name = "zone destroy",
	.args = "MNT|DIR ZONE",
	.summary = "Destroy a zone: its keys, so that nothing in it can be read again",
	.opts = destroy_opts,
	.min_args = 2,
	.max_args = 2,
	.run = run_destroy,
};
