/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookup: a name to its object, without reading the object's header.
 */
#include <errno.h>

#include "fs/store/entry.h"

/* ns is held for reading, so that no rename is half-way while the path is set. */
static int lookup_locked(const struct place *p, struct object **ret, struct stat *ret_st)
{
	struct stat sb;
	struct object *o;
	int r = place_stat(p, &sb);

	if (r < 0)
		return r;
	o = table_get(p->dir->st, p->dir, p->sn.s, &sb);
	if (!o)
		return -ENOMEM;
	object_fix_stat(o, &sb);
	*ret_st = sb;
	*ret = o;
	return 0;
}

int object_lookup(struct object *dir, const char *name, struct object **ret, struct stat *ret_st)
{
	struct place p;
	int r = place_open(dir, name, false, &p);

	if (r < 0)
		return r;
	pthread_rwlock_rdlock(&dir->ns);
	r = lookup_locked(&p, ret, ret_st);
	pthread_rwlock_unlock(&dir->ns);
	place_close(&p);
	return r;
}
