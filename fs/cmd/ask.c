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
static int refused(const json_t *answer, const char *request)
{
	const char *error = text(answer, "error");
	json_int_t code = json_integer_value(json_object_get(answer, "code"));

	return cmd_fail(code > 0 && code <= CMD_INTEGRITY ? (int)code : CMD_FAILED,
			text(answer, "hint"), "%s", error ? error : request);
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

int ask(const struct cmd *c, const char *what, const char *request, json_t **ret, int *ret_fd)
{
	_cleanup_free_ char *state = NULL;
	_cleanup_close_ int fd = -1;
	json_t *answer = NULL;
	int r = state_dir(c->conf, &state);

	if (!r)
		r = control_connect(state, what, &fd);
	if (r)
		return no_connection(r, what);
	r = control_call(fd, request, &answer);
	if (r)
		return cmd_fail(CMD_FAILED, "cmkfs status shows what is left", "%s: the mount's daemon: %s",
				what, strerror(-r));
	if (!json_is_true(json_object_get(answer, "ok"))) {
		r = refused(answer, request);
		json_decref(answer);
		return r;
	}
	*ret = answer;
	if (ret_fd)
		*ret_fd = steal_fd(&fd);
	return CMD_OK;
}

int ask_zone(const char *zone)
{
	if (zone && strcmp(zone, "0"))
		return cmd_fail(CMD_USAGE, "cmkfs status lists them", "there is no zone '%s'", zone);
	return CMD_OK;
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
