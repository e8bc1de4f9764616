/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes: those of the backing file, but for the size.
 */
#include <errno.h>

#include "fs/store/content.h"
#include "fs/store/entry.h"
#include "fs/store/touched.h"

#define PATH_TRIES 8 /* a rename may move the object while we go for it */

/*
 * Whether an unclean session may have left a length that says something else
 * than the header: who asked for the size reads up to it.
 */
static bool hint_in_doubt(struct object *o)
{
	struct object *parent = NULL;
	struct loaded *dl;
	char stored[256];
	bool r = false;

	if (!settling_is_on(o->st) || object_path(o, &parent, stored) || !parent)
		return false;
	if (!object_pin(parent, &dl)) {
		r = touched_was(o->st, TOUCHED_NAME, dl->h.object_id, stored);
		object_unpin(parent);
	}
	object_put(parent);
	return r;
}

void object_fix_stat(struct object *o, struct stat *sb)
{
	if (S_ISREG(o->type)) {
		beside_notice(o, sb);
		if (object_loaded_attr(o, sb) ||
		    (hint_in_doubt(o) && !object_check(o) && object_loaded_attr(o, sb)))
			return;
		sb->st_size = (off_t)size_hint(store_suite(o->st), (uint64_t)sb->st_size);
		if (!sb->st_size && sb->st_nlink && object_check(o))
			sb->st_size = 1; /* reading it is an error, not an end */
		else if (!sb->st_size)
			object_loaded_attr(o, sb);
	} else if (S_ISLNK(o->type)) {
		sb->st_size = (off_t)symlink_target_len((size_t)sb->st_size);
		sb->st_ino = shown_ino(o, sb->st_ino);
	}
}

static bool same(const struct object *o, const struct stat *sb)
{
	return sb->st_ino == o->ino && sb->st_dev == o->dev && (sb->st_mode & S_IFMT) == o->type;
}

/* By the descriptor, if it is open. */
static int stat_open(struct object *o, struct stat *ret)
{
	int r = -EBADF;

	pthread_mutex_lock(&o->lock);
	if (o->fd >= 0)
		r = backing_fstat(o->fd, ret);
	pthread_mutex_unlock(&o->lock);
	return r;
}

/* Beneath the parent: stat (FD NULL) or an O_PATH descriptor. */
static int by_path(struct object *o, struct stat *sb, int *ret_fd)
{
	struct object *parent;
	char stored[256];
	int dirfd = o->st->root_fd, fd = -1, r;

	r = object_path(o, &parent, stored);
	if (r < 0)
		return -ESTALE;
	if (parent) {
		r = object_pin_fd(parent);
		if (r < 0)
			goto out;
		dirfd = parent->fd;
	}
	if (ret_fd) {
		fd = backing_open(dirfd, stored, O_PATH | O_NOFOLLOW, 0);
		r = fd < 0 ? fd : backing_fstat(fd, sb);
	} else {
		r = backing_stat(dirfd, stored, sb);
	}
	if (parent)
		object_unpin(parent);
	if (r == -ENOENT || (r == 0 && !same(o, sb)))
		r = -ESTALE;
	if (r == 0 && ret_fd)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
out:
	object_put(parent);
	return r;
}

static int by_path_again(struct object *o, struct stat *sb, int *ret_fd)
{
	int r = -ESTALE;

	for (int i = 0; i < PATH_TRIES && r == -ESTALE; i++)
		r = by_path(o, sb, ret_fd);
	return r;
}

int object_getattr(struct object *o, struct stat *ret_st)
{
	struct stat sb;
	int r = stat_open(o, &sb);

	if (r == -EBADF)
		r = by_path_again(o, &sb, NULL);
	if (r < 0)
		return r;
	object_fix_stat(o, &sb);
	*ret_st = sb;
	return 0;
}

