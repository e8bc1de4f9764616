/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of backing files: mode, owner, times, extended ones; by descriptor,
 * also one of O_PATH, or by name, no link followed.
 */
#include <stdio.h>
#include <sys/xattr.h>

#include "fs/store/backing_call.h"

/* An object as a path: the calls that know no descriptor, or not one of O_PATH, take it. */
#define FD_PATH (32 + 256)

static const char *fd_path(int fd, const char *name, char buf[static FD_PATH])
{
	snprintf(buf, FD_PATH, name ? "/proc/self/fd/%d/%s" : "/proc/self/fd/%d", fd, name);
	return buf;
}

int backing_chmod(int fd, const char *name, mode_t mode)
{
	char path[FD_PATH];
	int r;

	if (name)
		return (int)RETRY(fchmodat(fd, name, mode, AT_SYMLINK_NOFOLLOW));
	r = (int)RETRY(fchmod(fd, mode));
	return r == -EBADF ? (int)RETRY(chmod(fd_path(fd, NULL, path), mode)) : r;
}

int backing_chown(int fd, const char *name, uid_t uid, gid_t gid)
{
	return (int)RETRY(fchownat(fd, name ? name : "", uid, gid,
				   name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH));
}

int backing_utimens(int fd, const char *name, const struct timespec ts[static 2])
{
	char path[FD_PATH];
	int r;

	if (name)
		return (int)RETRY(utimensat(fd, name, ts, AT_SYMLINK_NOFOLLOW));
	r = (int)RETRY(futimens(fd, ts));
	return r == -EBADF ? (int)RETRY(utimensat(AT_FDCWD, fd_path(fd, NULL, path), ts, 0)) : r;
}

/* With NAME its own attributes, not those of what it points to. */
ssize_t backing_getxattr(int fd, const char *name, const char *xattr, void *buf, size_t cap)
{
	char path[FD_PATH];
	ssize_t n = name ? -EBADF : RETRY(fgetxattr(fd, xattr, buf, cap));

	if (n != -EBADF)
		return n;
	fd_path(fd, name, path);
	return name ? RETRY(lgetxattr(path, xattr, buf, cap)) :
		      RETRY(getxattr(path, xattr, buf, cap));
}

ssize_t backing_listxattr(int fd, const char *name, char *buf, size_t cap)
{
	char path[FD_PATH];

	fd_path(fd, name, path);
	return name ? RETRY(llistxattr(path, buf, cap)) : RETRY(listxattr(path, buf, cap));
}

int backing_setxattr(int fd, const char *name, const char *xattr, const void *value, size_t n,
		     int flags)
{
	struct backing_call c = { .op = BACKING_XATTR, .fd = fd, .name = xattr };
	char path[FD_PATH];

	fd_path(fd, name, path);
	return name ? CALL(&c, lsetxattr(path, xattr, value, n, flags)) :
		      CALL(&c, setxattr(path, xattr, value, n, flags));
}

int backing_removexattr(int fd, const char *name, const char *xattr)
{
	struct backing_call c = { .op = BACKING_XATTR, .fd = fd, .name = xattr };
	char path[FD_PATH];

	fd_path(fd, name, path);
	return name ? CALL(&c, lremovexattr(path, xattr)) : CALL(&c, removexattr(path, xattr));
}
