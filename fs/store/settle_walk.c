/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settling all that unclean sessions left (cmkfs-format(5), Settling): a walk
 * over what their records name, then over what got another name since the
 * mount.  What was walked once is not queued again, so that it ends under any
 * load.
 */
#include <errno.h>
#include <sched.h>

#include "crypto/secret.h"
#include "fs/store/content.h"
#include "fs/store/entry.h"
#include "fs/store/touched.h"
#include "fs/store/tree.h"

#define QUEUE_MAX 65536u

struct settling {
	_Atomic bool on; /* something is to be settled */
	_Atomic unsigned int phase, moving[2]; /* moves under way, by the phase that they began in */
	pthread_mutex_t waiting;	       /* held by who waits for moves */
	pthread_mutex_t lock;		       /* protects all below */
	struct object **queue;		       /* references */
	size_t n, cap;
	bool overflow;
	struct noteset done; /* object IDs of what was taken from the queue and settled */
};

struct settling *settling_new(void)
{
	struct settling *s = calloc(1, sizeof(*s));

	if (s) {
		pthread_mutex_init(&s->waiting, NULL);
		pthread_mutex_init(&s->lock, NULL);
	}
	return s;
}

void settling_free(struct settling *s)
{
	if (!s)
		return;
	noteset_clear(&s->done);
	free(s->queue);
	pthread_mutex_destroy(&s->waiting);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- what moves ------------------------------------------------------------------------- */

unsigned int move_begin(struct store *st)
{
	struct settling *s = st->settling;
	unsigned int phase = s->phase & 1;

	atomic_fetch_add(&s->moving[phase], 1);
	return phase;
}

void move_end(struct store *st, unsigned int phase)
{
	atomic_fetch_sub(&st->settling->moving[phase], 1);
}

/* Wait for the moves that are under way: what they moved is where it is to be, or queued. */
static int wait_moves(struct settling *s, const _Atomic bool *stop)
{
	int r = 0;

	pthread_mutex_lock(&s->waiting); /* a phase is one waiter's at a time */
	for (int i = 0; i < 2 && !r; i++) {
		unsigned int old = atomic_fetch_add(&s->phase, 1) & 1;

		while (s->moving[old] && !r) {
			r = *stop ? -EINTR : 0;
			usleep(1000);
		}
	}
	pthread_mutex_unlock(&s->waiting);
	return r;
}

int moves_wait(struct store *st, const _Atomic bool *stop)
{
	return wait_moves(st->settling, stop);
}

/* This session made it, or wrote its header beside none: then all of it is settled. */
static bool is_settled(const struct loaded *l)
{
	return !l->h.session || (l->h.session == session_current(l->o->st) && !l->h.base);
}

static void queue_put_locked(struct settling *s, struct object *o)
{
	if (o->queued || s->overflow)
		return;
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct object **t = cap > QUEUE_MAX ? NULL : realloc(s->queue, cap * sizeof(*t));

		s->overflow = !t;
		if (!t)
			return;
		s->queue = t;
		s->cap = cap;
	}
	s->queue[s->n++] = object_get(o);
	o->queued = true;
}

void settle_moved(struct object *o, struct loaded *l)
{
	struct settling *s = o->st->settling;

	rekey_moved(o, l);
	if (!s->on || is_settled(l) ||
	    (l->h.type == OBJECT_FILE && l->h.group_count <= 1 && !l->header_settle))
		return;
	pthread_mutex_lock(&s->lock);
	if (!noteset_has(&s->done, l->h.object_id))
		queue_put_locked(s, o);
	pthread_mutex_unlock(&s->lock);
}

void settling_on(struct store *st)
{
	st->settling->on = true;
}

bool settling_is_on(const struct store *st)
{
	return st->settling->on;
}

static void queue_back(struct settling *s, struct object *o)
{
	pthread_mutex_lock(&s->lock);
	queue_put_locked(s, o);
	pthread_mutex_unlock(&s->lock);
}

static struct object *queue_take(struct settling *s)
{
	struct object *o = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->n) {
		o = s->queue[--s->n];
		o->queued = false;
	}
	pthread_mutex_unlock(&s->lock);
	return o;
}

/* ---- the walk ------------------------------------------------------------------------------ */

