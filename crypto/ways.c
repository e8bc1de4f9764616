/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways into a generation, by providers.
 */
#include "ways.h"

#include <errno.h>

#include "secret.h"

enum slot_use keyslot_use(const struct keyslot *s)
{
	bool provider = s->type == SLOT_RSA || s->type == SLOT_SYMMETRIC;

	if (s->type == SLOT_COMBINER)
		return USE_COMBINER;
	if (s->role == ROLE_SHARE)
		return provider && s->group ? USE_SHARE : USE_NONE;
	if (s->group)
		return USE_NONE;
	if (s->role == ROLE_RECOVERY)
		return provider ? USE_NONE : USE_RECOVERY;
	return provider ? USE_ALONE : USE_NONE;
}

static void insert_by_id(struct way *w, const struct keyslot *s)
{
	unsigned int at = w->n++;

	for (; at && w->slot[at - 1]->id > s->id; at--)
		w->slot[at] = w->slot[at - 1];
	w->slot[at] = s;
}

static const struct keyslot *combiner_of(const struct generation *gen, uint8_t group)
{
	for (unsigned int i = 0; i < gen->nslots; i++)
		if (gen->slots[i].type == SLOT_COMBINER && gen->slots[i].group == group)
			return &gen->slots[i];
	return NULL;
}

/* The way through the group of COMBINER; false: a share of it is of a kind that no provider has. */
static bool group_way(const struct generation *gen, const struct keyslot *combiner,
		      struct way *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (combiner != combiner_of(gen, combiner->group))
		return false; /* of two, one is enough: a slot is in one way only */
	ret->combiner = combiner;
	for (unsigned int i = 0; i < gen->nslots; i++) {
		const struct keyslot *s = &gen->slots[i];

		if (s->role != ROLE_SHARE || s->group != combiner->group ||
		    s->type == SLOT_COMBINER)
			continue;
		if (keyslot_use(s) != USE_SHARE)
			return false;
		insert_by_id(ret, s);
	}
	return ret->n >= 2;
}

unsigned int generation_ways(const struct generation *gen, struct way ret[static KEYRING_SLOTS])
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < gen->nslots; i++) {
		const struct keyslot *s = &gen->slots[i];
		enum slot_use use = keyslot_use(s);

		if (use == USE_ALONE)
			ret[n++] = (struct way){ .n = 1, .slot = { s } };
		else if (use == USE_COMBINER && group_way(gen, s, &ret[n]))
			n++;
	}
	return n;
}

int way_key(const struct way *w, const struct zone_id *z, uint32_t g, const uint8_t *held,
	    uint8_t ret[static KEY_LEN])
{
	uint8_t key[KEY_LEN];
	int r;

	if (!w->combiner) {
		memcpy(ret, held, KEY_LEN);
		return 0;
	}
	r = all_of_key(z, g, held, w->n, key);
	if (!r)
		r = unwrap_key(key, w->combiner->blob, ret);
	secret_wipe(key, sizeof(key));
	if (r)
		secret_wipe(ret, KEY_LEN);
	return r;
}

int combiner_make(const struct zone_id *z, uint32_t g, uint8_t group, const uint8_t *shares,
		  unsigned int n, const uint8_t vk[static KEY_LEN], struct keyslot *ret)
{
	uint8_t key[KEY_LEN];
	int r = all_of_key(z, g, shares, n, key);

	if (r)
		return r;
	*ret = (struct keyslot){ .type = SLOT_COMBINER, .role = ROLE_CUSTOMER, .group = group,
				 .blob_len = WRAP_LEN };
	ret->blob = malloc(WRAP_LEN);
	r = ret->blob ? wrap_key(key, vk, ret->blob) : -ENOMEM;
	secret_wipe(key, sizeof(key));
	return r;
}
