/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials in files: see login.h.  They are opened anew each time, so that
 * one that was replaced is seen.
 */
#include "login.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

#include "crypto/secret.h"

#define FILE_MAX 65535u

static int unreadable(struct kp_error *e, const char *path, const char *why)
{
	return kp_fail(e, -EIO, "look at its path and permissions", "%.180s: %s", path, why);
}

static int read_all(int fd, struct text *t)
{
	ssize_t n;

	while (t->n < t->cap - 1) {
		n = read(fd, t->s + t->n, t->cap - 1 - t->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		t->n += (size_t)n;
	}
	return -EFBIG;
}

int aws_read(const char *path, struct text *ret, struct kp_error *e)
{
	/* Neither a FIFO nor a device holds us up. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return unreadable(e, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return unreadable(e, path, "not a file");
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return unreadable(e, path, "others may write to it");
	text_begin(ret, FILE_MAX + 1);
	if (!text_ok(ret))
		return kp_fail(e, -EAGAIN, NULL, "no memory for %.180s", path);
	r = read_all(fd, ret);
	if (r)
		return unreadable(e, path, strerror(-r));
	while (ret->n && strchr("\r\n", ret->s[ret->n - 1]))
		ret->n--;
	ret->s[ret->n] = '\0';
	return 0;
}

/* NAMED, or NAME in the user's ~/.aws; NULL: there is no home. */
static const char *path_of(const char *named, const char *name, char *buf, size_t cap)
{
	struct passwd pw, *found = NULL;
	const char *home = getenv("HOME");
	char strings[1024];

	if (named)
		return named;
	if (!home || *home != '/') {
		if (getpwuid_r(geteuid(), &pw, strings, sizeof(strings), &found) || !found)
			return NULL;
		home = found->pw_dir;
	}
	return snprintf(buf, cap, "%s/.aws/%s", home, name) < (int)cap ? buf : NULL;
}

static int load(const struct aws_login *l, const char *named, const char *name, bool config,
		struct aws_profile *ret, struct kp_error *e)
{
	_cleanup_text_ struct text t = { 0 };
	char buf[1024];
	const char *path = path_of(named, name, buf, sizeof(buf));
	int r = path ? aws_read(path, &t, e) : -ENOENT;

	if (!r)
		r = aws_profile_parse(t.s, t.n, config, l->profile, ret);
	if (r == -EMSGSIZE)
		return unreadable(e, path, "a value is too long");
	return r;
}

int aws_profile_load(const struct aws_login *l, struct aws_profile *ret, struct kp_error *e)
{
	int first, second;

	memset(ret, 0, sizeof(*ret));
	first = load(l, l->config_file, "config", true, ret, e);
	if (first && first != -ENOENT)
		return first;
	second = load(l, l->credentials_file, "credentials", false, ret, e); /* goes over it */
	if (second && second != -ENOENT)
		return second;
	if (first && second && l->profile_named)
		return kp_fail(e, -EIO, "aws configure list-profiles tells which there are",
			       "there is no profile %.64s in the files of AWS", l->profile);
	return first ? second : 0;
}
