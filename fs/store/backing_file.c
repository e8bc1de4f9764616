/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files of the backing directory, read and replaced whole.
 */
#include <stdio.h>

#include "fs/store/backing_call.h"

int backing_read_file(int dirfd, const char *name, size_t max, uint8_t **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = backing_open(dirfd, name, O_RDONLY | O_NONBLOCK, 0);
	_cleanup_free_ uint8_t *p = NULL;
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0)
		return fd;
	r = backing_fstat(fd, &st);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return -EMEDIUMTYPE;
	if ((uint64_t)st.st_size > max)
		return -EFBIG;
	p = malloc((size_t)st.st_size + 1);
	if (!p)
		return -ENOMEM;
	n = backing_read(fd, p, (size_t)st.st_size, 0);
	if (n < 0)
		return (int)n;
	p[n] = 0;
	*ret_n = (size_t)n;
	*ret = p;
	p = NULL;
	return 0;
}

/* Write and fsync P as the new file TMP; whatever an interrupted replacement left there goes. */
static int write_new(int dirfd, const char *tmp, const void *p, size_t n, mode_t mode)
{
	_cleanup_close_ int fd = -1;
	int r = backing_unlink(dirfd, tmp, 0);

	if (r < 0 && r != -ENOENT)
		return r;
	fd = backing_open(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL, mode);
	if (fd < 0)
		return fd;
	r = backing_chmod(fd, NULL, mode); /* whatever the umask is */
	if (r == 0)
		r = backing_write(fd, p, n, 0);
	if (r == 0)
		r = backing_sync(fd);
	return r;
}

/* What a replacement left there, as long as P is, is overwritten: that needs no room. */
static int write_spare(int dirfd, const char *tmp, const void *p, size_t n)
{
	_cleanup_close_ int fd = backing_open(dirfd, tmp, O_WRONLY, 0);
	struct stat sb;
	int r;

	if (fd < 0)
		return fd;
	r = backing_fstat(fd, &sb);
	if (r == 0 && (!S_ISREG(sb.st_mode) || sb.st_nlink != 1 || (uint64_t)sb.st_size != n))
		r = -EINVAL;
	if (r == 0)
		r = backing_write(fd, p, n, 0);
	return r ? r : backing_sync(fd);
}

/* TMP takes the place of NAME; with RENAME_EXCHANGE that of TMP, if both can be. */
static int rename_over(int dirfd, const char *tmp, const char *name, unsigned int flags)
{
	int r = flags ? backing_rename(dirfd, tmp, dirfd, name, flags) : -ENOENT;

	if (r < 0)
		r = backing_rename(dirfd, tmp, dirfd, name, 0);
	return r < 0 ? r : backing_sync_dir(dirfd);
}

static int replace_by(int dirfd, const char *name, const void *p, size_t n, mode_t mode,
		      unsigned int flags)
{
	char tmp[256];
	int r;

	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", name) >= sizeof(tmp))
		return -ENAMETOOLONG;
	r = flags ? write_spare(dirfd, tmp, p, n) : -ENOENT;
	if (r < 0)
		r = write_new(dirfd, tmp, p, n, mode);
	if (r == 0)
		r = rename_over(dirfd, tmp, name, flags);
	if (r < 0)
		backing_unlink(dirfd, tmp, 0);
	return r;
}

int backing_replace(int dirfd, const char *name, const void *p, size_t n, mode_t mode)
{
	return replace_by(dirfd, name, p, n, mode, 0);
}

int backing_swap(int dirfd, const char *name, const void *p, size_t n, mode_t mode)
{
	return replace_by(dirfd, name, p, n, mode, RENAME_EXCHANGE);
}