static bool wanted(void *arg, const char *stored)
{
	struct loaded *dl = arg;

	return touched_was(dl->o->st, TOUCHED_NAME, dl->h.object_id, stored);
}

static int walk_dir(struct object *dir, const _Atomic bool *stop);

static int walk_object(struct object *o, const _Atomic bool *stop)
{
	int r = zone_enter(object_zone(o), ZONE_NORMAL);

	if (r)
		return r;
	r = object_settle(o);
	zone_leave(object_zone(o), ZONE_NORMAL);
	return !r && S_ISDIR(o->type) ? walk_dir(o, stop) : r;
}

static int walk_name(struct object *dir, const char *stored, const _Atomic bool *stop)
{
	struct object *o = NULL;
	int r;

	if (*stop)
		return -EINTR;
	r = zone_enter(object_zone(dir), ZONE_NORMAL);
	if (r)
		return r;
	r = tree_object(dir, stored, &o);
	zone_leave(object_zone(dir), ZONE_NORMAL);
	if (!r)
		r = walk_object(o, stop);
	object_put(o);
	return r == -ENOENT || r == -ESTALE ? 0 : r; /* it went meanwhile, or moved: then it is queued */
}

static int walk_dir(struct object *dir, const _Atomic bool *stop)
{
	struct store *st = dir->st;
	struct tree_names l = { 0 };
	uint64_t before = st->integrity_errors;
	struct loaded *dl;
	int r = zone_enter(object_zone(dir), ZONE_NORMAL);

	if (r)
		return r;
	r = unless_damaged(st, before, object_pin(dir, &dl));
	if (!r && dl && st->integrity_errors == before) {
		if (touched_was(st, TOUCHED_DIR, dl->h.object_id, NULL))
			r = tree_names(dir, wanted, dl, &l);
		object_unpin(dir);
	}
	zone_leave(object_zone(dir), ZONE_NORMAL);
	for (size_t i = 0; i < l.n && !r; i++)
		r = walk_name(dir, l.v[i], stop);
	tree_names_free(&l);
	return r;
}

/* ---- all ----------------------------------------------------------------------------------------- */

static int note_done(struct object *o)
{
	struct settling *s = o->st->settling;
	struct loaded *l;
	int r = zone_enter(object_zone(o), ZONE_NORMAL);

	if (r)
		return r;
	if (!object_pin(o, &l)) {
		pthread_mutex_lock(&s->lock);
		r = noteset_add(&s->done, l->h.object_id);
		pthread_mutex_unlock(&s->lock);
		object_unpin(o);
	} /* else it is damaged, or gone: it cannot be moved again */
	zone_leave(object_zone(o), ZONE_NORMAL);
	return r;
}

static int walk_all(struct store *st, const _Atomic bool *stop)
{
	struct object *o;
	int r = wait_moves(st->settling, stop);

	if (!r)
		r = walk_object(store_root(st), stop);
	while (!r && (o = queue_take(st->settling))) {
		r = walk_object(o, stop);
		if (r == -ENOENT || r == -ESTALE)
			r = 0;
		if (!r)
			r = note_done(o);
		if (r)
			queue_back(st->settling, o);
		object_put(o);
	}
	return r;
}

/* Back to the beginning: all that is queued is forgotten. */
static void queue_clear(struct settling *s)
{
	struct object *o;

	while ((o = queue_take(s)))
		object_put(o);
	pthread_mutex_lock(&s->lock);
	noteset_clear(&s->done);
	s->overflow = false;
	pthread_mutex_unlock(&s->lock);
}

int store_settle(struct store *st, const _Atomic bool *stop)
{
	struct settling *s = st->settling;
	struct zone *z = store_root_zone(st);
	int r;

	if (store_read_only(st) || !session_nunclean(st))
		return 0;
	r = walk_all(st, stop);
	if (!r && s->overflow) {
		/* Where all that moved is now, the records do not say. */
		queue_clear(s);
		touched_distrust(st);
		r = -EAGAIN;
	}
	if (!r)
		r = zone_enter(z, ZONE_NORMAL);
	if (r)
		return r;
	r = backing_syncfs(st->root_fd);
	if (!r)
		r = session_clear_unclean(st);
	zone_leave(z, ZONE_NORMAL);
	if (!r) {
		s->on = false;
		queue_clear(s);
	}
	return r;
}
