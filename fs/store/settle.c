/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an unclean session left: which version each chunk reads as, and writing
 * that down before the first change (cmkfs-format(5), Reading and Settling).
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "fs/store/content.h"

/* ---- resolving: N's entry, else its base's, else a hole or EIO ------------------- */

struct resolve {
	struct loaded *l;
	struct group *grp;
	uint8_t *c; /* ciphertext of all places of the group */
	uint8_t *p; /* one chunk of plaintext, secret memory */
};

static int read_places(struct resolve *v)
{
	size_t n = (size_t)group_chunks(v->grp->g) * CHUNK;
	ssize_t got = backing_read(v->l->o->fd, v->c, n, chunk_place(group_first(v->grp->g)));

	if (got < 0)
		return (int)got;
	memset(v->c + got, 0, n - (size_t)got);
	return 0;
}

/* Chunks that N's entries do not verify, as a bitmap. */
static int failed_of(struct resolve *v, uint64_t ret[static 2])
{
	struct group *grp = v->grp;
	struct aead *a = aead_begin(grp->gk, false);
	int r = 0;

	ret[0] = ret[1] = 0;
	if (!a)
		return -errno;
	for (uint32_t i = 0; i < group_chunks(grp->g) && !r; i++) {
		struct held *h = grp->held ? grp->held[i] : NULL;

		if (!entry_is_hole(&grp->e[i]))
			r = chunk_open(a, group_first(grp->g) + i, &grp->e[i],
				       h ? h->c : v->c + (size_t)i * CHUNK, v->p);
		if (r == -EBADMSG) {
			bit_set(ret, i);
			r = 0;
		}
	}
	aead_end(a);
	return r;
}

/* The base's version of chunk I becomes that of the group; its key may differ. */
static int take_base(struct resolve *v, const struct base_slot *base, uint32_t i)
{
	struct group *grp = v->grp;
	const struct entry *e = &base->e[i];
	bool tail = base->tail_chunk == i;
	const uint8_t *c = tail ? base->tail : v->c + (size_t)i * CHUNK;
	struct aead *a;
	int r;

	if (entry_is_hole(e)) {
		chunk_clear(v->l, grp, i);
		return 0;
	}
	a = aead_begin(base->key, false);
	if (!a)
		return -errno;
	r = chunk_open(a, group_first(grp->g) + i, e, c, v->p);
	aead_end(a);
	if (r)
		return r;
	group_unhold(v->l, grp, i);
	if (grp->tail == i)
		grp->tail = NO_TAIL;
	if (!secret_equal(base->key, grp->gk, GK_LEN))
		return v->l->o->st->opt.read_only ?
			       -EBADMSG :
			       group_seal_store(v->l, grp, i, i + 1, v->p, entry_len(e));
	grp->e[i] = *e;
	return tail ? group_hold(v->l, grp, i, c, entry_len(e), false) : 0;
}

static int resolve_failed(struct resolve *v, uint64_t base_gen, const struct base_slot *base,
			  const uint64_t failed[static 2])
{
	struct group *grp = v->grp;
	/* Its writer may just be writing it: beside.c decides when it is read. */
	bool wait = v->l->o->st->opt.read_only && !base_gen;

	for (uint32_t i = 0; i < group_chunks(grp->g); i++) {
		int r = wait ? -EBADMSG : 0;

		if (!bit_get(failed, i))
			continue;
		if (!base_gen && !wait)
			chunk_clear(v->l, grp, i);
		else if (!wait)
			r = base ? take_base(v, base, i) : -EBADMSG;
		if (r == -EBADMSG)
			bit_set(grp->bad, i);
		else if (r)
			return r;
		else
			store_event(v->l->o->st, EVENT_RECOVERED, v->l->o,
				    (group_first(grp->g) + i) * CHUNK, CHUNK,
				    "chunk of an unclean session");
	}
	return 0;
}

int group_resolve(struct loaded *l, struct group *grp, uint64_t base_gen,
		  const struct base_slot *base)
{
	struct resolve v = {
		.l = l, .grp = grp, .c = malloc((size_t)group_chunks(grp->g) * CHUNK),
		.p = secret_alloc(CHUNK),
	};
	uint64_t failed[2];
	int r = v.c && v.p ? read_places(&v) : -ENOMEM;

	if (!r)
		r = failed_of(&v, failed);
	if (r)
		goto out;
	grp->pair.dur = grp->pair.gen;
	memcpy(grp->pair.dur_names, grp->pair.disk_names, sizeof(failed));
	if (!failed[0] && !failed[1])
		goto out;
	grp->pair.torn = true;
	grp->pair.dur = base ? base_gen : 0;
	grp->pair.dur_names[0] = grp->pair.dur_names[1] = 0;
	if (base)
		entries_names(base->e, group_chunks(grp->g), base->tail_chunk, grp->pair.dur_names);
	r = resolve_failed(&v, base_gen, base, failed);
	grp->dirty = false; /* nothing is written before it is settled */
out:
	free(v.c);
	secret_free(v.p);
	return r;
}

