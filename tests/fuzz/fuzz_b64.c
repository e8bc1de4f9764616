/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64url.  What decodes encodes to the same text; any bytes come back.
 */
#include "crypto/b64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[B64_LEN(LIMIT) + 1];
	static uint8_t out[LIMIT];
	size_t n;

	if (size > LIMIT)
		return 0;
	if (b64_decode((const char *)data, size, out, sizeof(out), &n) == 0) {
		b64_encode(out, n, text);
		if (strlen(text) != size || memcmp(text, data, size))
			__builtin_trap();
	}
	b64_encode(data, size, text);
	if (b64_decode(text, strlen(text), out, sizeof(out), &n) || n != size ||
	    memcmp(out, data, size))
		__builtin_trap();
	return 0;
}
