/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys, stored name and value of one user attribute.
 */
#include "fs/store/xattr.h"

#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/entry.h"

/* By the keys of EPOCH. */
static int derive(struct attribute *a, uint32_t epoch)
{
	const uint8_t *dek = loaded_dek(a->l, epoch), *id = a->l->h.object_id;
	int r = kdf_object(dek, KDF_XATTR_NAME, id, epoch, a->k->xn, sizeof(a->k->xn));

	return r ? r : kdf_object(dek, KDF_XATTR_VALUE, id, epoch, a->k->xv, sizeof(a->k->xv));
}

int attribute_name(struct attribute *a, const char *name)
{
	return xattr_name_encrypt(a->k->xn, name, strlen(name), a->stored, a->tag);
}

int attribute_start(struct loaded *l, const char *name, uint32_t epoch, struct attribute *ret)
{
	int r;

	*ret = (struct attribute){ .o = l->o, .l = l, .k = secret_alloc(sizeof(*ret->k)) };
	r = ret->k ? derive(ret, epoch) : -ENOMEM;
	if (!r && name)
		r = attribute_name(ret, name);
	if (r < 0)
		attribute_end(ret);
	return r;
}

void attribute_end(struct attribute *a)
{
	secret_free(a->k);
}

void attribute_close(struct attribute *a)
{
	attribute_end(a);
	pthread_rwlock_unlock(&a->l->lock);
	object_unpin(a->o);
}

/* What a renewal that did not end has left is brought to its end first, if it can be. */
static int lock_header(struct loaded *l, bool change)
{
	int r = 0;

	if (!l->xattr_finished && !l->o->st->opt.read_only) {
		pthread_rwlock_wrlock(&l->lock);
		r = attribute_finish(l);
		pthread_rwlock_unlock(&l->lock);
	}
	if (r && change)
		return r;
	if (change)
		pthread_rwlock_wrlock(&l->lock);
	else
		pthread_rwlock_rdlock(&l->lock);
	return 0;
}

int attribute_open(struct object *o, const char *name, bool change, struct attribute *ret)
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
	r = lock_header(l, change);
	if (!r) {
		r = attribute_start(l, name, l->h.epoch, ret);
		if (r >= 0)
			return r;
		pthread_rwlock_unlock(&l->lock);
	}
	object_unpin(o);
	return r;
}

int attribute_older(const struct attribute *a, const char *name, struct attribute *ret)
{
	int r;

	if (!(a->l->h.flags & FLAG_REKEY))
		return 0;
	r = attribute_start(a->l, name, a->l->h.epoch - 1, ret);
	return r < 0 ? r : 1;
}

ssize_t attribute_unseal(const struct attribute *a, const uint8_t *sealed, ssize_t n, void *buf,
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

ssize_t attribute_get(const struct attribute *a, void *buf, size_t cap)
{
	_cleanup_free_ uint8_t *sealed = NULL;
	ssize_t n;

	if (!cap) {
		n = backing_getxattr(a->o->fd, NULL, a->stored, NULL, 0);
		return n < 0 ? n : MAX(n - (ssize_t)SEALED_EXTRA, 0);
	}
	/* What is longer than asked for gives ERANGE by itself. */
	cap = MIN(cap, (size_t)USER_VALUE_MAX);
	sealed = malloc(cap + SEALED_EXTRA);
	if (!sealed)
		return -ENOMEM;
	n = backing_getxattr(a->o->fd, NULL, a->stored, sealed, cap + SEALED_EXTRA);
	return n < 0 ? n : attribute_unseal(a, sealed, n, buf, cap);
}

/* The list may grow between the two calls. */
ssize_t attributes_list(int fd, char **ret)
{
	_cleanup_free_ char *names = NULL;
	ssize_t n = backing_listxattr(fd, NULL, NULL, 0);

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

void attributes_drop(int fd)
{
	_cleanup_free_ char *names = NULL;
	ssize_t n = attributes_list(fd, &names);

	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(names + i) + 1)
		if (!strncmp(names + i, XATTR_PREFIX, strlen(XATTR_PREFIX)))
			backing_removexattr(fd, NULL, names + i);
}

/* ---- a read-only store ---------------------------------------------------------- */

uint64_t attribute_keys(struct object *o)
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

bool attribute_keys_changed(struct object *o, uint64_t *keys)
{
	uint64_t now;

	if (!o->st->opt.read_only)
		return false;
	beside_refresh(o);
	now = attribute_keys(o);
	if (now == *keys)
		return false;
	*keys = now;
	return true;
}
