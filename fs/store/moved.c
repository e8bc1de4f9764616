/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of moved objects.
 */
#include "fs/store/moved.h"

#include "fs/store/internal.h"

#define QUEUE_MAX 65536u

void moved_init(struct moved *q, enum moved_for what)
{
	*q = (struct moved){ .what = what };
	pthread_mutex_init(&q->lock, NULL);
}

/* The objects are gone already. */
void moved_destroy(struct moved *q)
{
	noteset_clear(&q->done);
	free(q->queue);
	pthread_mutex_destroy(&q->lock);
}

static void put_locked(struct moved *q, struct object *o)
{
	if (o->queued[q->what] || q->overflow)
		return;
	if (q->n == q->cap) {
		size_t cap = q->cap ? 2 * q->cap : 64;
		struct object **t = cap > QUEUE_MAX ? NULL : realloc(q->queue, cap * sizeof(*t));

		q->overflow = !t;
		if (!t)
			return;
		q->queue = t;
		q->cap = cap;
	}
	q->queue[q->n++] = object_get(o);
	o->queued[q->what] = true;
}

void moved_put(struct moved *q, struct object *o, const uint8_t id[static NOTE_LEN])
{
	pthread_mutex_lock(&q->lock);
	if (!noteset_has(&q->done, id))
		put_locked(q, o);
	pthread_mutex_unlock(&q->lock);
}

void moved_back(struct moved *q, struct object *o)
{
	pthread_mutex_lock(&q->lock);
	put_locked(q, o);
	pthread_mutex_unlock(&q->lock);
}

struct object *moved_take(struct moved *q)
{
	struct object *o = NULL;

	pthread_mutex_lock(&q->lock);
	if (q->n) {
		o = q->queue[--q->n];
		o->queued[q->what] = false;
	}
	pthread_mutex_unlock(&q->lock);
	return o;
}

int moved_done(struct moved *q, struct object *o)
{
	struct loaded *l;
	int r = object_enter(o, ZONE_NORMAL);

	if (r)
		return r;
	if (!object_pin(o, &l)) {
		pthread_mutex_lock(&q->lock);
		r = noteset_add(&q->done, l->h.object_id);
		pthread_mutex_unlock(&q->lock);
		object_unpin(o);
	} /* else it is damaged, or gone: it cannot be moved again */
	object_leave(o, ZONE_NORMAL);
	return r;
}

bool moved_overflow(struct moved *q)
{
	bool r;

	pthread_mutex_lock(&q->lock);
	r = q->overflow;
	pthread_mutex_unlock(&q->lock);
	return r;
}

void moved_clear(struct moved *q)
{
	struct object *o;

	while ((o = moved_take(q)))
		object_put(o);
	pthread_mutex_lock(&q->lock);
	noteset_clear(&q->done);
	q->overflow = false;
	pthread_mutex_unlock(&q->lock);
}
