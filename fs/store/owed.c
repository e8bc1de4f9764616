/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a batch owes that failed while it overwrote durable places: its slot
 * names bytes that are in place in part, so that it is whole together with the
 * slot beside it alone, and neither may be written over.  The bytes are kept,
 * whatever comes after them, until they are in place.
 */
#include "fs/store/content.h"

void group_owe(struct group *grp, uint32_t slot, struct held *h)
{
	if (!grp->owed)
		grp->owed = calloc(group_chunks(grp->g), sizeof(struct held *));
	if (!grp->owed || grp->owed[slot]) /* without memory: a power cut may cost that chunk */
		free(h);
	else
		grp->owed[slot] = h;
}

void group_forgive(struct group *grp)
{
	if (grp->owed)
		for (uint32_t i = 0; i < group_chunks(grp->g); i++)
			free(grp->owed[i]);
	free(grp->owed);
	grp->owed = NULL;
}

static struct held *owed_of(struct group *grp, uint32_t i)
{
	if (grp->owed && grp->owed[i])
		return grp->owed[i];
	return grp->held && grp->held[i] && grp->held[i]->owed ? grp->held[i] : NULL;
}

/* group.lock is held for writing. */
static int finish_group(struct loaded *l, struct group *grp)
{
	bool any = false;
	int r = 0;

	for (uint32_t i = 0; i < group_chunks(grp->g) && !r; i++) {
		struct held *h = owed_of(grp, i);

		if (!h)
			continue;
		any = true;
		l->unsynced = true;
		r = place_write(l, h->c, h->len, chunk_place(group_first(grp->g) + i));
	}
	if (r || !any)
		return r;
	for (uint32_t i = 0; i < group_chunks(grp->g); i++)
		if (grp->held && grp->held[i])
			grp->held[i]->owed = false;
	group_forgive(grp);
	grp->pair.torn = false;
	return 0;
}

int owed_finish(struct loaded *l)
{
	struct group **all;
	uint32_t n;
	int r;

	if (!l->owes)
		return 0;
	r = group_snapshot_all(l, &all, &n);
	if (r)
		return r;
	for (uint32_t i = 0; i <= n; i++) {
		struct group *grp = i < n ? all[i] : l->g0;

		pthread_rwlock_wrlock(&grp->lock);
		if (!r)
			r = finish_group(l, grp);
		pthread_rwlock_unlock(&grp->lock);
		if (i < n)
			group_put(grp);
	}
	free(all);
	if (!r)
		r = barrier_locked(l);
	if (!r)
		l->owes = false;
	return r;
}
