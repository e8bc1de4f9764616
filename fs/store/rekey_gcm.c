/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new data key for a GCM file: group 0 goes with the header, the later groups
 * one by one, then the attributes, and after a barrier the old key is dropped.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/change.h"
#include "fs/store/entry.h"
#include "fs/store/rekey_internal.h"

#define FLUSH_GROUPS 4 /* converted ones that wait for a batch: each holds half a MiB */
#define OTHER_SLOTS 64 /* groups between two batches of slots alone */

static int reseal_first(struct loaded *l)
{
	int r;

	pthread_rwlock_wrlock(&l->g0->lock);
	r = group_reseal(l, l->g0, l->h.epoch, 0);
	pthread_rwlock_unlock(&l->g0->lock);
	return r;
}

/* Durable before any later group is of the new epoch: without this header nobody could read that. */
static int begin(struct loaded *l, uint64_t *ret_bytes)
{
	int r = 0;

	*ret_bytes = 0;
	pthread_mutex_lock(&l->flush);
	pthread_rwlock_wrlock(&l->lock);
	if (!(l->h.flags & FLAG_REKEY)) {
		r = rekey_take_key(l, reseal_first);
		*ret_bytes = MIN(l->h.size, (uint64_t)GROUP0_CHUNKS * CHUNK);
	} else if (l->h.vk_gen != l->o->zone->keys->active) {
		r = rekey_wrap_again(l);
	}
	pthread_rwlock_unlock(&l->lock);
	if (!r)
		r = rekey_batch(l, true);
	pthread_mutex_unlock(&l->flush);
	return r;
}

/*
 * What is done to a group: its lock is held for writing, and it is whole.
 * 1: it has to be written, with *RET_BYTES of contents; 0; -errno.
 */
typedef int group_fn(struct loaded *l, struct group *grp, uint64_t *ret_bytes);

static int convert(struct loaded *l, struct group *grp, uint64_t *ret_bytes)
{
	int r;

	if (grp->epoch == l->h.epoch)
		return 0;
	*ret_bytes = (uint64_t)GROUP_CHUNKS * CHUNK;
	r = group_reseal(l, grp, l->h.epoch, 0);
	return r ? r : 1;
}

static int write_again(struct loaded *l, struct group *grp, uint64_t *ret_bytes)
{
	int r = convert(l, grp, ret_bytes);

	if (r < 0)
		return r;
	*ret_bytes = 0; /* of its slot alone */
	grp->dirty = true;
	return 1;
}

static int do_group(struct loaded *l, uint32_t g, group_fn *fn, uint64_t *ret_bytes)
{
	struct group *grp;
	int r;

	pthread_mutex_lock(&l->flush);
	r = group_to_change(l, g, &grp); /* unclean anew if it was dropped since the object was settled, and torn */
	pthread_mutex_unlock(&l->flush);
	if (r)
		return r == -ENOENT ? 0 : r; /* punched meanwhile */
	pthread_rwlock_wrlock(&grp->lock);
	r = grp->error ? grp->error : fn(l, grp, ret_bytes);
	pthread_rwlock_unlock(&grp->lock);
	if (r > 0)
		loaded_mark_dirty(l);
	group_put(grp);
	return r;
}

/* Each group after the header's, with a batch for every EVERY that have to be written. */
static int do_groups(struct loaded *l, group_fn *fn, unsigned int every, rekey_pace_fn *pace,
		     void *arg)
{
	unsigned int waiting = 0;
	int r = 0;

	for (uint32_t g = 1; !r; g++) {
		uint64_t bytes = 0;

		pthread_rwlock_rdlock(&l->lock);
		g = group_next_present(&l->h, g);
		pthread_rwlock_unlock(&l->lock);
		if (g == UINT32_MAX)
			break;
		r = do_group(l, g, fn, &bytes);
		if (r > 0)
			r = ++waiting % every ? 0 : object_flush(l->o);
		if (!r)
			r = pace(arg, bytes);
	}
	return r ? r : object_flush(l->o);
}

/*
 * The other slot of each group too: under the old key, once that is gone, it
 * could not be told from a damaged one.
 */
static int write_other_slots(struct loaded *l, rekey_pace_fn *pace, void *arg)
{
	int r;

	pthread_mutex_lock(&l->flush);
	r = barrier_locked(l);
	pthread_mutex_unlock(&l->flush);
	return r ? r : do_groups(l, write_again, OTHER_SLOTS, pace, arg);
}

/* No group in memory is of the old epoch still.  loaded.lock is held for writing. */
static int of_one_epoch(struct loaded *l)
{
	struct group **all;
	uint32_t n;
	int r = group_snapshot(l, false, &all, &n);

	if (r)
		return r;
	for (uint32_t i = 0; i < n; i++) {
		pthread_rwlock_rdlock(&all[i]->lock);
		if (!all[i]->error && all[i]->epoch != l->h.epoch)
			r = -EAGAIN;
		pthread_rwlock_unlock(&all[i]->lock);
		group_put(all[i]);
	}
	free(all);
	return r;
}

/* Everything is of the new epoch: the old key goes, from memory and from both slots. */
static int finish(struct loaded *l)
{
	uint32_t old = l->h.epoch - 1;
	int r;

	pthread_mutex_lock(&l->flush);
	r = rekey_batch(l, true);
	if (!r) {
		pthread_rwlock_wrlock(&l->lock);
		r = of_one_epoch(l);
		if (!r)
			r = rekey_drop_key(l);
		pthread_rwlock_unlock(&l->lock);
	}
	if (!r)
		r = rekey_batch(l, true);
	pthread_mutex_unlock(&l->flush);
	if (!r)
		r = rekey_other_slot(l, true);
	if (!r)
		secret_wipe(l->k->dek[old & 1], KEY_LEN);
	return r;
}

int rekey_gcm(struct loaded *l, rekey_pace_fn *pace, void *arg)
{
	uint64_t bytes;
	int r = begin(l, &bytes);

	if (!r && bytes)
		r = pace(arg, bytes);
	if (!r)
		r = do_groups(l, convert, FLUSH_GROUPS, pace, arg);
	if (!r)
		r = write_other_slots(l, pace, arg);
	if (!r)
		r = xattrs_rekey(l);
	return r ? r : finish(l);
}
