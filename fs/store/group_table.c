/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The groups of a loaded file that are in memory: an open hash, protected by
 * loaded.lock.
 */
#include <errno.h>

#include "fs/store/content.h"

static uint32_t hash(uint32_t g)
{
	return (uint32_t)(g * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

struct group *group_find_locked(struct loaded *l, uint32_t g)
{
	if (!l->groups_cap)
		return NULL;
	for (uint32_t i = hash(g);; i++) {
		struct group *grp = l->groups[i & (l->groups_cap - 1)];

		if (!grp)
			return NULL;
		if (grp->g == g)
			return grp;
	}
}

static void place_locked(struct group **t, uint32_t cap, struct group *grp)
{
	uint32_t i = hash(grp->g);

	while (t[i & (cap - 1)])
		i++;
	t[i & (cap - 1)] = grp;
}

static int rehash_locked(struct loaded *l, uint32_t cap)
{
	struct group **t = calloc(cap, sizeof(*t));

	if (!t)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->groups_cap; i++)
		if (l->groups[i])
			place_locked(t, cap, l->groups[i]);
	free(l->groups);
	l->groups = t;
	l->groups_cap = cap;
	return 0;
}

int group_insert_locked(struct loaded *l, struct group *grp)
{
	int r;

	if (2 * (l->ngroups + 1) > l->groups_cap &&
	    (r = rehash_locked(l, l->groups_cap ? 2 * l->groups_cap : 8)))
		return r;
	place_locked(l->groups, l->groups_cap, grp);
	l->ngroups++;
	atomic_fetch_add(&l->o->st->groups, 1);
	return 0;
}

/* Backward-shift deletion: no tombstones, no allocation. */
static void delete_at_locked(struct loaded *l, uint32_t i)
{
	uint32_t mask = l->groups_cap - 1, j = i;

	for (;;) {
		struct group *next;

		j = (j + 1) & mask;
		next = l->groups[j];
		if (!next)
			break;
		/* NEXT may move to I unless its home lies between them. */
		if (((j - hash(next->g)) & mask) >= ((j - i) & mask)) {
			l->groups[i] = next;
			i = j;
		}
	}
	l->groups[i] = NULL;
	l->ngroups--;
	atomic_fetch_sub(&l->o->st->groups, 1);
}

static void filter_locked(struct loaded *l, bool (*drop)(struct group *grp, uint32_t arg),
			  uint32_t arg)
{
	for (uint32_t i = 0; i < l->groups_cap; i++)
		while (l->groups[i] && drop(l->groups[i], arg)) {
			struct group *grp = l->groups[i];

			delete_at_locked(l, i);
			group_put(grp);
		}
}

static bool drop_one(struct group *grp, uint32_t g)
{
	return grp->g == g;
}

static bool drop_from(struct group *grp, uint32_t g)
{
	return grp->g >= g;
}

/* Second chance.  A group with users or changes stays. */
static bool drop_idle(struct group *grp, uint32_t unused)
{
	(void)unused;
	if (grp->refs > 1 || grp->dirty || atomic_exchange(&grp->used, false))
		return false;
	if (grp->held)
		for (uint32_t i = 0; i < group_chunks(grp->g); i++)
			if (grp->held[i])
				return false;
	return true;
}

void group_drop_idle_locked(struct loaded *l)
{
	filter_locked(l, drop_idle, 0);
}

/* It goes: a reader who has it already must not look for bytes that are cut off. */
static void group_empty(struct loaded *l, struct group *grp)
{
	pthread_rwlock_wrlock(&grp->lock);
	memset(grp->e, 0, group_chunks(grp->g) * sizeof(grp->e[0]));
	memset(grp->bad, 0, sizeof(grp->bad));
	group_drop_held(l, grp);
	grp->dirty = false;
	pthread_rwlock_unlock(&grp->lock);
}

void group_cut_locked(struct loaded *l, uint32_t g)
{
	for (uint32_t i = 0; i < l->groups_cap; i++)
		if (l->groups[i] && drop_from(l->groups[i], g))
			group_empty(l, l->groups[i]);
	filter_locked(l, drop_from, g);
	header_cut(&l->h, g);
	l->header_dirty = true;
}

int group_snapshot(struct loaded *l, bool dirty_only, struct group ***ret, uint32_t *ret_n)
{
	uint32_t n = 0;
	struct group **list;

	if (!l->ngroups) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	list = malloc(l->ngroups * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->groups_cap; i++) {
		struct group *grp = l->groups[i];

		if (grp && (!dirty_only || grp->dirty)) {
			atomic_fetch_add(&grp->refs, 1);
			list[n++] = grp;
		}
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int group_snapshot_all(struct loaded *l, struct group ***ret, uint32_t *ret_n)
{
	int r;

	pthread_rwlock_rdlock(&l->lock);
	r = group_snapshot(l, false, ret, ret_n);
	pthread_rwlock_unlock(&l->lock);
	return r;
}

void group_drop_locked(struct loaded *l, uint32_t g)
{
	filter_locked(l, drop_one, g);
}

void group_drop_all_locked(struct loaded *l)
{
	filter_locked(l, drop_from, 0);
}
