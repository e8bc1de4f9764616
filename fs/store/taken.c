/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a zone that was made of a directory with files in it, as long as
 * their headers are those that they had in the zone above: read with a copy of
 * that zone's keys, and written as the zone's own (cmkfs-format(5), Zones).
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/content.h"

bool is_taken(const struct zone *z, const struct header *h)
{
	return z->parent && zone_taken_keys(z) && !memcmp(&h->zone, &z->parent->id, sizeof(h->zone));
}

int header_take(struct loaded *l)
{
	const struct zone *z = l->o->zone;
	const uint8_t *kek = zone_kek(z, TAKEN_GENERATION);
	bool rekey = l->h.flags & FLAG_REKEY;
	int r = kek ? wrap_key(kek, loaded_dek(l, l->h.epoch), l->h.wrapped) : -EIO;

	if (!r && rekey)
		r = wrap_key(kek, loaded_dek(l, l->h.epoch - 1), l->h.old_wrapped);
	if (r)
		return r;
	l->h.zone = z->id;
	l->h.vk_gen = TAKEN_GENERATION;
	l->h.old_vk_gen = rekey ? TAKEN_GENERATION : 0;
	if (zone_begins(l->o)) /* a power cut has torn the slot that said so */
		l->h.flags |= FLAG_ZONE_ROOT;
	return 0;
}

int taken_tag(const struct zone *z, const uint8_t dir[static ID_LEN], const char *name, size_t n,
	      uint8_t ret[static TAG_LEN])
{
	const struct zone_keys *from = zone_taken_keys(z);

	return from ? binding_tag(from->bk, dir, name, n, ret) : -ENOENT;
}

bool tag_take(struct loaded *l, const uint8_t old[static TAG_LEN],
	      const uint8_t tag[static TAG_LEN])
{
	bool found = false;

	pthread_rwlock_wrlock(&l->lock);
	for (unsigned int i = 0; i < l->h.ntags && !found; i++) {
		found = secret_equal(l->h.tags[i], old, TAG_LEN);
		if (found)
			memcpy(l->h.tags[i], tag, TAG_LEN);
	}
	if (found) /* both slots have to be written before the zone above may be forgotten */
		l->slot_vk[0] = l->slot_vk[1] = TAKEN_GENERATION;
	pthread_rwlock_unlock(&l->lock);
	return found;
}