int object_attr_fd(struct object *o)
{
	struct stat sb;
	int fd = -1, r;
	bool open;

	pthread_mutex_lock(&o->lock);
	open = o->fd >= 0;
	if (open)
		fd = backing_dup(o->fd);
	pthread_mutex_unlock(&o->lock);
	if (open)
		return fd;
	r = by_path_again(o, &sb, &fd);
	return r < 0 ? r : fd;
}

/* ---- changing them --------------------------------------------------------------- */

#define SET_TIMES (SET_ATIME | SET_MTIME | SET_ATIME_NOW | SET_MTIME_NOW)

static struct timespec time_for(const struct timespec *t, bool set, bool now)
{
	struct timespec ts = { 0, UTIME_OMIT };

	if (now)
		ts.tv_nsec = UTIME_NOW;
	else if (set)
		ts = *t;
	return ts;
}

static int set_times(struct object *o, int fd, const struct stat *st, unsigned int what)
{
	struct timespec ts[2] = {
		time_for(&st->st_atim, what & SET_ATIME, what & SET_ATIME_NOW),
		time_for(&st->st_mtim, what & SET_MTIME, what & SET_MTIME_NOW),
	};

	return S_ISREG(o->type) ? object_utimens(o, fd, ts) : backing_utimens(fd, NULL, ts);
}

static int set_by_fd(struct object *o, int fd, const struct stat *st, unsigned int what)
{
	int r = 0;

	/* The owner first: the kernel takes set-id bits away with him. */
	if (what & (SET_UID | SET_GID))
		r = backing_chown(fd, NULL, what & SET_UID ? st->st_uid : (uid_t)-1,
				  what & SET_GID ? st->st_gid : (gid_t)-1);
	if (r == 0 && (what & (SET_UID | SET_GID)) && S_ISREG(o->type))
		object_set_caps(o, fd, NULL, 0, 0); /* the kernel takes them away, too */
	if (r == 0 && (what & SET_MODE))
		r = object_chmod(o, fd, st->st_mode & 07777);
	if (r == 0 && (what & SET_TIMES))
		r = set_times(o, fd, st, what);
	return r;
}

/* By the descriptor that is open, held so by a pin: that of a file that has lost its name is the only one. */
static int set_held(struct object *o, const struct stat *st, unsigned int what)
{
	int r = object_pin_fd(o);

	if (r < 0)
		return r;
	r = set_by_fd(o, o->fd, st, what);
	object_unpin(o);
	return r;
}

/*
 * With each unlink the kernel's writeback cache says the mtime again, since the
 * ctime has changed: of what has no name left nobody sees that.
 */
static bool is_gone_with_mtime(struct object *o, const struct timespec *t)
{
	struct stat sb;
	bool unlinked;

	pthread_mutex_lock(&o->lock);
	unlinked = o->unlinked;
	pthread_mutex_unlock(&o->lock);
	if (!unlinked || !S_ISREG(o->type) || stat_open(o, &sb) || sb.st_nlink)
		return false;
	object_loaded_attr(o, &sb);
	return sb.st_mtim.tv_sec == t->tv_sec && sb.st_mtim.tv_nsec == t->tv_nsec;
}

int object_setattr(struct object *o, const struct stat *st, unsigned int what)
{
	_cleanup_close_ int fd = -1;
	bool held;
	int r = 0;

	if (o->st->opt.read_only)
		return -EROFS;
	if ((what & ~SET_CTIME) == SET_MTIME && is_gone_with_mtime(o, &st->st_mtim))
		return 0;
	/* What is written later must not touch the times that are set now. */
	if ((what & SET_TIMES) && S_ISREG(o->type))
		r = object_flush(o);
	if (r < 0)
		return r;
	pthread_mutex_lock(&o->lock);
	held = o->fd >= 0 && (S_ISREG(o->type) || S_ISDIR(o->type));
	pthread_mutex_unlock(&o->lock);
	if (held)
		return set_held(o, st, what);
	fd = object_attr_fd(o);
	return fd < 0 ? fd : set_by_fd(o, fd, st, what);
}
