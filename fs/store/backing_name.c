/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in the backing directory.  Whoever can write there may put a symlink
 * anywhere: none is ever followed.
 */
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "fs/store/backing_call.h"

#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

bool (*backing_relief)(void);

#define RELIEF_TRIES 64 /* others take what was closed */

static _Atomic bool no_openat2; /* kernels before 5.6, and sandboxes that do not know it */

/* Without openat2: one step at a time, none of them a symlink or "..". */
static int open_steps(int dirfd, const char *path, int flags, mode_t mode)
{
	_cleanup_close_ int at = -1;
	const char *slash;
	char step[256];
	long fd;

	if (*path == '/')
		return -EXDEV;
	while ((slash = strchr(path, '/'))) {
		size_t n = (size_t)(slash - path);

		if (n >= sizeof(step))
			return -ENAMETOOLONG;
		memcpy(step, path, n);
		step[n] = '\0';
		if (!strcmp(step, ".."))
			return -EXDEV;
		fd = RETRY(openat(at >= 0 ? at : dirfd, step,
				  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
		if (fd < 0)
			return (int)fd;
		cleanup_close(&at);
		at = (int)fd;
		path = slash + 1;
	}
	if (!strcmp(path, ".."))
		return -EXDEV;
	return (int)RETRY(openat(at >= 0 ? at : dirfd, path, flags, mode));
}

/* What may lie there instead of a file, such as a FIFO or a terminal, must not hold us up. */
static int safe_flags(int flags)
{
	return flags | O_NOFOLLOW | O_CLOEXEC | (flags & O_PATH ? 0 : O_NONBLOCK | O_NOCTTY);
}

static int open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)safe_flags(flags),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = BENEATH,
	};
	long fd;

	if (!atomic_load_explicit(&no_openat2, memory_order_relaxed)) {
		do
			fd = RETRY(syscall(SYS_openat2, dirfd, path, &how, sizeof(how)));
		while (fd == -EAGAIN && strchr(path, '/'));
		if (fd != -ENOSYS && fd != -EPERM)
			return (int)fd;
		if (fd == -ENOSYS)
			atomic_store_explicit(&no_openat2, true, memory_order_relaxed);
	}
	return open_steps(dirfd, path, safe_flags(flags), mode);
}

static int open_relieved(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd;

	for (unsigned int i = 0; i < RELIEF_TRIES; i++) {
		fd = open_beneath(dirfd, path, flags, mode);
		if (fd == -EMFILE || fd == -ENFILE ? backing_relief && backing_relief() :
		    fd == -ENOSPC || fd == -EDQUOT ? backing_room && backing_room() : false)
			continue;
		break;
	}
	return fd;
}

void backing_keep_atime(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK | O_NOATIME);
}

int backing_dup(int fd)
{
	int r;

	for (unsigned int i = 0; i < RELIEF_TRIES; i++) {
		r = (int)RETRY(fcntl(fd, F_DUPFD_CLOEXEC, 0));
		if (r != -EMFILE || !backing_relief || !backing_relief())
			break;
	}
	return r;
}

int backing_open(int dirfd, const char *path, int flags, mode_t mode)
{
	struct backing_call c = { .op = BACKING_NAME, .fd = dirfd, .name = path };
	int fd;

	if (!backing_hooks || !(flags & O_CREAT))
		return open_relieved(dirfd, path, flags, mode);
	fd = backing_call_before(&c);
	if (fd < 0)
		return fd;
	fd = open_relieved(dirfd, path, flags, mode);
	backing_call_after(&c, MIN(fd, 0));
	return fd;
}

