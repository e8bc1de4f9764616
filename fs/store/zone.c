/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A zone: its gate, which every request passes without waiting, and its keys,
 * which come with an unlock (zone_unlock.c) and go with a wipe.
 */
#include <errno.h>
#include <time.h>

#include "crypto/secret.h"
#include "fs/store/volume.h"

#define WIPE_FLUSH_MS 200 /* for what came between zone_commit() and zone_wipe() */

struct zone *zone_new(struct store *st, const struct zone_id *id, struct zone *parent,
		      const uint8_t *fingerprint)
{
	struct zone *z = calloc(1, sizeof(*z));

	if (!z)
		return NULL;
	z->st = st;
	z->id = *id;
	z->parent = parent;
	if (fingerprint)
		memcpy(z->fingerprint, fingerprint, KEY_LEN);
	z->endorsed = fingerprint;
	z->state = ZONE_LOCKED;
	z->lock_errno = ENOKEY;
	pthread_mutex_init(&z->unlock_lock, NULL);
	pthread_mutex_init(&z->lock, NULL);
	pthread_mutex_init(&z->sync_lock, NULL);
	LIST_INIT(&z->resident);
	return z;
}

static void sync_join(struct zone *z) /* sync_lock is held, or nobody else is there */
{
	if (z->sync_started)
		pthread_join(z->sync_thread, NULL);
	z->sync_started = false;
}

void zone_free(struct zone *z)
{
	if (!z)
		return;
	sync_join(z);
	if (z->keys)
		secret_free(z->keys->from);
	secret_free(z->keys);
	pthread_mutex_destroy(&z->unlock_lock);
	pthread_mutex_destroy(&z->lock);
	pthread_mutex_destroy(&z->sync_lock);
	free(z);
}

const uint8_t *keys_kek(const struct zone_keys *k, uint32_t g)
{
	for (unsigned int i = 0; i < k->ngens; i++)
		if (k->gen[i].g == g)
			return k->gen[i].kek;
	return NULL;
}

static int add_generation(struct zone_keys *k, const struct zone_id *id, const struct zone_vk *v)
{
	unsigned int n = k->ngens;

	if (n == KEYRING_GENERATIONS)
		return -E2BIG;
	k->gen[n].g = v->g;
	k->ngens++;
	return kdf_vk(v->vk, KDF_KEK, id, v->g, k->gen[n].kek);
}

static void take_keys(struct zone *z, struct zone_keys *k, const uint8_t *sm)
{
	struct store *st = z->st;
	uint8_t *own;

	pthread_mutex_lock(&st->zones_lock);
	own = z->parent || st->sm ? NULL : secret_alloc(KEY_LEN);
	if (own) {
		memcpy(own, sm, KEY_LEN);
		st->sm = own;
	}
	z->keys = k;
	pthread_mutex_unlock(&st->zones_lock);
}

static void drop_keys(struct zone *z)
{
	struct store *st = z->st;
	bool last = true;

	pthread_mutex_lock(&st->zones_lock);
	secret_free(z->keys->from);
	secret_free(z->keys);
	z->keys = NULL;
	for (struct zone *o = st->zone; o; o = o->next)
		last &= !o->keys;
	if (last) {
		secret_free(st->sm);
		st->sm = NULL;
	}
	pthread_mutex_unlock(&st->zones_lock);
}

/* What the parent has now: its older generations, too.  -EAGAIN: it is locked. */
static int copy_parent(struct zone *z, struct zone_keys *k)
{
	if (zone_enter_within(z->parent, ZONE_NORMAL))
		return -EAGAIN;
	k->from = secret_alloc(sizeof(*k->from));
	if (k->from) {
		memcpy(k->from, z->parent->keys, sizeof(*k->from));
		k->from->from = NULL;
		k->takes = true;
	}
	zone_leave(z->parent, ZONE_NORMAL);
	return k->from ? 0 : -ENOMEM;
}

int zone_keys_set(struct zone *z, const struct root_keys *rk, const struct zone_vk *vks,
		  unsigned int n, uint32_t active, bool takes)
{
	struct zone_keys *k = secret_alloc(sizeof(*k));
	int r = 0;

	if (!k)
		return -ENOMEM;
	memcpy(k->zik, rk->zik, KEY_LEN);
	memcpy(k->bk, rk->bk, KEY_LEN);
	k->active = active;
	for (unsigned int i = 0; i < n && r == 0; i++)
		r = add_generation(k, &z->id, &vks[i]);
	if (r == 0 && takes)
		r = copy_parent(z, k);
	if (r < 0) {
		secret_free(k->from);
		secret_free(k);
		return r;
	}
	take_keys(z, k, rk->sm);
	return 0;
}

/* ---- what it is ---------------------------------------------------------------------- */

const struct zone_id *zone_id(const struct zone *z)
{
	return &z->id;
}

const uint8_t *zone_fingerprint(const struct zone *z)
{
	return z->fingerprint;
}

struct zone *zone_parent(const struct zone *z)
{
	return z->parent;
}

void *zone_owner(const struct zone *z)
{
	return z->owner;
}

void zone_set_owner(struct zone *z, void *owner)
{
	z->owner = owner;
}

struct zone_counts *zone_counts(struct zone *z)
{
	return &z->counts;
}

/* ---- locking -------------------------------------------------------------------------- */

void zone_set_errno(struct zone *z, int lock_errno)
{
	z->lock_errno = lock_errno;
}

void zone_lock_begin(struct zone *z, int lock_errno)
{
	int unlocked = ZONE_UNLOCKED;

	z->lock_errno = lock_errno;
	atomic_compare_exchange_strong(&z->state, &unlocked, ZONE_DRAINING);
}

int zone_quiesce(struct zone *z, unsigned int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;

	while (z->normal) {
		if (now_ms() >= end)
			return -ETIMEDOUT;
		zone_pause();
	}
	return 0;
}

/* Durability needs no key, and may take longer than the lock has: it is only set going. */
static void *sync_run(void *arg)
{
	struct zone *z = arg;

	backing_syncfs(z->st->root_fd);
	z->sync_done = true;
	return NULL;
}

static void start_sync(struct zone *z)
{
	pthread_mutex_lock(&z->sync_lock);
	if (!z->sync_started || z->sync_done) { /* one that is still running is enough */
		sync_join(z);
		z->sync_done = false;
		z->sync_started = !pthread_create(&z->sync_thread, NULL, sync_run, z);
	}
	pthread_mutex_unlock(&z->sync_lock);
}

unsigned int zone_commit(struct zone *z, unsigned int timeout_ms)
{
	unsigned int lost = store_flush_zone(z, now_ms() + timeout_ms);

	start_sync(z);
	return lost;
}

void zone_wipe(struct zone *z)
{
	pthread_mutex_lock(&z->unlock_lock);
	z->state = ZONE_LOCKED;
	while (z->normal || z->drain) /* they hold the keys */
		zone_pause();
	if (z->keys) {
		/* A page that came after zone_commit() was acknowledged as well. */
		store_flush_zone(z, now_ms() + WIPE_FLUSH_MS);
		store_wipe_zone(z);
		drop_keys(z);
	}
	pthread_mutex_unlock(&z->unlock_lock);
}
