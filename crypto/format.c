/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lengths and derivations of the format.
 */
#include "format.h"

#include "secret.h"

uint64_t backing_length(enum suite suite, uint64_t size)
{
	uint64_t n = chunk_count(size);

	if (!size)
		return DATA_START;
	if (suite == SUITE_XTS)
		return xts_place(n) + size % CHUNK;
	return chunk_place(n - 1) + size - CHUNK * (n - 1);
}

static uint64_t xts_hint(uint64_t data)
{
	uint64_t n = data / CHUNK, rest = data % CHUNK;

	if (!rest || !n) /* below a chunk only a damaged length has a rest */
		return n * CHUNK;
	return (n - 1) * CHUNK + rest;
}

static uint64_t gcm_hint(uint64_t length)
{
	uint64_t g, first, in;

	if (length <= GROUP1_BASE)
		return length - DATA_START;
	g = (length - GROUP1_BASE) / GROUP_STRIDE; /* groups before this one, but 0 */
	in = (length - GROUP1_BASE) % GROUP_STRIDE;
	first = (GROUP0_CHUNKS + g * GROUP_CHUNKS) * CHUNK;
	return in > 2 * SLOT ? first + in - 2 * SLOT : first;
}

uint64_t size_hint(enum suite suite, uint64_t length)
{
	uint64_t size;

	if (length <= DATA_START)
		return 0;
	size = suite == SUITE_XTS ? xts_hint(length - DATA_START) : gcm_hint(length);
	return MIN(size, FILE_LIMIT);
}

int kdf_vk(const uint8_t vk[static KEY_LEN], enum kdf_label label, const struct zone_id *z,
	   uint32_t g, uint8_t ret[static KEY_LEN])
{
	uint8_t ctx[sizeof(*z) + 4];

	memcpy(ctx, z, sizeof(*z));
	put_le32(ctx + sizeof(*z), g);
	return kdf(vk, KEY_LEN, label, ctx, sizeof(ctx), ret, KEY_LEN);
}

int kdf_zik(const uint8_t zik[static KEY_LEN], enum kdf_label label, const struct zone_id *z,
	    uint8_t ret[static KEY_LEN])
{
	return kdf(zik, KEY_LEN, label, z, sizeof(*z), ret, KEY_LEN);
}

int kdf_object(const uint8_t dek[static KEY_LEN], enum kdf_label label,
	       const uint8_t object_id[static ID_LEN], uint32_t epoch, uint8_t *ret, size_t n)
{
	uint8_t ctx[ID_LEN + 4];

	memcpy(ctx, object_id, ID_LEN);
	put_le32(ctx + ID_LEN, epoch);
	return kdf(dek, KEY_LEN, label, ctx, sizeof(ctx), ret, n);
}

int kdf_group(const uint8_t dek[static KEY_LEN], const uint8_t object_id[static ID_LEN],
	      uint32_t epoch, uint32_t g, uint32_t s, uint8_t ret[static GK_LEN])
{
	uint8_t ctx[ID_LEN + 12];

	memcpy(ctx, object_id, ID_LEN);
	put_le32(ctx + ID_LEN, epoch);
	put_le32(ctx + ID_LEN + 4, g);
	put_le32(ctx + ID_LEN + 8, s);
	return kdf(dek, KEY_LEN, KDF_GROUP, ctx, sizeof(ctx), ret, GK_LEN);
}

int binding_tag(const uint8_t bk[static KEY_LEN], const uint8_t dir_id[static ID_LEN],
		const char *name, size_t n, uint8_t ret[static TAG_LEN])
{
	static const uint8_t one = 1;
	struct iovec v[] = {
		{ (void *)(uintptr_t)dir_id, ID_LEN },
		{ (void *)(uintptr_t)&one, 1 },
		{ (void *)(uintptr_t)name, n },
	};
	uint8_t m[MAC_LEN];
	int r = mac_v(bk, KEY_LEN, v, ARRAY_SIZE(v), m);

	memcpy(ret, m, TAG_LEN); /* wiped if it failed */
	secret_wipe(m, sizeof(m));
	return r;
}
