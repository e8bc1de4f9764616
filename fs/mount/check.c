/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of the two places of a mount.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "fs/lib/cmd.h"
#include "fs/mount/check.h"

/* Whether INNER is OUTER or beneath it. */
static bool within(const char *inner, const char *outer)
{
	size_t n = strlen(outer);

	if (n == 1) /* the root */
		return true;
	return !strncmp(inner, outer, n) && (!inner[n] || inner[n] == '/');
}

static int check_empty(const char *path, struct mount_failure *f)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool empty = true;

	if (!d)
		return mount_fail(f, CMD_FAILED, -errno, NULL, "%s: %s", path, strerror(errno));
	while (empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	closedir(d);
	return empty ? 0 :
		       mount_fail(f, CMD_USAGE, -ENOTEMPTY,
				  "choose an empty directory, or mount with -o nonempty to cover "
				  "what is in it",
				  "%s is not empty", path);
}

/* libfuse says it to its log alone. */
static int check_device(struct mount_failure *f)
{
	const char *const dev = "/dev/fuse";

	if (!access(dev, R_OK | W_OK))
		return 0;
	return mount_fail(f, CMD_FAILED, -errno,
			  errno == EACCES ? "let its mode be 0666, as Debian's fuse3 sets it up" :
					    "load the kernel's module: modprobe fuse",
			  "%s: %s", dev, strerror(errno));
}

int check_places(const struct mount *m, struct mount_failure *f)
{
	struct stat st;

	if (stat(m->mountpoint, &st) < 0)
		return mount_fail(f, CMD_USAGE, -errno,
				  errno == ENOTCONN ? "umount -l takes the dead mount away" : NULL,
				  "%s: %s", m->mountpoint, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return mount_fail(f, CMD_USAGE, -ENOTDIR, "mount at an empty directory",
				  "%s is not a directory", m->mountpoint);
	if (within(m->mountpoint, m->dir) || within(m->dir, m->mountpoint))
		return mount_fail(f, CMD_USAGE, -EINVAL,
				  "mount outside of the backing directory, and not above it",
				  "%s and %s are within each other", m->mountpoint, m->dir);
	if (!m->opt->nonempty) {
		int r = check_empty(m->mountpoint, f);

		if (r)
			return r;
	}
	return check_device(f);
}
