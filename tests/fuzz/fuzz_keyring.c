/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyrings.  What is parsed is written again to the same bytes, but for the MAC.
 */
#include "crypto/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[KEY_LEN];
	struct keyring *k;
	const char *why;
	uint8_t *again;
	size_t n;

	if (keyring_parse(data, size, &k, &why))
		return 0;
	keyring_verify(k, key);
	if (keyring_serialise(k, key, &again, &n))
		__builtin_trap();
	if (n != size || memcmp(data, again, n - MAC_LEN))
		__builtin_trap();
	free(again);
	keyring_free(k);
	return 0;
}
