/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on extended attributes.
 */
#include <errno.h>

#include "fs/mount/ops.h"
#include "fs/mount/session.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define TRUSTED "trusted."
#define USER "user."
#define CAPABILITY "security.capability"
#define CAPABILITY_SIZE 20u /* of a value: XATTR_CAPS_SZ_2 */
#define XATTR_MAX 65536u /* XATTR_SIZE_MAX, XATTR_LIST_MAX of the kernel */

static void reply_value(fuse_req_t req, ssize_t r, const char *buf, size_t size)
{
	if (r < 0)
		reply_err(req, (int)r);
	else if (!size)
		fuse_reply_xattr(req, (size_t)r);
	else
		fuse_reply_buf(req, buf, (size_t)r);
}

/*
 * Whether a request that a deployment let in has been answered.  The kernel
 * asks for file capabilities before it takes a write(2) into its cache, of
 * which the store would hear too late to refuse it; of a file that has some it
 * has them removed first, and that is refused.  On the way to a deployment
 * access is decided, by ACLs and the like; only what is encrypted is locked.
 */
static bool answer_deployed(fuse_req_t req, struct inode *i, const char *name, size_t size)
{
	if (!size && !this_request.way && !strcmp(name, CAPABILITY)) {
		fuse_reply_xattr(req, CAPABILITY_SIZE);
		return true;
	}
	if (!this_request.way || strncmp(name, USER, sizeof(USER) - 1))
		return false;
	reply_err(req, -(zone_errno(object_zone(i->object)) ?: ENOKEY));
	return true;
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct mount *m = mount_of(req);
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);
	size_t n = MIN(size, XATTR_MAX);
	char *buf = NULL;
	ssize_t r;

	if (!i)
		return;
	if (!this_request.zone && answer_deployed(req, i, name, size)) {
		request_leave(ZONE_NORMAL);
		return;
	}
	if (!strcmp(name, CAPABILITY)) /* asked before the first write(2) */
		inode_touch(i, INODE_WRITTEN);
	if (n)
		buf = (char *)pool_get(m->pool);
	r = object_getxattr(i->object, name, buf, n);
	/* To the kernel, which asks to decide an access, that would be an error. */
	if (r == -EOPNOTSUPP && (!strcmp(name, ACL_ACCESS) || !strcmp(name, ACL_DEFAULT)))
		r = -ENODATA;
	reply_value(req, r, buf, n);
	if (n)
		pool_put(m->pool, (uint8_t *)buf, n);
	request_leave(ZONE_NORMAL);
}

/* trusted.* is not shown to users.  Returns what is left of LIST. */
static ssize_t hide_trusted(char *list, ssize_t n)
{
	ssize_t to = 0, len;

	for (ssize_t at = 0; at < n; at += len) {
		len = (ssize_t)strlen(list + at) + 1;
		if (!strncmp(list + at, TRUSTED, sizeof(TRUSTED) - 1))
			continue;
		memmove(list + to, list + at, (size_t)len);
		to += len;
	}
	return to;
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct mount *m = mount_of(req);
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);
	char *buf;
	ssize_t r;

	if (!i)
		return;
	buf = (char *)pool_get(m->pool);
	r = object_listxattr(i->object, buf, XATTR_MAX);
	if (r > 0 && fuse_req_ctx(req)->uid)
		r = hide_trusted(buf, r);
	if (size && r > (ssize_t)size)
		r = -ERANGE;
	reply_value(req, r, buf, size);
	pool_put(m->pool, (uint8_t *)buf, XATTR_MAX);
	request_leave(ZONE_NORMAL);
}

static bool in_group(fuse_req_t req, gid_t gid)
{
	_cleanup_free_ gid_t *list = NULL;
	int n, i;

	if (fuse_req_ctx(req)->gid == gid)
		return true;
	n = fuse_req_getgroups(req, 0, NULL);
	list = n > 0 ? calloc((size_t)n, sizeof(*list)) : NULL;
	if (!list)
		return false;
	n = MIN(n, fuse_req_getgroups(req, n, list));
	for (i = 0; i < n && list[i] != gid; i++)
		;
	return i < n;
}

/* Who is not in the file's group takes its set-group-ID bit away with a new ACL. */
static int kill_setgid(fuse_req_t req, struct object *o)
{
	struct stat st;
	int r;

	if (!fuse_req_ctx(req)->uid)
		return 0;
	r = object_getattr(o, &st);
	if (r < 0 || !(st.st_mode & S_ISGID) || in_group(req, st.st_gid))
		return r;
	st.st_mode &= ~(mode_t)S_ISGID;
	return object_setattr(o, &st, SET_MODE);
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		 int flags)
{
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);
	int r;

	if (!i)
		return;
	r = object_setxattr(i->object, name, value, size, flags);
	if (!r && !strcmp(name, ACL_ACCESS))
		r = kill_setgid(req, i->object);
	reply_err(req, r);
	request_leave(ZONE_NORMAL);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);

	if (!i)
		return;
	reply_err(req, object_removexattr(i->object, name));
	request_leave(ZONE_NORMAL);
}
