/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a block is a header of an object, and why not: its zone, its keys,
 * its MAC.
 */
#include <errno.h>

#include "fs/store/content.h"

const char slot_no_generation[] = "key generation";

/* The data key of the slot's epoch and, while the object is re-keyed, of the one before. */
static const char *unwrap_keys(const struct zone_keys *k, const struct header *h,
			       uint8_t ret_dek[static 2][KEY_LEN])
{
	uint32_t e = h->epoch;
	const uint8_t *kek = keys_kek(k, h->vk_gen);

	if (!kek)
		return slot_no_generation;
	if (unwrap_key(kek, h->wrapped, ret_dek[e & 1]))
		return "wrapped key";
	if (!(h->flags & FLAG_REKEY))
		return NULL;
	kek = keys_kek(k, h->old_vk_gen);
	if (!kek)
		return "key generation of the old key";
	return unwrap_key(kek, h->old_wrapped, ret_dek[(e - 1) & 1]) ? "wrapped old key" : NULL;
}

/* The keys that H is under: the zone's, or those of the zone that it is taken over from. */
static const struct zone_keys *keys_of(struct object *o, const struct header *h)
{
	const struct zone *z = o->zone;

	if (memcmp(&h->zone, &z->id, sizeof(z->id)))
		return is_taken(z, h) && !(h->flags & FLAG_ZONE_ROOT) ? zone_taken_keys(z) : NULL;
	return o->parent && !(h->flags & FLAG_ZONE_ROOT) == zone_begins(o) ? NULL : z->keys;
}

const char *slot_why(struct object *o, const uint8_t block[static SLOT], unsigned int parity,
		     struct header *ret, uint8_t ret_dek[static 2][KEY_LEN],
		     uint8_t ret_hk[static KEY_LEN], bool *ret_blank)
{
	const char *why = "header";
	const struct zone_keys *k;
	int r = header_parse(block, ret, &why);

	*ret_blank = r == -ENODATA;
	if (r) {
		memset(ret, 0, sizeof(*ret));
		return *ret_blank ? "never written" : why;
	}
	if ((ret->gen & 1) != parity)
		return "generation";
	k = keys_of(o, ret);
	if (!k)
		return "volume or zone";
	if (ret->type != (S_ISDIR(o->type) ? OBJECT_DIR : OBJECT_FILE))
		return "type";
	if (ret->incompat || !rekey_known(ret))
		return "needs a newer version";
	why = unwrap_keys(k, ret, ret_dek);
	if (why)
		return why;
	if (kdf_object(ret_dek[ret->epoch & 1], KDF_HEADER, ret->object_id, ret->epoch, ret_hk,
		       KEY_LEN) ||
	    header_verify(block, ret_hk))
		return "header MAC";
	return NULL;
}
