/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object brought to the active generation: its data key wrapped anew, or a
 * new one.  While a file is re-keyed its header is of the new epoch and holds
 * the old data key besides (REKEY).
 */
#include "fs/store/rekey.h"

#include <errno.h>

#include "crypto/rand.h"
#include "crypto/secret.h"
#include "fs/store/rekey_internal.h"

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

int rekey_batch(struct loaded *l, bool sync)
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

int rekey_wrap_again(struct loaded *l)
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

int object_rewrap(struct object *o, uint64_t *ret_gen)
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
		    l->h.vk_gen == o->zone->keys->active ? 0 : rekey_wrap_again(l);
		pthread_rwlock_unlock(&l->lock);
	}
	if (!r) {
		pthread_mutex_lock(&l->flush); /* no batch is between its header and what that names */
		r = rekey_batch(l, false);
		if (!r)
			*ret_gen = l->g0->pair.gen;
		pthread_mutex_unlock(&l->flush);
	}
	object_unpin(o);
	return r;
}

/* The last one is durable.  loaded.flush is held. */
static int write_next_slot(struct loaded *l, bool sync)
{
	pthread_rwlock_wrlock(&l->lock);
	l->header_dirty = true;
	pthread_rwlock_unlock(&l->lock);
	return rekey_batch(l, sync);
}

int rekey_other_slot(struct loaded *l, bool sync)
{
	int r;

	pthread_mutex_lock(&l->flush);
	r = barrier_locked(l);
	if (!r)
		r = write_next_slot(l, sync);
	pthread_mutex_unlock(&l->flush);
	return r;
}

int object_rewrap_rest(struct object *o, uint64_t gen)
{
	struct loaded *l;
	int r = object_pin(o, &l);

	if (r || !l)
		return r;
	pthread_mutex_lock(&l->flush);
	r = header_synced(l, gen) ? 0 : barrier_locked(l);
	if (!r)
		r = write_next_slot(l, false);
	pthread_mutex_unlock(&l->flush);
	object_unpin(o);
	return r;
}

/* ---- a new data key ----------------------------------------------------------------------- */

int rekey_take_key(struct loaded *l, int (*beside)(struct loaded *l))
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
		r = rekey_wrap_again(l);
	if (!r)
		r = beside(l);
	if (r) {
		l->h = was;
		secret_wipe(dek, KEY_LEN);
	} else {
		memcpy(l->k->hk, hk, KEY_LEN);
	}
	secret_wipe(hk, sizeof(hk));
	return r;
}

int rekey_drop_key(struct loaded *l)
{
	struct header was = l->h;
	int r;

	l->h.flags &= (uint8_t)~FLAG_REKEY;
	l->h.xts_done = 0;
	r = rekey_wrap_again(l);
	if (r)
		l->h = was;
	return r;
}

int object_rekey(struct object *o, rekey_pace_fn *pace, void *arg)
{
	struct loaded *l;
	int r;

	if (o->st->opt.read_only)
		return -EROFS;
	if (!S_ISREG(o->type))
		return -EINVAL;
	/* What is unclean is settled before its first change, and a pair has one old version only. */
	r = object_settle(o);
	if (!r)
		r = object_pin(o, &l);
	if (r)
		return r;
	r = l->header_settle ? -EIO : check_may(o); /* damage kept it from being settled */
	if (!r)
		r = (loaded_is_xts(l) ? rekey_xts : rekey_gcm)(l, pace, arg);
	object_unpin(o);
	return r;
}
