/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holes and reservations: fallocate in its five modes.  A hole is made as a
 * truncation is: entries first, then the batch, then the places.
 */
#include <errno.h>
#include <linux/falloc.h>

#include "fs/store/change.h"

/* Zero a part of one chunk. */
static int zero_part(struct loaded *l, uint64_t off, uint64_t end)
{
	uint64_t c = off / CHUNK;
	struct group *grp;
	int r = group_to_change(l, chunk_group(c), &grp);

	if (r)
		return r == -ENOENT ? 0 : r;
	pthread_rwlock_wrlock(&grp->lock);
	r = grp->error ? grp->error :
			 chunk_zero(l, grp, chunk_slot(c), (uint32_t)(off - c * CHUNK),
				    (uint32_t)(end - c * CHUNK));
	pthread_rwlock_unlock(&grp->lock);
	group_put(grp);
	return r;
}

static uint32_t next_present(struct loaded *l, uint32_t g)
{
	if (!g)
		return 0;
	pthread_rwlock_rdlock(&l->lock);
	g = group_next_present(&l->h, g);
	pthread_rwlock_unlock(&l->lock);
	return g;
}

/* FN for the part [FROM, TO) of every present group that chunks [C0, C1) touch. */
static int each_group(struct loaded *l, uint64_t c0, uint64_t c1,
		      int (*fn)(struct loaded *l, uint32_t g, uint32_t from, uint32_t to))
{
	int r = 0;

	for (uint32_t g = next_present(l, chunk_group(c0)); !r && g != UINT32_MAX;
	     g = next_present(l, g + 1)) {
		uint64_t first = group_first(g), last = first + group_chunks(g);

		if (first >= c1)
			break;
		r = fn(l, g, (uint32_t)(MAX(c0, first) - first), (uint32_t)(MIN(c1, last) - first));
	}
	return r;
}

static int discard_places(struct loaded *l, uint32_t g, uint32_t from, uint32_t to)
{
	uint64_t place = chunk_place(group_first(g) + from);
	int r;

	if (place >= l->length || from >= to)
		return 0;
	r = backing_punch(l->o->fd, place, (uint64_t)(to - from) * CHUNK);
	l->discarded = true;
	l->unsynced = true;
	return r == -EOPNOTSUPP ? 0 : r; /* only space is lost */
}

static int punch_gcm(struct loaded *l, uint64_t off, uint64_t end)
{
	uint64_t c0 = (off + CHUNK - 1) / CHUNK, c1 = end / CHUNK;
	int r = 0;

	if (c0 > c1) /* within one chunk */
		return zero_part(l, off, end);
	if (off % CHUNK)
		r = zero_part(l, off, c0 * CHUNK);
	if (!r && end % CHUNK)
		r = zero_part(l, c1 * CHUNK, end);
	if (r || c0 == c1)
		return r;
	r = each_group(l, c0, c1, group_clear);
	if (!r)
		r = change_flush(l, false);
	return r ? r : each_group(l, c0, c1, discard_places);
}

static int zero_range_locked(struct loaded *l, uint64_t off, uint64_t end)
{
	uint64_t size = loaded_size(l);

	if (off >= size)
		return 0;
	/* A whole end chunk is emptied, not sealed anew. */
	if (end >= size)
		end = (size + CHUNK - 1) / CHUNK * CHUNK;
	change_size(l, size); /* for the time of the change */
	return loaded_is_xts(l) ? xts_zero(l, off, end - off) : punch_gcm(l, off, end);
}

/* Reserve the places of the range. */
static int allocate(struct loaded *l, uint64_t off, uint64_t end)
{
	uint64_t c0 = off / CHUNK, c1 = (end - 1) / CHUNK;
	uint64_t from = loaded_is_xts(l) ? xts_place(c0) : chunk_place(c0);
	uint64_t to = loaded_is_xts(l) ? xts_place(c1) : chunk_place(c1);

	return backing_allocate(l->o->fd, from, to + CHUNK - from);
}

static int fallocate_locked(struct loaded *l, int mode, uint64_t off, uint64_t end)
{
	int r;

	if (mode & FALLOC_FL_PUNCH_HOLE)
		return zero_range_locked(l, off, end);
	r = mode & FALLOC_FL_ZERO_RANGE ? zero_range_locked(l, off, end) : allocate(l, off, end);
	if (!r && !(mode & FALLOC_FL_KEEP_SIZE) && end > loaded_size(l))
		r = change_resize(l, end);
	return r;
}

int object_fallocate(struct object *o, int mode, uint64_t off, uint64_t len)
{
	const int keep = FALLOC_FL_KEEP_SIZE;
	struct loaded *l;
	int r;

	if (mode != 0 && mode != keep && mode != (FALLOC_FL_PUNCH_HOLE | keep) &&
	    mode != FALLOC_FL_ZERO_RANGE && mode != (FALLOC_FL_ZERO_RANGE | keep))
		return -EOPNOTSUPP;
	if (!len)
		return -EINVAL;
	if (off > FILE_LIMIT || len > FILE_LIMIT - off)
		return -EFBIG;
	r = change_begin(o, &l);
	if (r)
		return r;
	return change_end(l, fallocate_locked(l, mode, off, off + len));
}