/* ---- settling ----------------------------------------------------------------------- */

/* No entry and no length beyond SIZE. */
static int strip_beyond(struct loaded *l, struct group *grp, uint64_t size)
{
	uint64_t n = chunk_count(size), first = group_first(grp->g);
	int r = 0;

	for (uint32_t i = 0; i < group_chunks(grp->g); i++)
		if (first + i >= n && !entry_is_hole(&grp->e[i]))
			chunk_clear(l, grp, i);
	if (size % CHUNK && n - 1 >= first && n - 1 < first + group_chunks(grp->g) &&
	    !bit_get(grp->bad, (uint32_t)(n - 1 - first)))
		r = chunk_shorten(l, grp, (uint32_t)(n - 1 - first), (uint32_t)(size % CHUNK));
	return r;
}

/* What it reads as is durable, and may be written by the batch that is due. */
static int group_strip(struct loaded *l, struct group *grp)
{
	uint64_t size = loaded_size(l);
	int r = barrier_raw(l);

	if (r)
		return r;
	pthread_rwlock_wrlock(&grp->lock);
	if (grp->settle) {
		r = strip_beyond(l, grp, size);
		grp->settle = !!r;
		grp->dirty = !r; /* nothing is written before it is settled */
	}
	pthread_rwlock_unlock(&grp->lock);
	return r;
}

int group_settle_locked(struct loaded *l, struct group *grp)
{
	int r = group_strip(l, grp);

	return r ? r : batch_locked(l, true);
}

int unless_damaged(struct store *st, uint64_t before, int r)
{
	return r == -EIO && st->integrity_errors != before ? 0 : r;
}

/* Settle the groups of a file that are unclean: those in memory, or (ALL) each present one. */
static int settle_groups(struct loaded *l, bool all)
{
	struct store *st = l->o->st;
	int r = 0;

	for (uint32_t g = 1; !r; g++) {
		uint64_t before = st->integrity_errors;
		struct group *grp;
		bool unclean;
		int error;

		pthread_rwlock_rdlock(&l->lock);
		g = group_next_present(&l->h, g);
		pthread_rwlock_unlock(&l->lock);
		if (g == UINT32_MAX)
			break;
		if (!all && l->base && group_present(l->base, g))
			continue;
		if (zone_errno(l->o->zone))
			return -zone_errno(l->o->zone); /* a lock does not wait for a large file */
		r = group_get(l, g, false, &grp);
		if (r)
			return r == -ENOENT ? 0 : r;
		unclean = group_unclean(grp, &error);
		if (error)
			r = all ? unless_damaged(st, before, error) : error;
		else if (unclean)
			r = group_settle_locked(l, grp);
		group_put(grp);
	}
	return r;
}

static int settle_header(struct loaded *l)
{
	int r = settle_groups(l, false);

	if (!r)
		r = group_strip(l, l->g0);
	if (r)
		return r;
	pthread_rwlock_wrlock(&l->lock);
	l->header_dirty = true;
	l->header_settle = false;
	pthread_rwlock_unlock(&l->lock);
	return batch_locked(l, true);
}

/* Groups in memory whose pair is unclean. */
static int settle_loaded(struct loaded *l)
{
	struct group **all;
	uint32_t n;
	int r;

	r = group_snapshot_all(l, &all, &n);
	if (r)
		return r;
	for (uint32_t i = 0; i < n; i++) {
		int error;

		if (!r && group_unclean(all[i], &error))
			r = group_settle_locked(l, all[i]);
		group_put(all[i]);
	}
	free(all);
	return r;
}

int loaded_settle(struct loaded *l)
{
	int r = 0;

	if (!l->header_settle && !l->ngroups)
		return 0;
	pthread_mutex_lock(&l->flush);
	if (l->header_settle)
		r = settle_header(l);
	if (!r)
		r = settle_loaded(l);
	pthread_mutex_unlock(&l->flush);
	return r;
}

int object_settle(struct object *o)
{
	uint64_t before = o->st->integrity_errors;
	struct loaded *l;
	int r = object_pin(o, &l);

	if (r || !l)
		return unless_damaged(o->st, before, r);
	r = unless_damaged(o->st, before, loaded_settle(l));
	if (!r && l->h.type == OBJECT_FILE) {
		pthread_mutex_lock(&l->flush);
		r = settle_groups(l, true);
		if (!r && l->stale_length) /* who comes later believes it */
			length_correct(l);
		pthread_mutex_unlock(&l->flush);
		store_trim_groups(l->o->st);
	}
	if (!r && loaded_is_unwritten(l)) /* it had no header; who knew that it may be so is about to go */
		r = object_flush(o);
	object_unpin(o);
	return r;
}
