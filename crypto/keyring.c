/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyring: writing it, its keys, its slots.  Reading is in keyring_parse.c.
 */
#include "keyring.h"

#include <errno.h>

#include "keyring_layout.h"
#include "secret.h"

void slot_clear(struct keyslot *s)
{
	free(s->kid);
	free(s->params);
	free(s->blob);
	memset(s, 0, sizeof(*s));
}

void keyring_free(struct keyring *k)
{
	unsigned int i, j;

	if (!k)
		return;
	for (i = 0; k->gens && i < k->ngens; i++)
		for (j = 0; j < k->gens[i].nslots; j++)
			slot_clear(&k->gens[i].slots[j]);
	free(k->gens);
	free(k->raw);
	free(k);
}

static size_t slot_len(const struct keyslot *s)
{
	return (SLOT_FIXED + (s->kid ? strlen(s->kid) : 0) + s->params_len + s->blob_len + 7) &
	       ~(size_t)7;
}

static size_t generation_len(const struct generation *gen)
{
	size_t n = GEN_FIXED;
	unsigned int i;

	for (i = 0; i < gen->nslots; i++)
		n += slot_len(&gen->slots[i]);
	return n;
}

/* P is zeroed.  Returns the end of what was written. */
static uint8_t *put_slot(const struct keyslot *s, uint8_t *p)
{
	size_t kid = s->kid ? strlen(s->kid) : 0;
	uint8_t *end = p + slot_len(s);

	put_le32(p, (uint32_t)slot_len(s));
	p[SLOT_ID] = s->id;
	p[SLOT_TYPE] = s->type;
	p[SLOT_ROLE] = s->role;
	p[SLOT_GROUP] = s->group;
	put_le16(p + SLOT_KID_LEN, (uint16_t)kid);
	put_le16(p + SLOT_PARAMS_LEN, s->params_len);
	put_le16(p + SLOT_BLOB_LEN, s->blob_len);
	p += SLOT_FIXED;
	if (kid)
		memcpy(p, s->kid, kid);
	if (s->params_len)
		memcpy(p + kid, s->params, s->params_len);
	if (s->blob_len)
		memcpy(p + kid + s->params_len, s->blob, s->blob_len);
	return end;
}

static uint8_t *put_generation(const struct generation *gen, uint8_t *p)
{
	unsigned int i;

	memcpy(p, GEN_MAGIC, 4);
	put_le32(p + GEN_LENGTH, (uint32_t)generation_len(gen));
	put_le32(p + GEN_NUMBER, gen->g);
	p[GEN_STATE] = gen->state;
	p[GEN_SLOTS] = (uint8_t)gen->nslots;
	put_le64(p + GEN_CREATED, gen->created);
	memcpy(p + GEN_KEY_ID, gen->key_id, KEY_LEN);
	memcpy(p + GEN_ZIK, gen->zik, WRAP_LEN);
	p += GEN_FIXED;
	for (i = 0; i < gen->nslots; i++)
		p = put_slot(&gen->slots[i], p);
	return p;
}

static void put_head(const struct keyring *k, size_t total, uint8_t *p)
{
	memcpy(p, KEYRING_MAGIC, 8);
	put_le16(p + KR_VERSION, FORMAT_VERSION);
	put_le16(p + KR_FLAGS, k->flags);
	put_le32(p + KR_LENGTH, (uint32_t)total);
	memcpy(p + KR_ZONE, &k->zone, sizeof(k->zone));
	put_le64(p + KR_SEQ, k->seq);
	put_le32(p + KR_ACTIVE, k->active);
	put_le32(p + KR_COUNT, k->ngens);
	memcpy(p + KR_PARENT, k->parent, ID_LEN);
	memcpy(p + KR_ENDORSEMENT, k->endorsement, MAC_LEN);
	put_le64(p + KR_WRITTEN, k->written);
}

int keyring_serialise(const struct keyring *k, const uint8_t km[static KEY_LEN], uint8_t **ret,
		      size_t *ret_n)
{
	_cleanup_free_ uint8_t *buf = NULL;
	struct keyring *again;
	size_t n = KR_FIXED;
	uint8_t *p;
	unsigned int i;
	int r;

	if (k->ngens > KEYRING_GENERATIONS)
		return -E2BIG;
	for (i = 0; i < k->ngens; i++) {
		if (k->gens[i].nslots > KEYRING_SLOTS)
			return -E2BIG;
		n += generation_len(&k->gens[i]);
	}
	if (n + MAC_LEN > KEYRING_MAX)
		return -E2BIG;
	buf = calloc(1, n + MAC_LEN);
	if (!buf)
		return -ENOMEM;
	put_head(k, n + MAC_LEN, buf);
	for (p = buf + KR_FIXED, i = 0; i < k->ngens; i++)
		p = put_generation(&k->gens[i], p);
	r = mac(km, KEY_LEN, buf, n, p);
	if (r)
		return r;
	r = keyring_parse(buf, n + MAC_LEN, &again, NULL); /* never write what no one can read */
	if (r)
		return r == -EBADMSG ? -EINVAL : r;
	keyring_free(again);
	*ret = buf;
	*ret_n = n + MAC_LEN;
	buf = NULL;
	return 0;
}

