/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The locks of directories for a change of names: all that it concerns, by
 * address, none of them removed.
 */
#include "fs/store/entry.h"

bool dir_is_removed(struct object *dir)
{
	bool r;

	pthread_mutex_lock(&dir->lock);
	r = dir->unlinked;
	pthread_mutex_unlock(&dir->lock);
	return r;
}

#define NS_MAX 4u

/* By address, each once. */
static unsigned int ns_sort(struct object *const *dirs, unsigned int n, struct object **ret)
{
	unsigned int out = 0;

	for (unsigned int i = 0; i < n && out < NS_MAX; i++) {
		unsigned int at = 0;

		while (at < out && ret[at] < dirs[i])
			at++;
		if (!dirs[i] || (at < out && ret[at] == dirs[i]))
			continue;
		memmove(ret + at + 1, ret + at, (out - at) * sizeof(*ret));
		ret[at] = dirs[i];
		out++;
	}
	return out;
}

static void unlock_set(struct object *const *set, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		pthread_rwlock_unlock(&set[i]->ns);
}

int ns_lock(struct object *const *dirs, unsigned int n)
{
	struct object *set[NS_MAX + 1];
	bool removed = false;

	n = ns_sort(dirs, n, set);
	for (unsigned int i = 0; i < n; i++)
		pthread_rwlock_wrlock(&set[i]->ns);
	for (unsigned int i = 0; i < n; i++)
		removed |= dir_is_removed(set[i]);
	if (removed)
		unlock_set(set, n);
	return removed ? -ENOENT : 0;
}

void ns_unlock(struct object *const *dirs, unsigned int n)
{
	struct object *set[NS_MAX + 1];

	n = ns_sort(dirs, n, set);
	for (unsigned int i = 0; i < n; i++)
		atomic_fetch_add(&set[i]->changes, 1);
	unlock_set(set, n);
}
