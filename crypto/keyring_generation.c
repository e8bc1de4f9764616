/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyring: its generations made, added and destroyed.
 */
#include <errno.h>

#include "keyring.h"
#include "keyring_layout.h"
#include "secret.h"

int keyring_new_generation(const struct keyring *k, struct generation *gen, uint32_t g,
			   const uint8_t vk[static KEY_LEN], const uint8_t zik[static KEY_LEN],
			   uint64_t now)
{
	uint8_t kz[KEY_LEN];
	int r;

	memset(gen, 0, sizeof(*gen));
	gen->g = g;
	gen->state = GEN_ACTIVE;
	gen->created = now;
	r = kdf_vk(vk, KDF_KEY_ID, &k->zone, g, gen->key_id);
	if (!r)
		r = kdf_vk(vk, KDF_ZIK, &k->zone, g, kz);
	if (!r)
		r = wrap_key(kz, zik, gen->zik);
	secret_wipe(kz, sizeof(kz));
	return r;
}

/* Room for one more: what was destroyed longest ago is forgotten, if need be. */
static int make_room(struct keyring *k)
{
	unsigned int i = k->ngens;

	if (k->ngens < KEYRING_GENERATIONS)
		return 0;
	while (i && k->gens[i - 1].state != GEN_DESTROYED)
		i--;
	if (!i)
		return -E2BIG;
	memmove(&k->gens[i - 1], &k->gens[i], (k->ngens - i) * sizeof(k->gens[0]));
	k->ngens--;
	return 0;
}

int keyring_add_generation(struct keyring *k, const uint8_t vk[static KEY_LEN],
			   const uint8_t zik[static KEY_LEN], uint64_t now,
			   struct generation **ret)
{
	struct generation new, *gens, *active;
	uint32_t g = k->ngens ? k->gens[0].g + 1 : 1;
	int r = make_room(k);

	if (!r)
		r = keyring_new_generation(k, &new, g, vk, zik, now);
	if (r)
		return r;
	gens = realloc(k->gens, (k->ngens + 1) * sizeof(*gens));
	if (!gens)
		return -ENOMEM;
	k->gens = gens;
	active = keyring_generation(k, k->active);
	if (active)
		active->state = GEN_UNWRAP_ONLY;
	memmove(gens + 1, gens, k->ngens * sizeof(*gens));
	gens[0] = new;
	k->ngens++;
	k->active = g;
	*ret = gens;
	return 0;
}

int keyring_destroy_generation(struct keyring *k, uint32_t g)
{
	struct generation *gen = keyring_generation(k, g);

	if (!gen)
		return -ENOENT;
	if (g == k->active)
		return -EBUSY;
	for (unsigned int i = 0; i < gen->nslots; i++)
		slot_clear(&gen->slots[i]);
	gen->nslots = 0;
	gen->state = GEN_DESTROYED;
	memset(gen->zik, 0, sizeof(gen->zik));
	return 0;
}