struct generation *keyring_generation(struct keyring *k, uint32_t g)
{
	unsigned int i;

	for (i = 0; i < k->ngens; i++)
		if (k->gens[i].g == g)
			return &k->gens[i];
	return NULL;
}

bool keyring_takes(const struct keyring *k)
{
	for (unsigned int i = 0; k->flags & KEYRING_TAKES && i < k->ngens; i++)
		if (k->gens[i].g == 1)
			return k->gens[i].state != GEN_DESTROYED;
	return false;
}

int keyring_take(const struct keyring *k, const struct generation *gen,
		 const uint8_t vk[static KEY_LEN], uint8_t ret_zik[static KEY_LEN])
{
	uint8_t key[KEY_LEN];
	int r = kdf_vk(vk, KDF_KEY_ID, &k->zone, gen->g, key);

	if (!r && !secret_equal(key, gen->key_id, KEY_LEN))
		r = -EKEYREJECTED;
	if (!r)
		r = kdf_vk(vk, KDF_ZIK, &k->zone, gen->g, key);
	if (!r)
		r = unwrap_key(key, gen->zik, ret_zik);
	secret_wipe(key, sizeof(key));
	if (r)
		secret_wipe(ret_zik, KEY_LEN);
	return r;
}

int keyring_verify(const struct keyring *k, const uint8_t zik[static KEY_LEN])
{
	uint8_t km[KEY_LEN], m[MAC_LEN];
	int r;

	if (!k->raw || k->raw_len < MAC_LEN)
		return -EBADMSG;
	r = kdf_zik(zik, KDF_KEYRING, &k->zone, km);
	if (!r)
		r = mac(km, KEY_LEN, k->raw, k->raw_len - MAC_LEN, m);
	if (!r && !secret_equal(m, k->raw + k->raw_len - MAC_LEN, MAC_LEN))
		r = -EBADMSG;
	secret_wipe(km, sizeof(km));
	secret_wipe(m, sizeof(m));
	return r;
}

int keyring_fingerprint(const struct keyring *k, const uint8_t zik[static KEY_LEN],
			uint8_t ret[static KEY_LEN])
{
	return kdf_zik(zik, KDF_FINGERPRINT, &k->zone, ret);
}

static bool id_used(const struct generation *gen, unsigned int id)
{
	unsigned int i;

	for (i = 0; i < gen->nslots; i++)
		if (gen->slots[i].id == id)
			return true;
	return false;
}

static void *copy(const void *p, size_t n)
{
	void *q = malloc(n ? n : 1);

	if (q && n)
		memcpy(q, p, n);
	return q;
}

static int slot_copy(const struct keyslot *s, struct keyslot *ret)
{
	*ret = *s;
	ret->kid = strdup(s->kid ? s->kid : "");
	ret->params = copy(s->params, s->params_len);
	ret->blob = copy(s->blob, s->blob_len);
	if (ret->kid && ret->params && ret->blob)
		return 0;
	slot_clear(ret);
	return -ENOMEM;
}

int generation_add_slot(struct generation *gen, const struct keyslot *s, uint8_t *ret_id)
{
	struct keyslot new;

	if (gen->nslots >= KEYRING_SLOTS)
		return -ENOSPC;
	if (slot_copy(s, &new))
		return -ENOMEM;
	for (new.id = 1; id_used(gen, new.id);)
		new.id++;
	gen->slots[gen->nslots++] = new;
	if (ret_id)
		*ret_id = new.id;
	return 0;
}

int generation_replace_slot(struct generation *gen, uint8_t id, const struct keyslot *s)
{
	struct keyslot new;

	for (unsigned int i = 0; i < gen->nslots; i++) {
		if (gen->slots[i].id != id)
			continue;
		if (slot_copy(s, &new))
			return -ENOMEM;
		new.id = id;
		slot_clear(&gen->slots[i]);
		gen->slots[i] = new;
		return 0;
	}
	return -ENOENT;
}

int generation_remove_slot(struct generation *gen, uint8_t id)
{
	unsigned int i;

	for (i = 0; i < gen->nslots; i++) {
		if (gen->slots[i].id != id)
			continue;
		slot_clear(&gen->slots[i]);
		gen->nslots--;
		memmove(&gen->slots[i], &gen->slots[i + 1],
			(gen->nslots - i) * sizeof(gen->slots[0]));
		memset(&gen->slots[gen->nslots], 0, sizeof(gen->slots[0]));
		return 0;
	}
	return -ENOENT;
}

int all_of_key(const struct zone_id *z, uint32_t g, const uint8_t *shares, unsigned int n,
	       uint8_t ret[static KEY_LEN])
{
	uint8_t ctx[sizeof(*z) + 8];

	if (n < 2 || n > KEYRING_SLOTS) {
		secret_wipe(ret, KEY_LEN);
		return -EINVAL;
	}
	memcpy(ctx, z, sizeof(*z));
	put_le32(ctx + sizeof(*z), g);
	put_le32(ctx + sizeof(*z) + 4, n);
	return kdf(shares, n * (size_t)KEY_LEN, KDF_ALL_OF, ctx, sizeof(ctx), ret, KEY_LEN);
}
