/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookup: a name to its object, without reading the object's header.
 */
#include <errno.h>

#include "fs/store/entry.h"

/* DIR is pinned. */
static int lookup(struct object *dir, const char *stored, struct object **ret, struct stat *ret_st)
{
	struct object *o = NULL;
	struct stat sb;
	int r;

	pthread_rwlock_rdlock(&dir->ns); /* no rename is half-way while the path is set */
	r = backing_stat(dir->fd, stored, &sb);
	if (!r) {
		o = table_get(dir->st, dir, stored, &sb);
		r = o ? 0 : -ENOMEM;
	}
	if (!r) {
		object_fix_stat(o, &sb);
		*ret_st = sb;
		*ret = o;
	}
	pthread_rwlock_unlock(&dir->ns);
	return r;
}

int object_lookup(struct object *dir, const char *name, struct object **ret, struct stat *ret_st)
{
	struct place p;
	int r = place_open(dir, name, false, &p);

	if (r < 0)
		return r;
	r = lookup(dir, p.sn.s, ret, ret_st);
	place_close(&p);
	return r;
}

int object_lookup_stored(struct object *dir, const char *stored, struct object **ret,
			 struct stat *ret_st)
{
	int r = dir_is_removed(dir) ? -ENOENT : object_pin(dir, NULL);

	if (r < 0)
		return r;
	r = lookup(dir, stored, ret, ret_st);
	object_unpin(dir);
	return r;
}
