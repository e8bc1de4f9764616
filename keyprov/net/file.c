/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of credentials: see file.h.
 */
#include "file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "crypto/secret.h"

static int unreadable(const char *path, const char *why, struct kp_error *e)
{
	return kp_fail(e, -EIO, "look at its path in the configuration and at its permissions",
		       "%.180s: %s", path, why);
}

static int check_mode(int fd, bool own, const char *path, struct kp_error *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return unreadable(path, strerror(errno), e);
	if (!S_ISREG(st.st_mode))
		return unreadable(path, "no regular file", e);
	if (!own || !(st.st_mode & (S_IRWXO | S_IWGRP)))
		return 0;
	kp_fail(e, -EIO, NULL, "%.180s is open to others than its owner", path);
	return kp_hint(e, -EIO, "chmod 600 %.200s", path);
}

static int read_all(int fd, char *ret, size_t cap, size_t *ret_n)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t r = read(fd, ret + n, cap - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (!r)
			break;
		n += (size_t)r;
	}
	*ret_n = n;
	return 0;
}

int net_read_file(const char *path, bool own, char *ret, size_t cap, size_t *ret_n,
		  struct kp_error *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t n = 0;
	int r;

	if (fd < 0)
		return unreadable(path, strerror(errno), e);
	r = check_mode(fd, own, path, e);
	if (r)
		return r;
	r = read_all(fd, ret, cap, &n);
	if (!r && n < cap) {
		ret[n] = 0;
		if (ret_n)
			*ret_n = n;
		return 0;
	}
	secret_wipe(ret, cap);
	return unreadable(path, r ? strerror(-r) : "too large", e);
}

int net_read_word(const char *path, bool own, char *ret, size_t cap, struct kp_error *e)
{
	size_t n;
	int r = net_read_file(path, own, ret, cap, &n, e);

	if (r)
		return r;
	while (n && isspace((unsigned char)ret[n - 1]))
		ret[--n] = 0;
	if (n && strlen(ret) == n && !ret[strcspn(ret, "\r\n")])
		return 0;
	secret_wipe(ret, cap);
	return unreadable(path, n ? "not one line" : "empty", e);
}
