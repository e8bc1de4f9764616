/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on extended attributes.
 */
#include <errno.h>

#include "fs/mount/ops.h"
#include "fs/mount/session.h"

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

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct mount *m = mount_of(req);
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);
	size_t n = MIN(size, XATTR_MAX);
	char *buf = NULL;

	if (!i)
		return;
	if (!strcmp(name, "security.capability")) /* asked before the first write(2) */
		inode_touch(i, INODE_WRITTEN);
	if (n)
		buf = (char *)pool_get(m->pool);
	reply_value(req, object_getxattr(i->object, name, buf, n), buf, n);
	if (n)
		pool_put(m->pool, (uint8_t *)buf, n);
	request_leave(ZONE_NORMAL);
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct mount *m = mount_of(req);
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);
	size_t n = MIN(size, XATTR_MAX);
	char *buf = NULL;

	if (!i)
		return;
	if (n)
		buf = (char *)pool_get(m->pool);
	reply_value(req, object_listxattr(i->object, buf, n), buf, n);
	if (n)
		pool_put(m->pool, (uint8_t *)buf, n);
	request_leave(ZONE_NORMAL);
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		 int flags)
{
	struct inode *i = request_enter(req, ino, ZONE_NORMAL);

	if (!i)
		return;
	reply_err(req, object_setxattr(i->object, name, value, size, flags));
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
