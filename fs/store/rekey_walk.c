/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A zone brought to its active generation: pass after pass over its tree, the
 * last of which is the proof.  There is no cursor to lose, as each header says
 * its generation.
 */
#include <errno.h>

#include "fs/store/content.h"
#include "fs/store/rekey.h"
#include "fs/store/tree.h"

#define PASSES 64 /* the second is the proof, but for a load that moves more than can be kept */
#define WAITING 4096 /* rewrapped, their other slot to be written after one sync for all */

struct waiting {
	struct object *o;
	uint64_t gen;
};

struct walk {
	struct zone_rekey *k;
	struct zone *zone;
	struct waiting *waiting; /* WAITING of them */
	unsigned int n;
	uint64_t changed; /* in this pass */
};

/* The zone itself, or one that it lies in. */
static bool on_the_way(const struct walk *w, const struct zone *z)
{
	const struct zone *i = w->zone;

	while (i && i != z)
		i = zone_parent(i);
	return i;
}

static int stopped(const struct walk *w)
{
	return *w->k->stop ? -EINTR : 0;
}

/* What cannot be read is left; what went is no loss, or was moved, and so queued. */
static int unless_gone(struct walk *w, struct object *o, int r)
{
	bool damaged = r == -EIO || r == -EACCES || r == -EBADMSG;

	if (damaged) {
		w->k->failed++;
		if (w->k->left)
			w->k->left(w->k->arg, o);
	}
	return damaged || r == -ENOENT || r == -ESTALE ? 0 : r;
}

static int write_one(struct walk *w, const struct waiting *i)
{
	int r = zone_enter(w->zone, ZONE_NORMAL);

	if (r)
		return r;
	r = unless_gone(w, i->o, object_rewrap_rest(i->o, i->gen));
	zone_leave(w->zone, ZONE_NORMAL);
	return r;
}

/* The second slot of those that wait: the first is durable then.  A lock does not wait for the sync. */
static int write_rest(struct walk *w)
{
	int r = w->n ? backing_syncfs(w->zone->st->root_fd) : 0;

	for (unsigned int i = 0; i < w->n && !r; i++)
		r = write_one(w, &w->waiting[i]);
	while (w->n)
		object_put(w->waiting[--w->n].o);
	return r;
}

/* The zone is entered.  *RET_WAIT: the header's generation, if its other slot is to follow. */
static int bring(struct walk *w, struct object *o, uint64_t *ret_wait)
{
	int r = object_needs_rekey(o);

	w->k->seen++;
	if (r <= 0)
		return r;
	if (r == REKEY_UNFINISHED || (w->k->contents && S_ISREG(o->type))) {
		r = object_rekey(o, w->k->pace, w->k->arg);
	} else {
		r = object_rewrap(o, ret_wait);
		if (r)
			return MIN(r, 0);
		r = w->k->pace(w->k->arg, 2 * SLOT);
	}
	if (!r) {
		w->k->changed++;
		w->changed++;
	}
	return r;
}

static int walk_dir(struct walk *w, struct object *dir);

static int bring_object(struct walk *w, struct object *o)
{
	uint64_t wait = 0;
	int r = zone_enter(w->zone, ZONE_NORMAL);

	if (r)
		return r;
	r = unless_gone(w, o, bring(w, o, &wait));
	zone_leave(w->zone, ZONE_NORMAL);
	if (wait) {
		w->waiting[w->n++] = (struct waiting){ object_get(o), wait };
		if (!r && w->n == WAITING)
			r = write_rest(w);
	}
	return r;
}

static int walk_object(struct walk *w, struct object *o)
{
	int r = stopped(w);

	if (!r && o->zone == w->zone)
		r = bring_object(w, o);
	return !r && S_ISDIR(o->type) ? walk_dir(w, o) : r;
}

static int list(struct walk *w, struct object *dir, struct tree_names *ret)
{
	int r = zone_enter(dir->zone, ZONE_NORMAL);

	if (r)
		return r;
	r = object_pin(dir, NULL);
	if (!r) {
		r = tree_names(dir, NULL, NULL, ret);
		object_unpin(dir);
	}
	zone_leave(dir->zone, ZONE_NORMAL);
	return unless_gone(w, dir, r);
}

static int walk_dir(struct walk *w, struct object *dir)
{
	struct tree_names l = { 0 };
	int r = list(w, dir, &l);

	for (size_t i = 0; i < l.n && !r; i++) {
		struct object *o = NULL;

		r = zone_enter(dir->zone, ZONE_NORMAL);
		if (r)
			break;
		r = unless_gone(w, dir, tree_object(dir, l.v[i], &o));
		zone_leave(dir->zone, ZONE_NORMAL);
		if (!r && o && on_the_way(w, o->zone))
			r = walk_object(w, o);
		object_put(o);
	}
	tree_names_free(&l);
	return r;
}

void rekey_moved(struct object *o, const struct loaded *l)
{
	/* All that lies below a directory moves with it. */
	if (o->st->rekeying && (l->h.type == OBJECT_DIR || rekey_is_due(l)))
		moved_put(&o->st->rekey_moved, o, l->h.object_id);
}

static int walk_moved(struct walk *w)
{
	struct moved *q = &w->zone->st->rekey_moved;
	struct object *o;
	int r = 0;

	while (!r && (o = moved_take(q))) {
		if (on_the_way(w, o->zone))
			r = unless_gone(w, o, walk_object(w, o));
		if (!r)
			r = unless_gone(w, o, moved_done(q, o));
		object_put(o);
	}
	return r;
}

/*
 * One pass.  *RET_PROOF: nothing of an older generation was met, and nothing
 * can have been missed: what moved meanwhile was looked at as well.
 */
static int pass(struct walk *w, bool *ret_proof)
{
	struct store *st = w->zone->st;
	int r;

	moved_clear(&st->rekey_moved);
	st->rekeying = true;
	r = moves_wait(st, w->k->stop);
	w->k->seen = w->k->failed = w->changed = 0;
	if (w->k->left)
		w->k->left(w->k->arg, NULL);
	if (!r)
		r = walk_object(w, st->root);
	if (!r)
		r = walk_moved(w);
	if (!r)
		r = write_rest(w);
	st->rekeying = false;
	*ret_proof = !w->changed && !moved_overflow(&st->rekey_moved);
	moved_clear(&st->rekey_moved);
	return r;
}

int zone_rekey(struct zone *z, struct zone_rekey *k)
{
	struct walk w = { .k = k, .zone = z, .waiting = calloc(WAITING, sizeof(*w.waiting)) };
	int r = z->st->opt.read_only ? -EROFS : w.waiting ? 0 : -ENOMEM;
	bool proof = false;

	for (k->pass = 1; !r && !proof; k->pass++) {
		r = k->pass > PASSES ? -EAGAIN : pass(&w, &proof);
	}
	write_rest(&w); /* what was begun is done, if it can be */
	free(w.waiting);
	if (!r) /* rewritten by an earlier run, perhaps, and not durable yet */
		r = backing_syncfs(z->st->root_fd);
	return r ? r : k->failed ? -EUCLEAN : 0;
}
