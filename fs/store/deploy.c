/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/store/deploy.h"

#include <errno.h>

#include "fs/store/entry.h"

/* The name that led here is checked again: from now on nobody else does. */
static int pin_checked(struct object *o)
{
	int r;

	pthread_mutex_lock(&o->lock);
	o->check_binding = true;
	pthread_mutex_unlock(&o->lock);
	r = object_pin(o, NULL);
	return r > 0 ? -EIO : r; /* never written */
}

int object_deploy(struct object *o)
{
	struct store *st = o->st;
	int r;

	if (atomic_fetch_add(&st->deployed, 1) >= st->resident_max / 2)
		r = -EMFILE;
	else
		r = o->erased ? -EIO : pin_checked(o);
	if (r)
		atomic_fetch_sub(&st->deployed, 1);
	else
		atomic_fetch_add(&o->deployed, 1);
	return r;
}

void object_undeploy(struct object *o)
{
	struct zone *z = o->zone;
	bool last;

	/* Neither does the zone's wipe pass by meanwhile, nor an unlock. */
	pthread_mutex_lock(&z->unlock_lock);
	last = atomic_fetch_sub(&o->deployed, 1) == 1;
	atomic_fetch_sub(&o->st->deployed, 1);
	object_unpin(o);
	if (last && z->state == ZONE_LOCKED)
		object_wipe(o);
	pthread_mutex_unlock(&z->unlock_lock);
}

int deployed_stat(struct object *dir, const char *name, struct object *o, struct stat *ret)
{
	struct place p;
	int r = place_open(dir, name, false, &p);

	if (r)
		return r;
	pthread_rwlock_rdlock(&dir->ns);
	r = place_stat(&p, ret);
	pthread_rwlock_unlock(&dir->ns);
	place_close(&p);
	if (!r && (!o || ret->st_ino != o->ino || ret->st_dev != o->dev))
		r = -ESTALE;
	if (!r)
		object_fix_stat(o, ret);
	return r;
}
