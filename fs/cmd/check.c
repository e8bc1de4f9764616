/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a volume for fsck and verify, and running the check, for as long as
 * the key's owner allows it.
 */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "ask.h"
#include "crypto/secret.h"
#include "fs/lib/clock.h"
#include "fs/mount/control.h"

#define JOBS_MAX 256

static _Atomic bool interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = true;
}

static void catch_signals(void)
{
	struct sigaction a = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	/* A second one ends it at once. */
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
}

/* ---- the volume --------------------------------------------------------------------- */

struct search {
	const char *path;
	char *dir;
};

/* A control_each_fn: the volume that is mounted there. */
static void match(void *arg, json_t *status)
{
	const char *mnt = json_string_value(json_object_get(status, "mountpoint"));
	const char *dir = json_string_value(json_object_get(status, "dir"));
	struct search *s = arg;

	if (mnt && dir && !s->dir && !strcmp(mnt, s->path))
		s->dir = strdup(dir);
}

/* The backing directory of WHAT, a volume or a mount point. */
static int find_dir(struct checker *k, const char *what)
{
	_cleanup_free_ char *path = ask_absolute(what), *state = NULL;
	struct search s = { path, NULL };

	if (!path)
		return cmd_fail(CMD_FAILED, NULL, "out of memory");
	if (ask_mounted(path)) {
		if (!state_dir(k->cmd->conf, &state))
			control_each(state, match, &s);
		if (!s.dir)
			return cmd_fail(CMD_FAILED, "give the volume's directory instead",
					"%s: the daemon of this mount does not answer", what);
	}
	k->dir = s.dir ? s.dir : strdup(path);
	return k->dir ? CMD_OK : cmd_fail(CMD_FAILED, NULL, "out of memory");
}

/* What makes a volume unusable as a whole is damage here. */
static int fail_store(const struct checker *k, int r, const struct store_error *e)
{
	if (r == -EBADMSG)
		return cmd_fail(CMD_INTEGRITY, e->hint, "%s",
				*e->message ? e->message : "the volume is damaged");
	return cmd_fail_store(r, e, k->dir);
}

static int unwrap_active(struct checker *k, const struct volkeys *keys)
{
	struct generation *gen = keyring_generation(keys->ring, keys->ring->active);

	if (!gen)
		return cmd_fail(CMD_INTEGRITY, "restore cmkfs.keys from a backup of the volume",
				"the keyring has no active generation");
	return volkeys_unwrap(keys, gen, k->vk);
}

/* The keys of all zones that were opened, again. */
static int unwrap(struct checker *k)
{
	int r;

	k->confirmed = clock_ms();
	r = unwrap_active(k, &k->keys);
	for (unsigned int i = 0; i < k->nothers && !r; i++)
		r = unwrap_active(k, &k->others[i]);
	return r;
}

/* Give Z the keys of all its generations.  *RET_ERR: what they met. */
static int unlock_zone(struct zone *z, const struct volkeys *keys, int *ret_err,
		       struct store_error *err)
{
	_cleanup_secret_ struct zone_vk *v = secret_alloc(KEYRING_GENERATIONS * sizeof(*v));
	struct volkeys_open o;
	int r = v ? volkeys_open(keys, &o) : cmd_fail(CMD_FAILED, NULL, "no memory for keys");

	*ret_err = 0;
	for (unsigned int i = 0; v && i < o.n; i++) {
		v[i].g = o.g[i];
		memcpy(v[i].vk, o.vk[i], KEY_LEN);
	}
	if (!r)
		*ret_err = zone_unlock_all(z, v, o.n, err);
	if (v)
		volkeys_close(&o);
	return r;
}

/* Zones beside the root's: one that does not open is left out of the check, which says so. */
static int open_others(struct checker *k)
{
	struct store_error err = { "", "" };
	struct zone *z = store_root_zone(k->st);

	while ((z = store_next_zone(k->st, z))) {
		struct volkeys *v = realloc(k->others, (k->nothers + 1) * sizeof(*v));
		int r, e;

		if (!v)
			return cmd_fail(CMD_FAILED, NULL, "out of memory");
		k->others = v;
		v += k->nothers;
		r = volkeys_load_zone(k->cmd, k->dir, zone_id(z), v);
		if (!r)
			r = unlock_zone(z, v, &e, &err);
		if (!r && e)
			r = fail_store(k, e, &err);
		if (r) {
			cmd_note("zone %s cannot be checked", v->name);
			volkeys_done(v);
		} else {
			k->nothers++;
		}
	}
	return CMD_OK;
}

static int open_store(struct checker *k)
{
	char holder[64];
	const struct store_options opt = {
		.read_only = !k->opt.repair, .binding = BINDING_OFF, .crash = -1,
		.state_dir = k->keys.ctx.dir, .holder = holder, .adopt = k->opt.repair,
	};
	struct store_error err = { "", "" };
	int r, e;

	snprintf(holder, sizeof(holder), "cmkfs %s", k->verb);
	r = store_open(k->dir, &opt, &k->st, &err);
	if (r)
		return fail_store(k, r, &err);
	if (k->opt.repair && store_read_only(k->st))
		return cmd_fail(CMD_USAGE, "use a newer version of cmkfs",
				"the volume may only be read by this version");
	e = unlock_zone(store_root_zone(k->st), &k->keys, &r, &err);
	if (!e && r)
		e = fail_store(k, r, &err);
	return e ? e : open_others(k);
}

