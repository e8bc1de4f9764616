/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letting go of resident objects: a bound on descriptors and memory, and the
 * wipe of a zone.
 */
#include <errno.h>
#include <sched.h>

#include "fs/store/content.h"
#include "fs/store/entry.h"

#define RELIEF 16u /* objects at a time */

void object_drop_loaded(struct object *o)
{
	struct store *st = o->st;
	struct loaded *l = o->l;

	o->l = NULL;
	pthread_mutex_lock(&o->zone->lock);
	LIST_REMOVE(l, zone_link);
	pthread_mutex_unlock(&o->zone->lock);
	pthread_mutex_lock(&st->clock_lock);
	TAILQ_REMOVE(&st->clock, l, clock_link);
	pthread_mutex_unlock(&st->clock_lock);
	atomic_fetch_sub(&st->resident, 1);
	atomic_fetch_sub(&st->groups, l->ngroups);
	loaded_free(l);
	o->check_binding = true;
}

/* o->lock is held, nothing is pinned. */
static void unload_locked(struct object *o)
{
	if (o->l)
		object_drop_loaded(o);
	dirstream_free(atomic_exchange(&o->stream, NULL));
	if (o->fd >= 0 && !o->unlinked) {
		close(o->fd);
		o->fd = -1;
	}
}

void object_unload(struct object *o)
{
	pthread_mutex_lock(&o->lock);
	unload_locked(o);
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	object_stays_no_more(o);
	pthread_mutex_unlock(&o->lock);
}

void object_unload_erased(struct object *o)
{
	bool listed = false;
	int fd;

	pthread_mutex_lock(&o->lock);
	if (o->l)
		listed = loaded_take_dirty(o->l);
	fd = o->fd;
	o->fd = -1;
	unload_locked(o);
	o->fd = fd;
	pthread_mutex_unlock(&o->lock);
	if (listed)
		object_put(o); /* not the last one: the caller has his */
}

static bool is_dirty(struct loaded *l)
{
	return l->on_dirty || l->header_dirty || l->g0->dirty;
}

/* Unload the object of L if it is idle.  st->clock_lock is held, and let go meanwhile. */
static bool evict_locked(struct store *st, struct loaded *l)
{
	struct object *o = l->o;
	bool go;

	if (is_dirty(l) || pthread_mutex_trylock(&o->lock))
		return false; /* whoever holds its lock is using it */
	go = !o->pins && !o->unlinked && o != st->root && o->l == l && !is_dirty(l);
	if (go) {
		/* unload_locked() takes the lock itself; O cannot go: its lock is ours. */
		pthread_mutex_unlock(&st->clock_lock);
		unload_locked(o);
		pthread_mutex_unlock(&o->lock);
		pthread_mutex_lock(&st->clock_lock);
	} else {
		pthread_mutex_unlock(&o->lock);
	}
	return go;
}

static struct loaded *clock_next_locked(struct store *st)
{
	struct loaded *l = TAILQ_FIRST(&st->clock);

	TAILQ_REMOVE(&st->clock, l, clock_link);
	TAILQ_INSERT_TAIL(&st->clock, l, clock_link);
	return l;
}

/* Second chance over the resident objects, oldest first. */
void store_trim(struct store *st)
{
	uint64_t rounds = st->resident, want = st->resident_max - st->resident_max / 16;

	pthread_mutex_lock(&st->clock_lock);
	while (rounds-- && st->resident > want) {
		struct loaded *l = clock_next_locked(st);

		if (!atomic_exchange(&l->used, false))
			evict_locked(st, l);
	}
	pthread_mutex_unlock(&st->clock_lock);
	store_trim_groups(st);
}

bool store_relieve(struct store *st)
{
	uint64_t rounds = st->resident;
	unsigned int n = 0;

	pthread_mutex_lock(&st->clock_lock);
	while (rounds-- && n < RELIEF && !TAILQ_EMPTY(&st->clock))
		n += evict_locked(st, clock_next_locked(st));
	pthread_mutex_unlock(&st->clock_lock);
	return n;
}

/*
 * Second chance over the groups of all objects.  Where that does not help, since
 * they are in use, it is done again when there are some more of them.
 */
void store_trim_groups(struct store *st)
{
	uint64_t rounds = 2 * st->resident, step = st->groups_max / 16;

	if (st->groups <= MAX(st->groups_max, st->groups_next))
		return;
	pthread_mutex_lock(&st->clock_lock);
	while (rounds-- && st->groups > st->groups_max - step && !TAILQ_EMPTY(&st->clock)) {
		struct loaded *l = clock_next_locked(st);

		if (l->ngroups && !pthread_rwlock_trywrlock(&l->lock)) {
			group_drop_idle_locked(l);
			pthread_rwlock_unlock(&l->lock);
		}
	}
	st->groups_next = st->groups + step;
	pthread_mutex_unlock(&st->clock_lock);
}

/* What could not be drained: one event a held chunk range, then it is forgotten. */
static void report_lost(struct loaded *l)
{
	if (!is_dirty(l))
		return;
	l->o->error = -EIO;
	if (l->torn || l->cut_undone)
		session_tears(l->o->st, l->h.object_id);
	store_event(l->o->st, EVENT_LOST, l->o, 0, l->h.size, "not written before the lock");
	if (loaded_take_dirty(l))
		object_put(l->o); /* not the last one: the caller has his */
}

void object_wipe(struct object *o)
{
	pthread_mutex_lock(&o->lock);
	if (o->l)
		report_lost(o->l);
	unload_locked(o);
	pthread_mutex_unlock(&o->lock);
}

/* What is deployed keeps its key, and what it could not write until it can. */
static struct loaded *first_to_wipe_locked(const struct zone *z)
{
	struct loaded *l = LIST_FIRST(&z->resident);

	while (l && l->o->deployed)
		l = LIST_NEXT(l, zone_link);
	return l;
}

void store_wipe_zone(struct zone *z)
{
	for (;;) {
		struct object *o = NULL;
		struct loaded *l;

		pthread_mutex_lock(&z->lock);
		l = first_to_wipe_locked(z);
		if (l && object_tryget(l->o))
			o = l->o;
		pthread_mutex_unlock(&z->lock);
		if (!l)
			return;
		if (!o) { /* it is just going, and takes itself off the list */
			sched_yield();
			continue;
		}
		pthread_mutex_lock(&o->lock);
		if (o->l == l) {
			report_lost(l);
			unload_locked(o);
		}
		pthread_mutex_unlock(&o->lock);
		object_put(o);
	}
}
