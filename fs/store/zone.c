/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A zone: its gate, which every request passes without waiting, and its keys,
 * which come with an unlock and go with a wipe.
 */
#include <errno.h>
#include <time.h>

#include "crypto/secret.h"
#include "fs/store/volume.h"

#define WIPE_FLUSH_MS 200 /* for what came between zone_commit() and zone_wipe() */
#define POLL_NS 200000 /* while requests in flight are waited for */

struct zone *zone_new(struct store *st, const struct zone_id *id,
		      const uint8_t fingerprint[KEY_LEN])
{
	struct zone *z = calloc(1, sizeof(*z));

	if (!z)
		return NULL;
	z->st = st;
	z->id = *id;
	memcpy(z->fingerprint, fingerprint, KEY_LEN);
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
	secret_free(z->keys);
	pthread_mutex_destroy(&z->unlock_lock);
	pthread_mutex_destroy(&z->lock);
	pthread_mutex_destroy(&z->sync_lock);
	free(z);
}

const uint8_t *zone_kek(const struct zone *z, uint32_t g)
{
	for (unsigned int i = 0; i < z->keys->ngens; i++)
		if (z->keys->gen[i].g == g)
			return z->keys->gen[i].kek;
	return NULL;
}

int zone_keys_set(struct zone *z, const struct root_keys *rk, const uint8_t vk[static KEY_LEN],
		  uint32_t g)
{
	struct zone_keys *k = secret_alloc(sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	memcpy(k->zik, rk->zik, KEY_LEN);
	memcpy(k->bk, rk->bk, KEY_LEN);
	memcpy(k->sm, rk->sm, KEY_LEN);
	k->active = k->gen[0].g = g;
	k->ngens = 1;
	r = kdf_vk(vk, KDF_KEK, &z->id, g, k->gen[0].kek);
	if (r < 0) {
		secret_free(k);
		return r;
	}
	z->keys = k;
	return 0;
}

/* ---- the gate ---------------------------------------------------------------------- */

/* The count goes up before the state is looked at: who sees it zero after a change sees all. */
int zone_enter(struct zone *z, enum zone_use use)
{
	_Atomic unsigned int *n = use == ZONE_DRAIN ? &z->drain : &z->normal;
	int state;

	atomic_fetch_add(n, 1);
	state = z->state;
	if (state == ZONE_UNLOCKED || (state == ZONE_DRAINING && use == ZONE_DRAIN))
		return 0;
	atomic_fetch_sub(n, 1);
	return -z->lock_errno;
}

void zone_leave(struct zone *z, enum zone_use use)
{
	atomic_fetch_sub(use == ZONE_DRAIN ? &z->drain : &z->normal, 1);
}

enum zone_state zone_state(const struct zone *z)
{
	return (enum zone_state)z->state;
}

int zone_errno(const struct zone *z)
{
	return z->state == ZONE_UNLOCKED ? 0 : z->lock_errno;
}

const struct zone_id *zone_id(const struct zone *z)
{
	return &z->id;
}

const uint8_t *zone_fingerprint(const struct zone *z)
{
	return z->fingerprint;
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

static void pause_short(void)
{
	const struct timespec ts = { 0, POLL_NS };

	nanosleep(&ts, NULL);
}

int zone_quiesce(struct zone *z, unsigned int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;

	while (z->normal) {
		if (now_ms() >= end)
			return -ETIMEDOUT;
		pause_short();
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
		pause_short();
	if (z->keys) {
		/* A page that came after zone_commit() was acknowledged as well. */
		store_flush_zone(z, now_ms() + WIPE_FLUSH_MS);
		store_wipe_zone(z);
		secret_free(z->keys);
		z->keys = NULL;
	}
	pthread_mutex_unlock(&z->unlock_lock);
}

/* ---- unlocking ---------------------------------------------------------------------------- */

/* Before anything is written: nothing is older than what this host has seen. */
static int check_rollback(struct store *st, const struct pin *now, struct store_error *err)
{
	int r = pin_check(st->opt.state_dir, st->vol.root.vol, now, err);

	return r == -ESTALE && st->opt.accept_rollback ? 0 : r;
}

static int remember(struct store *st, struct pin *now, struct store_error *err)
{
	int r;

	now->session = session_seq(st);
	r = pin_store(st->opt.state_dir, st->vol.root.vol, now, st->opt.accept_rollback);
	if (r < 0)
		return store_fail(err, r, "make room or give another state directory",
				  "cannot remember the volume in %s: %s", st->opt.state_dir,
				  strerror(-r));
	return 0;
}

static int unlock_with(struct zone *z, const struct keyring *k, const uint8_t vk[static KEY_LEN],
		       struct root_keys *rk, struct store_error *err)
{
	struct store *st = z->st;
	struct pin now = { .keyring = k->seq, .volume = st->vol.seq };
	int r = keyring_open(k, vk, &st->vol, st->vol_raw, rk, err);

	if (r == 0)
		r = session_load(st, rk->sm, err);
	if (r < 0)
		return r;
	memcpy(now.fingerprint, z->fingerprint, KEY_LEN);
	now.session = session_seq(st);
	r = check_rollback(st, &now, err);
	if (r == 0 && !st->opt.read_only)
		r = session_start(st, rk->sm, err);
	if (r == 0)
		r = remember(st, &now, err);
	if (r == 0) {
		r = zone_keys_set(z, rk, vk, k->active);
		if (r < 0)
			store_fail(err, r, NULL, "no memory for keys");
	}
	return r;
}

int zone_unlock(struct zone *z, const uint8_t vk[static KEY_LEN], struct store_error *err)
{
	struct root_keys *rk = NULL;
	struct keyring *k = NULL;
	int r = 0;

	pthread_mutex_lock(&z->unlock_lock);
	if (z->state == ZONE_UNLOCKED)
		goto out;
	if (z->state == ZONE_DRAINING) {
		r = store_fail(err, -EBUSY, NULL, "the volume is just being locked");
		goto out;
	}
	rk = secret_alloc(sizeof(*rk));
	r = rk ? store_keyring(z->st, &k, err) :
		 store_fail(err, -ENOMEM, NULL, "no memory for keys");
	if (r == 0)
		r = unlock_with(z, k, vk, rk, err);
	if (r == 0) {
		store_set_limits(z->st);
		z->state = ZONE_UNLOCKED;
	}
	keyring_free(k);
	secret_free(rk);
	crypto_forget();
out:
	pthread_mutex_unlock(&z->unlock_lock);
	return r;
}
