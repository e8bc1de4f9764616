/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unlocking a zone: what its vault key opens is authenticated before anything
 * is believed.  The root's is known by the volume file and the host's pin; a
 * zone inside another by its parent's endorsement, once, and from then on by
 * the fingerprint that was endorsed, so that it needs its parent's key no more.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/volume.h"

struct unlocking {
	struct zone *z;
	const struct keyring *k;
	const struct zone_vk *vks;
	unsigned int n;
	struct root_keys rk; /* the whole struct is secret */
	uint8_t zik[KEY_LEN], fingerprint[KEY_LEN];
	struct pin pin;
	struct store_error *err;
};

/* Nothing is older than what this host has seen. */
static int check_rollback(const struct unlocking *u)
{
	struct store *st = u->z->st;
	int r = pin_check(st->opt.state_dir, &u->z->id, !u->z->parent, &u->pin, u->err);

	return r == -ESTALE && st->opt.accept_rollback ? 0 : r;
}

static int remember(struct unlocking *u)
{
	struct store *st = u->z->st;
	int r;

	if (!u->z->parent)
		u->pin.session = session_seq(st);
	r = pin_store(st->opt.state_dir, &u->z->id, !u->z->parent, &u->pin, st->opt.accept_rollback);
	return r ? store_fail(u->err, r, "make room or give another state directory",
			      "cannot remember the volume in %s: %s", st->opt.state_dir,
			      strerror(-r)) : 0;
}

/* The session begins with the root's first unlock. */
static int unlock_root(struct unlocking *u)
{
	struct store *st = u->z->st;
	int r = keyring_vouches(&u->rk, u->fingerprint, &st->vol, st->vol_raw, u->err);

	if (r == 0)
		r = session_load(st, u->rk.sm, u->err);
	if (r < 0)
		return r;
	u->pin.volume = st->vol.seq;
	u->pin.session = session_seq(st);
	r = check_rollback(u);
	if (r == 0 && !st->opt.read_only)
		r = session_start(st, u->rk.sm, u->err);
	return r;
}

static int check_endorsement(struct unlocking *u)
{
	struct zone *up = u->z->parent;
	uint8_t want[MAC_LEN];
	int r;

	if (memcmp(u->k->parent, up->id.zone, ID_LEN))
		return store_fail(u->err, -EBADMSG, "restore it with cmkfs key restore",
				  "the keyring belongs into another zone");
	if (u->z->endorsed)
		return secret_equal(u->fingerprint, u->z->fingerprint, KEY_LEN) ? 0 :
			       store_fail(u->err, -EBADMSG, "the keyring of the zone was replaced",
					  "the fingerprint of the zone has changed");
	if (zone_enter(up, ZONE_NORMAL))
		return store_fail(u->err, -EAGAIN, "it is opened after that",
				  "the zone that it lies in has not been unlocked yet");
	r = endorse(&up->id, up->keys->zik, &u->z->id, u->fingerprint, want);
	zone_leave(up, ZONE_NORMAL);
	if (r == 0 && !secret_equal(want, u->k->endorsement, MAC_LEN))
		return store_fail(u->err, -EBADMSG, "the keyring of the zone was replaced",
				  "the zone that it lies in does not vouch for the keyring");
	return r;
}

static int unlock_child(struct unlocking *u)
{
	int r = check_endorsement(u);

	if (r == 0)
		r = check_rollback(u);
	if (r == 0 && !u->z->endorsed) {
		memcpy(u->z->fingerprint, u->fingerprint, KEY_LEN);
		u->z->endorsed = true;
	}
	return r;
}

static const struct zone_vk *of_generation(const struct unlocking *u, uint32_t g)
{
	for (unsigned int i = 0; i < u->n; i++)
		if (u->vks[i].g == g)
			return &u->vks[i];
	return NULL;
}

/* Each of the others leads to the same zone. */
static int check_others(struct unlocking *u)
{
	for (unsigned int i = 0; i < u->n; i++) {
		const struct generation *gen =
			keyring_generation((struct keyring *)u->k, u->vks[i].g);
		int r = gen && gen->state != GEN_DESTROYED ?
				keyring_take(u->k, gen, u->vks[i].vk, u->zik) : -EKEYREJECTED;

		if (r == 0 && !secret_equal(u->zik, u->rk.zik, KEY_LEN))
			r = -EBADMSG;
		if (r)
			return store_fail(u->err, r, "cmkfs key show DIR",
					  "the key of generation %u is not the one of this zone",
					  u->vks[i].g);
	}
	return 0;
}

static int unlock_with(struct unlocking *u)
{
	const struct zone_vk *active = of_generation(u, u->k->active);
	int r;

	if (!active)
		return store_fail(u->err, -EKEYREJECTED, "cmkfs key show DIR",
				  "none of the keys is the one in use");
	r = keyring_open(u->k, active->vk, u->z->parent ? "the keyring" : KEYRING_FILE, &u->rk,
			 u->fingerprint, u->err);
	if (r == 0)
		r = check_others(u);
	if (r < 0)
		return r;
	u->pin.keyring = u->k->seq;
	memcpy(u->pin.fingerprint, u->fingerprint, KEY_LEN);
	r = u->z->parent ? unlock_child(u) : unlock_root(u);
	if (r == 0)
		r = remember(u);
	if (r == 0) {
		r = zone_keys_set(u->z, &u->rk, u->vks, u->n, u->k->active, keyring_takes(u->k));
		if (r == -EAGAIN)
			store_fail(u->err, r, "it is opened after that",
				   "the zone whose files it takes over is locked");
		else if (r < 0)
			store_fail(u->err, r, NULL, "no memory for keys");
	}
	return r;
}

static int unlock_locked(struct zone *z, const struct zone_vk *vks, unsigned int n,
			 struct store_error *err)
{
	struct unlocking *u;
	struct keyring *k;
	int r;

	if (z->gone)
		return store_fail(err, -ENOKEY, NULL, "the zone has been destroyed");
	if (z->state == ZONE_DRAINING)
		return store_fail(err, -EBUSY, NULL, "the volume is just being locked");
	r = zone_keyring(z, &k, err);
	if (r < 0)
		return r;
	u = secret_alloc(sizeof(*u));
	if (u) {
		u->z = z;
		u->k = k;
		u->vks = vks;
		u->n = n;
		u->err = err;
	}
	r = u ? unlock_with(u) : store_fail(err, -ENOMEM, NULL, "no memory for keys");
	if (r == 0) {
		store_set_limits(z->st);
		z->state = ZONE_UNLOCKED;
	}
	keyring_free(k);
	secret_free(u);
	crypto_forget();
	return r;
}

int zone_unlock_all(struct zone *z, const struct zone_vk *vks, unsigned int n,
		    struct store_error *err)
{
	int r = 0;

	pthread_mutex_lock(&z->unlock_lock);
	if (z->state != ZONE_UNLOCKED)
		r = unlock_locked(z, vks, n, err);
	pthread_mutex_unlock(&z->unlock_lock);
	return r;
}

int zone_unlock(struct zone *z, const uint8_t vk[static KEY_LEN], struct store_error *err)
{
	_cleanup_secret_ struct zone_vk *v = secret_alloc(sizeof(*v));
	struct keyring *k;
	int r;

	if (!v)
		return store_fail(err, -ENOMEM, NULL, "no memory for keys");
	r = zone_keyring(z, &k, err);
	if (r < 0)
		return r;
	v->g = k->active;
	memcpy(v->vk, vk, KEY_LEN);
	keyring_free(k);
	return zone_unlock_all(z, v, 1, err);
}
