/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: user.* under encrypted names with sealed values, in
 * keys of the object's own; security.*, trusted.* and POSIX ACLs as they are
 * (cmkfs-format(5), xattrs).
 */
#include <errno.h>
#include <sys/xattr.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "fs/store/content.h"
#include "fs/store/entry.h"

#define USER "user."
#define USER_LEN 5u
#define VALUE_MAX (XATTR_SIZE_MAX - SEALED_EXTRA)

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static bool passes_in_clear(const char *name)
{
	return starts(name, "security.") || starts(name, "trusted.") ||
	       starts(name, "system.posix_acl_");
}

/* ---- keys ------------------------------------------------------------------- */

struct xattr_keys { /* secret; of one call */
	uint8_t xn[NAME_KEY_LEN];
	uint8_t xv[AEAD_KEY_LEN];
};

/* A user attribute of O: its keys, its stored name, the object pinned and its header locked. */
struct attribute {
	struct object *o;
	struct loaded *l;
	struct xattr_keys *k;
	char stored[NAME_LIMIT + 1];
	uint8_t tag[MAC_LEN];
};

/* By the keys of EPOCH.  NAME NULL: only these. */
static int attribute_key(struct attribute *a, const char *name, uint32_t epoch)
{
	const uint8_t *dek = loaded_dek(a->l, epoch), *id = a->l->h.object_id;
	int r = kdf_object(dek, KDF_XATTR_NAME, id, epoch, a->k->xn, sizeof(a->k->xn));

	if (!r)
		r = kdf_object(dek, KDF_XATTR_VALUE, id, epoch, a->k->xv, sizeof(a->k->xv));
	if (!r && name)
		r = xattr_name_encrypt(a->k->xn, name, strlen(name), a->stored, a->tag);
	return r;
}

/* L is pinned and its lock held, for reading at least: re-keying must not come between. */
static int attribute_start(struct loaded *l, const char *name, uint32_t epoch,
			   struct attribute *ret)
{
	int r;

	ret->o = l->o;
	ret->l = l;
	ret->k = secret_alloc(sizeof(*ret->k));
	r = ret->k ? attribute_key(ret, name, epoch) : -ENOMEM;
	if (r < 0)
		secret_free(ret->k);
	return r;
}

static void attribute_close(struct attribute *a)
{
	secret_free(a->k);
	pthread_rwlock_unlock(&a->l->lock);
	object_unpin(a->o);
}

/* NAME NULL: only the keys. */
static int attribute_open(struct object *o, const char *name, struct attribute *ret)
{
	struct loaded *l;
	int r;

	if (!S_ISREG(o->type) && !S_ISDIR(o->type))
		return -EPERM; /* as the kernel has it */
	if (name && !*name)
		return -EINVAL;
	r = object_pin(o, &l);
	if (r < 0)
		return r;
	pthread_rwlock_rdlock(&l->lock);
	r = attribute_start(l, name, l->h.epoch, ret);
	if (r < 0) {
		pthread_rwlock_unlock(&l->lock);
		object_unpin(o);
	}
	return r;
}

