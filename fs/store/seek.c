/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEEK_DATA and SEEK_HOLE by the entries: a chunk is a hole exactly where its
 * entry is empty, so data is never hidden.
 */
#include <errno.h>

#include "fs/store/content.h"

static bool slot_is_data(const struct group *grp, uint32_t i)
{
	return !entry_is_hole(&grp->e[i]) || bit_get(grp->bad, i);
}

/* The first chunk of the group from slot FROM on whose kind is DATA; group_chunks() if none. */
static int scan_group(struct loaded *l, uint32_t g, uint32_t from, bool data, uint32_t *ret)
{
	struct group *grp;
	int r = group_get(l, g, false, &grp);
	uint32_t i = from, n = group_chunks(g);

	if (r == -ENOENT) {
		*ret = data ? n : from;
		return 0;
	}
	if (r)
		return r;
	pthread_rwlock_rdlock(&grp->lock);
	r = grp->error;
	while (!r && i < n && slot_is_data(grp, i) != data)
		i++;
	pthread_rwlock_unlock(&grp->lock);
	group_put(grp);
	*ret = i;
	return r;
}

static int64_t seek_gcm(struct loaded *l, uint64_t off, bool data, uint64_t size)
{
	uint64_t n = chunk_count(size);

	for (uint64_t c = off / CHUNK; c < n;) {
		uint32_t g = chunk_group(c), slot;
		int r = scan_group(l, g, chunk_slot(c), data, &slot);

		if (r)
			return r;
		if (slot < group_chunks(g)) {
			c = group_first(g) + slot;
			return c < n ? (int64_t)MAX(off, c * CHUNK) : data ? -ENXIO : (int64_t)size;
		}
		g++;
		if (data) { /* absent groups have none */
			pthread_rwlock_rdlock(&l->lock);
			g = group_next_present(&l->h, g);
			pthread_rwlock_unlock(&l->lock);
			if (g == UINT32_MAX)
				return -ENXIO;
		}
		c = group_first(g);
	}
	return data ? -ENXIO : (int64_t)size;
}

int64_t object_seek(struct object *o, uint64_t off, int whence)
{
	struct loaded *l;
	uint64_t size;
	int64_t r;

	if ((whence != SEEK_DATA && whence != SEEK_HOLE) || !S_ISREG(o->type))
		return -EINVAL;
	r = object_pin(o, &l);
	if (r)
		return r == NEVER_WRITTEN ? -ENXIO : r;
	size = loaded_size(l);
	if (off >= size)
		r = -ENXIO;
	else if (loaded_is_xts(l))
		r = xts_seek(l, off, whence, size);
	else
		r = seek_gcm(l, off, whence == SEEK_DATA, size);
	object_unpin(o);
	return r;
}
