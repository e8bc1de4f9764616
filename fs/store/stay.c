/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read-only store beside the mount that writes the volume: what stays open,
 * so that it is there for who found it, whoever renames or replaces it meanwhile.
 */
#include <errno.h>

#include "fs/store/content.h"
#include "fs/store/entry.h"

#define STAYS_PART 16 /* of the resident bound */

int object_hold(struct object *o)
{
	struct store *st = o->st;
	int r = -EMFILE;

	if (atomic_fetch_add(&st->holds, 1) < st->resident_max / 2)
		r = object_pin_fd(o);
	if (r)
		atomic_fetch_sub(&st->holds, 1);
	return r;
}

void object_let_go(struct object *o)
{
	object_unpin(o);
	atomic_fetch_sub(&o->st->holds, 1);
}

bool object_stays(struct object *o)
{
	struct store *st = o->st;

	if (o->stays)
		return true;
	o->stays = atomic_fetch_add(&st->stays, 1) < st->resident_max / STAYS_PART;
	if (!o->stays)
		atomic_fetch_sub(&st->stays, 1);
	return o->stays;
}

void object_stays_no_more(struct object *o)
{
	if (o->stays)
		atomic_fetch_sub(&o->st->stays, 1);
	o->stays = false;
}

int object_stays_open(struct object *o)
{
	int fd;

	pthread_mutex_lock(&o->lock);
	fd = o->stays ? o->fd : -1;
	pthread_mutex_unlock(&o->lock);
	return fd;
}

int object_check_open(struct object *o)
{
	int fd;

	if (S_ISREG(o->type) || S_ISDIR(o->type))
		return object_check(o);
	fd = object_attr_fd(o);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&o->lock);
	if (o->fd < 0 && object_stays(o)) {
		o->fd = fd;
		fd = -1;
	}
	pthread_mutex_unlock(&o->lock);
	if (fd >= 0)
		close(fd);
	return 0;
}