/* An owner without CAP_DAC_OVERRIDE may have to lend himself the permission to list. */
int backing_reopen_dir(int fd)
{
	int r = backing_open(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	struct stat sb;

	if (r != -EACCES || backing_fstat(fd, &sb) ||
	    fchmod(fd, (sb.st_mode & 07777) | S_IRUSR | S_IXUSR))
		return r;
	r = backing_open(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	fchmod(fd, sb.st_mode & 07777);
	return r;
}

ssize_t backing_getdents(int fd, void *buf, size_t cap)
{
	return RETRY(getdents64(fd, buf, cap));
}

int backing_each(int dirfd, backing_entry_fn *fn, void *arg)
{
	_cleanup_close_ int fd = backing_reopen_dir(dirfd);
	_Alignas(struct dirent64) char buf[4096];
	ssize_t n = fd;
	int r = 0;

	while (fd >= 0 && !r && (n = backing_getdents(fd, buf, sizeof(buf))) > 0) {
		const struct dirent64 *d;

		for (ssize_t i = 0; i < n && !r; i += d->d_reclen) {
			d = (const struct dirent64 *)(buf + i);
			if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
				r = fn(arg, d);
		}
	}
	return n < 0 ? (int)n : r;
}

int backing_seekdir(int fd, int64_t off)
{
	return lseek(fd, (off_t)off, SEEK_SET) < 0 ? -errno : 0;
}

int backing_fstat(int fd, struct stat *ret)
{
	return (int)RETRY(fstat(fd, ret));
}

int backing_stat(int dirfd, const char *name, struct stat *ret)
{
	return (int)RETRY(fstatat(dirfd, name, ret, AT_SYMLINK_NOFOLLOW));
}

int backing_statfs(int fd, struct statvfs *ret)
{
	return (int)RETRY(fstatvfs(fd, ret));
}

int backing_mkdir(int dirfd, const char *name, mode_t mode)
{
	struct backing_call c = { .op = BACKING_NAME, .fd = dirfd, .name = name };

	return CALL(&c, mkdirat(dirfd, name, mode));
}

int backing_mknod(int dirfd, const char *name, mode_t mode, dev_t rdev)
{
	struct backing_call c = { .op = BACKING_NAME, .fd = dirfd, .name = name };

	return CALL(&c, mknodat(dirfd, name, mode, rdev));
}

int backing_symlink(const char *target, int dirfd, const char *name)
{
	struct backing_call c = { .op = BACKING_NAME, .fd = dirfd, .name = name };

	return CALL(&c, symlinkat(target, dirfd, name));
}

ssize_t backing_readlink(int dirfd, const char *name, char *buf, size_t cap)
{
	ssize_t n = RETRY(readlinkat(dirfd, name, buf, cap));

	return n == (ssize_t)cap ? -ENAMETOOLONG : n;
}

int backing_unlink(int dirfd, const char *name, int flags)
{
	struct backing_call c = { .op = BACKING_NAME, .fd = dirfd, .name = name };

	return CALL(&c, unlinkat(dirfd, name, flags));
}

int backing_rename(int dirfd, const char *name, int newdirfd, const char *newname,
		   unsigned int flags)
{
	struct backing_call c = { .op = BACKING_NAME, .fd = newdirfd, .name = newname };

	return CALL(&c, renameat2(dirfd, name, newdirfd, newname, flags));
}

int backing_link(int dirfd, const char *name, int newdirfd, const char *newname)
{
	struct backing_call c = { .op = BACKING_NAME, .fd = newdirfd, .name = newname };
	char path[32];

	if (name)
		return CALL(&c, linkat(dirfd, name, newdirfd, newname, 0));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
	return CALL(&c, linkat(AT_FDCWD, path, newdirfd, newname, AT_SYMLINK_FOLLOW));
}

struct emptiness {
	bool (*ignore)(void *arg, const char *name);
	void *arg;
};

static int not_empty(void *arg, const struct dirent64 *d)
{
	const struct emptiness *e = arg;

	return e->ignore && e->ignore(e->arg, d->d_name) ? 0 : -ENOTEMPTY;
}

int backing_dir_empty(int dirfd, bool (*ignore)(void *arg, const char *name), void *arg)
{
	struct emptiness e = { ignore, arg };

	return backing_each(dirfd, not_empty, &e);
}
