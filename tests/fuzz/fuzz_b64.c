/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both forms of base 64.  What decodes encodes to the same text; any bytes come
 * back.
 */
#include "crypto/b64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 4096u

typedef void encode_fn(const void *p, size_t n, char *ret);
typedef int decode_fn(const char *s, size_t n, uint8_t *ret, size_t cap, size_t *ret_n);

static void both_ways(encode_fn *encode, decode_fn *decode, const uint8_t *data, size_t size)
{
	static char text[B64_STD_LEN(LIMIT) + 1];
	static uint8_t out[LIMIT];
	size_t n;

	if (decode((const char *)data, size, out, sizeof(out), &n) == 0) {
		encode(out, n, text);
		if (strlen(text) != size || memcmp(text, data, size))
			__builtin_trap();
	}
	encode(data, size, text);
	if (decode(text, strlen(text), out, sizeof(out), &n) || n != size || memcmp(out, data, size))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > LIMIT)
		return 0;
	both_ways(b64_encode, b64_decode, data, size);
	both_ways(b64_std_encode, b64_std_decode, data, size);
	return 0;
}
