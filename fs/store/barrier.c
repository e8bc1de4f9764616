/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Barriers, and what they make durable: after one, the newest slot of each
 * pair is the durable one.
 */
#include "fs/store/content.h"

static void pair_durable(struct pair *p)
{
	if (p->torn)
		return;
	p->dur = p->gen;
	p->dur_names[0] = p->disk_names[0];
	p->dur_names[1] = p->disk_names[1];
	p->overwrote = p->unknown = false;
}

static void group_durable(struct group *grp)
{
	pthread_rwlock_wrlock(&grp->lock);
	if (!grp->settle) /* which slot of an unclean pair is durable, settling knows */
		pair_durable(&grp->pair);
	pthread_rwlock_unlock(&grp->lock);
}

bool header_synced(struct loaded *l, uint64_t gen)
{
	struct group *g0 = l->g0;
	bool same;

	pthread_rwlock_wrlock(&g0->lock);
	same = g0->pair.gen == gen && !l->header_settle && !g0->pair.torn;
	if (same)
		pair_durable(&g0->pair);
	pthread_rwlock_unlock(&g0->lock);
	return same;
}

/* fdatasync; a directory's header lies in a file of its own. */
int barrier_raw(struct loaded *l)
{
	int close_fd, fd = header_fd(l, &close_fd), r;

	if (fd < 0)
		return fd;
	bool discarded = atomic_exchange(&l->discarded, false); /* before it: others write and discard beside it */

	l->unsynced = false;
	r = backing_barrier(fd);
	if (r) {
		l->unsynced = true;
		if (discarded)
			l->discarded = true;
	}
	if (close_fd >= 0)
		close(close_fd);
	return r;
}

int barrier_locked(struct loaded *l)
{
	struct group **all;
	uint32_t n;
	int r = group_snapshot_all(l, &all, &n); /* before it: no group's slot is written meanwhile */

	if (r)
		return r;
	r = barrier_raw(l);
	if (!r && !l->header_settle)
		group_durable(l->g0);
	if (!r)
		l->discard_waits = false;
	for (uint32_t i = 0; i < n; i++) {
		if (!r)
			group_durable(all[i]);
		group_put(all[i]);
	}
	free(all);
	return r;
}
