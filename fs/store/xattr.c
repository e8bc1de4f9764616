/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: user.* under encrypted names with sealed values, in
 * keys of the object's own; security.*, trusted.* and POSIX ACLs as they are
 * (cmkfs-format(5), xattrs).
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/entry.h"
#include "fs/store/xattr.h"

/* ---- get -------------------------------------------------------------------- */

/* The kernel asks for security.capability at every write: a descriptor that is open will do. */
static ssize_t get_clear(struct object *o, const char *name, void *buf, size_t cap)
{
	_cleanup_close_ int fd = -1;
	ssize_t n = -EBADF;

	if (!strcmp(name, XATTR_CAPS))
		n = object_get_caps(o, buf, cap);
	if (n != -EBADF)
		return n;
	pthread_mutex_lock(&o->lock);
	if (o->fd >= 0)
		n = backing_getxattr(o->fd, NULL, name, buf, cap);
	pthread_mutex_unlock(&o->lock);
	if (n != -EBADF)
		return n;
	fd = object_attr_fd(o);
	return fd < 0 ? fd : backing_getxattr(fd, NULL, name, buf, cap);
}

/*
 * By the newer keys, by the older ones, or from its record: it may go from one to
 * the next meanwhile, but only once.
 */
static ssize_t get_any(const struct attribute *a, const struct attribute *old, void *buf,
		       size_t cap)
{
	ssize_t n = attribute_get(a, buf, cap);

	for (int i = 0; old && n == -ENODATA && i < 2; i++) {
		n = attribute_get(old, buf, cap);
		if (n == -ENODATA)
			n = attribute_recorded(a, buf, cap);
		if (n == -ENODATA)
			n = attribute_get(a, buf, cap);
	}
	return n;
}

static ssize_t get_user(struct object *o, const char *name, void *buf, size_t cap)
{
	struct attribute a, old;
	ssize_t n;
	int r = attribute_open(o, name, false, &a);

	if (r == -ERANGE || r == -EPERM)
		return -ENODATA;
	if (r < 0)
		return r;
	r = attribute_older(&a, name, &old);
	n = r < 0 ? r : get_any(&a, r ? &old : NULL, buf, cap);
	if (r > 0)
		attribute_end(&old);
	attribute_close(&a);
	return n;
}

ssize_t object_getxattr(struct object *o, const char *name, void *buf, size_t cap)
{
	uint64_t keys;
	ssize_t n;

	if (xattr_is_clear(name))
		return get_clear(o, name, buf, cap);
	if (!xattr_is_user(name))
		return -EOPNOTSUPP;
	keys = o->st->opt.read_only ? attribute_keys(o) : 0;
	for (int i = 0;; i++) {
		n = get_user(o, name + XATTR_USER_LEN, buf, cap);
		if (n != -ENODATA || i == ATTRIBUTE_TRIES || !attribute_keys_changed(o, &keys))
			return n;
	}
}

/* ---- set, remove ------------------------------------------------------------ */

static int set_user(const struct attribute *a, const void *value, size_t n, int flags)
{
	_cleanup_free_ uint8_t *sealed = malloc(n + SEALED_EXTRA);
	int r;

	if (!sealed)
		return -ENOMEM;
	r = aead_seal_message(a->k->xv, a->tag, MAC_LEN, value, n, sealed);
	return r ? r : backing_setxattr(a->o->fd, NULL, a->stored, sealed, n + SEALED_EXTRA, flags);
}

static int set_clear(struct object *o, const char *name, const void *value, size_t n, int flags)
{
	_cleanup_close_ int fd = object_attr_fd(o);

	if (fd < 0)
		return fd;
	if (!strcmp(name, XATTR_CAPS))
		return object_set_caps(o, fd, value, n, flags);
	return backing_setxattr(fd, NULL, name, value, n, flags);
}

int object_setxattr(struct object *o, const char *name, const void *value, size_t n, int flags)
{
	struct attribute a;
	int r;

	if (o->st->opt.read_only)
		return -EROFS;
	if (xattr_is_clear(name))
		return set_clear(o, name, value, n, flags);
	if (!xattr_is_user(name))
		return -EOPNOTSUPP;
	if (n > USER_VALUE_MAX)
		return -E2BIG;
	r = attribute_open(o, name + XATTR_USER_LEN, true, &a);
	if (r < 0)
		return r;
	r = attribute_renew_first(&a, name + XATTR_USER_LEN);
	if (!r)
		r = set_user(&a, value, n, flags);
	attribute_close(&a);
	return r;
}

int object_removexattr(struct object *o, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct attribute a;
	int r;

	if (o->st->opt.read_only)
		return -EROFS;
	if (xattr_is_clear(name)) {
		fd = object_attr_fd(o);
		if (fd < 0)
			return fd;
		if (!strcmp(name, XATTR_CAPS))
			return object_set_caps(o, fd, NULL, 0, 0);
		return backing_removexattr(fd, NULL, name);
	}
	if (!xattr_is_user(name))
		return -EOPNOTSUPP;
	r = attribute_open(o, name + XATTR_USER_LEN, true, &a);
	if (r == -ERANGE)
		return -ENODATA;
	if (r < 0)
		return r;
	r = attribute_renew_first(&a, name + XATTR_USER_LEN);
	if (!r)
		r = backing_removexattr(o->fd, NULL, a.stored);
	attribute_close(&a);
	return r;
}
