/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group slots.  What is parsed is written again to the same bytes, but for the MAC.
 */
#include "crypto/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[KEY_LEN];
	uint8_t block[SLOT] = { 0 }, again[SLOT];
	struct entry e[GROUP_CHUNKS];
	struct group_slot s;
	const char *why;

	memcpy(block, data, MIN(size, sizeof(block)));
	group_verify(block, key);
	if (group_parse(block, &s, &why))
		return 0;
	memcpy(e, block + GROUP_ENTRIES_OFFSET, sizeof(e));
	for (unsigned int i = 0; i < GROUP_CHUNKS; i++)
		if (entry_len(&e[i]) > CHUNK)
			__builtin_trap();
	if (group_seal(&s, e, key, again))
		__builtin_trap();
	memcpy(again + 48, block + 48, 16);
	if (memcmp(block, again, SLOT))
		__builtin_trap();
	return 0;
}
