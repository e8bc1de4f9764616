/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs erase`: files whose data keys are destroyed before their names go.
 */
#include "erase.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "ask.h"
#include "certificate.h"
#include "fs/mount/control.h"

#define POLL_MS 100

static bool recursive;
static const char *volume, *certificate, *how;

static const struct opt opts[] = {
	{ .name = "recursive", .letter = 'r', .help = "directories, with all that is in them",
	  .flag = &recursive },
	{ .name = "volume", .arg = "DIR", .help = "the paths are from the root of this volume",
	  .value = &volume },
	OPT_CERTIFICATE(&certificate), OPT_PROGRESS(&how), OPT_END
};

static _Atomic bool interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = true;
}

void erase_show(struct erase_run *e, uint64_t all, uint64_t bytes, uint64_t objects)
{
	if (!e->begun)
		progress_begin(&e->progress, e->mode, "erase", all, 0);
	e->begun = true;
	e->progress.total = all;
	progress_show(&e->progress, bytes, objects);
}

/* ---- in a mount -------------------------------------------------------------------------- */

static json_t *hex_paths(const struct erase_run *e)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < e->n; i++) {
		size_t n = strlen(e->paths[i]);
		_cleanup_free_ char *hex = malloc(2 * n + 1);

		if (!hex) {
			json_decref(list);
			return NULL;
		}
		state_hex((const uint8_t *)e->paths[i], n, hex);
		json_array_append_new(list, json_string(hex));
	}
	return list;
}

/* What A has of what was erased.  True: there may be more. */
static bool take(struct erase_run *e, const json_t *a)
{
	json_t *some = json_object_get(a, "erased");

	e->files = ask_number(a, "files");
	e->dirs = ask_number(a, "directories");
	e->bytes = ask_number(a, "bytes");
	json_array_extend(e->erased, some);
	erase_show(e, ask_number(a, "all_bytes"), e->bytes, e->files);
	return json_array_size(some) > 0;
}

static int finished(const json_t *a)
{
	const char *error = json_string_value(json_object_get(a, "error"));
	const char *hint = json_string_value(json_object_get(a, "hint"));

	if (ask_is_state(a, "done"))
		return CMD_OK;
	if (ask_is_state(a, "stopped"))
		return cmd_fail(CMD_UNCHECKED, "the same command again goes on with it", "stopped");
	return cmd_fail((int)ask_number(a, "code") ?: CMD_FAILED, hint, "%s", error ? error : "it failed");
}

static int watch(struct erase_run *e, const char *mnt, json_t *a)
{
	const struct timespec pause = { 0, POLL_MS * 1000000L };
	bool asked = false, more = take(e, a), running = ask_is_state(a, "running");
	int r = CMD_OK;

	while (!r && (running || more)) {
		bool stop = interrupted && !asked;

		json_decref(a);
		a = NULL;
		if (!more)
			nanosleep(&pause, NULL);
		r = ask_request(e->c, mnt, json_pack("{s:s, s:I}", "cmd", stop ? "erase-stop" : "erase-status",
						     "from", (json_int_t)json_array_size(e->erased)), &a, NULL);
		asked |= stop;
		if (!r) {
			/* What was done before the state was asked for is in this answer or the next. */
			running = ask_is_state(a, "running");
			more = take(e, a);
		}
	}
	progress_end(&e->progress, e->bytes, e->files);
	if (!r)
		r = finished(a);
	json_decref(a);
	return r;
}

static int erase_mounted(struct erase_run *e, const char *mnt)
{
	json_t *a, *paths = hex_paths(e);
	int r = ask(e->c, mnt, "status", &a, NULL);

	if (!r) {
		const char *dir = json_string_value(json_object_get(a, "dir"));

		e->dir = dir ? strdup(dir) : NULL;
		json_decref(a);
		r = ask_request(e->c, mnt, json_pack("{s:s, s:O, s:b}", "cmd", "erase", "paths", paths,
						     "recursive", e->recursive), &a, NULL);
	}
	json_decref(paths);
	return r ? r : watch(e, mnt, a);
}

/* ---- which paths --------------------------------------------------------------------------- */

/* PATH by its directory: a symbolic link is not followed. */
static char *by_directory(const char *path)
{
	_cleanup_free_ char *one = strdup(path), *two = strdup(path), *dir = NULL;
	const char *name = two ? basename(two) : NULL;
	char *ret = NULL;

	if (!one || !name)
		return NULL;
	if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "/"))
		return ask_absolute(path);
	dir = ask_absolute(dirname(one));
	if (!dir || asprintf(&ret, "%s/%s", strcmp(dir, "/") ? dir : "", name) < 0)
		return NULL;
	return ret;
}

/* All in one mount: *RET_MNT. */
static int find_mount(struct erase_run *e, char **ret_mnt)
{
	for (int i = 0; i < e->c->argc; i++) {
		_cleanup_free_ char *path = by_directory(e->c->argv[i]), *mnt = NULL;
		int r = path ? ask_mount_above(path, &mnt, &e->paths[e->n]) :
			       cmd_fail(CMD_FAILED, NULL, "out of memory");

		if (r)
			return r;
		e->n++;
		if (*ret_mnt && strcmp(*ret_mnt, mnt))
			return cmd_fail(CMD_USAGE, "erase in one mount at a time",
					"%s is in another mount than %s", e->c->argv[i], e->c->argv[0]);
		if (!*ret_mnt) {
			*ret_mnt = mnt;
			mnt = NULL;
		}
	}
	return CMD_OK;
}

/* From the root of the volume, without what leads nowhere. */
static int plain_paths(struct erase_run *e)
{
	for (int i = 0; i < e->c->argc; i++) {
		_cleanup_free_ char *copy = strdup(e->c->argv[i]);
		char *path = copy ? calloc(1, strlen(copy) + 1) : NULL, *save = NULL;

		if (!path)
			return cmd_fail(CMD_FAILED, NULL, "out of memory");
		e->paths[e->n++] = path;
		for (char *w = strtok_r(copy, "/", &save); w; w = strtok_r(NULL, "/", &save)) {
			if (!strcmp(w, "."))
				continue;
			if (!strcmp(w, ".."))
				return cmd_fail(CMD_USAGE, "give the path from the root of the volume",
						"'..' in %s", e->c->argv[i]);
			if (*path)
				strcat(path, "/");
			strcat(path, w);
		}
	}
	return CMD_OK;
}

static bool is_mounted(const struct cmd *c, const char *what)
{
	_cleanup_free_ char *state = NULL;
	_cleanup_close_ int fd = -1;

	return !state_dir(c->conf, &state) && control_connect(state, what, &fd) != -ENOENT;
}

static int erase(struct erase_run *e)
{
	_cleanup_free_ char *mnt = NULL;
	int r;

	if (!volume) {
		r = find_mount(e, &mnt);
		return r ? r : erase_mounted(e, mnt);
	}
	r = plain_paths(e);
	if (r)
		return r;
	if (is_mounted(e->c, volume))
		return erase_mounted(e, volume);
	e->dir = ask_absolute(volume);
	return e->dir ? erase_unmounted(e) : cmd_fail(CMD_FAILED, NULL, "out of memory");
}

/* ---- the certificate ------------------------------------------------------------------------- */

static json_t *zones_of(const json_t *erased)
{
	json_t *list = json_array(), *seen = json_object(), *v;
	size_t i;

	json_array_foreach(erased, i, v) {
		const char *zone = json_string_value(json_object_get(v, "zone"));

		if (!zone || json_object_get(seen, zone))
			continue;
		json_object_set_new(seen, zone, json_true());
		json_array_append_new(list, json_string(zone));
	}
	json_decref(seen);
	return list;
}

static int certify(struct erase_run *e, struct certificate *t, bool complete)
{
	json_t *zones, *keys;

	if (!t->file || !e->dir || !json_array_size(e->erased)) {
		certificate_drop(t);
		return CMD_OK;
	}
	zones = zones_of(e->erased);
	keys = certificate_keys(e->c, e->dir, zones);
	json_decref(zones);
	return certificate_write(t, e->c, e->dir,
		json_pack("{ss sb sI sI sI so sO}", "method",
			  "wrapped data keys overwritten and synchronised before the names were removed",
			  "complete", complete, "files", (json_int_t)e->files, "directories",
			  (json_int_t)e->dirs, "bytes", (json_int_t)e->bytes, "keys", keys, "erased",
			  e->erased));
}

static int run(const struct cmd *c)
{
	struct sigaction s = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
	struct erase_run e = { .c = c, .recursive = recursive, .interrupted = &interrupted };
	struct certificate t;
	int r, written;

	if (progress_parse(how, &e.mode))
		return cmd_fail(CMD_USAGE, "it is bar, json or none", "'%s' is no kind of progress", how);
	r = certificate_open(certificate, &t);
	if (r)
		return r;
	e.paths = calloc((size_t)c->argc, sizeof(char *));
	e.erased = json_array();
	sigaction(SIGINT, &s, NULL); /* a second one ends it at once */
	sigaction(SIGTERM, &s, NULL);
	r = e.paths ? erase(&e) : cmd_fail(CMD_FAILED, NULL, "out of memory");
	written = certify(&e, &t, !r);
	if (e.files || e.dirs || !r)
		printf("erased: %ju files, %ju directories\n", (uintmax_t)e.files, (uintmax_t)e.dirs);
	while (e.n)
		free(e.paths[--e.n]);
	free(e.paths);
	free(e.dir);
	json_decref(e.erased);
	return r ? r : written;
}

const struct verb verb_erase = {
	.name = "erase",
	.args = "PATH…",
	.summary = "Destroy the keys of files, so that nothing can read them again",
	.opts = opts,
	.min_args = 1,
	.max_args = 100000,
	.run = run,
};
