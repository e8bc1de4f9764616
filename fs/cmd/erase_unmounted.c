/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erasing in a volume that is not mounted: it is opened here, with all of its
 * zones that can be.
 */
#include "erase.h"

#include <errno.h>
#include <sys/stat.h>

#include "crypto/secret.h"
#include "fs/lib/erased.h"
#include "volkeys.h"

struct job {
	struct erase_run *run;
	struct erasure e;
};

static void done(void *arg, const struct erased *what, const char *const *names, unsigned int n)
{
	struct job *j = arg;

	json_array_append_new(j->run->erased, erased_json(what, names, n));
	erase_show(j->run, j->e.all_bytes, j->e.bytes, j->e.files);
}

/* Give Z the keys of all its generations. */
static int unlock(struct zone *z, const struct volkeys *keys)
{
	_cleanup_secret_ struct zone_vk *v = secret_alloc(KEYRING_GENERATIONS * sizeof(*v));
	struct store_error err = { "", "" };
	struct volkeys_open o;
	int r, e;

	if (!v)
		return cmd_fail(CMD_FAILED, NULL, "no memory for keys");
	r = volkeys_open(keys, &o);
	for (unsigned int i = 0; i < o.n; i++) {
		v[i].g = o.g[i];
		memcpy(v[i].vk, o.vk[i], KEY_LEN);
	}
	e = r ? 0 : zone_unlock_all(z, v, o.n, &err);
	volkeys_close(&o);
	return e ? cmd_fail_store(e, &err, keys->dir) : r;
}

/* One that does not open hides nothing: links do not cross zones. */
static int unlock_all(struct erase_run *e, struct store *st)
{
	struct zone *z = store_root_zone(st);
	struct volkeys k;
	int r = volkeys_load(e->c, e->dir, NULL, &k);

	if (!r)
		r = unlock(z, &k);
	volkeys_done(&k);
	while (!r && (z = store_next_zone(st, z))) {
		if (!volkeys_load_zone(e->c, e->dir, zone_id(z), &k))
			unlock(z, &k);
		volkeys_done(&k);
	}
	return r;
}

static int erase(struct erase_run *e, struct store *st)
{
	struct job j = { .run = e, .e = { .recursive = e->recursive, .stop = e->interrupted,
					  .done = done, .arg = &j } };
	struct store_error err = { "", "" };
	int r = store_erase(st, (const char *const *)e->paths, e->n, &j.e, &err);
	int end = store_end_session(st, false);

	e->files = j.e.files;
	e->dirs = j.e.dirs;
	e->bytes = j.e.bytes;
	if (e->begun)
		progress_end(&e->progress, e->bytes, e->files);
	if (r == -EINTR)
		return cmd_fail(CMD_UNCHECKED, "the same command again goes on with it", "stopped");
	if (r)
		return cmd_fail(cmd_exit_of(r), err.hint, "%s", err.message);
	return end ? cmd_fail(CMD_FAILED, "cmkfs fsck DIR", "the session was not closed cleanly: %s",
			      strerror(-end)) : CMD_OK;
}

int erase_unmounted(struct erase_run *e)
{
	struct store_error err = { "", "" };
	struct store_options opt = { .binding = -1, .crash = -1, .holder = "cmkfs erase" };
	struct state_context ctx;
	struct store *st = NULL;
	int r = state_context(&ctx, e->c->conf, NULL);

	if (r)
		return cmd_fail(CMD_FAILED, NULL, "cannot use the state directory: %s", strerror(-r));
	umask(0);
	opt.state_dir = ctx.dir;
	r = store_open(e->dir, &opt, &st, &err);
	r = r ? cmd_fail_store(r, &err, e->dir) : unlock_all(e, st);
	if (!r)
		r = erase(e, st);
	store_close(st);
	state_context_done(&ctx);
	return r;
}
