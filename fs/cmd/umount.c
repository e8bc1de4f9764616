/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs umount`: returns when the daemon has ended and nothing of it is left.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ask.h"
#include "fs/lib/state.h"
#include "fs/mount/control.h"

#define END_MS 30000 /* longest wait for a process after it has closed everything */

/* fusermount3 -uz PATH, for a user who is not root. */
static int run_fusermount(const char *path)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (!pid) {
		execlp("fusermount3", "fusermount3", "-uz", "--", path, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EPERM;
}

/* The daemon is gone, its mount stayed. */
static int take_away(const char *path)
{
	int r = umount2(path, MNT_DETACH) ? -errno : 0;

	if (r == -EPERM)
		r = run_fusermount(path);
	return r ? cmd_fail(CMD_FAILED, "try as root: umount -l", "%s: %s", path, strerror(-r)) :
		   CMD_OK;
}

static bool answers(const struct cmd *c, const char *what)
{
	_cleanup_free_ char *state = NULL;
	_cleanup_close_ int fd = -1;

	return !state_dir(c->conf, &state) && !control_connect(state, what, &fd);
}

/* Descriptors of the mount's processes, to see them end. */
struct processes {
	int daemon, janitor; /* -1: not known */
};

static int process(const json_t *status, const char *key)
{
	json_int_t pid = json_integer_value(json_object_get(status, key));

	return pid > 0 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
}

static void wait_process(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd >= 0)
		poll(&p, 1, END_MS);
}

static int ask_end(const struct cmd *c, const char *what, struct processes *p, json_t **ret)
{
	_cleanup_close_ int fd = -1;
	json_t *status;
	int r = ask(c, what, "status", &status, NULL);

	if (r)
		return r;
	p->daemon = process(status, "pid");
	p->janitor = process(status, "janitor");
	json_decref(status);
	r = ask(c, what, "umount", ret, &fd);
	if (!r)
		control_wait_end(fd);
	return r;
}

static int run(const struct cmd *c)
{
	_cleanup_free_ char *path = ask_absolute(c->argv[0]);
	struct processes p = { -1, -1 };
	json_t *a;
	int r;

	if (path && ask_mounted(path) && !answers(c, c->argv[0]))
		return take_away(path);
	r = ask_end(c, c->argv[0], &p, &a);
	if (!r) {
		wait_process(p.janitor);
		wait_process(p.daemon);
	}
	cleanup_close(&p.janitor);
	cleanup_close(&p.daemon);
	if (r)
		return r;
	if (json_integer_value(json_object_get(a, "lost")))
		cmd_note("some data could not be written in time: cmkfs audit show has the ranges");
	json_decref(a);
	return CMD_OK;
}

const struct verb verb_umount = {
	.name = "umount",
	.args = "MNT",
	.summary = "Unmount, and wait until nothing of the mount is left",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
