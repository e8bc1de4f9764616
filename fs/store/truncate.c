/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of size.  Bytes that a durable slot names are discarded only after a
 * barrier that made a slot durable which no longer names them (W3), and the size
 * grows only from a clean end (W4).
 */
#include <errno.h>

#include "fs/store/change.h"

/* ---- emptying entries ---------------------------------------------------------- */

int group_to_change(struct loaded *l, uint32_t g, struct group **ret)
{
	int error, r = group_get(l, g, false, ret);

	if (r || !group_unclean(*ret, &error))
		return r;
	r = group_settle_locked(l, *ret);
	if (r)
		group_put(*ret);
	return r;
}

int group_clear(struct loaded *l, uint32_t g, uint32_t from, uint32_t to)
{
	struct group *grp;
	int r = group_to_change(l, g, &grp);

	if (r)
		return r == -ENOENT ? 0 : r;
	pthread_rwlock_wrlock(&grp->lock);
	r = grp->error;
	l->discard_waits |= pair_leaves_names(&grp->pair); /* as it was loaded, perhaps */
	for (uint32_t i = from; i < to && !r; i++)
		if (!entry_is_hole(&grp->e[i]) || bit_get(grp->bad, i))
			chunk_clear(l, grp, i);
	pthread_rwlock_unlock(&grp->lock);
	group_put(grp);
	return r;
}

/* The last chunk of a file of SIZE bytes ends there. */
static int shorten_last(struct loaded *l, uint64_t size)
{
	uint64_t c = size / CHUNK;
	struct group *grp;
	int r;

	if (!(size % CHUNK))
		return 0;
	r = group_to_change(l, chunk_group(c), &grp);
	if (r)
		return r == -ENOENT ? 0 : r;
	pthread_rwlock_wrlock(&grp->lock);
	r = grp->error ? grp->error : chunk_shorten(l, grp, chunk_slot(c), (uint32_t)(size % CHUNK));
	pthread_rwlock_unlock(&grp->lock);
	group_put(grp);
	return r;
}

/* Everything beyond SIZE: entries, groups.  loaded.flush is held. */
static int cut_gcm(struct loaded *l, uint64_t size)
{
	uint64_t n = chunk_count(size);
	uint32_t g = chunk_group(n ? n - 1 : 0), slot = n ? chunk_slot(n - 1) + 1 : 0;
	int r = shorten_last(l, size);

	if (!r)
		r = group_clear(l, g, slot, group_chunks(g));
	if (r)
		return r;
	pthread_rwlock_wrlock(&l->lock);
	if (l->h.group_count > g + 1)
		group_cut_locked(l, g + 1);
	pthread_rwlock_unlock(&l->lock);
	return 0;
}

int change_flush(struct loaded *l, bool sync)
{
	int r = batch_locked(l, sync && loaded_is_ordered(l));

	/* Not known before: a barrier of the batch itself may have made durable what the slots leave. */
	return !r && l->discard_waits && loaded_is_ordered(l) ? barrier_locked(l) : r;
}

void change_size(struct loaded *l, uint64_t size)
{
	pthread_rwlock_wrlock(&l->lock);
	l->h.size = size;
	l->h.xts_done = (uint32_t)MIN(l->h.xts_done, chunk_count(size));
	l->header_dirty = true;
	clock_gettime(CLOCK_REALTIME, &l->mtime);
	l->attrs_moved = true;
	pthread_rwlock_unlock(&l->lock);
	loaded_mark_dirty(l);
}

/* ---- truncate -------------------------------------------------------------------- */

static int shrink_locked(struct loaded *l, uint64_t size)
{
	uint64_t want = backing_length(l->h.suite, size);
	bool xts = loaded_is_xts(l), sync = xts && pair_may_be_durable(&l->g0->pair);
	uint32_t groups = l->h.group_count;
	int r = xts ? 0 : cut_gcm(l, size);

	if (r)
		return r;
	sync |= l->h.group_count < groups; /* the slots of what went are not even read */
	change_size(l, size);
	l->unclean_end = xts; /* which has no entries to tell: a barrier before it grows */
	r = change_flush(l, sync || l->cut_undone);
	if (r)
		l->unclean_end = l->cut_undone = true;
	else
		l->cut_undone = false;
	if (!r && xts)
		r = xts_cut(l, size);
	if (r)
		return r;
	if (l->length > want) {
		r = backing_truncate(l->o->fd, want);
		if (!r)
			l->length = want;
		l->discarded = true;
		l->unsynced = true;
	}
	return r ? r : length_fix(l);
}

