/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking our own mount off the tree: see takeoff.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fs/mount/takeoff.h"

bool connection_lives(int device)
{
	struct pollfd p = { .fd = device };

	return poll(&p, 1, 0) == 0; /* POLLERR comes before the superblock goes */
}

/* Nothing is asked of whose answer could be waited for: the number is known without. */
static bool has_number(int fd, unsigned int major, unsigned int minor)
{
	struct statx sx;

	return !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &sx) &&
	       sx.stx_dev_major == major && sx.stx_dev_minor == minor;
}

static bool is_dead(int fd)
{
	struct statx sx;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_MODE, &sx) < 0 &&
	       errno == ENOTCONN;
}

int mount_hold(const char *path, unsigned int major, unsigned int minor, int device)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || !has_number(fd, major, minor))
		return -1;
	/* Held before this is looked at: as long as ours is there, no other has its number. */
	return connection_lives(device) || is_dead(fd) ? steal_fd(&fd) : -1;
}

int mount_take_off(int held, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", held);
	return umount2(path, flags) ? -errno : 0;
}