/* While the object is re-keyed: the keys of the epoch before it.  1, 0: it is not; negative. */
static int attribute_older(const struct attribute *a, const char *name, struct attribute *ret)
{
	int r;

	if (!(a->l->h.flags & FLAG_REKEY))
		return 0;
	r = attribute_start(a->l, name, a->l->h.epoch - 1, ret);
	return r < 0 ? r : 1;
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

static ssize_t open_value(const struct attribute *a, const uint8_t *sealed, ssize_t n, void *buf,
			  size_t cap)
{
	size_t len = (size_t)n - SEALED_EXTRA;
	int r;

	if (n >= (ssize_t)SEALED_EXTRA && len > cap)
		return -ERANGE;
	r = n < (ssize_t)SEALED_EXTRA ? -EBADMSG :
					aead_open_message(a->k->xv, a->tag, MAC_LEN, sealed,
							  (size_t)n, buf);
	if (r == -EBADMSG)
		return entry_integrity(a->o->st, a->o, "attribute");
	return r < 0 ? r : (ssize_t)len;
}

static ssize_t get_user(const struct attribute *a, void *buf, size_t cap)
{
	_cleanup_free_ uint8_t *sealed = NULL;
	ssize_t n;

	if (!cap) {
		n = backing_getxattr(a->o->fd, NULL, a->stored, NULL, 0);
		return n < 0 ? n : MAX(n - (ssize_t)SEALED_EXTRA, 0);
	}
	/* What is longer than asked for gives ERANGE by itself. */
	cap = MIN(cap, (size_t)VALUE_MAX);
	sealed = malloc(cap + SEALED_EXTRA);
	if (!sealed)
		return -ENOMEM;
	n = backing_getxattr(a->o->fd, NULL, a->stored, sealed, cap + SEALED_EXTRA);
	return n < 0 ? n : open_value(a, sealed, n, buf, cap);
}

ssize_t object_getxattr(struct object *o, const char *name, void *buf, size_t cap)
{
	struct attribute a, old;
	ssize_t n;
	int r;

	if (passes_in_clear(name))
		return get_clear(o, name, buf, cap);
	if (!starts(name, USER))
		return -EOPNOTSUPP;
	r = attribute_open(o, name + USER_LEN, &a);
	if (r == -ERANGE || r == -EPERM)
		return -ENODATA;
	if (r < 0)
		return r;
	n = get_user(&a, buf, cap);
	if (n == -ENODATA && (r = attribute_older(&a, name + USER_LEN, &old)) != 0) {
		n = r < 0 ? r : get_user(&old, buf, cap);
		if (r > 0)
			secret_free(old.k);
	}
	attribute_close(&a);
	return n;
}

/* ---- list ------------------------------------------------------------------- */

struct list {
	char *buf;
	size_t cap, n;
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

static int list_one(struct object *o, const struct attribute *a, const struct attribute *old,
		    const char *stored, struct list *l)
{
	char name[NAME_LIMIT + 1];
	size_t n;

	if (passes_in_clear(stored))
		return list_add(l, "", stored, strlen(stored));
	if (!a || !starts(stored, XATTR_PREFIX))
		return 0; /* not ours */
	if (xattr_name_decrypt(a->k->xn, stored, strlen(stored), name, &n) &&
	    (!old || xattr_name_decrypt(old->k->xn, stored, strlen(stored), name, &n))) {
		store_event(o->st, EVENT_NAME, o, 0, 0, "attribute name");
		return 0;
	}
	return list_add(l, USER, name, n);
}

/* The stored names; the list may grow between the two calls. */
static ssize_t list_stored(struct object *o, char **ret)
{
	_cleanup_close_ int fd = object_attr_fd(o);
	_cleanup_free_ char *names = NULL;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = backing_listxattr(fd, NULL, NULL, 0);
	if (n <= 0)
		return n;
	names = malloc(XATTR_LIST_MAX);
	if (!names)
		return -ENOMEM;
	n = backing_listxattr(fd, NULL, names, XATTR_LIST_MAX);
	if (n > 0) {
		*ret = names;
		names = NULL;
	}
	return n;
}

ssize_t object_listxattr(struct object *o, char *buf, size_t cap)
{
	struct list l = { .buf = buf, .cap = cap };
	_cleanup_free_ char *names = NULL;
	struct attribute a, old;
	bool has_user = S_ISREG(o->type) || S_ISDIR(o->type);
	ssize_t n = list_stored(o, &names);
	int r, older;

	if (n <= 0)
		return n == -EOPNOTSUPP ? 0 : n;
	r = has_user ? attribute_open(o, NULL, &a) : 0;
	if (r < 0)
		return r == -ENODATA ? 0 : r; /* no header yet, so no attributes */
	older = has_user ? attribute_older(&a, NULL, &old) : 0;
	r = MIN(older, 0);
	for (ssize_t i = 0; i < n && r == 0; i += (ssize_t)strlen(names + i) + 1)
		r = list_one(o, has_user ? &a : NULL, older > 0 ? &old : NULL, names + i, &l);
	if (older > 0)
		secret_free(old.k);
	if (has_user)
		attribute_close(&a);
	return r < 0 ? r : (ssize_t)l.n;
}

/* ---- re-keying -------------------------------------------------------------- */

/* The value of the attribute OLD, if it is there, under the keys of A.  0 also if it is not. */
static int renew(const struct attribute *a, const struct attribute *old)
{
	ssize_t n = backing_getxattr(a->o->fd, NULL, old->stored, NULL, 0);
	uint8_t *value, *sealed;
	int r = -ENOMEM;

	if (n < 0)
		return n == -ENODATA ? 0 : (int)n;
	value = secret_alloc(XATTR_SIZE_MAX);
	sealed = malloc(XATTR_SIZE_MAX);
	if (!value || !sealed)
		goto out;
	n = get_user(old, value, VALUE_MAX);
	r = n < 0 ? (int)n : aead_seal_message(a->k->xv, a->tag, MAC_LEN, value, (size_t)n, sealed);
	if (!r)
		r = backing_setxattr(a->o->fd, NULL, a->stored, sealed, (size_t)n + SEALED_EXTRA,
				     XATTR_CREATE);
	if (!r || r == -EEXIST)
		r = backing_removexattr(a->o->fd, NULL, old->stored);
out:
	secret_free(value);
	free(sealed);
	return r;
}

/* Before a change of NAME: it is under the newer keys, which A are. */
static int renew_first(const struct attribute *a, const char *name)
{
	struct attribute old;
	int r = attribute_older(a, name, &old);

	if (r <= 0)
		return r;
	r = renew(a, &old);
	secret_free(old.k);
	return r;
}

static int renew_stored(struct loaded *l, const char *stored)
{
	struct attribute a, old;
	char name[NAME_LIMIT + 1];
	size_t n;
	int r = attribute_start(l, NULL, l->h.epoch - 1, &old);

	if (r < 0)
		return r;
	if (!xattr_name_decrypt(old.k->xn, stored, strlen(stored), name, &n)) {
		name[n] = '\0';
		r = attribute_key(&old, name, l->h.epoch - 1);
		if (!r)
			r = attribute_start(l, name, l->h.epoch, &a);
		if (!r) {
			r = renew(&a, &old);
			secret_free(a.k);
		}
	}
	secret_free(old.k);
	return r;
}

int xattrs_rekey(struct loaded *l)
{
	_cleanup_free_ char *names = NULL;
	ssize_t n = list_stored(l->o, &names);
	int r = 0;

	for (ssize_t i = 0; i < n && !r; i += (ssize_t)strlen(names + i) + 1) {
		if (!starts(names + i, XATTR_PREFIX))
			continue;
		pthread_rwlock_wrlock(&l->lock);
		r = renew_stored(l, names + i);
		pthread_rwlock_unlock(&l->lock);
	}
	return n == -EOPNOTSUPP ? 0 : n < 0 ? (int)n : r;
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
	if (n > VALUE_MAX)
		return -E2BIG;
	r = attribute_open(o, name + USER_LEN, &a);
	if (r < 0)
		return r;
	r = renew_first(&a, name + USER_LEN);
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
	r = attribute_open(o, name + USER_LEN, &a);
	if (r == -ERANGE)
		return -ENODATA;
	if (r < 0)
		return r;
	r = renew_first(&a, name + USER_LEN);
	if (!r)
		r = backing_removexattr(o->fd, NULL, a.stored);
	attribute_close(&a);
	return r;
}
