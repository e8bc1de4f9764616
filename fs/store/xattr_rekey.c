/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes while their object is re-keyed: each is set under the newer keys,
 * then removed under the older ones.  Where there is no room for both, it goes
 * by way of a record in the journal.
 */
#include "fs/store/xattr.h"

#include <errno.h>

#include "crypto/mac.h"
#include "crypto/secret.h"
#include "fs/store/entry.h"
#include "fs/store/journal.h"

/* ---- the record: a head, the stored name, the sealed value, the MAC -------------------- */

#define MAGIC "CMKFSXAJ"

enum { OFF_VERSION = 8, OFF_NAME = 10, OFF_EPOCH = 12, OFF_ZONE = 16, OFF_OBJECT = 48, HEAD = 64 };

#define RECORD_MAX (HEAD + NAME_LIMIT + XATTR_SIZE_MAX + MAC_LEN)

struct record {
	uint8_t *p; /* malloc'd */
	size_t n;   /* of all */
	size_t name;
};

static const uint8_t *record_value(const struct record *r, size_t *ret_n)
{
	*ret_n = r->n - HEAD - r->name - MAC_LEN;
	return r->p + HEAD + r->name;
}

static bool is_of(const struct record *r, const char *stored)
{
	return r->name == strlen(stored) && !memcmp(r->p + HEAD, stored, r->name);
}

/* That A is to be SEALED. */
static int write_record(const struct attribute *a, const uint8_t *sealed, size_t n)
{
	const struct header *h = &a->l->h;
	size_t name = strlen(a->stored), all = HEAD + name + n + MAC_LEN;
	_cleanup_free_ uint8_t *p = calloc(1, all);
	int r;

	if (!p)
		return -ENOMEM;
	memcpy(p, MAGIC, 8);
	put_le16(p + OFF_VERSION, FORMAT_VERSION);
	put_le16(p + OFF_NAME, (uint16_t)name);
	put_le32(p + OFF_EPOCH, h->epoch);
	memcpy(p + OFF_ZONE, &h->zone, sizeof(h->zone));
	memcpy(p + OFF_OBJECT, h->object_id, ID_LEN);
	memcpy(p + HEAD, a->stored, name);
	memcpy(p + HEAD + name, sealed, n);
	r = mac(a->l->k->hk, KEY_LEN, p, all - MAC_LEN, p + all - MAC_LEN);
	return r ? r : journal_write(a->o, h, JOURNAL_XATTR, p, all);
}

static bool counts(const struct record *r, const struct loaded *l)
{
	const uint8_t *p = r->p;
	uint8_t want[MAC_LEN];

	return r->n > HEAD + MAC_LEN && !memcmp(p, MAGIC, 8) &&
	       get_le16(p + OFF_VERSION) == FORMAT_VERSION && r->name <= NAME_LIMIT &&
	       HEAD + r->name + MAC_LEN <= r->n && get_le32(p + OFF_EPOCH) == l->h.epoch &&
	       !memcmp(p + OFF_ZONE, &l->h.zone, sizeof(l->h.zone)) &&
	       !memcmp(p + OFF_OBJECT, l->h.object_id, ID_LEN) &&
	       !mac(l->k->hk, KEY_LEN, p, r->n - MAC_LEN, want) &&
	       secret_equal(want, p + r->n - MAC_LEN, MAC_LEN);
}

/* 0; -ENODATA: there is none that counts. */
static int read_record(const struct loaded *l, struct record *ret)
{
	ssize_t n;

	*ret = (struct record){ .p = l->h.flags & FLAG_REKEY ? malloc(RECORD_MAX) : NULL };
	if (!ret->p)
		return l->h.flags & FLAG_REKEY ? -ENOMEM : -ENODATA;
	n = journal_read(l->o, &l->h, JOURNAL_XATTR, ret->p, RECORD_MAX);
	if (n > (ssize_t)HEAD) {
		ret->n = (size_t)n;
		ret->name = get_le16(ret->p + OFF_NAME);
		if (counts(ret, l))
			return 0;
	}
	free(ret->p);
	ret->p = NULL;
	return n < 0 && n != -ENOENT ? (int)n : -ENODATA;
}

