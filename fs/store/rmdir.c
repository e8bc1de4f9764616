/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing directories.  One that is empty for a user may still hold its
 * header, temporary objects and orphaned sidecars: it is moved out of sight
 * first, so that a crash leaves it whole or gone.
 */
#include <errno.h>

#include "fs/store/entry.h"

#define TEMP_DEPTH 16 /* of what a temporary directory may hold */

struct probe {
	const struct store *st;
	int fd;
};

/* What an empty directory may hold. */
static bool ignored(void *arg, const char *name)
{
	const struct probe *p = arg;
	char object[256];
	struct stat sb;

	switch (entry_kind(p->st, name)) {
	case STORED_DIRHEADER:
	case STORED_TEMP:
		return true;
	case STORED_SIDECAR:
		strcpy(object, name);
		object[1] = 'L';
		return backing_stat(p->fd, object, &sb) == -ENOENT;
	default:
		return false;
	}
}

int dir_is_empty(const struct store *st, int fd)
{
	struct probe p = { st, fd };

	return backing_dir_empty(fd, ignored, &p);
}

static int remove_below(int dirfd, const char *name, unsigned int depth);

struct removing {
	int fd;
	unsigned int depth;
	int first; /* error; the others are tried all the same */
};

static int remove_entry(void *arg, const struct dirent64 *d)
{
	struct removing *m = arg;
	int r = remove_below(m->fd, d->d_name, m->depth);

	m->first = m->first ? m->first : r;
	return 0;
}

/* All that is in the directory FD, which nobody sees any more. */
static int remove_contents(int fd, unsigned int depth)
{
	struct removing m = { fd, depth, 0 };
	int r = backing_each(fd, remove_entry, &m);

	return r ? r : m.first;
}

static int remove_below(int dirfd, const char *name, unsigned int depth)
{
	_cleanup_close_ int fd = -1;
	struct stat sb;
	int r = backing_unlink(dirfd, name, 0);

	if (r != -EISDIR && r != -EPERM)
		return r;
	if (!depth)
		return -ELOOP;
	fd = backing_open(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	/* Its owner may have taken his own permission away. */
	if (!backing_fstat(fd, &sb) && (sb.st_mode & S_IRWXU) != S_IRWXU)
		backing_chmod(fd, NULL, (sb.st_mode & 07777) | S_IRWXU);
	r = remove_contents(fd, depth - 1);
	return r ? r : backing_unlink(dirfd, name, AT_REMOVEDIR);
}

int dir_remove_deep(int dirfd, const char *name, unsigned int depth)
{
	char tmp[TEMP_LEN + 1];
	int r = 0;

	if (stored_kind(name, strlen(name)) == STORED_TEMP) {
		strcpy(tmp, name);
	} else {
		r = temp_name(tmp);
		if (r == 0)
			r = rename_new(dirfd, name, dirfd, tmp);
	}
	if (r == 0)
		remove_below(dirfd, tmp, depth); /* what stays is for fsck */
	return r;
}

int dir_remove(int dirfd, const char *name)
{
	return dir_remove_deep(dirfd, name, TEMP_DEPTH);
}

/* P's directory and O are locked.  -EAGAIN: O lies there no more. */
static int rmdir_locked(const struct place *p, struct object *o)
{
	struct gone g;
	struct stat sb;
	int r = place_stat(p, &sb);

	if (r < 0)
		return r;
	if (sb.st_ino != o->ino || sb.st_dev != o->dev)
		return -EAGAIN;
	r = gone_prepare(p, &sb, &g);
	if (r == 0)
		r = g.pinned ? dir_is_empty(o->st, o->fd) : -EIO;
	if (r == 0)
		r = dir_remove(p->dir->fd, p->sn.s);
	gone_finish(p, &sb, &g, r == 0);
	if (r == 0)
		place_remove_sidecar(p);
	return r;
}

static int rmdir_once(const struct place *p)
{
	struct object *both[2] = { p->dir };
	int r = place_dir(p, &both[1]);

	if (r == 0 && both[1]->zone != p->dir->zone) {
		object_put(both[1]);
		r = -EBUSY; /* a zone is destroyed, not removed */
	}
	if (r < 0)
		return r;
	r = ns_lock(both, 2);
	if (r == 0) {
		r = rmdir_locked(p, both[1]);
		ns_unlock(both, 2);
	}
	object_put(both[1]);
	return r;
}

int object_rmdir(struct object *dir, const char *name)
{
	struct place p;
	int r = place_open(dir, name, true, &p);

	if (r < 0)
		return r == -EINVAL ? -ENOENT : r;
	do
		r = rmdir_once(&p);
	while (r == -EAGAIN);
	place_close(&p);
	return r;
}
