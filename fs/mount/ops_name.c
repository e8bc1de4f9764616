/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on names: making, linking, removing, renaming.
 */
#include <errno.h>

#include "fs/mount/ops.h"
#include "fs/mount/session.h"

/* Who asks; the group that a set-group-ID directory gives is the store's affair. */
static struct cred cred_of(fuse_req_t req)
{
	const struct fuse_ctx *c = fuse_req_ctx(req);

	return (struct cred){ .uid = c->uid, .gid = c->gid, .umask = c->umask };
}

/* What was made is about to be written. */
static void reply_made(fuse_req_t req, int r, struct object *o, const struct stat *st)
{
	if (r < 0)
		reply_err(req, r);
	else
		reply_entry(req, o, st, S_ISREG(st->st_mode) ? INODE_WRITTEN : 0);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct inode *dir = request_enter(req, parent, ZONE_NORMAL);
	struct object *o = NULL;
	struct cred cred;
	struct stat st;
	int r;

	if (!dir)
		return;
	cred = cred_of(req);
	r = object_mknod(dir->object, name, mode, rdev, &cred, &o, &st);
	reply_made(req, r, o, &st);
	request_leave(ZONE_NORMAL);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct inode *dir = request_enter(req, parent, ZONE_NORMAL);
	struct object *o = NULL;
	struct cred cred;
	struct stat st;
	int r;

	if (!dir)
		return;
	cred = cred_of(req);
	r = object_mkdir(dir->object, name, mode, &cred, &o, &st);
	reply_made(req, r, o, &st);
	request_leave(ZONE_NORMAL);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct inode *dir = request_enter(req, parent, ZONE_NORMAL);
	struct object *o = NULL;
	struct cred cred;
	struct stat st;
	int r;

	if (!dir)
		return;
	cred = cred_of(req);
	r = object_symlink(dir->object, name, target, &cred, &o, &st);
	reply_made(req, r, o, &st);
	request_leave(ZONE_NORMAL);
}

/* The second node of a request whose first is A; it must be in the same zone. */
static struct inode *second(fuse_req_t req, struct inode *a, uint64_t id)
{
	struct inode *b = inode_of(mount_of(req)->inodes, id);

	if (!b || !b->object) {
		reply_err(req, -ESTALE);
		return NULL;
	}
	if (object_zone(a->object) != object_zone(b->object)) {
		reply_err(req, -EXDEV);
		return NULL;
	}
	return b;
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	struct inode *i = request_enter(req, ino, ZONE_NORMAL), *dir;
	struct stat st;
	int r;

	if (!i)
		return;
	dir = second(req, i, newparent);
	if (dir) {
		r = object_link(i->object, dir->object, newname, &st);
		reply_made(req, r, r < 0 ? NULL : object_get(i->object), &st);
	}
	request_leave(ZONE_NORMAL);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct inode *dir = request_enter(req, parent, ZONE_NORMAL);

	if (!dir)
		return;
	reply_err(req, object_unlink(dir->object, name));
	request_leave(ZONE_NORMAL);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct inode *dir = request_enter(req, parent, ZONE_NORMAL);

	if (!dir)
		return;
	reply_err(req, object_rmdir(dir->object, name));
	request_leave(ZONE_NORMAL);
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	       const char *newname, unsigned int flags)
{
	struct inode *dir = request_enter(req, parent, ZONE_NORMAL), *to;

	if (!dir)
		return;
	to = second(req, dir, newparent);
	if (to)
		reply_err(req, object_rename(dir->object, name, to->object, newname, flags));
	request_leave(ZONE_NORMAL);
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *m = mount_of(req);
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);
	char *buf;
	ssize_t r;

	if (!i)
		return;
	buf = (char *)pool_get(m->pool);
	r = object_readlink(i->object, buf, SYMLINK_LIMIT + 1);
	inode_touch_pages(m->inodes, i, 1);
	if (r < 0)
		reply_err(req, (int)r);
	else
		fuse_reply_readlink(req, buf);
	pool_put(m->pool, (uint8_t *)buf, SYMLINK_LIMIT + 1);
	request_leave(ZONE_NORMAL);
}
