/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generations of an unlocked zone: a new one is taken in and an old one let go
 * of in place, as readers of the keys hold no lock.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/volume.h"

static unsigned int find(const struct zone_keys *k, uint32_t g)
{
	unsigned int n = k->ngens;

	for (unsigned int i = 0; i < n; i++)
		if (k->gen[i].g == g)
			return i;
	return n;
}

/* Its key leads to the zone's identity.  ZIK: secret memory. */
static int check_key(struct zone *z, struct keyring *k, const struct zone_vk *vk, uint8_t *zik,
		     struct store_error *err)
{
	const struct generation *gen = keyring_generation(k, vk->g);
	int r = keyring_verify(k, z->keys->zik);

	if (r)
		return store_fail(err, r, "restore it with cmkfs key restore",
				  "the keyring does not authenticate");
	if (k->active < z->keys->active)
		return store_fail(err, -ESTALE, "restore it with cmkfs key restore",
				  "the keyring is an older one than the mount has seen");
	r = gen && gen->state != GEN_DESTROYED ? keyring_take(k, gen, vk->vk, zik) : -EKEYREJECTED;
	if (r == 0 && !secret_equal(zik, z->keys->zik, KEY_LEN))
		r = -EBADMSG;
	return r ? store_fail(err, r, "cmkfs key show DIR",
			      "the key of generation %u is not the one of this zone", vk->g) : 0;
}

static int add(struct zone *z, const struct zone_vk *vk)
{
	struct zone_keys *k = z->keys;
	unsigned int i = find(k, vk->g);
	int r;

	if (i < k->ngens)
		return 0;
	i = find(k, 0); /* the place of one that is gone, or the next */
	if (i == KEYRING_GENERATIONS)
		return -E2BIG;
	r = kdf_vk(vk->vk, KDF_KEK, &z->id, vk->g, k->gen[i].kek);
	if (r)
		return r;
	atomic_store(&k->gen[i].g, vk->g);
	if (i == k->ngens)
		atomic_store(&k->ngens, i + 1);
	return 0;
}

/* The keys must not be wiped meanwhile: the zone is entered, and serialised with its unlock. */
static int enter(struct zone *z, struct store_error *err)
{
	int r;

	pthread_mutex_lock(&z->unlock_lock);
	r = zone_enter(z, ZONE_NORMAL);
	if (r) {
		pthread_mutex_unlock(&z->unlock_lock);
		return store_fail(err, r, "unlock it first", "the zone is locked");
	}
	return 0;
}

static void leave(struct zone *z)
{
	zone_leave(z, ZONE_NORMAL);
	pthread_mutex_unlock(&z->unlock_lock);
}

int zone_take_generation(struct zone *z, const struct zone_vk *vk, struct store_error *err)
{
	uint8_t *zik = secret_alloc(KEY_LEN);
	struct keyring *k = NULL;
	int r = zik ? zone_keyring(z, &k, err) :
		      store_fail(err, -ENOMEM, NULL, "no memory for keys");

	if (!r)
		r = enter(z, err);
	if (r)
		goto out;
	r = check_key(z, k, vk, zik, err);
	if (!r && (r = add(z, vk)))
		store_fail(err, r, NULL, "cannot take the key of generation %u: %s", vk->g,
			   strerror(-r));
	if (!r && find(z->keys, k->active) < z->keys->ngens)
		atomic_store(&z->keys->active, k->active);
	leave(z);
out:
	keyring_free(k);
	secret_free(zik);
	return r;
}

/* Nothing of the parent zone is left. */
static void end_taking(struct zone_keys *k)
{
	atomic_store(&k->takes, false);
	for (unsigned int i = 0; i < k->from->ngens; i++) {
		atomic_store(&k->from->gen[i].g, 0);
		secret_wipe(k->from->gen[i].kek, KEY_LEN);
	}
	secret_wipe(k->from->bk, KEY_LEN);
	secret_wipe(k->from->zik, KEY_LEN);
}

int zone_drop_generations(struct zone *z, struct store_error *err)
{
	struct keyring *k;
	int r = zone_keyring(z, &k, err);

	if (r)
		return r;
	r = enter(z, err);
	for (unsigned int i = 0; !r && i < z->keys->ngens; i++) {
		uint32_t g = z->keys->gen[i].g;
		const struct generation *gen = g ? keyring_generation(k, g) : NULL;

		if (!g || g == z->keys->active || (gen && gen->state != GEN_DESTROYED))
			continue;
		/* Who still reads a slot under it finds that the slot does not count, and so it is. */
		atomic_store(&z->keys->gen[i].g, 0);
		secret_wipe(z->keys->gen[i].kek, KEY_LEN);
	}
	if (!r && z->keys->takes && !keyring_takes(k))
		end_taking(z->keys);
	if (!r)
		leave(z);
	keyring_free(k);
	return r;
}

uint32_t zone_generation(struct zone *z, unsigned int *ret_n)
{
	uint32_t g;

	*ret_n = 0;
	if (zone_enter(z, ZONE_NORMAL))
		return 0;
	for (unsigned int i = 0; i < z->keys->ngens; i++)
		*ret_n += z->keys->gen[i].g != 0;
	g = z->keys->active;
	zone_leave(z, ZONE_NORMAL);
	return g;
}
