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

int read_chunks(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *dst)
{
	while (c0 < c1) {
		uint32_t g = chunk_group(c0), from = chunk_slot(c0);
		uint32_t to = (uint32_t)MIN((uint64_t)group_chunks(g), from + (c1 - c0));
		struct group *grp;
		int r = group_get_to_read(l, g, from, to, &grp);

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

struct wanted {
	struct loaded *l;
	uint8_t *buf, **ret_p;
	size_t cap, n;
	uint64_t off;
};

static ssize_t read_wanted(void *arg, read_chunks_fn *chunks)
{
	const struct wanted *w = arg;
	uint64_t size = loaded_size(w->l), c0 = w->off / CHUNK, c1;
	size_t n;
	int r;

	*w->ret_p = w->buf;
	if (w->off >= size || !w->n)
		return 0;
	n = (size_t)MIN((uint64_t)w->n, size - w->off);
	c1 = (w->off + n - 1) / CHUNK + 1;
	if ((c1 - c0) * CHUNK > w->cap)
		return -EINVAL;
	if (loaded_is_xts(w->l))
		return xts_read(w->l, w->buf, n, w->off, w->ret_p);
	r = chunks(w->l, c0, c1, w->buf);
	*w->ret_p = w->buf + w->off % CHUNK;
	return r ? r : (ssize_t)n;
}

ssize_t object_read(struct object *o, uint8_t *buf, size_t cap, size_t n, uint64_t off,
		    uint8_t **ret_p)
{
	struct wanted w = { .buf = buf, .ret_p = ret_p, .cap = cap, .n = n, .off = off };
	ssize_t r;

	if (!S_ISREG(o->type))
		return S_ISDIR(o->type) ? -EISDIR : -EINVAL;
	*ret_p = buf;
	r = object_pin(o, &w.l);
	if (r)
		return r == NEVER_WRITTEN ? 0 : r;
	r = o->st->opt.read_only ? beside_read(w.l, read_wanted, &w) : read_wanted(&w, read_chunks);
	if (r > 0)
		atomic_fetch_add_explicit(&o->st->bytes_read, (uint64_t)r, memory_order_relaxed);
	object_unpin(o);
	return r;
}
