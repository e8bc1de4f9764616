/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands' side of the control socket.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "crypto/base.h"
#include "fs/mount/control.h"
#include "fs/mount/control_io.h"
#include "fs/mount/mountinfo.h"

static int dial(int dirfd, const char *name, int *ret_fd)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* By way of /proc, since a state directory's path may be longer than an address. */
	if (snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dirfd, name) >=
	    (int)sizeof(a.sun_path))
		return -ENAMETOOLONG;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int control_request(int fd, const json_t *req, json_t **ret)
{
	int r = req ? control_send(fd, req) : -ENOMEM;

	return r < 0 ? r : control_receive(fd, ret);
}

int control_call(int fd, const char *cmd, json_t **ret)
{
	json_t *req = json_pack("{s:s}", "cmd", cmd);
	int r = control_request(fd, req, ret);

	json_decref(req);
	return r;
}

void control_wait_end(int fd)
{
	char c;

	while (read(fd, &c, 1) > 0 || errno == EINTR)
		errno = 0;
}

/* Call FN with each mount's connection and status until it returns false. */
typedef bool visit_fn(void *arg, int *fd, json_t *status);

static int visit_one(int dirfd, const char *name, visit_fn *fn, void *arg, bool *ret_go_on)
{
	_cleanup_close_ int fd = -1;
	json_t *status = NULL;
	int r = dial(dirfd, name, &fd);

	*ret_go_on = true;
	if (r == -ECONNREFUSED) /* left by a daemon that died */
		return 0;
	if (!r)
		r = control_call(fd, "status", &status);
	if (!r && json_is_true(json_object_get(status, "ok")))
		*ret_go_on = fn(arg, &fd, status);
	json_decref(status);
	return r == -EPIPE ? 0 : r;
}

/* -EACCES only if nothing else was found out. */
static int visit(const char *state_dir, visit_fn *fn, void *arg)
{
	char path[PATH_MAX];
	int r = 0, refused = 0;
	struct dirent *e;
	bool go_on = true;
	DIR *d;

	snprintf(path, sizeof(path), "%s/mounts", state_dir);
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (go_on && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n < 6 || strcmp(e->d_name + n - 5, ".sock"))
			continue;
		r = visit_one(dirfd(d), e->d_name, fn, arg, &go_on);
		if (r < 0)
			refused = r;
	}
	closedir(d);
	return go_on ? refused : 0;
}

struct search {
	char path[PATH_MAX];
	char device[24]; /* of what is mounted at the path, topmost */
	int fd;
	bool by_dir_rw; /* what was found is a read-write mount of the directory */
};

static bool text_is(const json_t *o, const char *key, const char *value)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && !strcmp(s, value);
}

static bool match(void *arg, int *fd, json_t *status)
{
	struct search *s = arg;

	if (text_is(status, "mountpoint", s->path)) {
		cleanup_close(&s->fd);
		s->fd = steal_fd(fd);
		/* Of several, one above the other, the one that is seen. */
		return s->device[0] && !text_is(status, "device", s->device);
	}
	if (text_is(status, "dir", s->path) && !s->by_dir_rw) {
		cleanup_close(&s->fd);
		s->fd = steal_fd(fd);
		s->by_dir_rw = text_is(status, "mode", "rw");
	}
	return true;
}

/* An absolute path without asking a filesystem that may be locked more than it must be. */
static int absolute(const char *what, char ret[static PATH_MAX])
{
	char copy[PATH_MAX], parent[PATH_MAX], *slash;

	if (realpath(what, ret))
		return 0;
	/* The mount point of a locked mount does not answer: its parent does. */
	if (snprintf(copy, sizeof(copy), "%s%s", what[0] == '/' ? "" : "./", what) >=
	    (int)sizeof(copy))
		return -ENAMETOOLONG;
	while (strlen(copy) > 1 && copy[strlen(copy) - 1] == '/')
		copy[strlen(copy) - 1] = 0;
	slash = strrchr(copy, '/');
	if (!slash || !slash[1])
		return -ENOENT;
	*slash = 0;
	if (!realpath(copy[0] ? copy : "/", parent))
		return -errno;
	return snprintf(ret, PATH_MAX, "%s/%s", parent[1] ? parent : "", slash + 1) >= PATH_MAX ?
		       -ENAMETOOLONG :
		       0;
}

int control_connect(const char *state_dir, const char *what, int *ret_fd)
{
	struct search s = { .fd = -1 };
	unsigned int major, minor;
	int r = absolute(what, s.path);

	if (r < 0)
		return r;
	if (!mountinfo_find(s.path, &major, &minor))
		snprintf(s.device, sizeof(s.device), "%u:%u", major, minor);
	r = visit(state_dir, match, &s);
	if (s.fd < 0)
		return r < 0 ? r : -ENOENT;
	*ret_fd = s.fd;
	return 0;
}

struct each {
	control_each_fn *fn;
	void *arg;
};

static bool pass(void *arg, int *fd, json_t *status)
{
	struct each *e = arg;

	(void)fd;
	e->fn(e->arg, status);
	return true;
}

int control_each(const char *state_dir, control_each_fn *fn, void *arg)
{
	struct each e = { fn, arg };

	return visit(state_dir, pass, &e);
}
