/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When what is dirty goes out: the list of dirty objects, and the flush of one
 * of them, of the aged, of a zone, of all.
 */
#include <errno.h>

#include "fs/store/content.h"
#include "fs/store/touched.h"

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- the list of dirty objects -------------------------------------------------- */

void loaded_mark_dirty(struct loaded *l)
{
	struct store *st = l->o->st;

	if (l->on_dirty)
		return;
	pthread_mutex_lock(&st->dirty_lock);
	if (!l->on_dirty) {
		object_get(l->o);
		l->dirty_since = now_ms();
		l->on_dirty = true;
		TAILQ_INSERT_TAIL(&st->dirty, l, dirty_link);
		atomic_fetch_add(&st->ndirty, 1);
	}
	pthread_mutex_unlock(&st->dirty_lock);
}

bool loaded_take_dirty(struct loaded *l)
{
	struct store *st = l->o->st;
	bool was;

	pthread_mutex_lock(&st->dirty_lock);
	was = l->on_dirty;
	if (was) {
		TAILQ_REMOVE(&st->dirty, l, dirty_link);
		l->on_dirty = false;
		atomic_fetch_sub(&st->ndirty, 1);
	}
	pthread_mutex_unlock(&st->dirty_lock);
	return was;
}

static struct object *oldest_dirty(struct store *st)
{
	struct object *o = NULL;
	struct loaded *l;

	pthread_mutex_lock(&st->dirty_lock);
	l = TAILQ_FIRST(&st->dirty);
	if (l)
		o = object_get(l->o);
	pthread_mutex_unlock(&st->dirty_lock);
	return o;
}

void store_throttle(struct store *st)
{
	struct object *o;
	int r = 0;

	while (r == 0 && st->ndirty > st->resident_max / 2 && (o = oldest_dirty(st))) {
		struct zone *z = o->zone; /* it may be another than the caller's */

		r = zone_enter_within(z, ZONE_DRAIN);
		if (r == 0) {
			/* Who cannot be flushed reports it at his own fsync. */
			r = z->held || z != o->zone ? -EBUSY : object_flush(o);
			zone_leave(z, ZONE_DRAIN);
		}
		object_put(o);
	}
}

void object_drop(struct object *o)
{
	struct loaded *l = NULL;
	struct stat sb;

	pthread_mutex_lock(&o->lock);
	if (o->unlinked && o->l && !o->erased && o->fd >= 0 && !backing_fstat(o->fd, &sb) && !sb.st_nlink) {
		l = o->l;
		o->pins++;
	}
	pthread_mutex_unlock(&o->lock);
	if (l) {
		if (loaded_take_dirty(l))
			object_put(o); /* not the last one: the caller's */
		object_unpin(o);
	}
	object_put(o);
}

/* A removed directory took its header along: what a rename left to write is nothing now. */
static bool header_went(struct loaded *l)
{
	if (!S_ISDIR(l->o->type) || !l->o->unlinked)
		return false;
	pthread_rwlock_wrlock(&l->lock);
	l->header_dirty = false;
	pthread_rwlock_unlock(&l->lock);
	return true;
}

/* The batch of a resident, pinned object.  Lets go of loaded.flush. */
static int flush_locked(struct loaded *l, bool sync)
{
	struct object *o = l->o;
	bool owned = loaded_take_dirty(l); /* before the snapshot, so that what comes later lists it again */
	bool cut = l->cut_undone; /* it is durable before memory may forget that it was not */
	int r;

	r = header_went(l) ? 0 : batch_locked(l, sync || cut);
	if (!r && cut)
		l->cut_undone = false;
	if (r) {
		o->error = r;
		store_room_error(o->st, r);
		loaded_mark_dirty(l);
	} else if (l->stale_length) {
		length_correct(l);
	}
	pthread_mutex_unlock(&l->flush);
	if (owned)
		object_put(o);
	return r;
}

int loaded_flush(struct loaded *l, bool sync)
{
	pthread_mutex_lock(&l->flush);
	return flush_locked(l, sync);
}

int loaded_flush_beside(struct loaded *l)
{
	return pthread_mutex_trylock(&l->flush) ? 0 : flush_locked(l, false);
}

static int flush_object(struct object *o, bool sync)
{
	struct loaded *l = NULL;
	int r;

	pthread_mutex_lock(&o->lock);
	l = o->erased ? NULL : o->l;
	if (l)
		o->pins++;
	pthread_mutex_unlock(&o->lock);
	if (!l)
		return 0;
	r = loaded_flush(l, sync);
	object_unpin(o);
	return r;
}

int object_flush(struct object *o)
{
	return o->st->opt.read_only ? 0 : flush_object(o, false);
}

/* ---- many ---------------------------------------------------------------------------- */

/* The oldest dirty object of Z that is dirty since BEFORE, with a reference. */
static struct object *next_dirty(struct zone *z, uint64_t before)
{
	struct store *st = z->st;
	struct object *o = NULL;
	struct loaded *l;

	pthread_mutex_lock(&st->dirty_lock);
	TAILQ_FOREACH(l, &st->dirty, dirty_link) {
		if (l->dirty_since > before)
			break;
		if (l->o->zone == z) {
			o = object_get(l->o);
			break;
		}
	}
	pthread_mutex_unlock(&st->dirty_lock);
	return o;
}

static void flush_aged(struct zone *z, uint64_t before)
{
	struct object *o;
	int r = 0;

	while (!r && (o = next_dirty(z, before))) {
		r = object_enter(o, ZONE_NORMAL);
		if (!r) {
			r = object_flush(o); /* listed again as the youngest if it fails */
			object_leave(o, ZONE_NORMAL);
		}
		object_put(o);
	}
}

void store_flush_aged(struct store *st, unsigned int age_ms)
{
	uint64_t before = now_ms() - age_ms;

	for (struct zone *z = st->zone; z; z = z->next)
		if (z->state == ZONE_UNLOCKED)
			flush_aged(z, before);
	touched_sync_aged(st);
}

unsigned int store_flush_zone(struct zone *z, uint64_t deadline_ms)
{
	const struct timespec ms = { 0, 1000000 };
	uint64_t before = now_ms();
	unsigned int failed = 0;
	struct object *o;

	nanosleep(&ms, NULL); /* what fails is listed anew, as later than this: not again */
	while (now_ms() < deadline_ms && (o = next_dirty(z, before))) {
		if (object_flush(o))
			failed++;
		object_put(o);
	}
	return failed;
}

int store_flush_all(struct zone *z)
{
	uint64_t before = now_ms();
	int r = 0;
	struct object *o;

	while (!r && (o = next_dirty(z, before))) {
		r = object_flush(o);
		object_put(o);
	}
	return r;
}