static int open_volume(struct checker *k, const char *what)
{
	struct store_error err = { "", "" };
	struct keyring *ring = NULL;
	int r = find_dir(k, what);

	if (r)
		return r;
	r = volume_peek(k->dir, NULL, &ring, &err);
	keyring_free(ring);
	if (r)
		return fail_store(k, r, &err);
	r = volkeys_load(k->cmd, k->dir, NULL, &k->keys);
	if (r)
		return r;
	k->opt.binding = k->keys.vol.binding;
	if (k->opt.contents && k->keys.vol.suite == SUITE_XTS)
		cmd_note_xts();
	k->vk = secret_alloc(KEY_LEN);
	if (!k->vk)
		return cmd_fail(CMD_FAILED, NULL, "no memory for keys");
	r = unwrap(k);
	return r ? r : open_store(k);
}

/* ---- the run --------------------------------------------------------------------------- */

/*
 * A check_options.tick.  As a mount does it: the key is confirmed once a lease,
 * and a denial ends all; a vault that cannot be reached does so after the grace.
 */
static int tick(void *arg, const struct check_result *r)
{
	struct checker *k = arg;
	const struct conf *conf = k->cmd->conf;
	uint64_t last = k->confirmed;

	progress_show(&k->progress, k->base.bytes + r->bytes, k->base.objects + r->objects);
	if (clock_ms() - last < conf->lease_ms)
		return 0;
	progress_clear(&k->progress);
	k->lost = unwrap(k);
	if (k->lost == CMD_UNREACHABLE && clock_ms() - last < conf->lease_ms + conf->grace_ms) {
		k->confirmed = last;
		k->lost = CMD_OK;
	}
	return k->lost ? -ENOKEY : 0;
}

static int jobs(struct checker *k)
{
	uint64_t n = 0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (k->args->jobs && conf_number(k->args->jobs, 1, JOBS_MAX, &n))
		return cmd_fail(CMD_USAGE, "it is from 1 to 256", "'%s' is no number of threads",
				k->args->jobs);
	k->opt.threads = n ? (unsigned int)n : (unsigned int)MAX(1, MIN(cpus, 16));
	return CMD_OK;
}

static int stopped(struct checker *k, int r)
{
	_cleanup_free_ char *hint = NULL;

	if (k->lost)
		return k->lost;
	if (r != -EINTR)
		return cmd_fail(cmd_exit_of(r), NULL, "the check ended early: %s", strerror(-r));
	if (k->state && asprintf(&hint, "cmkfs %s --state %s %s goes on from here", k->verb, k->state,
				 k->dir) < 0)
		hint = NULL;
	return cmd_fail(CMD_UNCHECKED,
			hint ? hint : !strcmp(k->verb, "verify") ?
			"with --state FILE it can go on where it was interrupted" :
			"run it again: what was repaired stays so",
			"interrupted");
}

static int run(struct checker *k)
{
	struct check_result res;
	enum progress_mode mode;
	int r, code, end;

	progress_parse(k->args->progress, &mode);
	catch_signals();
	progress_begin(&k->progress, mode, k->verb, mode && k->opt.contents ? check_estimate(k->st) : 0,
		       k->base.bytes);
	k->opt.finding = check_print;
	k->opt.tick = tick;
	k->opt.checkpoint = k->state ? check_state_save : NULL;
	k->opt.arg = k;
	k->opt.stop = &interrupted;
	r = store_check(k->st, &k->opt, &res);
	end = store_end_session(k->st, false);
	if (end && !r)
		r = end;
	progress_end(&k->progress, k->base.bytes + res.bytes, k->base.objects + res.objects);
	code = check_summary(k, &res, !r);
	if (r) {
		end = stopped(k, r);
		return code == CMD_INTEGRITY && !k->lost ? code : end;
	}
	if (k->state)
		check_state_remove(k);
	return code;
}

int check_run(struct checker *k, const char *what)
{
	enum progress_mode mode;
	int r;

	umask(0);
	if (progress_parse(k->args->progress, &mode))
		return cmd_fail(CMD_USAGE, "it is bar, json or none", "'%s' is no kind of progress",
				k->args->progress);
	r = jobs(k);
	k->findings = json_array();
	if (!r)
		r = open_volume(k, what);
	if (!r && k->state)
		r = check_state_load(k);
	if (!r)
		r = run(k);
	store_close(k->st);
	volkeys_done(&k->keys);
	for (unsigned int i = 0; i < k->nothers; i++)
		volkeys_done(&k->others[i]);
	free(k->others);
	secret_free(k->vk);
	json_decref(k->findings);
	free(k->from);
	free(k->dir);
	return r;
}
