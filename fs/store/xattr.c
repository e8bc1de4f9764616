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

#define USER "user."
#define USER_LEN 5u
#define TRIES 3 /* of a read-only store, whose writer may be re-keying */

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static bool passes_in_clear(const char *name)
{
	return starts(name, "security.") || starts(name, "trusted.") ||
	       starts(name, "system.posix_acl_");
}

/* ---- a read-only store ---------------------------------------------------------- */

/* What tells one set of keys of O from another; 0: O has no header. */
static uint64_t keys_of(struct object *o)
{
	struct loaded *l;
	uint64_t r;

	if (object_pin(o, &l) || !l)
		return 0;
	pthread_rwlock_rdlock(&l->lock);
	r = (uint64_t)l->h.epoch << 1 | !!(l->h.flags & FLAG_REKEY);
	pthread_rwlock_unlock(&l->lock);
	object_unpin(o);
	return r;
}

/* Whether O has other keys by now than *KEYS, which its writer has given it. */
static bool keys_changed(struct object *o, uint64_t *keys)
{
	uint64_t now;

	if (!o->st->opt.read_only)
		return false;
	beside_refresh(o);
	now = keys_of(o);
	if (now == *keys)
		return false;
	*keys = now;
	return true;
}

/* ---- get -------------------------------------------------------------------- */

/* The kernel asks for security.capability at every write: a descriptor that is open will do. */
static ssize_t get_clear(struct object *o, const char *name, void *buf, size_t cap)
{
	_cleanup_close_ int fd = -1;
	ssize_t n = -EBADF;

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

	if (passes_in_clear(name))
		return get_clear(o, name, buf, cap);
	if (!starts(name, USER))
		return -EOPNOTSUPP;
	keys = o->st->opt.read_only ? keys_of(o) : 0;
	for (int i = 0;; i++) {
		n = get_user(o, name + USER_LEN, buf, cap);
		if (n != -ENODATA || i == TRIES || !keys_changed(o, &keys))
			return n;
	}
}

/* ---- list ------------------------------------------------------------------- */

struct list {
	char *buf;
	size_t cap, n;
	const struct attribute *a, *old; /* NULL: no user attributes; it is not being re-keyed */
	const char *names; /* the stored ones */
	ssize_t len;
	char recorded[NAME_LIMIT + 1]; /* one that may be in the journal only, or "" */
	bool unknown; /* some name authenticates under neither */
};

/* CAP 0: only count. */
static int list_add(struct list *l, const char *prefix, const char *name, size_t n)
{
	size_t p = strlen(prefix), len = p + n + 1;

	if (l->cap) {
		if (l->n + len > l->cap)
			return -ERANGE;
		memcpy(l->buf + l->n, prefix, p);
		memcpy(l->buf + l->n + p, name, n);
		l->buf[l->n + len - 1] = '\0';
	}
	l->n += len;
	return 0;
}

static bool has_stored(const struct list *l, const char *stored)
{
	for (ssize_t i = 0; i < l->len; i += (ssize_t)strlen(l->names + i) + 1)
		if (!strcmp(l->names + i, stored))
			return true;
	return false;
}

/* A name under the older keys; there may be the same under the newer ones already. */
static int list_older(struct list *l, const char *stored)
{
	struct attribute a = *l->a;
	char name[NAME_LIMIT + 1];
	size_t n;

	if (!l->old || xattr_name_decrypt(l->old->k->xn, stored, strlen(stored), name, &n)) {
		l->unknown = true;
		return 0;
	}
	name[n] = '\0';
	if (attribute_name(&a, name) || !strcmp(a.stored, l->recorded) || has_stored(l, a.stored))
		return 0;
	return list_add(l, USER, name, n);
}

static int list_one(struct list *l, const char *stored)
{
	char name[NAME_LIMIT + 1];
	size_t n;

	if (passes_in_clear(stored))
		return list_add(l, "", stored, strlen(stored));
	if (!l->a || !starts(stored, XATTR_PREFIX))
		return 0; /* not ours */
	if (xattr_name_decrypt(l->a->k->xn, stored, strlen(stored), name, &n))
		return list_older(l, stored);
	return list_add(l, USER, name, n);
}

static int list_all(struct list *l, int fd)
{
	_cleanup_free_ char *names = NULL;
	int r = 0;

	if (l->old)
		attribute_recorded_name(l->a->l, l->recorded);
	l->len = attributes_list(fd, &names);
	l->names = names;
	if (l->len < 0)
		return l->len == -EOPNOTSUPP ? 0 : (int)l->len;
	for (ssize_t i = 0; i < l->len && !r; i += (ssize_t)strlen(names + i) + 1)
		r = list_one(l, names + i);
	return !r && *l->recorded && !has_stored(l, l->recorded) ? list_one(l, l->recorded) : r;
}

/* Of what has no keys. */
static int list_clear(struct object *o, struct list *l)
{
	_cleanup_close_ int fd = object_attr_fd(o);

	return fd < 0 ? fd : list_all(l, fd);
}

static int list_user(struct object *o, struct list *l)
{
	struct attribute a, old;
	int r = attribute_open(o, NULL, false, &a);

	if (r < 0)
		return r == -ENODATA ? 0 : r; /* no header yet, so no attributes */
	r = attribute_older(&a, NULL, &old);
	l->a = &a;
	l->old = r > 0 ? &old : NULL;
	if (r >= 0)
		r = list_all(l, o->fd);
	if (l->old)
		attribute_end(&old);
	attribute_close(&a);
	return r;
}

ssize_t object_listxattr(struct object *o, char *buf, size_t cap)
{
	bool has_user = S_ISREG(o->type) || S_ISDIR(o->type);
	uint64_t keys = has_user && o->st->opt.read_only ? keys_of(o) : 0;

	for (int i = 0;; i++) {
		struct list l = { .buf = buf, .cap = cap };
		int r = has_user ? list_user(o, &l) : list_clear(o, &l);

		if (l.unknown && i < TRIES && keys_changed(o, &keys))
			continue;
		if (l.unknown)
			store_event(o->st, EVENT_NAME, o, 0, 0, "attribute name");
		return r < 0 ? r : (ssize_t)l.n;
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

	return fd < 0 ? fd : backing_setxattr(fd, NULL, name, value, n, flags);
}

int object_setxattr(struct object *o, const char *name, const void *value, size_t n, int flags)
{
	struct attribute a;
	int r;

	if (o->st->opt.read_only)
		return -EROFS;
	if (passes_in_clear(name))
		return set_clear(o, name, value, n, flags);
	if (!starts(name, USER))
		return -EOPNOTSUPP;
	if (n > USER_VALUE_MAX)
		return -E2BIG;
	r = attribute_open(o, name + USER_LEN, true, &a);
	if (r < 0)
		return r;
	r = attribute_renew_first(&a, name + USER_LEN);
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
	if (passes_in_clear(name)) {
		fd = object_attr_fd(o);
		return fd < 0 ? fd : backing_removexattr(fd, NULL, name);
	}
	if (!starts(name, USER))
		return -EOPNOTSUPP;
	r = attribute_open(o, name + USER_LEN, true, &a);
	if (r == -ERANGE)
		return -ENODATA;
	if (r < 0)
		return r;
	r = attribute_renew_first(&a, name + USER_LEN);
	if (!r)
		r = backing_removexattr(o->fd, NULL, a.stored);
	attribute_close(&a);
	return r;
}
