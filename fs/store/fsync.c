/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsync: beside the contents of an object, all that its path needs after a
 * power cut: the headers of the directories above it, and its own name.
 */
#include <errno.h>

#include "fs/store/entry.h"

/*
 * The root of a zone: what is above it has another zone's keys, and that may be
 * locked just now.  Then all is brought to the disk, which needs none.
 */
static int sync_above(struct object *o, struct object *parent)
{
	struct store *st = o->st;
	int r;

	if (zone_enter_within(parent->zone, ZONE_DRAIN)) {
		r = backing_syncfs(st->root_fd);
	} else {
		r = object_fsyncdir(parent);
		zone_leave(parent->zone, ZONE_DRAIN);
	}
	object_put(parent);
	return r;
}

/* The directories on the path of O, their headers and O's own name, from the root down. */
static int sync_path(struct object *o)
{
	struct object *parent;
	struct loaded *l;
	char stored[256];
	int r = object_path(o, &parent, stored);

	if (r || !parent)
		return r == -ENOENT ? 0 : r; /* unlinked, or the root */
	if (parent->zone != o->zone)
		return sync_above(o, parent);
	r = object_pin(parent, &l);
	if (r)
		goto out;
	if (!l->synced_once) {
		r = sync_path(parent);
		if (!r)
			r = loaded_flush(l, true);
		if (!r)
			r = backing_sync_dir(l->o->fd);
		l->synced_once = !r;
	}
	if (!r && stored_kind(stored, strlen(stored)) == STORED_LONG) {
		r = sidecar_sync(parent->fd, stored);
		if (!r)
			r = backing_sync_dir(parent->fd);
	}
	object_unpin(parent);
out:
	object_put(parent);
	return r;
}

/* A rename's old tag; the new name is made durable for it. */
static int sync_move(struct object *o, struct loaded *l)
{
	struct object *parent;
	char stored[256];
	int r;

	if (!l->late)
		return 0;
	r = object_path(o, &parent, stored);
	if (r || !parent)
		return r == -ENOENT ? 0 : r;
	r = object_pin_fd(parent);
	if (!r) {
		r = loaded_drop_late(l, parent->fd);
		object_unpin(parent);
	}
	object_put(parent);
	return r;
}

int object_fsync(struct object *o, bool datasync)
{
	struct loaded *l;
	int r, earlier;

	if (o->st->opt.read_only || !S_ISREG(o->type))
		return 0;
	r = object_pin(o, &l);
	if (r)
		return r;
	if (!l->synced_once) {
		r = sync_path(o);
		l->synced_once = !r;
	}
	if (!r)
		r = sync_move(o, l);
	if (!r)
		r = loaded_flush(l, true);
	if (!r && !datasync)
		r = backing_sync(o->fd);
	earlier = atomic_exchange(&o->error, 0);
	object_unpin(o);
	return r ? r : earlier;
}

/*
 * A name is durable when what it leads to can be opened: the headers of new
 * directories and the sidecars of long names go first, wherever they lie.
 */
static int sync_new_names(struct loaded *l)
{
	struct store *st = l->o->st;
	uint64_t made = atomic_load(&st->names_made);
	int r;

	if (!atomic_exchange(&l->new_names, false))
		return 0;
	r = backing_syncfs(st->root_fd);
	if (r)
		l->new_names = true;
	else
		atomic_store(&st->names_synced, made);
	return r;
}

int object_fsyncdir(struct object *dir)
{
	struct loaded *l;
	int r;

	if (dir->st->opt.read_only)
		return 0;
	r = object_pin(dir, &l);
	if (r)
		return r;
	r = sync_move(dir, l);
	if (!r)
		r = loaded_flush(l, true);
	if (!r)
		r = sync_new_names(l);
	if (!r)
		r = backing_sync_dir(dir->fd);
	if (!r && !l->synced_once) {
		r = sync_path(dir);
		l->synced_once = !r;
	}
	object_unpin(dir);
	return r;
}
