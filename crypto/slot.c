/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers of the MAC'd 4 KiB blocks.
 */
#include "slot.h"

#include <errno.h>

#include "header.h"
#include "secret.h"

bool all_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	return !n || (b[0] == 0 && memcmp(b, b + 1, n - 1) == 0);
}

bool entry_sane(const struct entry *e)
{
	uint32_t len = entry_len(e);

	return len ? len <= CHUNK : all_zero(e, sizeof(*e));
}

bool entries_sane(const uint8_t *p, unsigned int n)
{
	struct entry e;
	unsigned int i;

	for (i = 0; i < n; i++) {
		memcpy(&e, p + (size_t)i * ENTRY_LEN, sizeof(e));
		if (!entry_sane(&e))
			return false;
	}
	return true;
}

bool slot_order_ok(uint64_t gen, uint64_t base)
{
	return gen && (!base || (base < gen && (gen - base) % 2 == 1));
}

static int compute(const uint8_t *block, size_t off, size_t len, const uint8_t *key,
		   uint8_t ret[static MAC_LEN])
{
	static const uint8_t blank[MAC_LEN];
	struct iovec v[] = {
		{ (void *)(uintptr_t)block, off },
		{ (void *)(uintptr_t)blank, len },
		{ (void *)(uintptr_t)(block + off + len), SLOT - off - len },
	};

	return mac_v(key, 32, v, ARRAY_SIZE(v), ret);
}

int slot_mac(uint8_t block[static SLOT], size_t off, size_t len, const uint8_t key[static 32])
{
	uint8_t m[MAC_LEN];
	int r = compute(block, off, len, key, m);

	if (!r)
		memcpy(block + off, m, len);
	secret_wipe(m, sizeof(m));
	return r;
}

int slot_verify(const uint8_t block[static SLOT], size_t off, size_t len,
		const uint8_t key[static 32])
{
	uint8_t m[MAC_LEN];
	int r = compute(block, off, len, key, m);

	if (!r && !secret_equal(m, block + off, len))
		r = -EBADMSG;
	secret_wipe(m, sizeof(m));
	return r;
}

int block_mac(uint8_t block[static SLOT], const uint8_t key[static 32])
{
	return mac(key, 32, block, BLOCK_MAC_OFFSET, block + BLOCK_MAC_OFFSET);
}

int block_verify(const uint8_t block[static SLOT], const uint8_t key[static 32])
{
	uint8_t m[MAC_LEN];
	int r = mac(key, 32, block, BLOCK_MAC_OFFSET, m);

	if (!r && !secret_equal(m, block + BLOCK_MAC_OFFSET, MAC_LEN))
		r = -EBADMSG;
	secret_wipe(m, sizeof(m));
	return r;
}
