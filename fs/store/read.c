/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a file: a request is cut into groups, each read by one backing read
 * a run of chunks and opened in place.
 */
#include <errno.h>

#include "fs/store/content.h"

uint64_t loaded_size(struct loaded *l)
{
	uint64_t size;

	pthread_rwlock_rdlock(&l->lock);
	size = l->h.size;
	pthread_rwlock_unlock(&l->lock);
	return size;
}

/* Chunks [C0, C1) into DST. */
static int read_chunks(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *dst)
{
	while (c0 < c1) {
		uint32_t g = chunk_group(c0), from = chunk_slot(c0);
		uint32_t to = (uint32_t)MIN((uint64_t)group_chunks(g), from + (c1 - c0));
		struct group *grp;
		int r = group_get(l, g, false, &grp);

		if (r == -ENOENT) {
			memset(dst, 0, (size_t)(to - from) * CHUNK);
		} else if (r) {
			return r;
		} else {
			pthread_rwlock_rdlock(&grp->lock);
			r = grp->error ? grp->error : group_read(l, grp, from, to, dst);
			pthread_rwlock_unlock(&grp->lock);
			group_put(grp);
			if (r)
				return r;
		}
		dst += (size_t)(to - from) * CHUNK;
		c0 += to - from;
	}
	return 0;
}

ssize_t object_read(struct object *o, uint8_t *buf, size_t cap, size_t n, uint64_t off,
		    uint8_t **ret_p)
{
	struct loaded *l;
	uint64_t size, c0, c1;
	ssize_t r;

	if (!S_ISREG(o->type))
		return S_ISDIR(o->type) ? -EISDIR : -EINVAL;
	r = object_pin(o, &l);
	if (r)
		return r;
	size = loaded_size(l);
	*ret_p = buf;
	if (off >= size || !n)
		goto out;
	n = (size_t)MIN((uint64_t)n, size - off);
	c0 = off / CHUNK;
	c1 = (off + n - 1) / CHUNK + 1;
	if ((c1 - c0) * CHUNK > cap) {
		r = -EINVAL;
		goto out;
	}
	if (loaded_is_xts(l)) {
		r = xts_read(l, buf, n, off, ret_p);
	} else {
		r = read_chunks(l, c0, c1, buf);
		*ret_p = buf + off % CHUNK;
		if (!r)
			r = (ssize_t)n;
	}
	if (r > 0)
		atomic_fetch_add_explicit(&o->st->bytes_read, (uint64_t)r, memory_order_relaxed);
out:
	object_unpin(o);
	return r;
}
