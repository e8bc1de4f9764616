/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a mount over its control socket.
 */
#include "ask.h"

#include <errno.h>
#include <mntent.h>
#include <stdio.h>

#include "fs/lib/state.h"
#include "fs/mount/control.h"

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* An answer that says no, in the daemon's own words. */
static int refused(const json_t *answer)
{
	const char *error = text(answer, "error");
	json_int_t code = json_integer_value(json_object_get(answer, "code"));

	return cmd_fail(code > 0 && code <= CMD_INTEGRITY ? (int)code : CMD_FAILED,
			text(answer, "hint"), "%s", error ? error : "the mount refuses");
}

static int no_connection(int r, const char *what)
{
	_cleanup_free_ char *path = ask_absolute(what);

	if (r == -EACCES || r == -EPERM)
		return cmd_fail(CMD_FAILED, "ask as its user, or as root",
				"%s: the mount belongs to another user", what);
	if (r != -ENOENT)
		return cmd_fail(CMD_FAILED, "cmkfs status lists the mounts", "%s: %s", what,
				strerror(-r));
	if (path && ask_mounted(path))
		return cmd_fail(CMD_FAILED, "cmkfs umount takes away what is left of it",
				"%s: the daemon of this mount does not answer", what);
	return cmd_fail(CMD_USAGE, "cmkfs status lists the mounts",
			"%s: nothing of cmkfs is mounted there", what);
}

uint64_t ask_number(const json_t *a, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(a, key));
}

bool ask_is_state(const json_t *a, const char *word)
{
	const char *s = text(a, "state");

	return s && !strcmp(s, word);
}

int ask_over(int fd, const char *what, json_t *req, json_t **ret)
{
	json_t *answer = NULL;
	int r = control_request(fd, req, &answer);

	json_decref(req);
	if (r)
		return cmd_fail(CMD_FAILED, "cmkfs status shows what is left", "%s: the mount's daemon: %s",
				what, strerror(-r));
	if (!json_is_true(json_object_get(answer, "ok"))) {
		r = refused(answer);
		json_decref(answer);
		return r;
	}
	*ret = answer;
	return CMD_OK;
}

int ask_request(const struct cmd *c, const char *what, json_t *req, json_t **ret, int *ret_fd)
{
	_cleanup_free_ char *state = NULL;
	_cleanup_close_ int fd = -1;
	int r = state_dir(c->conf, &state);

	if (!r)
		r = control_connect(state, what, &fd);
	if (r) {
		json_decref(req);
		return no_connection(r, what);
	}
	r = ask_over(fd, what, req, ret);
	if (!r && ret_fd)
		*ret_fd = steal_fd(&fd);
	return r;
}

int ask(const struct cmd *c, const char *what, const char *request, json_t **ret, int *ret_fd)
{
	return ask_request(c, what, ask_about_zone(request, NULL), ret, ret_fd);
}

json_t *ask_about_zone(const char *cmd, const char *zone)
{
	json_t *req = json_pack("{s:s}", "cmd", cmd);

	if (req && zone)
		json_object_set_new(req, "zone", json_string(zone));
	return req;
}

/* The deepest mount of ours at or above PATH. */
static char *mount_above(const char *path)
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	const struct mntent *m;
	char *best = NULL;

	while (f && (m = getmntent(f))) {
		size_t n = strlen(m->mnt_dir);

		if (strcmp(m->mnt_type, "fuse.cmkfs") || strncmp(path, m->mnt_dir, n) ||
		    (path[n] && path[n] != '/') || (best && strlen(best) > n))
			continue;
		free(best);
		best = strdup(m->mnt_dir);
	}
	if (f)
		endmntent(f);
	return best;
}

int ask_mount_of(const char *path, char **ret_mnt, char **ret_below)
{
	_cleanup_free_ char *abs = ask_absolute(path);

	return abs ? ask_mount_above(abs, ret_mnt, ret_below) :
		     cmd_fail(CMD_FAILED, NULL, "out of memory");
}

int ask_mount_above(const char *abs, char **ret_mnt, char **ret_below)
{
	_cleanup_free_ char *mnt = mount_above(abs);
	const char *below;

	if (!mnt)
		return cmd_fail(CMD_USAGE, "give a path below a mount point; cmkfs status lists them",
				"%s: nothing of cmkfs is mounted there", abs);
	below = abs + strlen(mnt);
	*ret_below = strdup(*below == '/' ? below + 1 : below);
	*ret_mnt = mnt;
	mnt = NULL;
	return *ret_below ? CMD_OK : cmd_fail(CMD_FAILED, NULL, "out of memory");
}

bool ask_mounted(const char *path)
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	const struct mntent *m;
	bool found = false;

	while (f && (m = getmntent(f)))
		if (!strcmp(m->mnt_dir, path))
			found = !strcmp(m->mnt_type, "fuse.cmkfs"); /* the topmost is last */
	if (f)
		endmntent(f);
	return found;
}

char *ask_absolute(const char *path)
{
	char *real = realpath(path, NULL), *made = NULL;
	_cleanup_free_ char *cwd = NULL;
	size_t n;

	if (real)
		return real;
	cwd = getcwd(NULL, 0);
	if (asprintf(&made, "%s%s%s", *path == '/' || !cwd ? "" : cwd, *path == '/' ? "" : "/", path) < 0)
		return NULL;
	for (n = strlen(made); n > 1 && made[n - 1] == '/';)
		made[--n] = 0;
	return made;
}
