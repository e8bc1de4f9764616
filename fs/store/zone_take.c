/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a zone of a directory with all that is in it, while it is used.  The
 * keyring comes first, with the mark that objects are taken over; then the
 * directory's header, durable, says that the zone begins there, while nobody is
 * in the gate of the zone above.  All that is known below changes its zone at
 * that moment, and is read from disk again.  What a crash leaves is a keyring of
 * no use, or the zone: there is nothing in between.
 */
#include <errno.h>
#include <time.h>

#include "fs/store/content.h"
#include "fs/store/entry.h"
#include "fs/store/volume.h"
#include "fs/store/zone_take.h"

#define HOLD_MS 200 /* how long others are kept waiting for one that does not leave */
#define HOLDS 100   /* as often, with a pause of the same length */

/* ---- the change ------------------------------------------------------------------------ */

static int know(struct taking *t, struct object *o)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 256;
		struct object **p = realloc(t->known, cap * sizeof(struct object *));

		if (!p)
			return -ENOMEM;
		t->known = p;
		t->cap = cap;
	}
	t->known[t->n++] = object_get(o);
	return 0;
}

static void forget_known(struct taking *t)
{
	while (t->n)
		object_put(t->known[--t->n]);
}

/* All objects of the shard, each with a reference, so that its lock is not held for long. */
static int each_of_shard(struct taking *t, struct shard *s)
{
	size_t first = t->n;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->nbuckets && !r; i++)
		for (struct object *o = s->buckets[i]; o && !r; o = o->hash_next)
			if (o->zone == t->up && o != t->top)
				r = know(t, o);
	pthread_mutex_unlock(&s->lock);
	for (size_t i = first; i < t->n && !r;) {
		struct object *o = t->known[i];

		if (lies_in(o, t->top)) {
			i++;
			continue;
		}
		t->known[i] = t->known[--t->n];
		object_put(o);
	}
	return r;
}

static int gather(struct taking *t)
{
	struct store *st = t->up->st;
	int r = know(t, t->top);

	for (unsigned int i = 0; i < TABLE_SHARDS && !r; i++)
		r = each_of_shard(t, &st->shards[i]);
	return r;
}

static bool in_use(struct object *o)
{
	bool r;

	pthread_mutex_lock(&o->lock);
	r = o->pins || o->deployed || (o->l && (o->l->on_dirty || o->l->header_dirty));
	pthread_mutex_unlock(&o->lock);
	return r;
}

/* Nothing of them is in memory alone. */
static int write_out(struct taking *t)
{
	int r = 0;

	for (size_t i = 0; i < t->n && !r; i++) {
		r = object_flush(t->known[i]);
		if (!r && in_use(t->known[i]))
			r = -EBUSY;
	}
	return r;
}

/* The header of the directory where the zone begins; as it was, if it cannot be written. */
static int write_top(struct taking *t)
{
	const uint8_t *kek = zone_kek(t->z, TAKEN_GENERATION);
	struct loaded *l;
	struct header was;
	int r = object_pin(t->top, &l), again;

	if (r)
		return r;
	r = loaded_settle(l);
	if (r)
		goto out;
	pthread_rwlock_wrlock(&l->lock);
	was = l->h;
	r = wrap_key(kek, loaded_dek(l, l->h.epoch), l->h.wrapped);
	l->h.zone = t->z->id;
	l->h.flags |= FLAG_ZONE_ROOT;
	l->h.vk_gen = TAKEN_GENERATION;
	l->header_dirty = true;
	pthread_rwlock_unlock(&l->lock);
	if (!r)
		r = loaded_flush(l, true);
	if (r) {
		pthread_rwlock_wrlock(&l->lock);
		was.gen = l->h.gen;
		l->h = was;
		l->header_dirty = true;
		pthread_rwlock_unlock(&l->lock);
		again = loaded_flush(l, true);
		if (again)
			r = again;
	}
out:
	object_unpin(t->top);
	return r;
}

static void change_zone(struct taking *t, struct object *o)
{
	object_wipe(o);
	pthread_mutex_lock(&o->lock);
	o->zone = t->z;
	o->check_binding = true;
	pthread_mutex_unlock(&o->lock);
	if (t->moved)
		t->moved(t->arg, o);
}

/* Nobody is in the gate of the zone above. */
static int take_held(struct taking *t)
{
	int r = gather(t);

	if (!r)
		r = write_out(t);
	if (!r)
		r = write_top(t);
	for (size_t i = 0; i < t->n && !r; i++)
		change_zone(t, t->known[i]);
	forget_known(t);
	if (!r)
		zone_found(t->top);
	return r;
}

static int take_over(struct taking *t)
{
	const struct timespec pause = { 0, HOLD_MS * 1000000L };
	int r = -EBUSY;

	for (unsigned int i = 0; i < HOLDS && r == -EBUSY; i++) {
		if (i)
			nanosleep(&pause, NULL);
		r = zone_enter(t->up, ZONE_NORMAL);
		if (r)
			break;
		store_flush_all(t->up); /* most of it, before others have to wait */
		zone_leave(t->up, ZONE_NORMAL);
		r = zone_hold(t->up, HOLD_MS);
		if (r)
			continue;
		r = zone_enter_within(t->up, ZONE_NORMAL); /* a lock waits for us */
		if (!r) {
			r = take_held(t);
			zone_leave(t->up, ZONE_NORMAL);
		}
		zone_release(t->up);
	}
	return r == -EBUSY ? store_fail(t->err, r, "try again when less is going on",
				    "the zone that it lies in was never quiet") : r;
}

static int take(struct taking *t, struct zone_draft *d, const struct keyslot *slot)
{
	struct store *st = t->up->st;
	struct object *none = NULL;
	int r;

	if (!atomic_compare_exchange_strong(&st->taking, &none, t->top))
		return store_fail(t->err, -EBUSY, "wait for that",
				  "another directory is just being made a zone");
	r = zone_survey(t);
	if (!r) {
		d->takes = true;
		r = zone_enter(t->up, ZONE_NORMAL);
	}
	if (!r) {
		r = zone_begin(t->up, d, slot, &t->z, t->err);
		zone_leave(t->up, ZONE_NORMAL);
	}
	if (!r) {
		r = take_over(t);
		if (r)
			zone_abandon(t->z);
	}
	st->taking = NULL;
	return r;
}

/* The directory NAME in DIR, a reference. */
static int find(struct object *dir, const char *name, struct object **ret)
{
	struct place p;
	int r = object_enter(dir, ZONE_NORMAL);

	if (r)
		return r;
	r = place_open(dir, name, true, &p);
	if (!r) {
		r = zone_dir_find(&p, ret);
		place_close(&p);
	}
	object_leave(dir, ZONE_NORMAL);
	return r;
}

int zone_take(struct object *dir, const char *name, struct zone_draft *d,
	      const struct keyslot *slot, zone_moved_fn *moved, void *arg, struct zone **ret,
	      struct store_error *err)
{
	struct taking t = { .moved = moved, .arg = arg, .err = err };
	int r;

	if (err)
		*err = (struct store_error){ "", "" };
	if (store_zone(dir->st, d->id.zone))
		return -EEXIST;
	r = find(dir, name, &t.top);
	if (r)
		return store_fail(err, r, "cmkfs zone list shows what there is", "%s: %s", name,
				  strerror(-r));
	t.up = t.top->zone;
	r = take(&t, d, slot);
	if (!r)
		*ret = t.z;
	free(t.links);
	free(t.known);
	object_put(t.top);
	if (r && err && !*err->message)
		store_fail(err, r, NULL, "%s: %s", name, strerror(-r));
	return r;
}
