/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object headers.  What is parsed is within bounds and is written again to the
 * same bytes, but for the MAC.
 */
#include "crypto/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[KEY_LEN];
	uint8_t block[SLOT] = { 0 }, again[SLOT];
	uint32_t chunk, off, len;
	struct header h;
	const char *why;

	memcpy(block, data, MIN(size, sizeof(block)));
	header_verify(block, key);
	if (header_parse(block, &h, &why))
		return 0;
	if (header_tail(&h, block, &chunk, &off, &len) &&
	    (chunk >= GROUP0_CHUNKS || !len || off + len > SLOT))
		__builtin_trap();
	if (header_seal(&h, block + TAIL_OFFSET, key, again))
		__builtin_trap();
	memcpy(again + 992, block + 992, MAC_LEN);
	if (memcmp(block, again, SLOT))
		__builtin_trap();
	return 0;
}
