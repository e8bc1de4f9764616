/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the backing file or directory of an object, beneath its parent's.
 */
#include <errno.h>

#include "fs/store/entry.h"

struct want {
	int flags;
	mode_t mode; /* what the owner's permission must have for it */
};

/* That reading does not write a time, or look whether it should, only the owner may ask for. */
static int open_quietly(struct store *st, int dirfd, const char *name, int flags)
{
	bool quiet = !atomic_load_explicit(&st->foreign, memory_order_relaxed);
	int fd = backing_open(dirfd, name, flags | (quiet ? O_NOATIME : 0), 0);

	if (fd != -EPERM || !quiet)
		return fd;
	fd = backing_open(dirfd, name, flags, 0);
	if (fd >= 0)
		atomic_store_explicit(&st->foreign, true, memory_order_relaxed);
	return fd;
}

/* Without CAP_DAC_OVERRIDE: as the owner, lend ourselves the permission and give it back. */
static int open_lent(const struct object *o, int dirfd, const struct want *w)
{
	struct stat st;
	int fd, r;

	r = backing_stat(dirfd, o->stored, &st);
	if (r < 0)
		return r;
	if (S_ISLNK(st.st_mode) || (st.st_mode & w->mode) == w->mode)
		return -EACCES;
	r = backing_chmod(dirfd, o->stored, (st.st_mode & 07777) | w->mode);
	if (r < 0)
		return -EACCES;
	fd = open_quietly(o->st, dirfd, o->stored, w->flags);
	backing_chmod(dirfd, o->stored, st.st_mode & 07777);
	return fd;
}

static int open_want(const struct object *o, int dirfd, const struct want *w)
{
	int fd = open_quietly(o->st, dirfd, o->stored, w->flags);

	return fd == -EACCES ? open_lent(o, dirfd, w) : fd;
}

static int open_file(const struct object *o, int dirfd, bool *ret_ro)
{
	static const struct want rdwr = { O_RDWR, S_IRUSR | S_IWUSR }, ro = { O_RDONLY, S_IRUSR };
	int fd;

	*ret_ro = false;
	if (!o->st->opt.read_only) {
		fd = open_want(o, dirfd, &rdwr);
		if (fd != -EACCES && fd != -EPERM && fd != -EROFS && fd != -ETXTBSY)
			return fd;
	}
	*ret_ro = true;
	return open_want(o, dirfd, &ro);
}

static int open_dir(const struct object *o, int dirfd, bool *ret_ro)
{
	static const struct want dir = { O_RDONLY | O_DIRECTORY, S_IRUSR | S_IXUSR };

	*ret_ro = false;
	return open_want(o, dirfd, &dir);
}

/* Whether FD is the object that we know: nobody swapped its name behind our back. */
static int check_same(const struct object *o, int fd)
{
	struct stat st;
	int r = backing_fstat(fd, &st);

	if (r < 0)
		return r;
	return st.st_ino == o->ino && st.st_dev == o->dev && (st.st_mode & S_IFMT) == o->type ?
		       0 : -ESTALE;
}

static int open_at(struct object *o, bool bare, bool *ret_ro)
{
	struct object *parent = o->parent;
	int dirfd = o->st->root_fd, fd, r = 0;

	if (o->unlinked || !o->stored)
		return -ESTALE;
	if (parent) {
		r = bare || zone_begins(o) ? object_pin_fd(parent) : object_pin(parent, NULL);
		if (r < 0)
			return r;
		dirfd = parent->fd;
	}
	fd = S_ISDIR(o->type) ? open_dir(o, dirfd, ret_ro) : open_file(o, dirfd, ret_ro);
	if (parent)
		object_unpin(parent);
	if (fd == -ENOENT || fd == -ELOOP || fd == -ENOTDIR || fd == -ENXIO)
		return -ESTALE;
	if (fd < 0)
		return fd;
	r = check_same(o, fd);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

int object_open_again(struct object *o, bool *ret_ro)
{
	return open_at(o, false, ret_ro);
}

int object_open_fd(struct object *o, bool bare, bool *ret_ro)
{
	int fd = open_at(o, bare, ret_ro);

	if (fd < 0)
		return fd;
	o->fd = fd;
	return 0;
}
