/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volume blocks.  What is parsed is written again to the same bytes, but for the MAC.
 */
#include "crypto/volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[KEY_LEN];
	uint8_t block[FIXED_BLOCK] = { 0 }, again[FIXED_BLOCK];
	struct volume_block v;
	const char *why;

	memcpy(block, data, MIN(size, sizeof(block)));
	volume_verify(block, key);
	if (volume_parse(block, &v, &why))
		return 0;
	if (volume_seal(&v, key, again) || memcmp(block, again, FIXED_BLOCK - MAC_LEN))
		__builtin_trap();
	return 0;
}