/* W4: what the slot of the end names beyond it is removed at the old size, then a barrier. */
static int cut_end_locked(struct loaded *l)
{
	int r;

	if (!l->unclean_end)
		return 0;
	if (loaded_is_xts(l)) {
		r = l->cut_undone ? batch_locked(l, true) : 0;
		if (!r)
			r = xts_cut(l, l->h.size);
		if (!r && l->discarded)
			r = batch_locked(l, true);
	} else {
		r = cut_gcm(l, l->h.size);
		if (!r)
			r = batch_locked(l, true);
	}
	if (!r)
		l->unclean_end = l->cut_undone = false;
	return r;
}

static int length_correct_locked(struct loaded *l)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT } };
	uint64_t want = backing_length(l->h.suite, l->h.size);
	struct stat st;
	int r = backing_fstat(l->o->fd, &st);

	if (!r) {
		l->length = (uint64_t)st.st_size; /* a write that failed may have made it longer */
		r = cut_end_locked(l); /* no entry of the end names what is cut off */
	}
	if (!r && l->length > want)
		r = change_flush(l, true); /* nor a header another end */
	if (!r && l->length > want) {
		r = backing_truncate(l->o->fd, want);
		l->discarded = l->unsynced = true;
		if (!r)
			l->length = want;
	}
	/* Perhaps no slot of this session tells the next residence that something was discarded. */
	if (!r && l->discarded && loaded_is_ordered(l))
		r = barrier_locked(l);
	if (!r)
		r = length_fix(l);
	ts[1] = st.st_mtim;
	if (!r)
		backing_utimens(l->o->fd, NULL, ts);
	return r;
}

void length_correct(struct loaded *l)
{
	if (l->o->st->opt.read_only || l->o->fd_ro || l->header_settle)
		return;
	/* Against the order of locks, so only if it can be had; with a write under way the next one mends it. */
	if (pthread_rwlock_trywrlock(&l->resize))
		return;
	if (l->stale_length) {
		keep_attrs(l);
		if (!length_correct_locked(l))
			l->stale_length = false;
		restore_attrs(l);
	}
	pthread_rwlock_unlock(&l->resize);
}

int object_cut_end(struct loaded *l)
{
	int r;

	pthread_mutex_lock(&l->flush);
	r = cut_end_locked(l);
	pthread_mutex_unlock(&l->flush);
	return r;
}

int change_resize(struct loaded *l, uint64_t size)
{
	uint64_t old = loaded_size(l);
	int r;

	if (size < old)
		return shrink_locked(l, size);
	if (size == old)
		return 0;
	r = cut_end_locked(l);
	if (r)
		return r;
	change_size(l, size);
	return length_fix(l);
}

int change_begin(struct object *o, struct loaded **ret)
{
	int r;

	if (o->st->opt.read_only)
		return -EROFS;
	if (!S_ISREG(o->type))
		return S_ISDIR(o->type) ? -EISDIR : -EINVAL;
	store_throttle(o->st);
	r = object_pin_fresh(o, ret);
	if (r)
		return r;
	r = loaded_settle(*ret);
	if (!r && o->fd_ro)
		r = -EACCES;
	if (r) {
		object_unpin(o);
		return r;
	}
	pthread_rwlock_wrlock(&(*ret)->resize);
	pthread_mutex_lock(&(*ret)->flush);
	return 0;
}

int change_end(struct loaded *l, int r)
{
	struct object *o = l->o;

	if (r) { /* what was begun is finished by a flush */
		l->stale_length = true;
		loaded_mark_dirty(l);
	} else { /* what was discarded after the batch has moved it again */
		keep_attrs(l);
		restore_attrs(l);
	}
	pthread_mutex_unlock(&l->flush);
	pthread_rwlock_unlock(&l->resize);
	object_unpin(o);
	return r;
}

int object_truncate(struct object *o, uint64_t size)
{
	struct loaded *l;
	int r;

	if (size > FILE_LIMIT)
		return -EFBIG;
	r = change_begin(o, &l);
	if (r)
		return r;
	return change_end(l, change_resize(l, size));
}
