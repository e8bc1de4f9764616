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

struct settling {
	_Atomic bool on; /* something is to be settled */
	_Atomic unsigned int phase, moving[2]; /* moves under way, by the phase that they began in */
	pthread_mutex_t waiting;	       /* held by who waits for moves */
	struct moved moved;
};

struct settling *settling_new(void)
{
	struct settling *s = calloc(1, sizeof(*s));

	if (s) {
		pthread_mutex_init(&s->waiting, NULL);
		moved_init(&s->moved, MOVED_SETTLE);
	}
	return s;
}

void settling_free(struct settling *s)
{
	if (!s)
		return;
	moved_destroy(&s->moved);
	pthread_mutex_destroy(&s->waiting);
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

void settle_moved(struct object *o, struct loaded *l)
{
	struct settling *s = o->st->settling;

	rekey_moved(o, l);
	if (!s->on || is_settled(l) ||
	    (l->h.type == OBJECT_FILE && l->h.group_count <= 1 && !l->header_settle))
		return;
	moved_put(&s->moved, o, l->h.object_id);
}

void settling_on(struct store *st)
{
	st->settling->on = true;
}

bool settling_is_on(const struct store *st)
{
	return st->settling->on;
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
	int r = object_enter(o, ZONE_NORMAL);

	if (r)
		return r;
	r = object_settle(o);
	object_leave(o, ZONE_NORMAL);
	return !r && S_ISDIR(o->type) ? walk_dir(o, stop) : r;
}

static int walk_name(struct object *dir, const char *stored, const _Atomic bool *stop)
{
	struct object *o = NULL;
	int r;

	if (*stop)
		return -EINTR;
	r = object_enter(dir, ZONE_NORMAL);
	if (r)
		return r;
	r = tree_object(dir, stored, &o);
	object_leave(dir, ZONE_NORMAL);
	if (!r)
		r = walk_object(o, stop);
	object_put(o);
	/* It went meanwhile, or moved: then it is queued.  Or it is no name of ours. */
	return r == -ENOENT || r == -ESTALE || r == -EBADMSG ? 0 : r;
}

static int walk_dir(struct object *dir, const _Atomic bool *stop)
{
	struct store *st = dir->st;
	struct tree_names l = { 0 };
	uint64_t before = st->integrity_errors;
	struct loaded *dl;
	int r = object_enter(dir, ZONE_NORMAL);

	if (r)
		return r;
	r = unless_damaged(st, before, object_pin(dir, &dl));
	if (!r && dl && st->integrity_errors == before) {
		if (touched_was(st, TOUCHED_DIR, dl->h.object_id, NULL))
			r = tree_names(dir, wanted, dl, &l);
		object_unpin(dir);
	}
	object_leave(dir, ZONE_NORMAL);
	for (size_t i = 0; i < l.n && !r; i++)
		r = walk_name(dir, l.v[i], stop);
	tree_names_free(&l);
	return r;
}

/* ---- all ----------------------------------------------------------------------------------------- */

static int walk_all(struct store *st, const _Atomic bool *stop)
{
	struct object *o;
	int r = wait_moves(st->settling, stop);

	if (!r)
		r = walk_object(store_root(st), stop);
	while (!r && (o = moved_take(&st->settling->moved))) {
		r = walk_object(o, stop);
		if (r == -ENOENT || r == -ESTALE)
			r = 0;
		if (!r)
			r = moved_done(&st->settling->moved, o);
		if (r)
			moved_back(&st->settling->moved, o);
		object_put(o);
	}
	return r;
}

int store_settle(struct store *st, const _Atomic bool *stop)
{
	struct settling *s = st->settling;
	struct zone *z = store_root_zone(st);
	int r;

	if (store_read_only(st) || !session_nunclean(st))
		return 0;
	r = walk_all(st, stop);
	if (!r && moved_overflow(&s->moved)) {
		/* Where all that moved is now, the records do not say. */
		moved_clear(&s->moved);
		touched_distrust(st);
		r = -EAGAIN;
	}
	if (!r) /* outside the gate: a lock does not wait for it */
		r = backing_syncfs(st->root_fd);
	if (!r)
		r = zone_enter(z, ZONE_NORMAL);
	if (r)
		return r;
	r = session_clear_unclean(st);
	zone_leave(z, ZONE_NORMAL);
	if (!r) {
		s->on = false;
		moved_clear(&s->moved);
	}
	return r;
}
