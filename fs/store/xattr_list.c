/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing extended attributes: each once, wherever it is while its object is
 * re-keyed.
 */
#include <errno.h>

#include "fs/store/entry.h"
#include "fs/store/xattr.h"

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
	return list_add(l, XATTR_USER, name, n);
}

static int list_one(struct list *l, const char *stored)
{
	char name[NAME_LIMIT + 1];
	size_t n;

	if (xattr_is_clear(stored))
		return list_add(l, "", stored, strlen(stored));
	if (!l->a || strncmp(stored, XATTR_PREFIX, strlen(XATTR_PREFIX)))
		return 0; /* not ours */
	if (xattr_name_decrypt(l->a->k->xn, stored, strlen(stored), name, &n))
		return list_older(l, stored);
	return list_add(l, XATTR_USER, name, n);
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
	uint64_t keys = has_user && o->st->opt.read_only ? attribute_keys(o) : 0;

	object_show_caps(o);
	for (int i = 0;; i++) {
		struct list l = { .buf = buf, .cap = cap };
		int r = has_user ? list_user(o, &l) : list_clear(o, &l);

		if (l.unknown && i < ATTRIBUTE_TRIES && attribute_keys_changed(o, &keys))
			continue;
		if (l.unknown)
			store_event(o->st, EVENT_NAME, o, 0, 0, "attribute name");
		return r < 0 ? r : (ssize_t)l.n;
	}
}
