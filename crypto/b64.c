/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base 64 by arithmetic on whole ranges: no table and no branch depends on the
 * data, only on its length and, in the padded form, on its padding.
 */
#include "b64.h"

#include <errno.h>

#include "secret.h"

struct alphabet {
	char last[2]; /* of 62 and 63 */
};

static const struct alphabet url = { { '-', '_' } }, std = { { '+', '/' } };

/* 0 … 63 to its character. */
static char to_char(const struct alphabet *a, int x)
{
	int c = x + 'A' + (((25 - x) >> 8) & 6) - (((51 - x) >> 8) & 75);

	c += ((61 - x) >> 8) & ~((62 - x) >> 8) & (a->last[0] - ('0' + 10));
	return (char)(c + (((62 - x) >> 8) & (a->last[1] - ('0' + 11))));
}

/* All ones if LOW ≤ C ≤ HIGH, else 0. */
static int within(int c, int low, int high)
{
	return ((low - 1 - c) & (c - high - 1)) >> 8;
}

/* A character to 0 … 63, or -1. */
static int from_char(const struct alphabet *a, char ch)
{
	int c = (unsigned char)ch;

	return -1 + (within(c, 'A', 'Z') & (c - 'A' + 1)) + (within(c, 'a', 'z') & (c - 'a' + 27)) +
	       (within(c, '0', '9') & (c - '0' + 53)) + (within(c, a->last[0], a->last[0]) & 63) +
	       (within(c, a->last[1], a->last[1]) & 64);
}

static char *encode(const struct alphabet *a, const void *p, size_t n, char *ret)
{
	const uint8_t *b = p;
	unsigned int acc = 0, bits = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		acc = acc << 8 | b[i];
		for (bits += 8; bits >= 6; bits -= 6)
			*ret++ = to_char(a, (int)(acc >> (bits - 6) & 63));
	}
	if (bits)
		*ret++ = to_char(a, (int)(acc << (6 - bits) & 63));
	*ret = '\0';
	return ret;
}

static int decode(const struct alphabet *a, const char *s, size_t n, uint8_t *ret, size_t cap,
		  size_t *ret_n)
{
	size_t i, len = B64_DECODED_LEN(n), o = 0;
	unsigned int acc = 0, bits = 0;
	int v, bad = 0;

	if (n % 4 == 1)
		return -EINVAL;
	if (len > cap)
		return -EMSGSIZE;
	for (i = 0; i < n; i++) {
		v = from_char(a, s[i]);
		bad |= v >> 8;
		acc = acc << 6 | ((unsigned int)v & 63);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			ret[o++] = (uint8_t)(acc >> bits);
		}
	}
	bad |= (int)(acc & ((1u << bits) - 1)); /* spare bits */
	if (bad) {
		secret_wipe(ret, len);
		return -EINVAL;
	}
	*ret_n = len;
	return 0;
}

void b64_encode(const void *p, size_t n, char *ret)
{
	encode(&url, p, n, ret);
}

int b64_decode(const char *s, size_t n, uint8_t *ret, size_t cap, size_t *ret_n)
{
	return decode(&url, s, n, ret, cap, ret_n);
}

void b64_std_encode(const void *p, size_t n, char *ret)
{
	char *end = encode(&std, p, n, ret);

	for (; n % 3; n++)
		*end++ = '=';
	*end = '\0';
}

int b64_std_decode(const char *s, size_t n, uint8_t *ret, size_t cap, size_t *ret_n)
{
	if (n % 4)
		return -EINVAL;
	/* More padding than two is a foreign character to what is left. */
	for (unsigned int i = 0; i < 2 && n && s[n - 1] == '='; i++)
		n--;
	return decode(&std, s, n, ret, cap, ret_n);
}
