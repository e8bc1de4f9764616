/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which configuration files are read, and reading them.
 */
#include "config_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define FILE_MAX_BYTES (1 << 20)

static int read_all(int fd, char *buf, size_t cap, size_t *ret)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t r = read(fd, buf + n, cap - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (!r)
			break;
		n += (size_t)r;
	}
	*ret = n;
	return 0;
}

static int load_file(struct conf *c, const char *path, bool must, struct conf_error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buf = NULL;
	size_t n = 0;
	int r;

	if (fd < 0) {
		r = -errno;
		if (!must && (r == -ENOENT || r == -ENOTDIR))
			return 0;
		return conf_fail(err, r, "look at its path and permissions", "%s: %s", path, strerror(-r));
	}
	buf = malloc(FILE_MAX_BYTES + 1);
	if (!buf)
		return conf_fail(err, -ENOMEM, "", "out of memory");
	r = read_all(fd, buf, FILE_MAX_BYTES + 1, &n);
	if (r)
		return conf_fail(err, r, "look at its path and permissions", "%s: %s", path, strerror(-r));
	if (n > FILE_MAX_BYTES)
		return conf_fail(err, -EINVAL, "cmkfs.conf(5) shows a usual one",
				 "%s: more than 1 MiB is no configuration", path);
	return conf_parse(c, path, buf, n, err);
}

static int load_user_file(struct conf *c, struct conf_error *err)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *sub = "cmkfs/cmkfs.conf";
	char path[4096];
	int n;

	if (!base || *base != '/') {
		base = getenv("HOME");
		sub = ".config/cmkfs/cmkfs.conf";
	}
	if (!base || *base != '/')
		return 0;
	n = snprintf(path, sizeof(path), "%s/%s", base, sub);
	return n < (int)sizeof(path) ? load_file(c, path, false, err) : 0;
}

int conf_load(struct conf **ret, struct conf_error *err)
{
	const char *only = getenv("CMKFS_CONFIG");
	struct conf *c = conf_new();
	int r;

	if (!c)
		return conf_fail(err, -ENOMEM, "", "out of memory");
	if (only && *only) {
		r = load_file(c, only, true, err);
	} else {
		r = load_file(c, "/etc/cmkfs/cmkfs.conf", false, err);
		if (!r)
			r = load_user_file(c, err);
	}
	if (r)
		conf_free(c);
	else
		*ret = c;
	return r;
}
