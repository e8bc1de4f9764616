/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel changes of a backing file with each write to it, which for
 * the writes of the daemon's own is to stay: the time of the last write, file
 * capabilities and, where the daemon is not privileged, set-id bits.
 */
#include <errno.h>

#include "fs/store/content.h"
#include "fs/store/entry.h"

#define SETID ((mode_t)(S_ISUID | S_ISGID))

void keep_attrs(struct loaded *l)
{
	struct stat st;
	bool kept;
	ssize_t n;

	if (l->h.type != OBJECT_FILE)
		return;
	pthread_rwlock_rdlock(&l->lock);
	kept = l->attrs_moved;
	pthread_rwlock_unlock(&l->lock);
	if (kept)
		return;
	pthread_rwlock_wrlock(&l->lock);
	if (!l->attrs_moved) {
		if (!backing_fstat(l->o->fd, &st)) {
			if (l->mtime.tv_nsec == UTIME_OMIT)
				l->mtime = st.st_mtim;
			l->setid = st.st_mode & SETID;
		}
		n = backing_getxattr(l->o->fd, NULL, XATTR_CAPS, l->caps, sizeof(l->caps));
		l->ncaps = n > 0 ? (uint8_t)n : 0;
	}
	l->attrs_moved = true;
	pthread_rwlock_unlock(&l->lock);
}

static int restore_setid(struct loaded *l)
{
	struct stat st;
	int r;

	if (!l->setid)
		return 0;
	r = backing_fstat(l->o->fd, &st);
	if (!r && (l->setid & ~st.st_mode))
		r = backing_chmod(l->o->fd, NULL, (st.st_mode & 07777) | l->setid);
	return r;
}

void restore_attrs(struct loaded *l)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT } };
	int r;

	pthread_rwlock_wrlock(&l->lock);
	ts[1] = l->mtime;
	r = restore_setid(l);
	if (!r && l->ncaps)
		r = backing_setxattr(l->o->fd, NULL, XATTR_CAPS, l->caps, l->ncaps, 0);
	if (!r && l->attrs_moved && !backing_utimens(l->o->fd, NULL, ts)) {
		l->attrs_moved = false;
		l->ncaps = 0;
		l->setid = 0;
	}
	pthread_rwlock_unlock(&l->lock);
}

/* What is loaded of O, locked against the two above, or NULL.  o->lock is held. */
static struct loaded *lock_loaded_locked(struct object *o)
{
	struct loaded *l = o->l;

	if (l)
		pthread_rwlock_wrlock(&l->lock);
	return l;
}

int object_utimens(struct object *o, int fd, const struct timespec ts[2])
{
	struct loaded *l;
	struct stat st;
	int r;

	pthread_mutex_lock(&o->lock);
	l = lock_loaded_locked(o);
	r = backing_utimens(fd, NULL, ts);
	if (l && !r && ts[1].tv_nsec != UTIME_OMIT && !backing_fstat(fd, &st))
		l->mtime = st.st_mtim;
	if (l)
		pthread_rwlock_unlock(&l->lock);
	pthread_mutex_unlock(&o->lock);
	return r;
}

int object_chmod(struct object *o, int fd, mode_t mode)
{
	struct loaded *l;
	int r;

	pthread_mutex_lock(&o->lock);
	l = lock_loaded_locked(o);
	r = backing_chmod(fd, NULL, mode);
	if (l && !r && l->attrs_moved)
		l->setid = mode & SETID;
	if (l)
		pthread_rwlock_unlock(&l->lock);
	pthread_mutex_unlock(&o->lock);
	return r;
}

ssize_t object_get_caps(struct object *o, void *buf, size_t cap)
{
	struct loaded *l;
	ssize_t n = -EBADF;

	pthread_mutex_lock(&o->lock);
	l = lock_loaded_locked(o);
	if (l && l->ncaps) {
		n = cap && cap < l->ncaps ? -ERANGE : l->ncaps;
		if (n > 0 && cap)
			memcpy(buf, l->caps, l->ncaps);
	} else if (o->fd >= 0) {
		n = backing_getxattr(o->fd, NULL, XATTR_CAPS, buf, cap);
	}
	if (l)
		pthread_rwlock_unlock(&l->lock);
	pthread_mutex_unlock(&o->lock);
	return n;
}

int object_set_caps(struct object *o, int fd, const void *value, size_t n, int flags)
{
	struct loaded *l;
	int r;

	pthread_mutex_lock(&o->lock);
	l = lock_loaded_locked(o);
	if (l && l->ncaps) /* writes of ours may have taken them away */
		backing_setxattr(fd, NULL, XATTR_CAPS, l->caps, l->ncaps, 0);
	if (value)
		r = backing_setxattr(fd, NULL, XATTR_CAPS, value, n, flags);
	else
		r = backing_removexattr(fd, NULL, XATTR_CAPS);
	if (l && !r && l->attrs_moved) {
		l->ncaps = value && n <= sizeof(l->caps) ? (uint8_t)n : 0;
		memcpy(l->caps, value ? value : "", l->ncaps);
	}
	if (l)
		pthread_rwlock_unlock(&l->lock);
	pthread_mutex_unlock(&o->lock);
	return r;
}

void object_show_caps(struct object *o)
{
	struct loaded *l;

	pthread_mutex_lock(&o->lock);
	l = lock_loaded_locked(o);
	if (l && l->ncaps)
		backing_setxattr(o->fd, NULL, XATTR_CAPS, l->caps, l->ncaps, 0);
	if (l)
		pthread_rwlock_unlock(&l->lock);
	pthread_mutex_unlock(&o->lock);
}
