/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name that a mount is spoken to by: the socket in STATE/mounts.
 */
#include "fs/mount/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fs/lib/state.h"
#include "fs/mount/session.h"

/* One name a mount: the volume, and the number of the mounted filesystem. */
static void name_of(const struct mount *m, char ret[static CONTROL_NAME])
{
	char vol[2 * ID_LEN + 1];

	state_hex(store_volume(m->store)->root.vol, ID_LEN, vol);
	snprintf(ret, CONTROL_NAME, "%s-%u-%u.sock", vol, m->dev_major, m->dev_minor);
}

static int open_dir(const char *state_dir)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/mounts", state_dir) < 0)
		return -ENOMEM;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* A socket of this name was left by a daemon that died. */
static int listen_at(struct control_socket *s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;
	int r = 0;

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", s->dir_fd, s->name);
	unlinkat(s->dir_fd, s->name, 0);
	/* The directory lets nobody else in; our umask is every thread's. */
	if (bind(s->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    fchmodat(s->dir_fd, s->name, 0600, 0) < 0 || listen(s->fd, 16) < 0 ||
	    fstatat(s->dir_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	else
		s->ino = st.st_ino;
	return r;
}

int control_socket_open(struct control_socket *s, const struct mount *m, const char *state_dir)
{
	name_of(m, s->name);
	s->dir_fd = open_dir(state_dir);
	return s->dir_fd < 0 ? s->dir_fd : listen_at(s);
}

void control_socket_remove(const struct control_socket *s)
{
	struct stat st;

	if (!fstatat(s->dir_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) && st.st_ino == s->ino)
		unlinkat(s->dir_fd, s->name, 0);
}

void control_socket_close(struct control_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
}
