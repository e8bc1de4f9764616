/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on nodes: lookup, forget, attributes.
 */
#include <errno.h>

#include "fs/mount/deploy.h"
#include "fs/mount/ops.h"
#include "fs/mount/session.h"

#define LOOKUP_TRIES 8

/*
 * For who was told ESTALE a file is opened at once: whatever he asks of it can
 * be answered then, if another mount replaces it before that gets here.
 */
static int lookup_again(struct object *dir, const char *name, struct object **ret, struct stat *st)
{
	int r = -ESTALE;

	for (int i = 0; i < LOOKUP_TRIES && r == -ESTALE; i++) {
		r = object_lookup(dir, name, ret, st);
		if (!r && object_check_open(*ret) == -ESTALE) {
			object_put(*ret);
			r = -ESTALE;
		}
	}
	return r; /* after -ENOENT of a name that it knew the kernel comes once more */
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct inode *dir = request_enter(req, parent, ZONE_NORMAL);
	struct object *o;
	struct stat st;
	int r;

	if (!dir)
		return;
	if (!this_request.zone)
		r = deploy_lookup(mount_of(req), dir->object, name, &o, &st);
	else if (mount_of(req)->opt->read_only && again_told(req))
		r = lookup_again(dir->object, name, &o, &st);
	else
		r = object_lookup(dir->object, name, &o, &st);
	if (r < 0)
		reply_err(req, r);
	else
		reply_entry(req, o, &st, 0);
	request_leave(ZONE_NORMAL);
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	inode_forget(mount_of(req)->inodes, ino, nlookup);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < n; i++)
		inode_forget(mount_of(req)->inodes, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, struct inode *i)
{
	struct stat st;
	int r = object_getattr(i->object, &st);

	if (r < 0) {
		reply_err(req, r);
		return;
	}
	inode_touch(i, INODE_ATTRS);
	if (mount_of(req)->opt->read_only)
		atomic_store_explicit(&i->told, attr_stamp(&st), memory_order_relaxed);
	fuse_reply_attr(req, &st, mount_of(req)->timeout);
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);

	(void)fi;
	if (!i)
		return;
	reply_attr(req, i);
	request_leave(ZONE_NORMAL);
}

#define TIMES                                                                                      \
	(FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |                     \
	 FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME)

static unsigned int set_mask(int to_set)
{
	static const struct {
		int fuse;
		unsigned int store;
	} map[] = {
		{ FUSE_SET_ATTR_MODE, SET_MODE },
		{ FUSE_SET_ATTR_UID, SET_UID },
		{ FUSE_SET_ATTR_GID, SET_GID },
		{ FUSE_SET_ATTR_ATIME, SET_ATIME },
		{ FUSE_SET_ATTR_MTIME, SET_MTIME },
		{ FUSE_SET_ATTR_ATIME_NOW, SET_ATIME_NOW },
		{ FUSE_SET_ATTR_MTIME_NOW, SET_MTIME_NOW },
		{ FUSE_SET_ATTR_CTIME, SET_CTIME },
	};
	unsigned int what = 0;

	for (size_t n = 0; n < ARRAY_SIZE(map); n++)
		if (to_set & map[n].fuse)
			what |= map[n].store;
	return what;
}

static int set_attributes(struct object *o, const struct stat *st, int to_set)
{
	unsigned int what = set_mask(to_set);
	int r = 0;

	if (to_set & FUSE_SET_ATTR_SIZE)
		r = object_truncate(o, (uint64_t)st->st_size);
	/* FATTR_KILL_SUIDGID of the protocol: the kernel leaves it to us, see session.c. */
	if (!r && to_set & FUSE_SET_ATTR_KILL_SUID && !(what & SET_MODE))
		r = MIN(kill_setid(o), 0);
	if (!r && what)
		r = object_setattr(o, st, what);
	return r;
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	/* Times go with the pages that a drain writes out. */
	enum zone_use use = to_set & ~TIMES ? ZONE_NORMAL : ZONE_DRAIN;
	struct inode *i = request_enter(req, ino, use);
	int r;

	(void)fi;
	if (!i)
		return;
	if (to_set & FUSE_SET_ATTR_SIZE)
		inode_touch(i, INODE_WRITTEN);
	r = set_attributes(i->object, attr, to_set);
	if (r < 0)
		reply_err(req, r);
	else
		reply_attr(req, i);
	request_leave(use);
}

#define CAPABILITY "security.capability"

int kill_setid(struct object *o)
{
	struct stat st;
	mode_t mode;
	bool had;
	int r = object_getattr(o, &st);

	if (r < 0)
		return r;
	mode = st.st_mode & ~(mode_t)S_ISUID;
	if (mode & S_IXGRP)
		mode &= ~(mode_t)S_ISGID;
	had = mode != st.st_mode;
	if (had) {
		st.st_mode = mode;
		r = object_setattr(o, &st, SET_MODE);
		if (r < 0)
			return r;
	}
	if (object_getxattr(o, CAPABILITY, NULL, 0) < 0)
		return had;
	/* A daemon without privileges may not: then the backing filesystem does it. */
	r = object_removexattr(o, CAPABILITY);
	return r == -EPERM || r == -ENODATA || !r ? had : r;
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);
	struct statvfs st;
	int r;

	if (!i)
		return;
	r = store_statfs(mount_of(req)->store, &st);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_statfs(req, &st);
	request_leave(ZONE_NORMAL);
}