ssize_t attribute_recorded(const struct attribute *a, void *buf, size_t cap)
{
	const uint8_t *sealed;
	struct record rec;
	size_t n;
	ssize_t r = read_record(a->l, &rec);

	if (r)
		return r;
	sealed = record_value(&rec, &n);
	r = !is_of(&rec, a->stored) ? -ENODATA :
	    !cap ? (ssize_t)(n - SEALED_EXTRA) : attribute_unseal(a, sealed, (ssize_t)n, buf, cap);
	free(rec.p);
	return r;
}

void attribute_recorded_name(struct loaded *l, char ret[static NAME_LIMIT + 1])
{
	struct record rec;

	ret[0] = '\0';
	if (read_record(l, &rec))
		return;
	memcpy(ret, rec.p + HEAD, rec.name);
	ret[rec.name] = '\0';
	free(rec.p);
}

/* The attribute and then the removal of its record are on disk when this returns. */
int attribute_finish(struct loaded *l)
{
	char stored[NAME_LIMIT + 1];
	const uint8_t *sealed;
	struct record rec;
	size_t n;
	int r = read_record(l, &rec);

	if (!r) {
		sealed = record_value(&rec, &n);
		memcpy(stored, rec.p + HEAD, rec.name);
		stored[rec.name] = '\0';
		r = backing_setxattr(l->o->fd, NULL, stored, sealed, n, 0);
		free(rec.p);
		if (!r)
			r = backing_sync(l->o->fd);
		if (!r)
			r = journal_drop(l->o, &l->h, JOURNAL_XATTR, true);
	}
	if (r == -ENODATA)
		r = 0;
	l->xattr_finished = !r;
	return r;
}

/* ---- one attribute ----------------------------------------------------------------------- */

static int renew_by_record(const struct attribute *a, const struct attribute *old,
			   const uint8_t *sealed, size_t n)
{
	int r;

	a->l->xattr_finished = false;
	r = write_record(a, sealed, n);
	if (!r)
		r = backing_removexattr(a->o->fd, NULL, old->stored);
	return r ? r : attribute_finish(a->l);
}

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
	n = attribute_get(old, value, USER_VALUE_MAX);
	r = n < 0 ? (int)n : aead_seal_message(a->k->xv, a->tag, MAC_LEN, value, (size_t)n, sealed);
	if (r)
		goto out;
	n += (ssize_t)SEALED_EXTRA;
	r = backing_setxattr(a->o->fd, NULL, a->stored, sealed, (size_t)n, XATTR_CREATE);
	if (r == -ENOSPC || r == -E2BIG)
		r = renew_by_record(a, old, sealed, (size_t)n);
	else if (!r || r == -EEXIST)
		r = backing_removexattr(a->o->fd, NULL, old->stored);
out:
	secret_free(value);
	free(sealed);
	return r;
}

int attribute_renew_first(const struct attribute *a, const char *name)
{
	struct attribute old;
	int r = attribute_older(a, name, &old);

	if (r <= 0)
		return r;
	r = renew(a, &old);
	attribute_end(&old);
	return r;
}

/* ---- all of an object --------------------------------------------------------------------- */

/* The attribute STORED, if that is a name under the older keys. */
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
		r = attribute_name(&old, name);
		if (!r)
			r = attribute_start(l, name, l->h.epoch, &a);
		if (!r) {
			r = renew(&a, &old);
			attribute_end(&a);
		}
	}
	attribute_end(&old);
	return r;
}

int xattrs_rekey(struct loaded *l)
{
	_cleanup_free_ char *names = NULL;
	ssize_t n = attributes_list(l->o->fd, &names);
	int r;

	pthread_rwlock_wrlock(&l->lock);
	r = attribute_finish(l);
	pthread_rwlock_unlock(&l->lock);
	for (ssize_t i = 0; i < n && !r; i += (ssize_t)strlen(names + i) + 1) {
		if (strncmp(names + i, XATTR_PREFIX, strlen(XATTR_PREFIX)))
			continue;
		pthread_rwlock_wrlock(&l->lock);
		r = renew_stored(l, names + i);
		pthread_rwlock_unlock(&l->lock);
	}
	return n == -EOPNOTSUPP ? 0 : n < 0 ? (int)n : r;
}
