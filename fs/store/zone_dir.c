/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory where a zone begins: made beside the empty one that it takes
 * the place of, whole before they change places.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/store/entry.h"
#include "fs/store/touched.h"
#include "fs/store/volume.h"

struct making {
	const struct place *p;
	struct zone *z;
	struct object *old; /* the empty directory; its name space is locked */
	struct stat sb;	    /* of it */
	char tmp[TEMP_LEN + 1];
	int fd; /* of the new one */
	bool made; /* it is in its place: whatever fails now, the zone is there */
};

static int copy_xattr(int from, int to, const char *name)
{
	char buf[4096];
	ssize_t n = backing_getxattr(from, NULL, name, buf, sizeof(buf));

	if (n == -ENODATA || n == -EOPNOTSUPP)
		return 0;
	return n < 0 ? (int)n : backing_setxattr(to, NULL, name, buf, (size_t)n, 0);
}

/* Owner, mode, ACLs, times: as of the directory that it takes the place of. */
static int dress(struct making *m)
{
	const struct timespec ts[2] = { m->sb.st_atim, m->sb.st_mtim };
	int r = 0;

	if (geteuid() == 0 || m->sb.st_uid != geteuid())
		r = backing_chown(m->fd, NULL, m->sb.st_uid, m->sb.st_gid);
	if (r == 0)
		r = backing_chmod(m->fd, NULL, m->sb.st_mode & 07777);
	if (r == 0)
		r = copy_xattr(m->old->fd, m->fd, "system.posix_acl_access");
	if (r == 0)
		r = copy_xattr(m->old->fd, m->fd, "system.posix_acl_default");
	return r ? r : backing_utimens(m->fd, NULL, ts);
}

/* Its header, bound to its name in the zone above.  On disk when this returns. */
static int write_header(struct making *m, struct object *o, struct loaded **ret)
{
	_cleanup_close_ int hfd = backing_open(m->fd, ".D", O_RDWR | O_CREAT | O_EXCL, FIXED_MODE);
	uint8_t tag[TAG_LEN];
	struct loaded *l = NULL;
	int r = hfd < 0 ? hfd : place_tag(m->p, tag);

	if (r == 0)
		r = loaded_new(m->z, OBJECT_DIR, store_suite(m->z->st), tag, &l);
	if (r < 0)
		return r;
	l->o = o;
	l->h.flags |= FLAG_ZONE_ROOT;
	l->touch = TOUCH_NOTED;
	l->made = true;
	r = loaded_write_header(l, hfd);
	if (r == 0)
		r = backing_sync(hfd);
	if (r == 0)
		r = backing_sync_dir(m->fd);
	if (r < 0)
		loaded_free(l);
	else
		*ret = l;
	return r;
}

/* The new name of what was old is its temporary one: it goes. */
static int change_places(struct making *m)
{
	int dirfd = m->p->dir->fd, r;
	const char *name = m->p->sn.s;
	char aside[TEMP_LEN + 1];

	r = backing_rename(dirfd, m->tmp, dirfd, name, RENAME_EXCHANGE);
	if (r == 0)
		return dir_remove(dirfd, m->tmp);
	if (r != -EINVAL && r != -ENOSYS)
		return r;
	r = temp_name(aside); /* EXCHANGE is not known there */
	if (r == 0)
		r = backing_rename(dirfd, name, dirfd, aside, 0);
	if (r < 0)
		return r;
	r = backing_rename(dirfd, m->tmp, dirfd, name, 0);
	if (r < 0)
		backing_rename(dirfd, aside, dirfd, name, 0);
	else
		dir_remove(dirfd, aside);
	return r;
}

static int make_object(struct making *m, struct object **ret, struct loaded **ret_l)
{
	struct stat sb;
	int r = backing_fstat(m->fd, &sb);

	if (r < 0)
		return r;
	*ret = table_new(m->z->st, m->p->dir, m->p->sn.s, &sb);
	if (!*ret)
		return -ENOMEM;
	(*ret)->zone = m->z; /* nobody can find it yet */
	r = write_header(m, *ret, ret_l);
	if (r < 0)
		object_put(*ret);
	return r;
}

static int replace_dir(struct making *m)
{
	struct loaded *l = NULL;
	struct object *o;
	struct gone g;
	int r = make_object(m, &o, &l);

	if (r < 0)
		return r;
	gone_prepare(m->p, &m->sb, &g);
	r = g.pinned ? dress(m) : -EIO;
	if (r == 0)
		r = change_places(m);
	gone_finish(m->p, &m->sb, &g, r == 0);
	if (r < 0) {
		loaded_free(l);
		object_put(o);
		return r;
	}
	object_attach(o, l, steal_fd(&m->fd));
	m->made = true;
	o->bound = true;
	zone_found(o);
	object_unpin(o);
	object_put(o);
	place_new_name(m->p);
	return backing_sync_dir(m->p->dir->fd);
}

/* P's directory and the old one are locked. */
static int make_dir_locked(struct making *m)
{
	int dirfd = m->p->dir->fd, r = place_stat(m->p, &m->sb);

	if (r < 0)
		return r;
	if (m->sb.st_ino != m->old->ino || m->sb.st_dev != m->old->dev)
		return -EAGAIN;
	r = object_pin_fd(m->old);
	if (r < 0)
		return r;
	r = dir_is_empty(m->old->st, m->old->fd);
	if (r == 0)
		r = place_touch(m->p, NULL);
	if (r == 0)
		r = temp_name(m->tmp);
	if (r == 0)
		r = backing_mkdir(dirfd, m->tmp, 0700);
	if (r == 0) {
		m->fd = backing_open(dirfd, m->tmp, O_RDONLY | O_DIRECTORY, 0);
		r = m->fd < 0 ? m->fd : replace_dir(m);
		cleanup_close(&m->fd);
		if (r < 0)
			dir_remove(dirfd, m->tmp);
	}
	object_unpin(m->old);
	return r;
}

int zone_dir_find(const struct place *p, struct object **ret)
{
	int r = place_dir(p, ret);

	if (r == 0 && (*ret)->zone != p->dir->zone) {
		object_put(*ret);
		r = -EBUSY;
	}
	return r;
}

int zone_dir_make(const struct place *p, struct zone *z, bool *ret_made)
{
	struct making m = { .p = p, .z = z, .fd = -1 };
	struct object *both[2] = { p->dir };
	int r = zone_dir_find(p, &both[1]);

	*ret_made = false;
	if (r < 0)
		return r;
	m.old = both[1];
	r = ns_lock(both, 2);
	if (r == 0) {
		r = make_dir_locked(&m);
		ns_unlock(both, 2);
	}
	object_put(both[1]);
	*ret_made = m.made;
	return r;
}
