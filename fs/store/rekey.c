/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object brought to the active generation.  While a file is re-keyed its
 * header is of the new epoch and holds the old data key besides (REKEY); group
 * 0 goes with the header, the later groups one by one, then the attributes,
 * and after a barrier the old key is dropped.
 */
#include "fs/store/rekey.h"

#include <errno.h>

#include "crypto/rand.h"
#include "crypto/secret.h"
#include "fs/store/content.h"
#include "fs/store/entry.h"

#define FLUSH_GROUPS 4 /* converted ones that wait for a batch: each holds half a MiB */
#define OTHER_SLOTS 64 /* groups between two batches of slots alone */

/* Either slot: the older one must not stay under an older generation. */
static bool is_behind(const struct loaded *l)
{
	uint32_t active = l->o->zone->keys->active;

	return l->h.vk_gen != active || (l->slot_vk[0] && l->slot_vk[0] != active) ||
	       (l->slot_vk[1] && l->slot_vk[1] != active);
}

bool rekey_is_due(const struct loaded *l)
{
	return l->h.flags & FLAG_REKEY || is_behind(l);
}

int object_needs_rekey(struct object *o)
{
	struct loaded *l;
	int r = object_pin(o, &l);

	if (r || !l)
		return r;
	pthread_rwlock_rdlock(&l->lock);
	r = l->h.flags & FLAG_REKEY ? REKEY_UNFINISHED : is_behind(l) ? REKEY_WRAP : REKEY_NONE;
	pthread_rwlock_unlock(&l->lock);
	object_unpin(o);
	return r;
}

/* A batch; where it fails, whoever flushes next tries it again.  loaded.flush is held. */
static int batch(struct loaded *l, bool sync)
{
	int r = batch_locked(l, sync);

	if (r)
		loaded_mark_dirty(l);
	return r;
}

/* Nothing of it can be changed: it is left as it is. */
static int check_may(struct object *o)
{
	return o->fd_ro ? -EACCES : 0;
}

/* ---- wrapping anew ------------------------------------------------------------------- */

/* The keys of the header under the active generation.  loaded.lock is held for writing. */
static int wrap_again(struct loaded *l)
{
	uint32_t active = l->o->zone->keys->active;
	const uint8_t *kek = zone_kek(l->o->zone, active);
	uint8_t new[WRAP_LEN], old[WRAP_LEN] = { 0 };
	bool rekey = l->h.flags & FLAG_REKEY;
	int r = kek ? wrap_key(kek, loaded_dek(l, l->h.epoch), new) : -EIO;

	if (!r && rekey)
		r = wrap_key(kek, loaded_dek(l, l->h.epoch - 1), old);
	if (r)
		return r;
	memcpy(l->h.wrapped, new, WRAP_LEN);
	memcpy(l->h.old_wrapped, old, WRAP_LEN);
	l->h.vk_gen = active;
	l->h.old_vk_gen = rekey ? active : 0;
	l->header_dirty = true;
	return 0;
}

int object_rewrap(struct object *o)
{
	struct loaded *l;
	int r = object_pin(o, &l);

	if (r || !l)
		return r ? r : 1;
	r = check_may(o);
	if (!r)
		r = loaded_settle(l);
	if (!r) {
		pthread_rwlock_wrlock(&l->lock);
		r = !is_behind(l) ? 1 :
		    l->h.vk_gen == o->zone->keys->active ? 0 : wrap_again(l);
		pthread_rwlock_unlock(&l->lock);
	}
	if (!r)
		r = object_flush(o);
	object_unpin(o);
	return r;
}

/* The header's next slot: the other one, once the last is durable. */
static int write_other_slot(struct loaded *l, bool sync)
{
	int r;

	pthread_mutex_lock(&l->flush);
	r = barrier_locked(l);
	if (!r) {
		pthread_rwlock_wrlock(&l->lock);
		l->header_dirty = true;
		pthread_rwlock_unlock(&l->lock);
		r = batch(l, sync);
	}
	pthread_mutex_unlock(&l->flush);
	return r;
}

int object_rewrap_rest(struct object *o)
{
	struct loaded *l;
	int r = object_pin(o, &l);

	if (r || !l)
		return r;
	r = write_other_slot(l, false);
	object_unpin(o);
	return r;
}

/* ---- a new data key ----------------------------------------------------------------------- */

/*
 * The header with a new key, and group 0 under it.  loaded.lock is held for
 * writing; on failure nothing has changed.
 */
static int take_new_key(struct loaded *l)
{
	uint32_t epoch = l->h.epoch + 1;
	uint8_t *dek = l->k->dek[epoch & 1], hk[KEY_LEN];
	struct header was = l->h;
	int r = rand_secret(dek, KEY_LEN);

	if (!r)
		r = kdf_object(dek, KDF_HEADER, l->h.object_id, epoch, hk, KEY_LEN);
	l->h.epoch = epoch;
	l->h.flags |= FLAG_REKEY;
	if (!r)
		r = wrap_again(l);
	if (!r) {
		pthread_rwlock_wrlock(&l->g0->lock);
		r = group_reseal(l, l->g0, epoch, 0);
		pthread_rwlock_unlock(&l->g0->lock);
	}
	if (r) {
		l->h = was;
		secret_wipe(dek, KEY_LEN);
	} else {
		memcpy(l->k->hk, hk, KEY_LEN);
	}
	secret_wipe(hk, sizeof(hk));
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
		r = take_new_key(l);
		*ret_bytes = MIN(l->h.size, (uint64_t)GROUP0_CHUNKS * CHUNK);
	} else if (l->h.vk_gen != l->o->zone->keys->active) {
		r = wrap_again(l);
	}
	pthread_rwlock_unlock(&l->lock);
	if (!r)
		r = batch(l, true);
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
	int r = group_get(l, g, false, &grp);

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
	r = batch(l, true);
	if (!r) {
		pthread_rwlock_wrlock(&l->lock);
		r = of_one_epoch(l);
		if (!r) {
			l->h.flags &= (uint8_t)~FLAG_REKEY;
			r = wrap_again(l);
			if (r)
				l->h.flags |= FLAG_REKEY;
		}
		pthread_rwlock_unlock(&l->lock);
	}
	if (!r)
		r = batch(l, true);
	pthread_mutex_unlock(&l->flush);
	if (!r)
		r = write_other_slot(l, true);
	if (!r)
		secret_wipe(l->k->dek[old & 1], KEY_LEN);
	return r;
}

static int rekey_gcm(struct loaded *l, rekey_pace_fn *pace, void *arg)
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

int object_rekey(struct object *o, rekey_pace_fn *pace, void *arg)
{
	struct loaded *l;
	int r;

	if (o->st->opt.read_only)
		return -EROFS;
	if (!S_ISREG(o->type))
		return -EINVAL;
	if (store_suite(o->st) != SUITE_GCM)
		return -EOPNOTSUPP;
	/* What is unclean is settled before its first change, and a pair has one old version only. */
	r = object_settle(o);
	if (!r)
		r = object_pin(o, &l);
	if (r)
		return r;
	r = l->header_settle ? -EIO : check_may(o); /* damage kept it from being settled */
	if (!r)
		r = rekey_gcm(l, pace, arg);
	object_unpin(o);
	return r;
}
