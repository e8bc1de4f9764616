/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch writes what is dirty of one object in the order of cmkfs-format(5),
 * Writing: a barrier if a pair asks for one → group slots → header → held
 * bytes that overwrite nothing durable → a barrier if there are others, then
 * these.  loaded.flush is held throughout; readers and writers go on beside it.
 */
#include <errno.h>

#include "fs/store/batch.h"
#include "fs/store/touched.h"

/*
 * W1, W3: whether the pair's next change needs a barrier before it.  Where it
 * is not known what is durable, crash=relaxed needs it too.
 */
static bool pair_asks(const struct loaded *l, const struct pair *p)
{
	if (p->gen == p->dur)
		return !p->gen && l->discarded && loaded_is_ordered(l);
	return p->unknown || (p->overwrote && loaded_is_ordered(l));
}

/* What is dirty, and the header as of the same moment (W5). */
static int batch_collect(struct batch *b, struct header *h, bool *ret_header)
{
	struct loaded *l = b->l;
	int r;

	pthread_rwlock_wrlock(&l->lock);
	r = group_snapshot(l, true, &b->groups, &b->ngroups);
	if (!r) {
		uint64_t n = chunk_count(l->h.size);

		*h = l->h;
		/* A write under way has made groups that the size does not reach yet. */
		header_cut(h, chunk_group(n ? n - 1 : 0) + 1);
		*ret_header = l->header_dirty || l->g0->dirty;
		l->header_dirty = false;
	}
	pthread_rwlock_unlock(&l->lock);
	return r;
}

static int batch_first_barrier(struct batch *b, bool header)
{
	struct loaded *l = b->l;
	bool ask = header && pair_asks(l, &l->g0->pair);

	for (uint32_t i = 0; i < b->ngroups; i++)
		ask |= pair_asks(l, &b->groups[i]->pair);
	return ask ? barrier_locked(l) : 0;
}

static int batch_write(struct batch *b, struct header *h, bool header)
{
	struct loaded *l = b->l;
	int r = owed_finish(l);

	if (!r && header)
		r = xts_unstick(l);
	if (!r)
		r = batch_first_barrier(b, header);
	if (r || (!header && !b->ngroups))
		return r;
	l->unsynced = l->torn = true;
	for (uint32_t i = 0; i < b->ngroups && !r; i++)
		r = write_group_slot(b, b->groups[i]);
	if (!r && header) {
		int close_fd, fd = header_fd(l, &close_fd);

		r = fd < 0 ? fd : write_header(b, h, fd);
		if (close_fd >= 0)
			close(close_fd);
	}
	if (!r)
		r = write_held(b, false);
	if (!r && b->hard && loaded_is_ordered(l))
		r = reach_hard(b);
	if (!r && b->hard && loaded_is_ordered(l))
		r = barrier_raw(l);
	b->overwriting = !r;
	if (!r && b->hard)
		r = write_held(b, true);
	if (r)
		return r;
	for (uint32_t i = 0; i < b->ngroups; i++)
		pair_whole(b->groups[i]);
	if (header)
		pair_whole(l->g0);
	l->torn = false; /* what an earlier one left was dirty, so that it is in this one */
	return 0;
}

int batch_locked(struct loaded *l, bool sync)
{
	struct batch b = { .l = l };
	struct header h;
	bool header = false;
	int r;

	r = batch_collect(&b, &h, &header);
	if (!r && l->o->fd_ro && (header || b.ngroups))
		r = -EACCES;
	if (!r && (header || b.ngroups))
		r = loaded_touch(l);
	if (header || b.ngroups)
		keep_attrs(l);
	if (!r) {
		r = batch_write(&b, &h, header);
		if (r) /* not every caller is a flush, and it is not to be evicted */
			loaded_mark_dirty(l);
	}
	release_held(&b, r);
	if (!r && (header || b.ngroups))
		r = length_fix(l);
	if (!r)
		restore_attrs(l);
	if (r && header) {
		pthread_rwlock_wrlock(&l->lock);
		l->header_dirty = true;
		pthread_rwlock_unlock(&l->lock);
	}
	for (uint32_t i = 0; i < b.ngroups; i++) {
		if (r)
			b.groups[i]->dirty = true;
		group_put(b.groups[i]);
	}
	free(b.groups);
	free(b.held);
	if (!r && sync && l->unsynced)
		r = barrier_locked(l);
	return r;
}
